"""Cutting the full-image loss into tiles, so that a step may pay for a part of the image and still be unbiased.

Outside what the hand's rays can reach, the prediction is one constant (super-resolution of nothing), so those pixels
are counted and never rendered. The rest is partitioned: the image's squared error is exactly the sum over the tiles
plus the constant's share, and a tile drawn at random, its loss multiplied by the number of tiles, has the image's
gradient in expectation.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Tile(NamedTuple):
    """A rectangle of the feature image, ends excluded, in low-resolution pixels."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def pixels(self) -> int:
        """Number of low-resolution pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def grown(self, margin: int) -> Tile:
        """The rectangle with ``margin`` more pixels on each side; it may leave the image."""
        return Tile(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin)

    def within(self, other: Tile) -> Tile:
        """The common part; empty parts have no pixels."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        return Tile(x0, y0, max(min(self.x1, other.x1), x0), max(min(self.y1, other.y1), y0))


def occupied(mask: np.ndarray) -> Tile | None:
    """The bounding rectangle of the true pixels of an (h, w) mask; None when there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    return Tile(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def partition(mask: np.ndarray, radius: int, side: int, offset: tuple[float, float] = (0.5, 0.5)) -> list[Tile]:
    """Tiles that together hold every pixel within ``radius`` of a true pixel of ``mask``, each pixel once.

    Args:
        mask: (h, w) which rays are evaluated.
        radius: how far the super-resolution network spreads a ray, in low-resolution pixels.
        side: wished side of a tile; 0 for one tile, the hand's whole box.
        offset: two numbers in [0, 1) that shift the cuts.

    Returns:
        Rectangles, each trimmed to what it holds; none when the mask is empty.
    """
    box = occupied(mask)
    if box is None:
        return []
    image = Tile(0, 0, mask.shape[1], mask.shape[0])
    whole = box.grown(radius).within(image)
    if side <= 0:
        return [whole]
    tiles = []
    columns = _cuts(whole.x0, whole.x1, side, offset[0])
    rows = _cuts(whole.y0, whole.y1, side, offset[1])
    for y0, y1 in pairwise(rows):
        for x0, x1 in pairwise(columns):
            tile = Tile(x0, y0, x1, y1)
            reach = tile.grown(radius).within(image)
            held = occupied(mask[reach.y0 : reach.y1, reach.x0 : reach.x1])
            if held is None:
                continue
            held = Tile(held.x0 + reach.x0, held.y0 + reach.y0, held.x1 + reach.x0, held.y1 + reach.y0)
            trimmed = held.grown(radius).within(tile)
            if trimmed.pixels:
                tiles.append(trimmed)
    return tiles


def _cuts(start: int, end: int, side: int, offset: float) -> list[int]:
    """Borders of about equal parts of [start, end); the inner ones move with the offset by half a part at most."""
    count = max(1, round((end - start) / side))
    step = (end - start) / count
    inner = [start + round(step * (index + 0.5 * (offset - 0.5))) for index in range(1, count)]
    return [start, *inner, end]
