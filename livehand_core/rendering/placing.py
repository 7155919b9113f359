"""What the networks made, placed where the plan wants it: the picture in the layer's box, and the low image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..framing import Box
from ..kernels.resample import resize
from .layer import LowImage
from .plan import Plan

Image = Any
"""(h, w, C): an array, or a tensor."""


def on_canvas(image: Image, box: Box, size: tuple[int, int], background: float = 0.0) -> Image:
    """An image of a box, array or tensor, in an otherwise empty one of (width, height) pixels; the rest is cut."""
    shape = (size[1], size[0], image.shape[2])
    empty = np.full(shape, background, dtype=np.float32) if isinstance(image, np.ndarray) else None
    canvas = image.new_full(shape, background) if empty is None else empty
    window = canvas[box.top : box.bottom, box.left : box.right]
    window[:] = image[: window.shape[0], : window.shape[1]]
    return canvas


def in_the_layers_box(plan: Plan, image: Image, resized: Callable[[Image, int, int], Image]) -> Image:
    """The networks' picture in the pixels of the layer's box.

    Args:
        plan: of the hand.
        image: (h, w, C) of ``plan.picture``, array or tensor.
        resized: (image, width, height) -> the image at that size.

    Returns:
        (h, w, C) of ``plan.box``.
    """
    box, working = plan.picture, (plan.working.width, plan.working.height)
    if plan.stretched:
        image, box = resized(on_canvas(image, box, plan.canvas), *working), Box(0, 0, *working)
    if plan.scale != 1.0:
        image = resized(on_canvas(image, box, working), plan.box.width, plan.box.height)
    return image


def low_image(plan: Plan, rgba: np.ndarray, depth: np.ndarray) -> LowImage:
    """The feature image's colours in its own grid, or, when that is another size's, in the layer's box.

    Args:
        plan: of the hand.
        rgba: (h, w, 4) float32 of ``plan.low_box``, 0 where no ray was evaluated.
        depth: (h, w) float32 expected depth in the avatar's frame, infinity there.
    """
    depth = depth * np.float32(plan.view.scale)
    size = (plan.low.width, plan.low.height)
    if plan.scale == 1.0:
        return LowImage(plan.low_box, size, rgba, depth)
    image = resize(on_canvas(rgba, plan.low_box, size), plan.box.width, plan.box.height)
    mean = float(depth[np.isfinite(depth)].mean())
    whole = (plan.view.camera.width, plan.view.camera.height)
    return LowImage(plan.box, whole, image, np.full(image.shape[:2], mean, dtype=np.float32))
