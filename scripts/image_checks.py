"""What a rendered frame shows, in numbers: used by the demo, the Blender matrix and the Debian run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

EDGE = 12.0 / 255.0
"""A pixel belongs to the hand when a channel differs by more than this from the picture's corners."""


@dataclass(frozen=True)
class Seen:
    """One frame by its content.

    Attributes:
        width, height: pixels.
        coverage: part of the frame that differs from the background.
        colour: mean sRGB colour of that part, 0 to 1.
        contrast: standard deviation of its luminance.
    """

    width: int
    height: int
    coverage: float
    colour: tuple[float, float, float]
    contrast: float

    @property
    def shows_hand(self) -> bool:
        """A plausible hand: neither empty nor full, warmer than blue, with light and shadow."""
        red, _, blue = self.colour
        return 0.03 < self.coverage < 0.7 and red > 1.1 * blue and self.contrast > 0.02

    def __str__(self) -> str:
        colour = " ".join(f"{value:.2f}" for value in self.colour)
        verdict = "a hand" if self.shows_hand else "NO HAND"
        return f"{self.width}x{self.height}, {100 * self.coverage:.1f} % covered, colour {colour}: {verdict}"


def load_rgb(path: str | Path) -> np.ndarray:
    """(H, W, 3) float64 sRGB values in [0, 1] of an opaque picture."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255.0


def hand_mask(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: where a picture differs from its corners' median colour."""
    corners = np.stack([image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]])
    return (np.abs(image - np.median(corners, axis=0)) > EDGE).any(axis=-1)


def describe(path: str | Path) -> Seen:
    """Look at one picture file."""
    image = load_rgb(path)
    mask = hand_mask(image)
    inside = image[mask] if mask.any() else np.zeros((1, 3))
    red, green, blue = (float(value) for value in inside.mean(axis=0))
    luminance = inside @ np.array([0.2126, 0.7152, 0.0722])
    height, width = mask.shape
    return Seen(width, height, float(mask.mean()), (red, green, blue), float(luminance.std()))


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two (H, W, 3) pictures with peak 1; infinite when they are equal."""
    error = float(np.mean((first - second) ** 2))
    return float("inf") if error == 0.0 else -10.0 * float(np.log10(error))


def box_psnr(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR inside the smallest box that holds the hand of the second picture."""
    rows, columns = np.nonzero(hand_mask(second))
    if len(rows) == 0:
        return psnr(first, second)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    return psnr(first[box], second[box])
