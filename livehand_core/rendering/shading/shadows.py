"""Depth maps of everything around a hand, seen from where light comes, and what they hide of its skin.

A depth map is the rasterised depth of all occluders over a square around the hand's bounding sphere: parallel to a
direction for far light, in perspective from a near lamp. Percentage-closer filtering after Reeves (1987), its width by
the distance of what is in the way (Fernando 2005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...kernels.mesh import visibility as kernels
from ...kernels.mesh.depth import draw_map
from ...kernels.mesh.sight import sight
from ...kernels.mesh.skin import sphere_around
from ...kernels.simd.lanes import WIDTH

LAMP_SIDE, WIDE_SIDE, SKY_SIDE = 192, 96, 64
"""Pixels along a map's side: of a lamp, of one that is looked up at vertices alone, and of an axis of the sky."""

MARGIN = 1.05
"""Of the bounding sphere, in a map."""

NEAREST_LAMP = 1.5
"""Radii of the sphere from its middle: a lamp that is nearer has no map and throws no shadow."""


Share = Callable[[int, Callable[[int, int], object]], object]
"""Runs work(first, last) over so many items in parts, maybe on several threads."""


def alone(count: int, work: Callable[[int, int], object]) -> None:
    """All at once on the caller's thread."""
    work(0, count)


class Occluders(NamedTuple):
    """All that may stand in the light of a hand, as one mesh.

    Attributes:
        places: (3, N) float32 metres, in the frame of the hand.
        faces: (3, M) int32, filled up with triangles of one corner.
        solid: how many of the first triangles close a body, counter-clockwise seen from outside.
    """

    places: np.ndarray
    faces: np.ndarray
    solid: int

    @classmethod
    def of(cls, meshes: Sequence[tuple[np.ndarray, np.ndarray]], solid: bool = False) -> Occluders:
        """Several (vertices, faces) joined, of which the first one closes a body where ``solid``."""
        places = np.concatenate([vertices.T for vertices, _ in meshes], axis=1, dtype=np.float32)
        count = sum(len(faces) for _, faces in meshes)
        together, first, start = np.zeros((3, -(-count // WIDTH) * WIDTH), np.int32), 0, 0
        for vertices, faces in meshes:
            np.add(faces.T, np.int32(start), out=together[:, first : first + len(faces)])
            first, start = first + len(faces), start + len(vertices)
        return cls(np.ascontiguousarray(places), together, len(meshes[0][1]) if solid else 0)


class Sphere(NamedTuple):
    """(3,) middle and radius, metres."""

    middle: np.ndarray
    radius: float

    @classmethod
    def around(cls, vertices: np.ndarray) -> Sphere:
        """Around the (V, 3) vertices' box."""
        middle, radius = sphere_around(np.ascontiguousarray(vertices, np.float32))
        return cls(middle, radius + 1e-4)


class DepthMap(NamedTuple):
    """What light meets first.

    Attributes:
        depth: (N, N) float32 metres along the map's axis, infinity where it meets nothing.
        row: (16,) float32 hand to map: three rows of the rigid transform (12), focal length, principal point, whether
            it is in perspective, and the tangent of the angle under which the light's radius is seen.
    """

    depth: np.ndarray
    row: np.ndarray


def map_rows(
    sphere: Sphere, lights: np.ndarray, near: np.ndarray, spread: np.ndarray, side: np.ndarray | int
) -> np.ndarray:
    """(L, 16) float32 rows of the depth maps of lights.

    Args:
        lights: (L, 3) unit directions towards them, or where ``near`` (L,) their places.
        spread: (L,) tangents of the angles under which their radius is seen.
        side: (L,) or one for all: pixels.
    """
    away = np.where(near[:, None], sphere.middle - lights, -lights)
    distance = np.linalg.norm(away, axis=1)
    away = away / np.maximum(distance, 1e-12)[:, None]
    eyes = np.where(near[:, None], lights, sphere.middle)
    # Across the axis and the upright: z, or y where that lies along the axis.
    x, y, z = away.T
    steep, nothing = np.abs(z) < 0.9, np.zeros(len(away))
    aside = np.where(steep, [y, -x, nothing], [-z, nothing, x]).T
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    axes = np.stack([aside, _across(away, aside), away], axis=1)
    sine = np.minimum(sphere.radius / np.maximum(distance, 1e-12), 0.999)
    half = np.where(near, np.tan(np.arcsin(sine)), sphere.radius)
    rows = np.zeros((len(lights), 16), np.float32)
    rows[:, :12] = np.concatenate([axes, -(axes @ eyes[..., None])], axis=2).reshape(-1, 12)
    rows[:, 12], rows[:, 13] = 0.5 * np.asarray(side) / (MARGIN * half), 0.5 * np.asarray(side)
    rows[:, 14], rows[:, 15] = near, spread
    return rows


def _across(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N, 3) products of (N, 3) vectors, which NumPy takes ten times as long for."""
    (a, b, c), (x, y, z) = one.T, other.T
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=1)


def drawn_map(occluders: Occluders, row: np.ndarray) -> DepthMap:
    """A row's depth map."""
    side = int(2.0 * row[13])
    depth = np.empty(side * side + WIDTH, np.float32)
    draw_map(*occluders, row, side, depth)
    return DepthMap(depth[: side * side].reshape(side, side), row)


def sky_sight(occluders: Occluders, sphere: Sphere, axes: np.ndarray, points: np.ndarray, share: Share) -> np.ndarray:
    """(A, P) float32: what reaches (6, P) :func:`skin_points` along (A, 3) unit axes, from the end that they face."""
    rows = map_rows(sphere, axes, np.zeros(len(axes), bool), np.zeros(len(axes)), SKY_SIDE)
    answer = np.empty((len(axes), points.shape[1]), np.float32)
    share(len(axes), lambda first, last: sight(*occluders, rows, SKY_SIDE, points, first, last, answer))
    return answer


def skin_points(vertices: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(6, P) float32 (V, 3) places and unit normals, P being V or some more, as the kernels of a skin take them."""
    points = np.zeros((6, -(-len(vertices) // WIDTH) * WIDTH), np.float32)
    points[:3, : len(vertices)], points[3:, : len(vertices)] = vertices.T, normals.T
    return points


def visible(depth_map: DepthMap, light: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(P,) float32: what share of a light reaches (6, P) :func:`skin_points`, penumbra by distance; 0 where they face
    away from it.

    Args:
        light: (3,) unit direction towards it, or where the map is in perspective its place.
    """
    answer = np.empty(points.shape[1], np.float32)
    side = len(depth_map.depth)
    kernels.soft_visibility(
        depth_map.depth.reshape(-1), depth_map.row, side, np.asarray(light, np.float32), points, answer
    )
    return answer


def sharply_visible(depth_map: DepthMap, points: np.ndarray) -> np.ndarray:
    """(P,) float32: the same over a window of 3 x 3 texels, for light from almost a point."""
    answer = np.empty(points.shape[1], np.float32)
    kernels.hard_visibility(depth_map.depth.reshape(-1), depth_map.row, len(depth_map.depth), points, answer)
    return answer
