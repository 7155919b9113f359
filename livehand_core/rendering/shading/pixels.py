"""What each pixel of a picture sees of the proxy, and the light there: where the pixel stage of shading begins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...cameras import Camera
from ...kernels.mesh.raster import rasterise
from ...kernels.mesh.visibility import nearest_covered
from ...kernels.shading.material import EDGE_RADIUS, LEAST_FACING, MILLIMETRE, STEEPEST
from .mesh import ShadedMesh
from .received import BACK, LAMPS, NORMAL, SCATTER, SKY, TANGENT, Received
from .shadows import sharply_visible, skin_points

MOST_PIXELS = 16
"""How far beside the proxy's silhouette a pixel takes the nearest surface there is."""


class SeenSurface(NamedTuple):
    """The proxy at the pixels of a camera, (H, W).

    Attributes:
        depth: float32 metres along the optical axis, infinity where no triangle is seen.
        face: int32 triangle; -1 where none is seen.
        barycentric: (H, W, 3) float32.
        place: int32 flat index of the nearest pixel that sees a triangle: its own, or beside the silhouette one within
            the reach; -1 where there is none.
    """

    depth: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, mesh: ShadedMesh, vertices: np.ndarray, camera: Camera, margin: float) -> SeenSurface:
        """Of (V, 3) float32 vertices, with a reach of ``margin`` metres at their middle."""
        raster = rasterise(vertices, mesh.faces, camera, barycentric=True)
        assert raster.barycentric is not None
        place = np.empty_like(raster.face)
        nearest_covered(raster.face, reach(camera, vertices, margin), place)
        return cls(raster.depth, raster.face, raster.barycentric, place)


class LitPixels(NamedTuple):
    """P pixels on the skin and the light that reaches them, float32, in the hand's frame.

    Attributes:
        normal, tangent: (P, 3) unit vectors.
        view: (P, 3) unit direction from the camera.
        sky: (P, 3) share of the sky's light that arrives, a colour.
        scatter, back: (P, 3) irradiance over pi, as ``Received``.
        towards: (P, L, 3) unit directions to the lamps.
        facing: (P, L, 3) irradiance facing them, what is hidden taken off.
        uv: (P, 2) texture coordinates.
        lean: (P, 2) by how much these change for each millimetre that the skin stands above the proxy.
        footprint: (P,) texture coordinates that a pixel spans.
    """

    normal: np.ndarray
    tangent: np.ndarray
    view: np.ndarray
    sky: np.ndarray
    scatter: np.ndarray
    back: np.ndarray
    towards: np.ndarray
    facing: np.ndarray
    uv: np.ndarray
    lean: np.ndarray
    footprint: np.ndarray


def reach(camera: Camera, vertices: np.ndarray, margin: float) -> int:
    """Pixels beside the silhouette that take the surface nearest to them: ``margin`` metres at the vertices' middle."""
    pixels = margin * pixels_a_metre(camera, vertices.mean(axis=0, dtype=np.float64)) + 2.0
    return int(min(max(pixels, 2.0), MOST_PIXELS))


def pixels_a_metre(camera: Camera, point: np.ndarray) -> float:
    """How many pixels a metre at (3,) ``point`` spans, along the image's plane."""
    focal = 0.5 * (camera.fx + camera.fy)
    if camera.projection == "orthographic":
        return focal
    return focal / max(float(camera.project(point)[1]), 1e-3)


