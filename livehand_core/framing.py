"""Which part of an image a hand can touch, how far its field reaches there, and at which size networks should see it.

Vertices are arrays or tensors in the processor's memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .cameras import Camera

MIN_DEPTH = 1e-3
"""Nearest depth that is drawn, in metres (perspective)."""

FOOTPRINT_RANGE = (0.5, 2.0)
"""Screen footprint over trained footprint within which a hand is rendered at the image's own size."""


MAX_LATERAL_PIXELS = 8


@dataclass(frozen=True)
class Box:
    """Pixels [left, right) x [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns, to index an image with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, pixels: int, width: int, height: int) -> Box:
        """Larger by ``pixels`` on each side, cut to an image of ``width`` x ``height``."""
        return Box(
            max(self.left - pixels, 0),
            max(self.top - pixels, 0),
            min(self.right + pixels, width),
            min(self.bottom + pixels, height),
        )

    def of(self, camera: Camera) -> Camera:
        """The camera's view through this box."""
        return camera.crop(self.left, self.top, self.width, self.height)


def hand_box(vertices: np.ndarray, camera: Camera, margin: int) -> Box:
    """Pixels that the mesh may touch, widened by ``margin`` and cut to the image; empty when it is out of view.

    A mesh that crosses the camera's plane may touch any pixel.

    Args:
        vertices: (V, 3) world space, metres.
        camera: of the image.
        margin: pixels.
    """
    matrix = camera.world_to_camera
    # A row an axis: that is how extremes are found fast.
    plane = matrix[:3, :3] @ np.asarray(vertices, dtype=np.float64).T + matrix[:3, 3:]
    if camera.projection == "perspective":
        depth = plane[2]
        if depth.max() <= MIN_DEPTH:
            return Box(0, 0, 0, 0)
        if depth.min() <= MIN_DEPTH:
            return Box(0, 0, camera.width, camera.height)
        plane = plane[:2] / depth
    scale, centre = (camera.fx, camera.fy), (camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset)
    low = [math.floor(_near(plane[k].min() * scale[k] + centre[k])) for k in (0, 1)]
    high = [math.ceil(_near(plane[k].max() * scale[k] + centre[k])) for k in (0, 1)]
    return Box(low[0], low[1], high[0] + 1, high[1] + 1).grown(margin, camera.width, camera.height)


def _near(pixels: float) -> float:
    """Cut to what an integer of 32 bits holds."""
    return min(max(pixels, -1e6), 1e6)


def low_resolution(camera: Camera, factor: int) -> Camera:
    """The camera of the feature image: every intrinsic divided by ``factor``, size rounded up."""
    width, height = -(-camera.width // factor), -(-camera.height // factor)
    return camera.crop(0, 0, width * factor, height * factor).resized(width, height)


def screen_footprint(camera: Camera, vertices: np.ndarray) -> float:
    """Pixels that a metre of the hand covers on screen, at the hand's centre."""
    focal = 0.5 * (camera.fx + camera.fy)
    if camera.projection == "orthographic":
        return focal
    depth = float(camera.world_to_camera[2, :3] @ np.asarray(vertices).mean(axis=0, dtype=np.float64))
    depth += float(camera.world_to_camera[2, 3])
    return focal / max(depth, 1e-2)


def resampling(
    camera: Camera,
    vertices: np.ndarray,
    trained_footprint: float,
    forced: float | None = None,
    limit: float | None = None,
) -> float:
    """Factor on the image's size at which the networks run.

    Args:
        camera: of the image.
        vertices: (V, 3) posed mesh.
        trained_footprint: pixels a metre of the avatar's training images, 0 when unknown.
        forced: the answer, when the caller knows better.
        limit: otherwise the largest answer.

    Returns:
        1 within FOOTPRINT_RANGE of the trained footprint, else what brings the hand to it.
    """
    if forced is not None:
        return forced
    if trained_footprint <= 0.0:
        return 1.0
    ratio = screen_footprint(camera, vertices) / trained_footprint
    factor = 1.0 if FOOTPRINT_RANGE[0] <= ratio <= FOOTPRINT_RANGE[1] else 1.0 / ratio
    return factor if limit is None else min(factor, limit)


def published_kernel(height: int) -> int:
    """Side of the square filter for a depth image of ``height`` rows: 9 px at 512, 5 at 250 to 256, 3 up to 128."""
    return max(3, 2 * round(height / 128) + 1)


def lateral_kernel(camera: Camera, vertices: np.ndarray, lateral_margin: float) -> int:
    """Side of the filter that lets the field reach ``lateral_margin`` metres past the silhouette.

    Unlike the published rule this depends on the hand's distance and not on the image's height, so a crop of an
    image has the bounds of the whole.

    Args:
        camera: of the feature image.
        vertices: (V, 3) posed hand, world space.
        lateral_margin: metres.
    """
    focal = screen_footprint(camera, vertices)
    return 2 * min(max(round(focal * lateral_margin), 1), MAX_LATERAL_PIXELS) + 1
