"""The radiance field's layers for a block of samples: encoding, textures, matrix products, activations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..compiling import inner
from ..products.dot import FULL, HALF, LANES, Shape, active_lanes, dot_block, dot_half_block, dot_listed_block
from ..simd.elementary import round_like
from ..simd.lanes import lowest_bit
from .rows import add_half_sigmoids, add_sigmoids, put_waves, relu_row, relu_row_with_head
from .texture import put_texels

ROWS, COLUMNS = FULL.rows, FULL.columns
_HALF_COLUMNS = HALF.columns

ROWS_MULTIPLE = HALF.rows
"""What the number of rows in arrays of activations is a multiple of."""

_ZERO = np.float32(0.0)


class FieldWeights(NamedTuple):
    """A radiance field as the kernels read it; integers stand for (value / step), see ``rendering.cpu.field_weights``.

    Attributes:
        wave_scales, wave_parts: of the position's and the normal's waves, see ``rows.put_waves``; ``waves`` in all.
        input_steps: (C + 1,) scale over step of each coordinate as it is stored, and 1 / step of the waves.
        texels, texture_places: what textures hold, in steps; see ``texture.put_texels``.
        input_like: an encoded row's length and the activations' type; sines, cosines, coordinates, texels, zeros.
        sum_like: empty, of the type of a block's sums.
        first: packed weights of the layer that takes the encoded input, (blocks, size).
        hidden: (L - 1, blocks, size) packed weights of the other hidden layers.
        lanes: 32-bit lanes of a row of activations.
        first_gain, hidden_gain: (W,), (L - 1, W) one unit of a sum in steps of the layer's output.
        hidden_bias: (L - 1, W) in steps of the layer's output.
        density, density_bias: (W,) the density layer, times the density scale and the step of its input.
        view_layer, view_gain: the folded colour layer; its bias is the ray's view term.
        view_wave_scales, view_wave_parts, view_waves: as above, of the view direction.
        seen_layer, seen_gain, seen_bias: float32 weights of the encoded view direction, sines, cosines, coordinates;
            ones; what they add to. They make the ray's view term, in steps of the view layer's output.
        colour_layer, colour_gain, colour_bias: the last layer.
    """

    wave_scales: np.ndarray
    wave_parts: np.ndarray
    waves: int
    input_steps: np.ndarray
    texels: np.ndarray
    texture_places: np.ndarray
    input_like: np.ndarray
    sum_like: np.ndarray
    first: np.ndarray
    first_gain: np.ndarray
    hidden: np.ndarray
    lanes: int
    hidden_gain: np.ndarray
    hidden_bias: np.ndarray
    density: np.ndarray
    density_bias: np.float32
    view_layer: np.ndarray
    view_gain: np.ndarray
    view_wave_scales: np.ndarray
    view_wave_parts: np.ndarray
    view_waves: int
    seen_layer: np.ndarray
    seen_gain: np.ndarray
    seen_bias: np.ndarray
    colour_layer: np.ndarray
    colour_gain: np.ndarray
    colour_bias: np.ndarray


@inner
def encode(weights, places, wanted, count, rows):
    """Encoded rows of the wanted samples: sines of all waves, cosines, coordinates, texels.

    Args:
        weights: FieldWeights.
        places: flat float32 coordinates, C a sample.
        wanted, count: numbers of the samples.
        rows: flat, written; one row more than ``count``, for waves are written in whole vectors.
    """
    plain, waves, inputs = weights.input_steps, weights.waves, len(weights.input_like)
    axes = len(plain) - 1
    for index in range(count):
        place, at = wanted[index] * axes, index * inputs
        put_waves(weights.wave_scales, weights.wave_parts, places, place, waves, plain[axes], rows, at)
        for axis in range(axes):
            rows[at + 2 * waves + axis] = round_like(places[place + axis] * plain[axis], rows)
        put_texels(
            weights.texels, weights.texture_places, places[place], places[place + 1], rows, at + 2 * waves + axes
        )


@inner
def list_active(rows, offsets, first, lanes, steps, begin):
    """List in steps[begin:] the 32-bit lanes in which any of a block's rows holds anything, and -1 behind them.

    ReLU leaves most activations at zero, and the rows of a block, which are neighbours, mostly the same ones.

    Args:
        rows, offsets, first: as for ``dot.dot_block``.
        lanes: of a row, a multiple of 16.
        steps: int64, written.
        begin: in elements of ``steps``.
    """
    end = begin
    for part in range(0, lanes, 4 * LANES):
        bits = np.int64(0)
        for vector in range(min((lanes - part) // LANES, 4)):
            bits |= active_lanes(rows, offsets, first, part + vector * LANES) << np.int64(vector * LANES)
        while bits != 0:
            steps[end] = part + lowest_bit(bits)
            bits &= bits - 1
            end += 1
    steps[end] = -1


@inner
def _finish(sums, first, column, gain, bias, output, heads, with_head, sigma):
    """A block's sums through bias and ReLU; adds the density layer's products to ``sigma`` when asked."""
    width = output.shape[1]
    place = first * width + column
    for m in range(ROWS):
        at = place + m * width
        if with_head:
            sigma[first + m] += relu_row_with_head(sums, m, gain, bias, column, output, at, heads, column)
        else:
            relu_row(sums, m, gain, bias, column, output, at, _ZERO, column)


@inner
def _first_layer(rows, offsets, count, taps, packed, gain, bias, output, sums, heads, with_head, sigma):
    for block in range(len(packed)):
        for first in range(0, count, ROWS):
            dot_block(sums, rows, offsets, first, taps, packed[block])
            _finish(sums, first, block * COLUMNS, gain, bias, output, heads, with_head, sigma)


@inner
def _hidden_layer(rows, offsets, count, room, packed, gain, bias, output, sums, heads, with_head, sigma):
    """One layer for ``count`` rows of ReLU's answers."""
    lanes, steps = room
    for first in range(0, count, ROWS):
        list_active(rows, offsets, first, lanes, steps, first * (lanes + 1))
    for block in range(len(packed)):
        for first in range(0, count, ROWS):
            dot_listed_block(sums, rows, offsets, first, steps, first * (lanes + 1), packed[block])
            _finish(sums, first, block * COLUMNS, gain, bias, output, heads, with_head, sigma)


