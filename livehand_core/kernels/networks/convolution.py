"""Super-resolution's convolutions over lists of pixels: only what the picture needs is computed.

Images are (rows, columns, channels) with a margin of ``MARGIN`` pixels on each side; pixels are named by their index in
the margined grid. What lies outside the image is zero, as the published network pads; what lies inside but is not in a
list is never read by a pixel that is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..compiling import allocating, compiled, inlined, inner
from ..products.packing import FULL, HALF
from ..simd.lanes import WIDTH, fused
from ..simd.memory import load, put_number, store
from .rows import FULL_ROWS, HALF_ROWS, RowKernels, leaky, with_zero

_HALF_COLUMNS, _MOST_ROWS = HALF.columns, max(FULL.rows, HALF.rows)
_MOST_COLUMNS, _SUMS = max(FULL.columns, HALF.columns), max(FULL.rows * FULL.columns, HALF.rows * HALF.columns)

MARGIN = 4
"""Pixels around every image."""

MOST_HEADS = 4
"""Of more channels than these a pixel of a picture is one vector, filled up: a material's."""


def picture_channels(heads: int) -> int:
    """Channels that the picture of so many heads has in memory."""
    return heads if heads <= MOST_HEADS else WIDTH


_ZERO, _NEAR, _FAR = np.float32(0.0), np.float32(0.75), np.float32(0.25)


class Convolution(NamedTuple):
    """A 3x3 convolution with leaky ReLU, C to C' channels, that may double the size: docs/method.md 1.8.

    Attributes:
        packed: weights, see ``products.packing.pack``; four where it doubles the size, one for each of the four values
            that a source pixel holds.
        gain: (C') one unit of the sums in units of the target.
        raw_bias: (4, C') what each of the four values adds before the filter.
        bias: (C') after it, both in units of the target.
        zero: float32, what the target stores for 0.
        heads: (K, C') float32 weights of the colour heads, over the target's scale; of more than MOST_HEADS heads
            (C', WIDTH), filled up, so that one vector holds all that a channel adds.
        sum_like: empty, of the type of a block's sums.
    """

    packed: tuple[np.ndarray, ...]
    gain: np.ndarray
    raw_bias: np.ndarray
    bias: np.ndarray
    zero: np.float32
    heads: np.ndarray
    sum_like: np.ndarray


class _Scratch(NamedTuple):
    """Room for one thread.

    Attributes:
        sums: of a block; values: of its row; offsets, places: of its rows in source and target.
        columns: a row's pixels at work; raw: two rows of values before the filter; lines: six rows filtered across, row
            2y + phase in slot (2y + phase) % 6. None of these where the size stays.
    """

    sums: np.ndarray
    values: np.ndarray
    offsets: np.ndarray
    places: np.ndarray
    columns: np.ndarray
    raw: np.ndarray
    lines: np.ndarray


@allocating
def _scratch(layer, width):
    line = 2 * width * len(layer.gain)
    return _Scratch(
        np.zeros(_SUMS, layer.sum_like.dtype),
        np.zeros(_MOST_COLUMNS, np.float32),
        np.zeros(_MOST_ROWS, np.int64),
        np.zeros(_MOST_ROWS, np.int64),
        np.zeros(width, np.int64),
        np.zeros(2 * line, np.float32),
        np.zeros(6 * line, np.float32),
    )


@compiled
def dilate(mask: np.ndarray, pixels: int, inner: bool) -> np.ndarray:
    """(H, W) bool mask of a margined grid, dilated by ``pixels`` in all eight directions.

    Args:
        mask: with margins.
        pixels: at most MARGIN.
        inner: leave the margin out of the answer.
    """
    height, width = mask.shape
    across = np.zeros_like(mask)
    answer = np.zeros_like(mask)
    for y in range(height):
        for shift in range(-pixels, pixels + 1):
            # All of a row by one shift after the other, which vectors do at once.
            for x in range(max(-shift, 0), width - max(shift, 0)):
                across[y, x] |= mask[y, x + shift]
    edge = MARGIN if inner else 0
    for y in range(edge, height - edge):
        for near in range(max(y - pixels, 0), min(y + pixels + 1, height)):
            for x in range(edge, width - edge):
                answer[y, x] |= across[near, x]
    return answer


