"""Layers of several hands -> the images of the frame: "over" per pixel, the nearer hand on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernels.compose import merge, take_front, take_mask
from ..kernels.resample import resize
from ..passes import PASSES
from ..workers import Workers
from .layer import Layer, LowImage, on_canvas

_FRONT_PASSES = ("normal", "uvd", "mask")
"""Passes that show one hand a pixel, but for depth, which merging makes by the way."""


def compose(
    layers: Sequence[tuple[int, Layer]],
    width: int,
    height: int,
    passes: Sequence[str],
    linear: bool,
    workers: Workers,
) -> dict[str, np.ndarray]:
    """Merge.

    Args:
        layers: (number of the hand counted from 1, its layer).
        width, height: of the image.
        passes: names out of PASSES.
        linear: answer ``rgba`` scene-linear in place of display-referred.
        workers: where rows are merged.

    Returns:
        name -> (H, W, C) float32.
    """
    hands = [layer for _, layer in layers]
    in_front = set(passes) & set(_FRONT_PASSES)
    images = empty(width, height, sorted(in_front))
    boxes = np.array([(box.left, box.top, box.right, box.bottom) for box in (layer.box for layer in hands)])
    rgba = _flat([layer.rgba for layer in hands], 4)
    depth = _flat([layer.depth for layer in hands], 1)[:, 0]
    counts = [layer.depth.size for layer in hands]
    starts = np.cumsum([0, *counts[:-1]])
    front = np.empty((height, width) if in_front else (0, 0), dtype=np.int16)
    picture = images["rgba"] = np.empty((height, width, 4), dtype=np.float32)
    distance = images["depth"] = np.empty((height, width, 1) if "depth" in passes else (0, 0, 1), dtype=np.float32)
    workers.spread(
        height,
        lambda first, last: merge(rgba, depth, boxes, starts, first, last, linear, picture, front, distance),
    )
    for name in in_front & {"normal", "uvd"}:
        values = [getattr(layer, name) for layer in hands]
        take_front(_flat(values, 3), front, boxes, starts, images[name])
    if "mask" in in_front:
        numbers = np.array([number for number, _ in layers], dtype=np.float32)
        take_mask(rgba, front, boxes, starts, numbers, images["mask"])
    if "rgba_low" in passes:
        images["rgba_low"] = _low([layer.low for layer in hands if layer.low is not None])
    return {name: images[name] for name in passes}


def empty(width: int, height: int, passes: Sequence[str]) -> dict[str, np.ndarray]:
    """The images of a frame in which nothing is seen."""
    images = {}
    for name in passes:
        shape = (height, width, PASSES[name].channels)
        # Zeros cost nothing where nobody writes: the system hands out such pages as they are touched.
        images[name] = np.full(shape, np.inf, np.float32) if name == "depth" else np.zeros(shape, np.float32)
    return images


def _flat(parts: Sequence[np.ndarray], channels: int) -> np.ndarray:
    rows = [part.reshape(-1, channels) for part in parts]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _low(layers: Sequence[LowImage]) -> np.ndarray:
    """The volume-rendered images merged at the size of the first hand's."""
    width, height = layers[0].size
    colours, depths = [], []
    for layer in layers:
        colour = on_canvas(layer.rgba, layer.box.left, layer.box.top, *layer.size)
        finite = np.where(np.isfinite(layer.depth), layer.depth, 1e6)[..., None].astype(np.float32)
        depth = on_canvas(finite, layer.box.left, layer.box.top, *layer.size, background=1e6)
        colours.append(resize(colour, width, height))
        depths.append(resize(depth, width, height))
    boxes = np.array([(0, 0, width, height)] * len(layers))
    starts = np.arange(len(layers)) * (width * height)
    answer = np.empty((height, width, 4), dtype=np.float32)
    nobody, nowhere = np.zeros((0, 0), np.int16), np.zeros((0, 0, 1), np.float32)
    merge(_flat(colours, 4), _flat(depths, 1)[:, 0], boxes, starts, 0, height, False, answer, nobody, nowhere)
    return answer
