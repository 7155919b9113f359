"""Layers of several hands -> the images of the frame: "over" per pixel, the nearer hand on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.compose import merge, take_front, take_mask
from ..kernels.resample import resize
from ..passes import empty_images, premultiplied_srgb_to_linear
from ..workers import Workers
from .layer import Layer, LowImage
from .placing import on_canvas

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
    images = empty_images(width, height, sorted({*in_front, "holdout"} & set(passes)))
    boxes = np.array([(box.left, box.top, box.right, box.bottom) for box in (layer.box for layer in hands)])
    rgba = _flat([layer.rgba for layer in hands], 4)
    depth = _flat([layer.depth for layer in hands], 1)[:, 0]
    counts = [layer.depth.size for layer in hands]
    starts = np.cumsum([0, *counts[:-1]])
    front = np.empty((height, width) if in_front else (0, 0), dtype=np.int16)
    picture = images["rgba"] = np.empty((height, width, 4), dtype=np.float32)
    distance = images["depth"] = np.empty((height, width, 1) if "depth" in passes else (0, 0, 1), dtype=np.float32)
    held = np.repeat([layer.holdout for layer in hands], counts)
    lit = np.array([layer.lit for layer in hands])
    # Where a hole is cut, colours are decoded after it, and what is brighter than white has to come that far.
    brightest = np.inf if lit.any() else 1.0
    if held.any() and linear:
        lit = np.zeros_like(lit)

    def over(pixels: np.ndarray, answer: np.ndarray, decode: bool = False) -> None:
        workers.parallel_for(
            height,
            lambda first, last: merge(pixels, depth, boxes, starts, lit, first, last, decode, answer, front, distance),
        )

    if held.any():
        hole = _hold_out(over, rgba, held, picture)
    else:
        over(rgba, picture, linear)
    for name in in_front & {"normal", "uvd"}:
        values = [getattr(layer, name) for layer in hands]
        take_front(_flat(values, 3), front, boxes, starts, images[name])
    if "mask" in in_front:
        numbers = np.array([number for number, _ in layers], dtype=np.float32)
        take_mask(rgba, front, boxes, starts, numbers, images["mask"])
    if held.any():
        for name in in_front:
            images[name] *= picture[..., 3:] > 0.0
        images["holdout"] = hole
        images["rgba"] = premultiplied_srgb_to_linear(picture, brightest) if linear else picture
    if "rgba_low" in passes:
        images["rgba_low"] = _low([(layer.low, layer.holdout) for layer in hands if layer.low is not None])
    return {name: images[name] for name in passes}


def _hold_out(
    over: Callable[[np.ndarray, np.ndarray], None], rgba: np.ndarray, held: np.ndarray, picture: np.ndarray
) -> np.ndarray:
    """Merge hands of which some are held out: those hide what is behind them, and show nothing themselves.

    Args:
        over: merges pixels (P, 4) into an image.
        rgba: (P, 4) the hands' pixels, premultiplied, display-referred.
        held: (P,) whether the hand that a pixel belongs to is held out.
        picture: (H, W, 4) written.

    Returns:
        (H, W, 1) what the held out hands cover.
    """
    black = rgba.copy()
    black[held, :3] = 0.0
    over(black, picture)
    # The opacity of what is drawn adds up as a colour does.
    opacity = np.repeat(rgba[:, 3:], 4, axis=1)
    opacity[held, :3] = 0.0
    drawn = np.empty_like(picture)
    over(opacity, drawn)
    hole = np.maximum(picture[..., 3:] - drawn[..., :1], 0.0)
    picture[..., 3:] = drawn[..., :1]
    return hole


def _flat(parts: Sequence[np.ndarray], channels: int) -> np.ndarray:
    rows = [part.reshape(-1, channels) for part in parts]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _low(layers: Sequence[tuple[LowImage, bool]]) -> np.ndarray:
    """The volume-rendered images, and whether each is held out, merged at the size of the first hand's."""
    width, height = layers[0][0].size
    colours, depths = [], []
    for layer, _ in layers:
        colour = on_canvas(layer.rgba, layer.box, layer.size)
        finite = np.where(np.isfinite(layer.depth), layer.depth, 1e6)[..., None].astype(np.float32)
        depth = on_canvas(finite, layer.box, layer.size, background=1e6)
        colours.append(resize(colour, width, height))
        depths.append(resize(depth, width, height))
    boxes = np.array([(0, 0, width, height)] * len(layers))
    starts = np.arange(len(layers)) * (width * height)
    answer = np.empty((height, width, 4), dtype=np.float32)
    nobody, nowhere = np.zeros((0, 0), np.int16), np.zeros((0, 0, 1), np.float32)
    unlit = np.zeros(len(layers), np.bool_)
    depth = _flat(depths, 1)[:, 0]

    def over(pixels: np.ndarray, image: np.ndarray) -> None:
        merge(pixels, depth, boxes, starts, unlit, 0, height, False, image, nobody, nowhere)

    held = np.repeat([holdout for _, holdout in layers], width * height)
    if held.any():
        _hold_out(over, _flat(colours, 4), held, answer)
    else:
        over(_flat(colours, 4), answer)
    return answer