def lit_pixels(
    mesh: ShadedMesh, vertices: np.ndarray, surface: SeenSurface, received: Received, camera: Camera, places: np.ndarray
) -> LitPixels:
    """The light at some pixels.

    Args:
        mesh, vertices, received: of the hand; its frame.
        surface: of ``camera``.
        places: (P,) flat indices of pixels, each with a ``surface.place``.
    """
    places = surface.place.reshape(-1)[places]
    face, weight = surface.face.reshape(-1)[places], surface.barycentric.reshape(-1, 3)[places]
    rows = _at_edges(mesh, surface, np.concatenate([received.vertices, vertices], axis=1), places)
    rows, points = rows[:, :-3], rows[:, -3:]
    uv = np.einsum("pk,pkc->pc", weight, mesh.face_uv[face])
    matrix, focal = camera.camera_to_world, 0.5 * (camera.fx + camera.fy)
    if camera.projection == "perspective":
        view = _unit(points - matrix[:3, 3].astype(np.float32))
        size = np.maximum((points - matrix[:3, 3].astype(np.float32)) @ matrix[:3, 2].astype(np.float32), 1e-3) / focal
    else:
        view = np.broadcast_to(matrix[:3, 2].astype(np.float32), points.shape)
        size = np.full(len(points), 1.0 / focal, np.float32)
    normal, tangent = turned(_unit(rows[:, NORMAL]), view, size), rows[:, TANGENT]
    tangent = _unit(tangent - np.sum(tangent * normal, axis=1, keepdims=True) * normal)
    facing = np.maximum(np.abs(np.sum(normal * view, axis=1)), LEAST_FACING)
    towards, light = _lamps(received, rows, points, normal)
    # Where the ray meets skin above the proxy, along u and v; a chart may run round the other way.
    across = np.cross(normal, tangent) * mesh.turn[face][:, None]
    lean = np.stack([np.sum(tangent * view, axis=1), np.sum(across * view, axis=1)], axis=1)
    lean *= (-MILLIMETRE * mesh.uv_a_metre / facing)[:, None]
    values = normal, tangent, view, rows[:, SKY], rows[:, SCATTER], rows[:, BACK], towards, light, uv, lean
    return LitPixels(*(np.ascontiguousarray(value, np.float32) for value in (*values, mesh.uv_a_metre * size / facing)))


def _at_edges(mesh: ShadedMesh, surface: SeenSurface, values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(P, C) of the vertices' (V, C) values, the last three their places, at (P,) pixels that see the proxy. Beside
    nothing the mean of a pixel and its neighbours on the skin: there it turns away faster than pixels follow."""
    height, width = surface.face.shape
    faces, weights = surface.face.reshape(-1), surface.barycentric.reshape(-1, 3)

    def at(pixels: np.ndarray) -> np.ndarray:
        return np.einsum("pk,pkc->pc", weights[pixels], values[mesh.faces[faces[pixels]]])

    rows = at(places)
    lines, columns = np.divmod(places, width)
    beside = [
        np.where((columns + x >= 0) & (columns + x < width) & (lines + y >= 0) & (lines + y < height), 1, 0)
        * (y * width + x)
        + places
        for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]
    edge = np.flatnonzero(np.min([faces[one] for one in beside], axis=0) < 0)
    total, count = rows[edge], np.ones((len(edge), 1), rows.dtype)
    for one in beside:
        own, other = places[edge], one[edge]
        found = np.where(faces[other] >= 0, other, own)
        there = at(found)
        near = np.linalg.norm(there[:, -3:] - rows[edge, -3:], axis=1) < EDGE_RADIUS
        counted = ((found != own) & near)[:, None]
        total, count = total + counted * there, count + counted
    rows[edge] = total / count
    return rows


def turned(normal: np.ndarray, view: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(P, 3) unit normals, turned towards the camera where the skin would turn away from it within a pixel.

    Over a pixel that ends at the edge of a finger the cosine to the view is sqrt(2 t / radius), t from 0 to its size;
    its mean is the least that is left.

    Args:
        normal, view: (P, 3) unit vectors, the latter from the camera.
        size: (P,) metres that a pixel spans.
    """
    least = np.minimum(np.sqrt(size * (8.0 / (9.0 * EDGE_RADIUS))), STEEPEST)
    excess = np.maximum(np.sum(normal * view, axis=1) + least, 0.0)
    return _unit(normal - excess[:, None] * view)


def _lamps(
    received: Received, rows: np.ndarray, points: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(P, L, 3) directions and irradiance facing the lamps at points, what is hidden taken off."""
    count = len(received.lamps)
    towards, facing = (np.zeros((len(points), count, 3), np.float32) for _ in range(2))
    skin = skin_points(points, normals)
    for index, lamp in enumerate(received.lamps):
        direction, irradiance, _ = lamp.lamp.at(points)
        seen = rows[:, LAMPS + index]
        if lamp.sharpness > 0.0 and lamp.shadow is not None:
            seen = seen + lamp.sharpness * (sharply_visible(lamp.shadow, skin)[: len(seen)] - seen)
        towards[:, index], facing[:, index] = direction, seen[:, None] * irradiance
    return towards, facing


def _unit(vectors: np.ndarray) -> np.ndarray:
    answer: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return answer
