"""How much room a frame's function has: what a graph is captured for, and how it is chosen on the host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...cameras import Camera
from ...framing import MIN_DEPTH, Box

BUCKET = 64
"""Box sides are rounded up to multiples of this many pixels of the picture: a hand that moves stays in one graph."""

HEADROOM = 1.15
"""Room beyond what the last frame needed."""

MAX_PAIRS = 1 << 26
"""(triangle, pixel) pairs of a raster beyond which a frame is not for this renderer: 4 GB of work space."""

MAX_PIXELS = 1 << 23
"""Pixels of a picture beyond which a frame is not for this renderer, whose activations lie in memory at once."""


@dataclass(frozen=True)
class Capacities:
    """Sizes of every array of a frame's function.

    Attributes:
        height, width: of the feature image's box, in its pixels.
        kernel: side of the depth filter.
        perspective: the camera's projection.
        tiles: of 4 x 4 rays.
        candidates: triangles tried for a sample.
        pairs: (triangle, pixel) pairs of the feature image's raster.
        surface: height, width and pairs of the raster at the image's own size; None when nobody asks for depth.
        direct: the picture is the networks' own, neither resized nor cut out of a rounded size.
    """

    height: int
    width: int
    kernel: int
    perspective: bool
    tiles: int
    candidates: int
    pairs: int
    surface: tuple[int, int, int] | None
    direct: bool


class Needs(NamedTuple):
    """What a frame needed, counted on the device; each may exceed its capacity."""

    tiles: int
    candidates: int
    pairs: int
    surface_pairs: int

    def fit(self, room: Capacities) -> bool:
        """Whether nothing was left out."""
        surface = room.surface[2] if room.surface else 0
        return (
            self.tiles <= room.tiles
            and self.candidates <= room.candidates
            and self.pairs <= room.pairs
            and self.surface_pairs <= surface
        )


def rung(count: float, least: int = 16) -> int:
    """The smallest of 16, 24, 32, 48, 64, 96, ... that holds ``count``: few sizes, at most a half too large."""
    size = least
    while size < count:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def rounded(size: int, step: int) -> int:
    """The next multiple of ``step``."""
    return -(-size // step) * step


def pair_count(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> int:
    """About how many (triangle, pixel) pairs a raster tries: the areas of the triangles' boxes.

    Args:
        vertices: (V, 3) world space; faces: (F, 3).
        camera: of the raster.
    """
    matrix = camera.world_to_camera
    local = vertices @ matrix[:3, :3].T + matrix[:3, 3]
    whole = np.ones(len(faces), dtype=bool)
    plane = local[:, :2]
    if camera.projection == "perspective":
        front = local[:, 2] > MIN_DEPTH
        whole = front[faces].all(axis=1)
        plane = plane / np.where(front, local[:, 2], 1.0)[:, None]
        visible = front[faces].any(axis=1)
    else:
        visible = whole
    pixels = plane * (camera.fx, camera.fy) + (camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset)
    corners = pixels[faces]
    limit = (camera.width - 1, camera.height - 1)
    low = np.ceil(corners.min(axis=1)).clip(0, None)
    high = np.minimum(np.floor(corners.max(axis=1)), limit)
    sides = (high - low + 1.0).clip(0.0, None)
    areas = np.where(whole, sides.prod(axis=1), camera.width * camera.height)
    return int(areas[visible].sum())


def first_room(
    box: Box,
    kernel: int,
    factor: int,
    perspective: bool,
    pairs: int,
    surface: tuple[int, int, int] | None,
    direct: bool,
    last: Needs | None,
) -> Capacities:
    """Capacities to try first.

    Args:
        box: of the feature image.
        kernel: side of the depth filter.
        factor: of the super-resolution.
        perspective: projection.
        pairs: counted by :func:`pair_count`.
        surface: height, width and pairs of the image's own raster, or None.
        direct: see Capacities.
        last: what the avatar's last frame needed, None for its first.
    """
    step = BUCKET // factor
    height, width = rounded(box.height, step), rounded(box.width, step)
    every = height * width // 16
    tiles = min(rung(every * 0.5 if last is None else last.tiles * HEADROOM), every)
    candidates = rung(64 if last is None else last.candidates * HEADROOM)
    if surface is not None:
        surface = (rounded(surface[0], BUCKET), rounded(surface[1], BUCKET), rung(surface[2] * HEADROOM, 1024))
    return Capacities(
        height, width, kernel, perspective, tiles, candidates, rung(pairs * HEADROOM, 1024), surface, direct
    )


def more_room(room: Capacities, needs: Needs) -> Capacities:
    """The same with every capacity that was too small enlarged to what was needed."""
    surface = room.surface
    if surface is not None and needs.surface_pairs > surface[2]:
        surface = (*surface[:2], rung(needs.surface_pairs, 1024))
    every = room.height * room.width // 16
    return replace(
        room,
        tiles=max(room.tiles, min(rung(needs.tiles), every)),
        candidates=max(room.candidates, rung(needs.candidates)),
        pairs=max(room.pairs, rung(needs.pairs, 1024)),
        surface=surface,
    )