@compiled
def doubled(mask: np.ndarray) -> np.ndarray:
    """The mask of the image of twice the size, with its own margin of the same width."""
    height, width = mask.shape
    answer = np.zeros((2 * (height - MARGIN), 2 * (width - MARGIN)), dtype=np.bool_)
    for y in range(MARGIN, height - MARGIN):
        for x in range(MARGIN, width - MARGIN):
            if mask[y, x]:
                top, left = 2 * y - MARGIN, 2 * x - MARGIN
                answer[top : top + 2, left : left + 2] = True
    return answer


@compiled
def clear_margin(image: np.ndarray, value: int) -> None:
    """Set the margin of an (H, W, C) image to what stands for zero."""
    height, width = image.shape[0], image.shape[1]
    image[:MARGIN], image[height - MARGIN :] = value, value
    image[MARGIN : height - MARGIN, :MARGIN] = value
    image[MARGIN : height - MARGIN, width - MARGIN :] = value


def _convolver(kernels: RowKernels) -> Any:
    """:func:`convolve` in blocks of a shape, with its scratch memory."""
    height, columns = kernels.shape.rows, kernels.shape.columns
    dot, leaky_row, add_heads, add_vector = kernels.dot, kernels.leaky, kernels.heads, kernels.heads_at_once

    @inner
    def part(layer, source, taps, target, picture, pixels, start, stop, scratch):
        channels, outputs, heads = source.shape[2], len(layer.gain), min(len(layer.heads), picture.shape[2])
        sums, packed, keep = scratch.sums, layer.packed[0], target.shape[0] > 0
        for first in range(start, stop, height):
            rows = min(height, stop - first)
            for m in range(height):
                scratch.offsets[m] = pixels[first + min(m, rows - 1)] * channels
            for block in range(len(packed)):
                column = block * columns
                dot(sums, source, scratch.offsets, 0, taps, packed[block])
                for m in range(rows):
                    pixel = pixels[first + m]
                    if keep:
                        at = pixel * outputs + column
                        leaky_row(sums, m, layer.gain, column, layer.bias, column, layer.zero, target, at)
                    if heads == WIDTH:
                        at = pixel * WIDTH
                        add_vector(
                            sums, m, layer.gain, column, layer.bias, layer.heads, scratch.values, picture, at
                        )  # fmt: skip
                    elif heads:
                        at = pixel * heads
                        add_heads(
                            sums, m, layer.gain, column, layer.bias, layer.heads, scratch.values, picture, at
                        )  # fmt: skip

    return part


_convolve = _convolver(FULL_ROWS)
_convolve_half = _convolver(HALF_ROWS)


@compiled
def convolve(layer, source, taps, target, picture, pixels, start, stop):
    """3x3 convolution and leaky ReLU of pixels[start:stop]; ``picture`` takes what the colour heads add.

    Args:
        layer: Convolution.
        source: (H, W, C) float32, int16 or uint8.
        taps: (10,) elements from a pixel to its neighbours, then C.
        target: (H, W, C') float32, int16 or uint8; of no rows when the activations themselves are not needed.
        picture: (H, W, K) float32, added to; see :func:`picture_channels`.
        pixels: int64 indices into the margined grid, which source, target and picture share.
        start, stop: those of this call.
    """
    scratch = _scratch(layer, 0)
    if len(layer.gain) == _HALF_COLUMNS:
        _convolve_half(layer, source, taps, target, picture, pixels, start, stop, scratch)
    else:
        _convolve(layer, source, taps, target, picture, pixels, start, stop, scratch)


