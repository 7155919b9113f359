"""The images of one frame: their names, channels, units and colour space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PassSpec:
    """One kind of image.

    Attributes:
        name: key in a request and in RenderPasses.
        channels: number of float32 channels.
        meaning: unit, frame and what the background holds.
    """

    name: str
    channels: int
    meaning: str


PASSES: dict[str, PassSpec] = {
    spec.name: spec
    for spec in (
        PassSpec("rgba", 4, "display-referred sRGB, premultiplied by alpha (black background), alpha the opacity"),
        PassSpec("depth", 1, "metres along the optical axis, infinity where alpha is 0"),
        PassSpec("normal", 3, "unit world-space surface normal, 0 in the background"),
        PassSpec("uvd", 3, "canonical texture coordinates u, v and signed distance d in metres, 0 in the background"),
        PassSpec("mask", 1, "number of the front-most hand counted from 1, 0 in the background"),
        PassSpec("holdout", 1, "how much of a pixel hands that hold out have cut away, themselves and what is behind"),
        PassSpec("rgba_low", 4, "the volume-rendered image before super-resolution, at its own size, as rgba"),
    )
}


@dataclass(frozen=True)
class RenderPasses:
    """The images of one frame, (H, W, C) float32, rows from the top; see PASSES for each meaning.

    Attributes:
        images: name -> image.
        stage_seconds: name of a stage -> seconds spent in it.
        warnings: lines for the user, such as a pose outside the avatar's training range.
        seconds: what drawing the frame took an engine, all that lies between the stages included; 0 without one.
    """

    images: dict[str, np.ndarray]
    stage_seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    def __getitem__(self, name: str) -> np.ndarray:
        return self.images[name]


def empty_images(width: int, height: int, passes: Sequence[str]) -> dict[str, np.ndarray]:
    """The images of a frame in which nothing is seen, by name."""
    images = {}
    for name in passes:
        shape = (height, width, PASSES[name].channels)
        # Zeros cost nothing where nobody writes: the system hands out such pages as they are touched.
        images[name] = np.full(shape, np.inf, np.float32) if name == "depth" else np.zeros(shape, np.float32)
    return images


def srgb_to_linear(colour: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding, elementwise, display-referred [0, 1] -> linear."""
    colour = np.asarray(colour, dtype=np.float32)
    return np.where(colour <= 0.04045, colour / 12.92, ((np.maximum(colour, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 encoding, elementwise, inverse of srgb_to_linear."""
    colour = np.asarray(colour, dtype=np.float32)
    return np.where(colour <= 0.0031308, colour * 12.92, 1.055 * np.maximum(colour, 0.0031308) ** (1.0 / 2.4) - 0.055)


def premultiplied_srgb_to_linear(rgba: np.ndarray, brightest: float = 1.0) -> np.ndarray:
    """(..., 4) sRGB premultiplied after encoding -> (..., 4) linear premultiplied, alpha unchanged.

    The colour is divided by alpha first, since the encoding is not linear; what is above ``brightest`` then is cut.
    """
    alpha = rgba[..., 3:]
    straight = np.clip(rgba[..., :3] / np.maximum(alpha, 1e-4), 0.0, brightest)
    return np.concatenate([srgb_to_linear(straight) * alpha, alpha], axis=-1).astype(np.float32)
