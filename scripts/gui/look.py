"""What a screenshot shows: skin, a silhouette, motion. Pictures are (H, W, 3) sRGB in [0, 1], masks (H, W) bool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

CHANGED = 8.0 / 255.0
"""A pixel has changed when a channel differs by more than this."""


@dataclass(frozen=True)
class Match:
    """How well what is seen lies where it is expected.

    Attributes:
        covered: part of the expected pixels that are seen.
        outside: part of the seen pixels that lie beyond the expected ones and their margin.
        expected: number of expected pixels.
    """

    covered: float
    outside: float
    expected: int

    @property
    def good(self) -> bool:
        """Whether it is there, and only there."""
        return self.expected > 500 and self.covered > 0.85 and self.outside < 0.05

    def __str__(self) -> str:
        return f"{100 * self.covered:.1f} % of {self.expected} pixels seen, {100 * self.outside:.1f} % elsewhere"


def crop(image: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The part of a picture or mask inside (left, top, right, bottom)."""
    left, top, right, bottom = (round(value) for value in box)
    return image[top:bottom, left:right]


def box_mask(shape: tuple[int, ...], box: Sequence[float]) -> np.ndarray:
    """True inside (left, top, right, bottom)."""
    mask = np.zeros(shape[:2], dtype=bool)
    crop(mask, box)[...] = True
    return mask


def silhouette(triangles: Sequence[Sequence[float]], shape: tuple[int, ...]) -> np.ndarray:
    """The pixels that projected triangles (x0, y0, x1, y1, x2, y2) cover."""
    picture = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(picture)
    for triangle in triangles:
        draw.polygon(list(triangle), fill=1)
    return np.asarray(picture, dtype=bool)


def skin(image: np.ndarray) -> np.ndarray:
    """Pixels of a warm, not too saturated colour: skin in any light, but neither grey nor Blender's orange."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    warm = (red - blue > 0.06) & (red >= green) & (green > blue - 0.04)
    return warm & (red - blue < 0.8 * red)


def changed(before: np.ndarray, after: np.ndarray, threshold: float = CHANGED) -> np.ndarray:
    """Pixels that differ."""
    return (np.abs(before - after) > threshold).any(axis=-1)


def match(seen: np.ndarray, expected: np.ndarray, margin: int = 6) -> Match:
    """Compare a seen mask with an expected one; within ``margin`` pixels of its edge either answer is right."""
    inner, outer = _grown(expected, -margin), _grown(expected, margin)
    covered = float(seen[inner].mean()) if inner.any() else 0.0
    outside = float((seen & ~outer).sum() / max(int(seen.sum()), 1))
    return Match(covered, outside, int(inner.sum()))


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Largest difference of two pictures, and the part of the pixels that differ by more than 1/255."""
    apart = np.abs(first - second).max(axis=-1)
    return float(apart.max()), float((apart > 1.5 / 255.0).mean())


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask grown by squares of so many pixels all round, or shrunk; at the picture's edges it goes on."""
    reach = abs(pixels)
    size = 2 * reach + 1
    sums = np.pad(np.pad(mask, reach, mode="edge").cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return np.asarray(inside > 0 if pixels > 0 else inside == size * size)
