"""Depth maps of everything around a hand, seen from where light comes, and what they hide of its skin.

A depth map is the rasterised depth of all occluders over a square around the hand's bounding sphere: parallel to a
direction for far light, in perspective from a near lamp. Percentage-closer filtering after Reeves (1987), its width by
the distance of what is in the way (Fernando 2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...cameras import Camera
from ...kernels.mesh import visibility as kernels
from ...kernels.mesh.raster import rasterise
from ...kernels.mesh.sight import sight

LAMP_SIDE, SKY_SIDE = 192, 64
"""Pixels along a map's side, of a lamp and of a direction of the sky."""

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
        vertices: (N, 3) float32 metres, in the frame of the hand.
        faces: (M, 3) int32.
    """

    vertices: np.ndarray
    faces: np.ndarray

    @classmethod
    def of(cls, meshes: Sequence[tuple[np.ndarray, np.ndarray]]) -> Occluders:
        """Several (vertices, faces) joined."""
        starts = np.cumsum([0, *(len(vertices) for vertices, _ in meshes)])
        faces = [faces + np.int32(start) for (_, faces), start in zip(meshes, starts, strict=False)]
        vertices = np.concatenate([vertices for vertices, _ in meshes])
        return cls(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(np.concatenate(faces), np.int32))


class Sphere(NamedTuple):
    """(3,) middle and radius, metres."""

    middle: np.ndarray
    radius: float

    @classmethod
    def around(cls, vertices: np.ndarray) -> Sphere:
        """Around the (V, 3) vertices' box."""
        low, high = vertices.min(axis=0).astype(np.float64), vertices.max(axis=0).astype(np.float64)
        middle = 0.5 * (low + high)
        return cls(middle, float(np.linalg.norm(vertices - middle, axis=1).max()) + 1e-4)


class DepthMap(NamedTuple):
    """What light meets first.

    Attributes:
        depth: (N, N) float32 metres along the map's axis, infinity where it meets nothing.
        row: (16,) float32 world to map: three rows of the rigid transform (12), focal length, principal point, whether
            it is in perspective, and the tangent of the angle under which the light's radius is seen.
    """

    depth: np.ndarray
    row: np.ndarray


def far_map(occluders: Occluders, sphere: Sphere, towards: np.ndarray, side: int, spread: float = 0.0) -> DepthMap:
    """Of light from (3,) unit ``towards``, its radius seen under an angle of the tangent ``spread``."""
    along = (occluders.vertices - sphere.middle) @ towards
    back = max(float(along.max(initial=0.0)), sphere.radius) + 0.01
    eye = sphere.middle + back * towards
    return _map(occluders, eye, -towards, 0.5 * side / (MARGIN * sphere.radius), side, False, spread)


def near_map(occluders: Occluders, sphere: Sphere, position: np.ndarray, side: int, radius: float) -> DepthMap | None:
    """Of a lamp of a radius at (3,) ``position``; None where that is so near that nothing can be said."""
    away = sphere.middle - position
    distance = float(np.linalg.norm(away))
    if distance < NEAREST_LAMP * sphere.radius:
        return None
    half = math.tan(math.asin(min(sphere.radius / distance, 0.999)))
    return _map(occluders, position, away / distance, 0.5 * side / (MARGIN * half), side, True, radius / distance)


def sky_sight(
    occluders: Occluders, sphere: Sphere, directions: np.ndarray, points: np.ndarray, normals: np.ndarray, share: Share
) -> np.ndarray:
    """(D, P) float32: what reaches (P, 3) points with unit normals from each of (D, 3) unit directions, as
    :func:`sharply_visible` of their far maps; 0 where they face away."""
    rows = np.zeros((len(directions), 16), np.float32)
    back = np.maximum((directions @ (occluders.vertices - sphere.middle).T).max(axis=1), sphere.radius) + 0.01
    upright = np.where(np.abs(directions[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    aside = np.cross(-directions, upright)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    axes = np.stack([aside, np.cross(-directions, aside), -directions], axis=1)
    rows[:, :12] = np.concatenate(
        [axes, -(axes @ (sphere.middle + back[:, None] * directions)[..., None])], axis=2
    ).reshape(-1, 12)
    rows[:, 12], rows[:, 13] = 0.5 * SKY_SIDE / (MARGIN * sphere.radius), 0.5 * SKY_SIDE
    answer, places = np.empty((len(directions), len(points)), np.float32), (_rows(points), _rows(normals))
    share(
        len(directions),
        lambda first, last: sight(occluders.vertices, occluders.faces, rows, SKY_SIDE, *places, first, last, answer),
    )
    return answer


def visible(depth_map: DepthMap, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(P,) float32: what share of the light reaches (P, 3) points with unit normals, penumbra by distance."""
    answer = np.empty(len(points), np.float32)
    kernels.soft_visibility(depth_map.depth, depth_map.row, _rows(points), _rows(normals), answer)
    return answer


def sharply_visible(depth_map: DepthMap, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(P,) float32: the same over a window of 3 x 3 texels, for light from almost a point."""
    answer = np.empty(len(points), np.float32)
    kernels.hard_visibility(depth_map.depth, depth_map.row, _rows(points), _rows(normals), answer)
    return answer


def _rows(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def _map(
    occluders: Occluders, eye: np.ndarray, axis: np.ndarray, focal: float, side: int, near: bool, spread: float
) -> DepthMap:
    aside = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [0.0, 1.0, 0.0])
    aside /= np.linalg.norm(aside)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([aside, np.cross(axis, aside), axis], axis=1)
    matrix[:3, 3] = eye
    middle = 0.5 * side
    camera = Camera(side, side, focal, focal, middle, middle, matrix, "perspective" if near else "orthographic")
    depth = rasterise(occluders.vertices, occluders.faces, camera).depth
    row = [*camera.world_to_camera[:3].reshape(-1), focal, middle, float(near), spread]
    return DepthMap(depth, np.array(row, np.float32))
