"""Which part of an image a hand can touch, how far its field reaches there, and at which size networks should see it.

Vertices are arrays or tensors in the processor's memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .cameras import MAX_IMAGE_SIDE, Camera

MIN_DEPTH = 1e-3
"""Nearest depth that is drawn, in metres (perspective)."""

MAX_DEPTH = 4e4
"""Farthest depth that is drawn, in metres: beyond, 32 bits no longer tell a finger's skin from its middle."""

FOOTPRINT_RANGE = (0.5, 2.0)
"""Screen footprint over trained footprint within which a hand is rendered at the image's own size."""

FADE = 0.25
"""Octaves of footprint over which one size of the networks' image fades into the next, so that nothing jumps in a zoom.
"""

MOST_ENLARGED = 4.0
"""Largest factor on the image's size at which networks run: of a hand of few pixels they need not see hundreds."""

SNAP = 16
"""Pixels to whose multiples the box of a resized picture keeps: its grid stays where it is while a hand moves."""

SPECK = 1.0 / 16.0
"""Pixels under which a hand is nothing: no 8-bit alpha shows it."""


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

    def moved(self, right: int, down: int) -> Box:
        """Shifted by some pixels."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def times(self, factor: int) -> Box:
        """The same pixels in an image of ``factor`` times the size."""
        return Box(self.left * factor, self.top * factor, self.right * factor, self.bottom * factor)

    def of(self, camera: Camera) -> Camera:
        """The camera's view through this box."""
        return camera.crop(self.left, self.top, self.width, self.height)


def hand_box(vertices: np.ndarray, camera: Camera, margin: int) -> Box:
    """Pixels that the mesh may touch, widened by ``margin`` and cut to the image; empty when it is out of view.

    A mesh that crosses the camera's plane may touch any pixel; one that is smaller than SPECK, or beyond MAX_DEPTH,
    touches none.

    Args:
        vertices: (V, 3) world space, metres.
        camera: of the image.
        margin: pixels.
    """
    matrix = camera.world_to_camera
    # A row an axis: that is how extremes are found fast.
    plane = matrix[:3, :3] @ np.asarray(vertices, dtype=np.float64).T + matrix[:3, 3:]
    depth = plane[2]
    if depth.min() > MAX_DEPTH:
        return Box(0, 0, 0, 0)
    if camera.projection == "perspective":
        if depth.max() <= MIN_DEPTH:
            return Box(0, 0, 0, 0)
        if depth.min() <= MIN_DEPTH:
            return Box(0, 0, camera.width, camera.height)
        plane = plane[:2] / depth
    scale, centre = (camera.fx, camera.fy), (camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset)
    least = [float(plane[k].min()) * scale[k] + centre[k] for k in (0, 1)]
    most = [float(plane[k].max()) * scale[k] + centre[k] for k in (0, 1)]
    # So far away that its place is no number any more, it is as small.
    if not max(most[0] - least[0], most[1] - least[1]) >= SPECK:
        return Box(0, 0, 0, 0)
    low, high = [math.floor(_near(edge)) for edge in least], [math.ceil(_near(edge)) for edge in most]
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
) -> dict[float, float]:
    """Factors on the image's size at which the networks run, with the share of each in the picture.

    Within FOOTPRINT_RANGE of the trained footprint that is 1; beyond it is doubled, or halved, once an octave. One
    fades into the next over FADE octaves, so the picture is continuous in the footprint.

    Args:
        camera: of the image.
        vertices: (V, 3) posed mesh.
        trained_footprint: pixels a metre of the avatar's training images, 0 when unknown.
        forced: the answer, when the caller knows better.
        limit: otherwise the largest factor, MOST_ENLARGED at most.

    Returns:
        factor -> share, one or two, the shares adding up to 1.
    """
    if forced is not None or trained_footprint <= 0.0:
        return {forced or 1.0: 1.0}
    ratio = max(screen_footprint(camera, vertices) / trained_footprint, 1e-9)
    sign = -1.0 if ratio > FOOTPRINT_RANGE[1] else 1.0
    octaves = max(math.log2(FOOTPRINT_RANGE[0] / ratio), math.log2(ratio / FOOTPRINT_RANGE[1]), 0.0)
    whole, part = divmod(octaves, 1.0)
    share = min(part / FADE, 1.0)
    most = MOST_ENLARGED if limit is None else min(limit, MOST_ENLARGED)
    answer: dict[float, float] = {}
    for level, weight in ((whole, 1.0 - share), (whole + 1.0, share)):
        if weight > 0.0:
            factor = min(2.0 ** (sign * level), most)
            answer[factor] = answer.get(factor, 0.0) + weight
    return answer


def networks_view(camera: Camera, box: Box, factor: float) -> tuple[Camera, Box]:
    """The image that the networks make, and the pixels of the camera's image that it is resized to.

    At a factor of 1 that is all of the image; else the hand's box, a little larger, by ``factor`` times its pixels.
    Sides stay within what an image may have.
    """
    if factor == 1.0:
        return camera, Box(0, 0, camera.width, camera.height)
    left, top = box.left - box.left % SNAP, box.top - box.top % SNAP
    right, bottom = (
        min(box.right + -box.right % SNAP, camera.width),
        min(box.bottom + -box.bottom % SNAP, camera.height),
    )
    box = Box(left, top, right, bottom)
    factor = min(factor, MAX_IMAGE_SIDE / max(box.width, box.height))
    sides = max(1, round(box.width * factor)), max(1, round(box.height * factor))
    return box.of(camera).resized(*sides), box


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
