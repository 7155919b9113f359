"""Super-resolution's convolutions over lists of pixels: only what the picture needs is computed.

Images are (rows, columns, channels) with a margin of ``MARGIN`` pixels on each side; pixels are named by their index in
the margined grid. What lies outside the image is zero, as the published network pads; what lies inside but is not in a
list is never read by a pixel that is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiling import compiled, inner
from ..products.dot import FULL, HALF, Shape, dot_block, dot_half_block
from ..simd.elementary import round_like
from .rows import (
    blur,
    leaky_blur,
    leaky_half_heads,
    leaky_half_row,
    leaky_heads,
    leaky_row,
    linear_half_row,
    linear_row,
)

_HALF_COLUMNS, _MOST_ROWS, _SUMS = HALF.columns, HALF.rows, FULL.rows * FULL.columns

MARGIN = 4
"""Pixels around every image."""

_ZERO = np.float32(0.0)


@compiled
def grow(mask: np.ndarray, pixels: int, inner: bool) -> np.ndarray:
    """(H, W) bool mask of a margined grid, widened by ``pixels`` in all eight directions.

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
def enlarged(mask: np.ndarray) -> np.ndarray:
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


def _convolver(shape: Shape, dot: Any, store: Any, add_heads: Any) -> Any:
    """:func:`convolve` in blocks of a shape, with its scratch memory."""
    height, columns = shape.rows, shape.columns

    @inner
    def part(source, pixels, start, stop, taps, packed, gain, bias, zero, target, heads, picture, sums, offsets):
        channels = source.shape[2]
        outputs, count = len(gain), heads.shape[0]
        keep = target.shape[0] > 0
        for first in range(start, stop, height):
            rows = min(height, stop - first)
            for m in range(height):
                offsets[m] = pixels[first + min(m, rows - 1)] * channels
            for block in range(len(packed)):
                column = block * columns
                dot(sums, source, offsets, 0, taps, packed[block])
                for m in range(rows):
                    pixel = pixels[first + m]
                    if keep:
                        store(sums, m, gain, bias, column, target, pixel * outputs + column, zero, column)
                    if count:
                        add_heads(sums, m, gain, bias, column, heads, picture, pixel * count)

    return part


_convolve = _convolver(FULL, dot_block, leaky_row, leaky_heads)
_convolve_half = _convolver(HALF, dot_half_block, leaky_half_row, leaky_half_heads)


@compiled
def convolve(source, sum_like, pixels, start, stop, taps, packed, gain, bias, zero, target, heads, picture):
    """3x3 convolution and leaky ReLU of pixels[start:stop]; ``picture`` takes what the colour heads add.

    Args:
        source: (H, W, C) float32, int16 or uint8; sum_like: empty, of the dtype of its sums.
        pixels: int64 indices into the margined grid, which source, target and picture share.
        taps: (10,) elements from a pixel to its neighbours, then C.
        packed, gain, bias: weights, and per output channel one unit of the sums and the bias, in steps of the target.
        zero: what the target stores for 0.
        target: (H, W, C') float32, int16 or uint8; of no rows when the activations themselves are not needed.
        heads: (K, C') float32 weights of the colour heads, over the target's step.
        picture: (H, W, K) float32, added to.
    """
    sums, offsets = np.zeros(_SUMS, dtype=sum_like.dtype), np.zeros(_MOST_ROWS, dtype=np.int64)
    if len(gain) == _HALF_COLUMNS:
        _convolve_half(
            source, pixels, start, stop, taps, packed, gain, bias, zero, target, heads, picture, sums, offsets
        )
    else:
        _convolve(source, pixels, start, stop, taps, packed, gain, bias, zero, target, heads, picture, sums, offsets)


