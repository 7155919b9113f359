"""The radiance field's layers for a block of samples: encoding, textures, matrix products, activations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import allocating, inlined, inner
from ..products.block import active_lanes, dot_block, dot_listed_block
from ..products.packing import FULL, HALF
from ..simd.lanes import WIDTH, lowest_bit
from ..simd.memory import number_at, put_number
from .encoding import MOST_VECTORS, Encoding, put_encoding
from .rows import FULL_ROWS, HALF_ROWS, RowKernels, relu_row, relu_row_with_head
from .texture import put_texels

ROWS, COLUMNS = FULL.rows, FULL.columns
_HALF_COLUMNS = HALF.columns

ROWS_MULTIPLE = HALF.rows
"""What the number of rows in arrays of activations is a multiple of."""


class Layer(NamedTuple):
    """Weights of a layer as the blocks read them.

    Attributes:
        packed: (blocks, size), see ``products.packing.pack``.
        gain: (columns,) float32, one unit of a sum in units of the output.
        bias: (columns,) float32, in units of the output.
    """

    packed: np.ndarray
    gain: np.ndarray
    bias: np.ndarray


class FieldWeights(NamedTuple):
    """A radiance field as the kernels read it for one frame. Where activations are integers, all that meets them is in
    their units: value times scale.

    Attributes:
        encoding: of position and normal.
        encoding_scale: float32, of sines and cosines.
        coordinate_scales: (C,) factor on each coordinate as it is stored.
        texels, texture_places: what textures hold, scaled; see ``texture.put_texels``.
        input_like: an encoded row's length and the activations' type; sines, cosines, coordinates, texels, zeros.
        sum_like: empty, of the type of a block's sums.
        lanes: 32-bit lanes of a row of activations.
        first: takes the encoded input; its bias holds the frame's pose and identity.
        hidden: the other hidden layers, each array with one axis more in front.
        density: (W,) the density layer, over the scale of its input; density_bias: float32. Their sums are in 1/m.
        view_hidden: the folded colour layer; its bias is the ray's view term.
        view_encoding: of the view direction.
        view_term: float32 layer of the encoded view direction (sines, cosines, coordinates), which makes that term.
        colour: the last layer.
    """

    encoding: Encoding
    encoding_scale: np.float32
    coordinate_scales: np.ndarray
    texels: np.ndarray
    texture_places: np.ndarray
    input_like: np.ndarray
    sum_like: np.ndarray
    lanes: int
    first: Layer
    hidden: Layer
    density: np.ndarray
    density_bias: np.float32
    view_hidden: Layer
    view_encoding: Encoding
    view_term: Layer
    colour: Layer


class FieldScratch(NamedTuple):
    """Room for a block of samples.

    Attributes:
        encoded: (rows + 1, inputs), one row more since sines are written in whole vectors; encoded_at: (rows,) where
            rows begin; encoded_taps: of such a row, see ``products.block.dot_block``.
        even, odd, hidden: (rows, W) activations; ``hidden`` the last layer's; hidden_at: (rows,) where rows begin.
        listed: int64 numbers of lanes, one more than a row has for each row.
        cosines: float32, see ``encoding.put_encoding``.
        sums: (ROWS, COLUMNS) of a block.
        sigma: (rows,) float32 raw densities.
    """

    encoded: np.ndarray
    encoded_at: np.ndarray
    encoded_taps: np.ndarray
    even: np.ndarray
    odd: np.ndarray
    hidden: np.ndarray
    hidden_at: np.ndarray
    listed: np.ndarray
    cosines: np.ndarray
    sums: np.ndarray
    sigma: np.ndarray


class ColourScratch(NamedTuple):
    """Room for those samples of a block whose colour is looked up.

    Attributes:
        row, slot, pixel: (rows,) int64 of each its row of hidden activations, the slot of its ray's view term, and its
            ray's pixel; share: (rows,) float32 its compositing weight.
        offsets: (rows,) int64, where rows begin.
        viewed: (rows, V) activations of the view layer; viewed_taps: of such a row.
    """

    row: np.ndarray
    slot: np.ndarray
    pixel: np.ndarray
    share: np.ndarray
    offsets: np.ndarray
    viewed: np.ndarray
    viewed_taps: np.ndarray


@allocating
def field_scratch(weights, rows):
    """Room for ``rows`` samples, a multiple of ROWS_MULTIPLE."""
    width, inputs = weights.hidden.gain.shape[1], len(weights.input_like)
    kind = weights.input_like.dtype
    return FieldScratch(
        np.zeros((rows + 1, inputs), kind),
        np.arange(rows) * inputs,
        np.array([0, inputs]),
        np.zeros((rows, width), kind),
        np.zeros((rows, width), kind),
        np.zeros((rows, width), kind),
        np.arange(rows) * width,
        np.zeros(rows * (weights.lanes + 1), np.int64),
        np.zeros(MOST_VECTORS * WIDTH, np.float32),
        np.zeros((ROWS, COLUMNS), weights.sum_like.dtype),
        np.zeros(rows, np.float32),
    )


@allocating
def colour_scratch(weights, rows):
    """Room for ``rows`` samples, a multiple of ROWS_MULTIPLE."""
    width = len(weights.view_hidden.gain)
    return ColourScratch(
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.float32),
        np.zeros(rows, np.int64),
        np.zeros((rows, width), weights.input_like.dtype),
        np.array([0, width]),
    )


@inner
def encode(weights, places, wanted, count, scratch):
    """Fill encoded rows of the wanted samples: sines of all angles, cosines, coordinates, texels.

    Args:
        weights: FieldWeights.
        places: float32 coordinates of any shape, C a sample.
        wanted, count: numbers of the samples.
        scratch: FieldScratch.
    """
    axes, angles = len(weights.coordinate_scales), weights.encoding.angles
    rows = scratch.encoded
    for index in range(count):
        place, at = wanted[index] * axes, scratch.encoded_at[index]
        put_encoding(weights.encoding, places, place, weights.encoding_scale, scratch.cosines, rows, at)
        for axis in range(axes):
            put_number(rows, at + 2 * angles + axis, number_at(places, place + axis) * weights.coordinate_scales[axis])
        u, v = number_at(places, place), number_at(places, place + 1)
        put_texels(weights.texels, weights.texture_places, u, v, rows, at + 2 * angles + axes)


@inner
def list_active(rows, offsets, first, lanes, listed, begin):
    """List in listed[begin:] the 32-bit lanes in which any of a block's rows holds anything, and -1 behind them.

    ReLU leaves most activations at zero, and the rows of a block, which are neighbours, mostly the same ones.

    Args:
        rows, offsets, first: as for ``products.block.dot_block``.
        lanes: of a row, a multiple of 16.
        listed: int64, written.
        begin: in elements of ``listed``.
    """
    end = begin
    for part in range(0, lanes, 4 * WIDTH):
        bits = np.int64(0)
        for vector in range(min((lanes - part) // WIDTH, 4)):
            bits |= active_lanes(rows, offsets, first, part + vector * WIDTH) << np.int64(vector * WIDTH)
        while bits != 0:
            listed[end] = part + lowest_bit(bits)
            bits &= bits - 1
            end += 1
    listed[end] = -1


@inlined
def _finish(scratch, first, column, layer, output, density, last):
    """A block's sums through bias and ReLU; the last hidden layer's meet the density layer, too."""
    width = output.shape[1]
    place = first * width + column
    for m in range(ROWS):
        at = place + m * width
        if last:
            added = relu_row_with_head(scratch.sums, m, layer, column, output, at, density)
            scratch.sigma[first + m] += added
        else:
            relu_row(scratch.sums, m, layer, column, layer.bias, column, output, at)


@inner
def _first_layer(layer, scratch, count, output, density, last):
    for block in range(len(layer.packed)):
        for first in range(0, count, ROWS):
            dot_block(
                scratch.sums, scratch.encoded, scratch.encoded_at, first, scratch.encoded_taps, layer.packed[block]
            )
            _finish(scratch, first, block * COLUMNS, layer, output, density, last)


@inner
def _hidden_layer(layer, lanes, scratch, source, count, output, density, last):
    """One layer for ``count`` rows of ReLU's answers."""
    offsets, listed = scratch.hidden_at, scratch.listed
    for first in range(0, count, ROWS):
        list_active(source, offsets, first, lanes, listed, first * (lanes + 1))
    for block in range(len(layer.packed)):
        for first in range(0, count, ROWS):
            dot_listed_block(scratch.sums, source, offsets, first, listed, first * (lanes + 1), layer.packed[block])
            _finish(scratch, first, block * COLUMNS, layer, output, density, last)