def _transposer(kernels: RowKernels) -> Any:
    """The four values of each of a row's source pixels, unfiltered, in blocks of a shape."""
    height, block_columns = kernels.shape.rows, kernels.shape.columns
    dot, linear_row = kernels.dot, kernels.linear

    @inner
    def transpose(layer, source, taps, y, count, scratch):
        width, channels = source.shape[1], source.shape[2]
        outputs = len(layer.gain)
        line = 2 * width * outputs
        for first in range(0, count, height):
            rows = min(height, count - first)
            for m in range(height):
                x = scratch.columns[first + min(m, rows - 1)]
                scratch.offsets[m] = (y * width + x) * channels
                scratch.places[m] = 2 * x * outputs
            for phase in range(4):
                packed = layer.packed[phase]
                shift = (phase // 2) * line + (phase % 2) * outputs
                for block in range(len(packed)):
                    column = block * block_columns
                    dot(scratch.sums, source, scratch.offsets, 0, taps[phase], packed[block])
                    begin = phase * outputs + column
                    for m in range(rows):
                        at = scratch.places[m] + shift + column
                        linear_row(scratch.sums, m, layer.gain, column, layer.raw_bias, begin, scratch.raw, at)

    return transpose


_transpose = _transposer(FULL_ROWS)
_transpose_half = _transposer(HALF_ROWS)


@inlined
def _filtered(source, first, second, third, fourth):
    """Sixteen channels of four neighbours through [1, 3, 3, 1] / 4."""
    outer = (load(source, first) + load(source, fourth)) * _FAR
    return fused(load(source, second) + load(source, third), _NEAR, outer)


@inner
def _filter_across(scratch, y, count, outputs, line):
    """The four values of a row's pixels at work through the filter, into ``lines``."""
    for index in range(count):
        x = scratch.columns[index]
        for phase in range(4):
            row, across = 2 * y + phase // 2, 2 * x + phase % 2
            here, there = (phase // 2) * line + across * outputs, (row % 6) * line + across * outputs
            for channel in range(0, outputs, WIDTH):
                at = here + channel
                values = _filtered(scratch.raw, at - outputs, at, at + outputs, at + 2 * outputs)
                store(scratch.lines, there + channel, values)


@inner
def _filter_down(layer, scratch, done, x, line, target):
    """The four values of a pixel through the filter, bias and leaky ReLU, into the target."""
    outputs = len(layer.gain)
    for phase in range(4):
        row, across = 2 * done + phase // 2, 2 * x + phase % 2
        begin, there = across * outputs, ((row - MARGIN) * target.shape[1] + across - MARGIN) * outputs
        for channel in range(0, outputs, WIDTH):
            at = begin + channel
            y = _filtered(
                scratch.lines, ((row - 1) % 6) * line + at, (row % 6) * line + at, ((row + 1) % 6) * line + at,
                ((row + 2) % 6) * line + at,
            )  # fmt: skip
            y = leaky(y + load(layer.bias, channel), target)
            store(target, there + channel, with_zero(y, layer.zero, target))


@inner
def _upsample_rows(layer, source, taps, cells, inside, target, first_row, last_row, scratch):
    width, outputs = source.shape[1], len(layer.gain)
    line = 2 * width * outputs
    for y in range(first_row - 1, last_row + 1):
        count = 0
        for x in range(1, width - 1):
            if cells[y, x]:
                scratch.columns[count] = x
                count += 1
        if outputs == _HALF_COLUMNS:
            _transpose_half(layer, source, taps, y, count, scratch)
        else:
            _transpose(layer, source, taps, y, count, scratch)
        _filter_across(scratch, y, count, outputs, line)
        done = y - 1
        if done >= first_row:
            for x in range(1, width - 1):
                if inside[done, x]:
                    _filter_down(layer, scratch, done, x, line, target)


@compiled
def upsample(layer, source, taps, cells, inside, target, first_row, last_row):
    """Transposed 3x3 convolution of stride 2, the low-pass filter, bias and leaky ReLU, for rows of source pixels.

    Each source pixel (y, x) holds the four values (2y, 2x), (2y, 2x + 1), (2y + 1, 2x), (2y + 1, 2x + 1) of the
    unfiltered image. They are made row by row, filtered across, and the last five rows filtered down.

    Args:
        layer: Convolution.
        source: (H, W, C) float32, int16 or uint8.
        taps: four (taps + 1,) arrays, one for each of the four values.
        cells: (H, W) bool, source pixels whose four values are needed by those inside.
        inside: (H, W) bool, source pixels whose four filtered values are wanted.
        target: (2 (H - MARGIN), 2 (W - MARGIN), C') float32, int16 or uint8.
        first_row, last_row: rows of ``inside`` to make.
    """
    _upsample_rows(layer, source, taps, cells, inside, target, first_row, last_row, _scratch(layer, source.shape[1]))


@compiled
def start_picture(features, opacity, valid, pixels, start, stop, bias, colours, picture):
    """picture[pixel] = first features, opacity in the channel behind them, 0 where not valid, plus ``bias``.

    Args:
        features: (H, W, F), opacity: (H, W), with margins; anything where not valid.
        valid: (H, W) bool.
        pixels: indices into the grid, of which start to stop are set.
        bias: (K,) of the colour heads.
        colours: features that are the picture's own.
        picture: (H, W, K) written; without opacity where it has no channel for it.
    """
    width = picture.shape[1]
    channels = picture.shape[2]
    for index in range(start, stop):
        y, x = pixels[index] // width, pixels[index] % width
        for k in range(channels):
            picture[y, x, k] = bias[k]
        if valid[y, x]:
            for k in range(colours):
                picture[y, x, k] += features[y, x, k]
            if channels > colours:
                picture[y, x, colours] += opacity[y, x]


@compiled
def upsample_picture(source, pixels, start, stop, bias, target):
    """target[pixel] = the source at twice its size (zeros inserted, low-pass filter), plus the heads' bias.

    Args:
        source: (H, W, K) float32 with margins, zero wherever nothing was set.
        pixels: indices into the target's grid.
        target: (2 (H - MARGIN), 2 (W - MARGIN), K) float32.
    """
    width, channels = target.shape[1], target.shape[2]
    for index in range(start, stop):
        row, column = pixels[index] // width + MARGIN, pixels[index] % width + MARGIN
        y, x = row // 2, column // 2
        other_y, other_x = (y + 1 if row % 2 else y - 1), (x + 1 if column % 2 else x - 1)
        if channels == WIDTH:
            here, beside = source.shape[1] * y + x, source.shape[1] * y + other_x
            over, across = source.shape[1] * other_y + x, source.shape[1] * other_y + other_x
            upper = load(source, here * WIDTH) * _NEAR + load(source, beside * WIDTH) * _FAR
            lower = load(source, over * WIDTH) * _NEAR + load(source, across * WIDTH) * _FAR
            store(target, pixels[index] * WIDTH, upper * _NEAR + lower * _FAR + load(bias, 0))
            continue
        for k in range(channels):
            upper = _NEAR * source[y, x, k] + _FAR * source[y, other_x, k]
            lower = _NEAR * source[other_y, x, k] + _FAR * source[other_y, other_x, k]
            target[row - MARGIN, column - MARGIN, k] = _NEAR * upper + _FAR * lower + bias[k]


@compiled
def start_input(source, valid, channels, scale, first_row, last_row, target):
    """target[y, x] = scale source[y, x], rounded: the feature image, whose values lie in [0, 1], in the target's type.

    Args:
        source: (H, W, F) float32; anything where not valid.
        valid: (H, W) bool; elsewhere the target becomes 0.
        channels: of the source that are meant, the first ones; behind them the target becomes 0.
        scale: float32; 1 where the target is float32.
        first_row, last_row: rows to work on.
        target: (H, W, C) of any type of activations.
    """
    width, size = source.shape[1], target.shape[2]
    for y in range(first_row, last_row):
        for x in range(width):
            if valid[y, x]:
                at = (y * width + x) * size
                for k in range(channels):
                    put_number(target, at + k, source[y, x, k] * scale)
                target[y, x, channels:] = 0
            else:
                target[y, x, :] = 0