@inner
def hidden_layers(weights, first_bias, encoded, encoded_at, hidden_at, taps, room, count, even, odd, last, sums, sigma):
    """All hidden layers for ``count`` encoded rows: fills sigma and ``last``, the last one's activations.

    Args:
        weights: FieldWeights.
        first_bias: (W,) of the first layer.
        encoded: (rows, inputs); encoded_at, hidden_at: (rows,) where rows begin.
        taps: of an encoded row, see ``dot.dot_block``.
        room: 32-bit lanes of a row of activations, a multiple of 16; int64 room for one more than as many for each row.
        count: rows that are meant.
        even, odd, last: (rows, W) room for activations.
        sums: a block's; sigma: (rows,).
    """
    sigma[:] = weights.density_bias
    whole = -(-count // ROWS) * ROWS
    first, gain, heads = weights.first, weights.first_gain, weights.density
    layers = len(weights.hidden)
    if layers == 0:
        _first_layer(encoded, encoded_at, whole, taps, first, gain, first_bias, last, sums, heads, True, sigma)
        return
    _first_layer(encoded, encoded_at, whole, taps, first, gain, first_bias, even, sums, heads, False, sigma)
    source, target = even, odd
    for layer in range(layers - 1):
        _hidden_layer(
            source, hidden_at, whole, room, weights.hidden[layer], weights.hidden_gain[layer],
            weights.hidden_bias[layer], target, sums, heads, False, sigma,
        )  # fmt: skip
        source, target = target, source
    _hidden_layer(
        source, hidden_at, whole, room, weights.hidden[layers - 1], weights.hidden_gain[layers - 1],
        weights.hidden_bias[layers - 1], last, sums, heads, True, sigma,
    )  # fmt: skip


@inner
def view_layer(packed, gain, hidden, picked, slots, count, view_terms, offsets, room, output, sums):
    """The layer that sees the view direction, for the picked rows of hidden activations; slots of the view terms."""
    width, view_width = hidden.shape[1], output.shape[1]
    lanes, steps = room
    for index in range(count):
        offsets[index] = picked[index] * width
    last = -(-count // ROWS) * ROWS
    for index in range(count, last):
        offsets[index] = offsets[count - 1]
    for first in range(0, last, ROWS):
        list_active(hidden, offsets, first, lanes, steps, 0)
        for block in range(len(packed)):
            column = block * COLUMNS
            dot_listed_block(sums, hidden, offsets, first, steps, 0, packed[block])
            for m in range(min(ROWS, count - first)):
                row = first + m
                begin = slots[row] * view_width + column
                relu_row(sums, m, gain, view_terms, begin, output, row * view_width + column, _ZERO, column)


def _compositor(shape: Shape, dot: Any, add: Any) -> Any:
    """The last layer for blocks of a shape; see :func:`colour_layer`."""
    height, width_of_block, panels_of_block = shape.rows, shape.columns, shape.panels

    @inner
    def composite(packed, gain, bias, rows, rays, shares, count, offsets, taps, sums, features):
        channels, width = features.shape[1], rows.shape[1]
        last = -(-count // height) * height
        for index in range(last):
            offsets[index] = index * width
        for block in range(len(packed)):
            column = block * width_of_block
            panels = min(panels_of_block, (channels - column) // LANES)
            panel = packed[block]
            for first in range(0, last, height):
                dot(sums, rows, offsets, first, taps, panel)
                for m in range(min(height, count - first)):
                    row = first + m
                    for part in range(panels):
                        at = column + part * LANES
                        add(sums, m, part, gain, bias, at, shares[row], features, rays[row] * channels + at)

    return composite


_composite = _compositor(FULL, dot_block, add_sigmoids)
_composite_half = _compositor(HALF, dot_half_block, add_half_sigmoids)


@inner
def colour_layer(packed, gain, bias, rows, rays, shares, count, offsets, taps, sums, features):
    """features[ray] += share * sigmoid(colour) for each row."""
    if len(gain) == _HALF_COLUMNS:
        _composite_half(packed, gain, bias, rows, rays, shares, count, offsets, taps, sums, features)
    else:
        _composite(packed, gain, bias, rows, rays, shares, count, offsets, taps, sums, features)
