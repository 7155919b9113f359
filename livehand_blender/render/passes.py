"""The table of passes: how Blender names each image of the core, and the core's image in Blender's form.

Blender's rows run from the bottom and its colours are scene-linear; the core answers linear on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from livehand_core.passes import PASSES

FAR = 1e10
"""Depth of the background, the value that Blender's own engines and compositor use."""


@dataclass(frozen=True)
class BlenderPass:
    """One pass beside Combined.

    Attributes:
        core: name in the core's ``PASSES``.
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
    BlenderPass("mask", "HandMask", "X", "VALUE", "use_mask"),
    BlenderPass("normal", "Normal", "XYZ", "VECTOR", "use_normal"),
    BlenderPass("uvd", "Canonical", "UVD", "VECTOR", "use_uvd"),
    BlenderPass("rgba_low", "LowRes", "RGBA", "COLOR", "use_low"),
)


def wanted_passes(view_layer: Any) -> list[BlenderPass]:
    """The passes beside Combined that a view layer asks for."""
    return [entry for entry in BLENDER_PASSES if getattr(view_layer.livehand, entry.switch)]


def core_passes(view_layer: Any) -> tuple[str, ...]:
    """The core's names of all passes of a view layer, ``rgba`` first."""
    return ("rgba", *(entry.core for entry in wanted_passes(view_layer)))


def blender_pixels(
    core: str, image: np.ndarray, width: int, height: int, background: tuple[float, float, float] | None = None
) -> np.ndarray:
    """A core image as Blender's flat pixel array.

    Args:
        core: name in ``PASSES``.
        image: (h, w, C) float32, rows from the top; enlarged by whole pixels when smaller than the frame.
        width, height: size of the frame in pixels.
        background: scene-linear colour laid under the picture, None to leave it transparent.

    Returns:
        (width * height * C,) float32, rows from the bottom.
    """
    assert image.shape[2] == PASSES[core].channels
    if image.shape[:2] != (height, width):
        rows = np.arange(height) * image.shape[0] // height
        columns = np.arange(width) * image.shape[1] // width
        image = image[rows[:, None], columns]
    if core == "depth":
        image = np.where(np.isfinite(image), image, FAR)
    if background is not None:
        alpha = image[..., 3:]
        under = np.array([*background, 1.0], dtype=np.float32)
        image = image + (1.0 - alpha) * under
    return np.ascontiguousarray(image[::-1], dtype=np.float32).ravel()
