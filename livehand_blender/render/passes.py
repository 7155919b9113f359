"""The table of passes: how Blender names each image of the core, and the core's image in Blender's form.

Blender's rows run from the bottom and its colours are scene-linear; the core answers linear on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livehand_core.passes import RenderPasses

from .. import compat
from .cryptomatte import CRYPTO_PASS, cryptomatte

FAR = 1e10
"""Depth of the background, the value that Blender's own engines and compositor use."""


@dataclass(frozen=True)
class HandLabel:
    """By what passes tell a hand from others: its armature's name and Pass Index."""

    name: str
    pass_index: int


@dataclass(frozen=True)
class BlenderPass:
    """One pass beside Combined.

    Attributes:
        core: name in the core's ``PASSES``, what it is made of.
        name: name of the pass, its compositor socket and its layer in a multilayer EXR.
        channels: letters of the channels, as in EXR files.
        kind: socket type: ``VALUE``, ``VECTOR`` or ``COLOR``.
        switch: property of the view layer's settings that asks for it.
    """

    core: str
    name: str
    channels: str
    kind: str
    switch: str


BLENDER_PASSES = (
    BlenderPass("depth", "Depth", "Z", "VALUE", "use_depth"),
    BlenderPass("mask", compat.OBJECT_INDEX_PASS, "X", "VALUE", "use_mask"),
    BlenderPass("mask", CRYPTO_PASS, "rgba", "COLOR", "use_cryptomatte"),
    BlenderPass("normal", "Normal", "XYZ", "VECTOR", "use_normal"),
    BlenderPass("uvd", "UV", "UVA", "VECTOR", "use_uv"),
    BlenderPass("uvd", "Canonical", "UVD", "VECTOR", "use_uvd"),
    BlenderPass("holdout", "Holdout", "X", "VALUE", "use_holdout"),
    BlenderPass("rgba_low", "LowRes", "RGBA", "COLOR", "use_low"),
)


def wanted_passes(view_layer: Any) -> list[BlenderPass]:
    """The passes beside Combined that a view layer asks for."""
    return [entry for entry in BLENDER_PASSES if getattr(view_layer.livehand, entry.switch)]


def core_passes(view_layer: Any) -> tuple[str, ...]:
    """The core's names of all passes of a view layer, ``rgba`` first."""
    return tuple(dict.fromkeys(("rgba", *(entry.core for entry in wanted_passes(view_layer)))))


def pass_image(entry: BlenderPass, answer: RenderPasses, labels: Sequence[HandLabel]) -> np.ndarray:
    """What a pass shows, rows from the top, (h, w, channels).

    Args:
        entry: one of BLENDER_PASSES.
        answer: the core's images, ``rgba`` and ``entry.core`` among them.
        labels: the frame's hands, in the request's order.
    """
    image = answer[entry.core]
    if entry.switch == "use_mask":
        return object_indices(labels)[image.astype(np.intp)]
    if entry.switch == "use_cryptomatte":
        return cryptomatte(image, answer["rgba"][..., 3:], [label.name for label in labels])
    if entry.switch == "use_uv":
        # The third channel is the coverage that the Map UV node reads; texture coordinates are never exactly 0.
        return np.concatenate([image[..., :2], image[..., :2].any(axis=-1, keepdims=True)], axis=-1, dtype=np.float32)
    return image


def object_indices(labels: Sequence[HandLabel]) -> np.ndarray:
    """(number of hands + 1,) float32: what the index pass holds for the background and each hand.

    The armatures' own Pass Index as in other engines; where no hand of the frame has one, their numbers from 1.
    """
    given = [label.pass_index for label in labels]
    return np.array([0, *(given if any(given) else range(1, len(given) + 1))], dtype=np.float32)


def blender_pixels(
    core: str,
    image: np.ndarray,
    width: int,
    height: int,
    background: tuple[float, float, float] | None = None,
    hole: np.ndarray | None = None,
) -> np.ndarray:
    """An image as Blender's flat pixel array.

    Args:
        core: the core's name of what it was made of.
        image: (h, w, C) float32, rows from the top; enlarged by whole pixels when smaller than the frame.
        width, height: size of the frame in pixels.
        background: scene-linear colour laid under the picture, None to leave it transparent.
        hole: (h, w, 1) how much of it hands that are held out have cut away; None for nothing.

    Returns:
        (width * height * C,) float32, rows from the bottom.
    """
    if image.shape[:2] != (height, width):
        rows = np.arange(height) * image.shape[0] // height
        columns = np.arange(width) * image.shape[1] // width
        image = image[rows[:, None], columns]
    if core == "depth":
        image = np.where(np.isfinite(image), image, FAR)
    if background is not None:
        left = 1.0 - image[..., 3:] - (0.0 if hole is None else hole)
        image = image + left * np.array([*background, 1.0], dtype=np.float32)
    return np.ascontiguousarray(image[::-1], dtype=np.float32).ravel()