def _transposer(shape: Shape, dot: Any, store: Any) -> Any:
    """The four values of each of a row's source pixels, unfiltered, in blocks of a shape."""
    height, width_of_block = shape.rows, shape.columns

    @inner
    def transpose(source, y, columns, count, taps, packed, gain, raw_bias, raw, sums, offsets, places):
        width, channels = source.shape[1], source.shape[2]
        outputs = len(gain)
        line = (2 * width) * outputs
        for first in range(0, count, height):
            rows = min(height, count - first)
            for m in range(height):
                x = columns[first + min(m, rows - 1)]
                offsets[m] = (y * width + x) * channels
                places[m] = 2 * x * outputs
            for phase in range(4):
                shift = (phase // 2) * line + (phase % 2) * outputs
                for block in range(len(packed[phase])):
                    column = block * width_of_block
                    dot(sums, source, offsets, 0, taps[phase], packed[phase][block])
                    begin = phase * outputs + column
                    for m in range(rows):
                        store(sums, m, gain, raw_bias, begin, raw, places[m] + shift + column, _ZERO, column)

    return transpose


_transpose = _transposer(FULL, dot_block, linear_row)
_transpose_half = _transposer(HALF, dot_half_block, linear_half_row)


@inner
def _enlarge_rows(
    source, cells, inside, first_row, last_row, taps, packed, gain, raw_bias, bias, zero, target, raw, lines, sums,
    offsets, places, columns,
):  # fmt: skip
    """:func:`enlarge_and_convolve` with its scratch memory."""
    width, outputs = source.shape[1], len(gain)
    line = (2 * width) * outputs
    target_width = target.shape[1]
    for y in range(first_row - 1, last_row + 1):
        count = 0
        for x in range(1, width - 1):
            if cells[y, x]:
                columns[count] = x
                count += 1
        if outputs == _HALF_COLUMNS:
            _transpose_half(source, y, columns, count, taps, packed, gain, raw_bias, raw, sums, offsets, places)
        else:
            _transpose(source, y, columns, count, taps, packed, gain, raw_bias, raw, sums, offsets, places)
        for index in range(count):
            x = columns[index]
            for phase in range(4):
                row, across = 2 * y + phase // 2, 2 * x + phase % 2
                here = (phase // 2) * line + across * outputs
                blur(
                    raw, here - outputs, here, here + outputs, here + 2 * outputs, outputs, bias, _ZERO, lines,
                    (row % 6) * line + across * outputs,
                )  # fmt: skip
        done = y - 1
        if done < first_row:
            continue
        for x in range(1, width - 1):
            if inside[done, x]:
                for phase in range(4):
                    row, across = 2 * done + phase // 2, 2 * x + phase % 2
                    at = across * outputs
                    leaky_blur(
                        lines, ((row - 1) % 6) * line + at, (row % 6) * line + at, ((row + 1) % 6) * line + at,
                        ((row + 2) % 6) * line + at, outputs, bias, zero, target,
                        ((row - MARGIN) * target_width + across - MARGIN) * outputs,
                    )  # fmt: skip


@compiled
def enlarge_and_convolve(
    source, sum_like, cells, inside, first_row, last_row, taps, packed, gain, raw_bias, bias, zero, target
):  # fmt: skip
    """Transposed 3x3 convolution of stride 2, the low-pass filter, bias and leaky ReLU, for rows of source pixels.

    Each source pixel (y, x) holds the four values (2y, 2x), (2y, 2x + 1), (2y + 1, 2x), (2y + 1, 2x + 1) of the
    unfiltered image. They are made row by row, filtered across, and the last five rows filtered down.

    Args:
        source: (H, W, C) float32, int16 or uint8; sum_like: empty, of the dtype of its sums.
        cells: (H, W) bool, source pixels whose four values are needed by those inside.
        inside: (H, W) bool, source pixels whose four filtered values are wanted.
        first_row, last_row: rows of ``inside`` to make.
        taps: four (taps + 1,) arrays, one for each of the four values.
        packed: four packed weights with the taps in that order.
        gain, raw_bias, bias: one unit of the sums, what each of the four values adds before the filter (4, C'), and the
            bias after it (C'), in steps of the target.
        zero: what the target stores for 0.
        target: (2 (H - MARGIN), 2 (W - MARGIN), C') float32, int16 or uint8.
    """
    width = source.shape[1]
    outputs = len(gain)
    line = (2 * width) * outputs
    raw = np.zeros(2 * line, dtype=np.float32)
    # Filtered across: row 2y + phase lives in slot (2y + phase) % 6.
    lines = np.zeros(6 * line, dtype=np.float32)
    sums = np.zeros(_SUMS, dtype=sum_like.dtype)
    offsets, places = np.zeros(_MOST_ROWS, dtype=np.int64), np.zeros(_MOST_ROWS, dtype=np.int64)
    columns = np.zeros(width, dtype=np.int64)
    _enlarge_rows(
        source, cells, inside, first_row, last_row, taps, packed, gain, raw_bias, bias, zero, target, raw, lines, sums,
        offsets, places, columns,
    )  # fmt: skip


@compiled
def start_picture(features, opacity, valid, pixels, start, stop, bias, picture):
    """picture[pixel] = first colours of the features, opacity (in a fourth channel), 0 where not valid, plus ``bias``.

    Args:
        features: (H, W, F), opacity: (H, W), with margins; anything where not valid.
        valid: (H, W) bool.
        pixels: indices into the grid, of which start to stop are set.
        bias: (K,) of the colour heads.
        picture: (H, W, K) written.
    """
    width = picture.shape[1]
    channels = picture.shape[2]
    for index in range(start, stop):
        y, x = pixels[index] // width, pixels[index] % width
        for k in range(channels):
            picture[y, x, k] = bias[k]
        if valid[y, x]:
            for k in range(min(channels, 3)):
                picture[y, x, k] += features[y, x, k]
            if channels > 3:
                picture[y, x, 3] += opacity[y, x]


@compiled
def enlarge_picture(source, pixels, start, stop, bias, target):
    """target[pixel] = the source at twice its size (zeros inserted, low-pass filter), plus the heads' bias.

    Args:
        source: (H, W, K) float32 with margins, zero wherever nothing was set.
        pixels: indices into the target's grid.
        target: (2 (H - MARGIN), 2 (W - MARGIN), K) float32.
    """
    width, channels = target.shape[1], target.shape[2]
    near, far = np.float32(0.75), np.float32(0.25)
    for index in range(start, stop):
        row, column = pixels[index] // width + MARGIN, pixels[index] % width + MARGIN
        y, x = row // 2, column // 2
        other_y, other_x = (y + 1 if row % 2 else y - 1), (x + 1 if column % 2 else x - 1)
        for k in range(channels):
            upper = near * source[y, x, k] + far * source[y, other_x, k]
            lower = near * source[other_y, x, k] + far * source[other_y, other_x, k]
            target[row - MARGIN, column - MARGIN, k] = near * upper + far * lower + bias[k]


@compiled
def quantise(source, valid, channels, step, first_row, last_row, target):
    """target[y, x] = step source[y, x], rounded: the feature image, whose values lie in [0, 1], in the target's type.

    Args:
        source: (H, W, F) float32; anything where not valid.
        valid: (H, W) bool; elsewhere the target becomes 0.
        channels: of the source that are meant, the first ones; behind them the target becomes 0.
        step: float32; 1 and no rounding where the target is float32.
        first_row, last_row: rows to work on.
        target: (H, W, C) uint8, int16 or float32.
    """
    for y in range(first_row, last_row):
        for x in range(source.shape[1]):
            if valid[y, x]:
                for k in range(channels):
                    target[y, x, k] = round_like(source[y, x, k] * step, target)
                target[y, x, channels:] = 0
            else:
                target[y, x, :] = 0
