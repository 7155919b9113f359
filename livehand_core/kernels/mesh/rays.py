"""Rays of a camera as arrays, and the pixels that need one in an order that keeps neighbours together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...cameras import Camera
from ..compiling import compiled

TILE = 4
"""Side of the squares of pixels that follow one another, so that sixteen consecutive rays make one."""


class Rays(NamedTuple):
    """R rays in world space, x(t) = origin + t direction, t being depth along the optical axis.

    Attributes:
        origins: (1, 3) float32 metres where all rays share one, else (R, 3).
        directions: (R, 3) float32, component 1 along the optical axis.
        lengths: (R,) float32 norm of directions.
    """

    origins: np.ndarray
    directions: np.ndarray
    lengths: np.ndarray


class Pixels(NamedTuple):
    """R pixels whose rays are to be evaluated, tile after tile.

    Attributes:
        columns, rows: (R,) int32.
        near, far: (R,) float32 bounds, near not negative.
    """

    columns: np.ndarray
    rows: np.ndarray
    near: np.ndarray
    far: np.ndarray


def valid_pixels(near: np.ndarray, far: np.ndarray) -> Pixels:
    """The pixels with ``near < far`` of (H, W) float32 bounds, in squares of ``TILE`` pixels."""
    size = near.size
    pixels = Pixels(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.float32)
    )
    count = _list_valid(near, far, *pixels)
    return Pixels(*(values[:count] for values in pixels))


def camera_rays(camera: Camera, columns: np.ndarray, rows: np.ndarray) -> Rays:
    """Rays through (R,) int32 pixels of the camera's own grid, ``camera.pixel_offset`` inside each."""
    count = len(columns)
    shared = camera.projection == "perspective"
    rays = Rays(
        np.empty((1 if shared else count, 3), np.float32), np.empty((count, 3), np.float32), np.empty(count, np.float32)
    )
    offset = camera.pixel_offset
    lens = np.array([camera.fx, camera.fy, offset - camera.cx, offset - camera.cy])
    _fill_rays(np.array(camera.camera_to_world), lens, shared, columns, rows, *rays)
    return rays


@compiled
def _list_valid(
    near: np.ndarray,
    far: np.ndarray,
    columns: np.ndarray,
    rows: np.ndarray,
    near_listed: np.ndarray,
    far_listed: np.ndarray,
) -> int:
    height, width = near.shape
    count = 0
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            for y in range(top, min(top + TILE, height)):
                for x in range(left, min(left + TILE, width)):
                    if near[y, x] < far[y, x]:
                        columns[count], rows[count] = x, y
                        near_listed[count], far_listed[count] = max(near[y, x], np.float32(0.0)), far[y, x]
                        count += 1
    return count


@compiled
def _fill_rays(
    matrix: np.ndarray,
    lens: np.ndarray,
    perspective: bool,
    columns: np.ndarray,
    rows: np.ndarray,
    origins: np.ndarray,
    directions: np.ndarray,
    lengths: np.ndarray,
) -> None:
    if perspective:
        for axis in range(3):
            origins[0, axis] = matrix[axis, 3]
    for ray in range(len(columns)):
        x, y = (columns[ray] + lens[2]) / lens[0], (rows[ray] + lens[3]) / lens[1]
        for axis in range(3):
            across = x * matrix[axis, 0] + y * matrix[axis, 1]
            if perspective:
                directions[ray, axis] = across + matrix[axis, 2]
            else:
                origins[ray, axis] = across + matrix[axis, 3]
                directions[ray, axis] = matrix[axis, 2]
        lengths[ray] = np.sqrt(x * x + y * y + 1.0) if perspective else 1.0