@inner
def hidden_layers(weights, scratch, count):
    """All hidden layers for ``count`` encoded rows: fills ``scratch.sigma`` and ``scratch.hidden``.

    Args:
        weights: FieldWeights.
        scratch: FieldScratch, its rows encoded.
        count: rows that are meant.
    """
    scratch.sigma[:] = weights.density_bias
    whole = -(-count // ROWS) * ROWS
    hidden, density = weights.hidden, weights.density
    layers = len(hidden.packed)
    source, target = scratch.even, scratch.odd
    _first_layer(weights.first, scratch, whole, source if layers else scratch.hidden, density, layers == 0)
    for number in range(layers):
        layer = Layer(hidden.packed[number], hidden.gain[number], hidden.bias[number])
        last = number == layers - 1
        _hidden_layer(layer, weights.lanes, scratch, source, whole, scratch.hidden if last else target, density, last)
        source, target = target, source


@inner
def view_layer(weights, scratch, colour, count, view_terms):
    """The layer that sees the view direction, for the samples listed in ``colour``; (slots, V) of the view terms."""
    layer, hidden, listed = weights.view_hidden, scratch.hidden, scratch.listed
    width, view_width = hidden.shape[1], colour.viewed.shape[1]
    for index in range(count):
        colour.offsets[index] = colour.row[index] * width
    last = -(-count // ROWS) * ROWS
    for index in range(count, last):
        colour.offsets[index] = colour.offsets[count - 1]
    for first in range(0, last, ROWS):
        list_active(hidden, colour.offsets, first, weights.lanes, listed, 0)
        for block in range(len(layer.packed)):
            column = block * COLUMNS
            dot_listed_block(scratch.sums, hidden, colour.offsets, first, listed, 0, layer.packed[block])
            for m in range(min(ROWS, count - first)):
                row = first + m
                begin = colour.slot[row] * view_width + column
                relu_row(scratch.sums, m, layer, column, view_terms, begin, colour.viewed, row * view_width + column)


def _compositor(kernels: RowKernels):
    """The last layer for blocks of a shape; see :func:`colour_layer`."""
    height, block_width, block_panels = kernels.shape.rows, kernels.shape.columns, kernels.shape.panels
    dot, add_sigmoids = kernels.dot, kernels.sigmoids

    @inner
    def composite(layer, colour, count, sums, features):
        channels, width = features.shape[1], colour.viewed.shape[1]
        last = -(-count // height) * height
        for index in range(last):
            colour.offsets[index] = index * width
        for block in range(len(layer.packed)):
            column = block * block_width
            panels = min(block_panels, (channels - column) // WIDTH)
            for first in range(0, last, height):
                dot(sums, colour.viewed, colour.offsets, first, colour.viewed_taps, layer.packed[block])
                for m in range(min(height, count - first)):
                    row = first + m
                    for panel in range(panels):
                        at = column + panel * WIDTH
                        place = colour.pixel[row] * channels + at
                        add_sigmoids(sums, m, panel, layer.gain, layer.bias, at, colour.share[row], features, place)

    return composite


_composite = _compositor(FULL_ROWS)
_composite_half = _compositor(HALF_ROWS)


@inner
def colour_layer(layer, colour, count, sums, features):
    """features[pixel] += share * sigmoid(colour) for each sample listed in ``colour``."""
    if len(layer.gain) == _HALF_COLUMNS:
        _composite_half(layer, colour, count, sums, features)
    else:
        _composite(layer, colour, count, sums, features)
