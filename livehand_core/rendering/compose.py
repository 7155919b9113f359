"""Layers of several hands -> the images of the frame: "over" per pixel, the nearer hand on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..passes import PASSES, premultiplied_srgb_to_linear
from .layer import Layer, resize

FRONT_ALPHA = 0.5
"""Opacity from which a hand counts as the front-most one in the passes that cannot blend."""


def compose(
    layers: Sequence[tuple[int, Layer]], width: int, height: int, passes: Sequence[str], linear: bool
) -> dict[str, np.ndarray]:
    """Merge.

    Args:
        layers: (number of the hand counted from 1, its layer).
        width, height: of the image.
        passes: names out of PASSES.
        linear: answer ``rgba`` scene-linear in place of display-referred.

    Returns:
        name -> (H, W, C) float32.
    """
    images = {}
    if set(passes) & {"depth", "normal", "uvd", "mask"}:
        images = _front_most(layers, width, height)
    if "rgba" in passes:
        stack = [_placed(layer.rgba, layer.box.left, layer.box.top, width, height, 0.0) for _, layer in layers]
        depth = _depths(layers, width, height)
        images["rgba"] = _over(stack, depth)
        if linear:
            images["rgba"] = premultiplied_srgb_to_linear(images["rgba"])
    if "rgba_low" in passes:
        images["rgba_low"] = _low(layers, width, height)
    return {name: np.ascontiguousarray(images[name], dtype=np.float32) for name in passes}


def empty(width: int, height: int, passes: Sequence[str]) -> dict[str, np.ndarray]:
    """The images of a frame in which nothing is seen."""
    images = {}
    for name in passes:
        background = np.inf if name == "depth" else 0.0
        images[name] = np.full((height, width, PASSES[name].channels), background, dtype=np.float32)
    return images


def _placed(image: torch.Tensor, left: int, top: int, width: int, height: int, background: float) -> np.ndarray:
    array = image.detach().cpu().numpy()
    if array.shape[:2] == (height, width):
        return array
    canvas = np.full((height, width, *array.shape[2:]), background, dtype=np.float32)
    canvas[top : top + array.shape[0], left : left + array.shape[1]] = array
    return canvas


def _depths(layers: Sequence[tuple[int, Layer]], width: int, height: int) -> list[np.ndarray]:
    return [_placed(layer.depth, layer.box.left, layer.box.top, width, height, np.inf) for _, layer in layers]


def _over(stack: Sequence[np.ndarray], depth: Sequence[np.ndarray]) -> np.ndarray:
    """Composite premultiplied (H, W, 4) images, per pixel from the nearest to the farthest."""
    if len(stack) == 1:
        return stack[0]
    # Where at most one hand is seen the sum is the picture; only the rest needs an order.
    answer = np.sum(stack, axis=0)
    shared = np.nonzero(np.sum([image[..., 3] > 0.0 for image in stack], axis=0) > 1)
    colours = np.stack([image[shared] for image in stack])
    order = np.argsort(np.stack([image[shared] for image in depth]), axis=0, kind="stable")
    merged = np.zeros_like(colours[0])
    pixel = np.arange(len(merged))
    for nearest in order:
        merged += (1.0 - merged[:, 3:]) * colours[nearest, pixel]
    answer[shared] = merged
    return answer


def _front_most(layers: Sequence[tuple[int, Layer]], width: int, height: int) -> dict[str, np.ndarray]:
    """The passes that show one hand a pixel: the nearest that is opaque enough, else the nearest there is."""
    images = empty(width, height, ("depth", "normal", "uvd", "mask"))
    best = np.full((height, width), np.inf, dtype=np.float64)
    for number, layer in layers:
        box = layer.box
        window = (slice(box.top, box.bottom), slice(box.left, box.right))
        alpha = layer.rgba[..., 3].cpu().numpy()
        depth = layer.depth.cpu().numpy()
        # Transparent hands rank behind every opaque one.
        rank = np.where(alpha > 0.0, depth + np.where(alpha >= FRONT_ALPHA, 0.0, 1e6), np.inf)
        closer = rank < best[window]
        best[window][closer] = rank[closer]
        images["depth"][window][closer] = depth[closer, None]
        images["mask"][window][closer] = np.where(alpha[closer] >= FRONT_ALPHA, number, 0)[:, None]
        for name, image in (("normal", layer.normal), ("uvd", layer.uvd)):
            if image is not None:
                images[name][window][closer] = image.cpu().numpy()[closer]
    return images


def _low(layers: Sequence[tuple[int, Layer]], width: int, height: int) -> np.ndarray:
    """The volume-rendered images merged at the size of the first hand's."""
    size = layers[0][1].low_size
    colours, depths = [], []
    for _, layer in layers:
        box = layer.low_box
        colour = _placed(layer.low_rgba, box.left, box.top, *layer.low_size, 0.0)
        depth = _placed(layer.low_depth, box.left, box.top, *layer.low_size, np.inf)
        if layer.low_size != size:
            colour = resize(torch.from_numpy(colour), *size).numpy()
            finite = np.where(np.isfinite(depth), depth, 1e6)[..., None].astype(np.float32)
            depth = resize(torch.from_numpy(finite), *size).numpy()[..., 0]
        colours.append(colour)
        depths.append(depth)
    return _over(colours, depths)
