"""What is done with a row of a block's sums, sixteen lanes at a time: gain, bias, activation, storing, heads.

Sums are (rows, columns) of a block, read as if flat. ``x`` below is sums[m, n] gain[column + n] + bias.flat[begin + n]
for the columns n of the block, gain and bias being float32. What is stored is in the array's own units: rounded to the
nearest integer and cut to its range where it holds integers. Positions are in elements.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..compiling import inlined
from ..products.block import dot_block, dot_half_block
from ..products.packing import FULL, HALF, Shape
from ..simd.elementary import exponentials
from ..simd.lanes import WIDTH, fused, maximum, minimum, negative, splat, total
from ..simd.memory import add_at, broadcast, holds_floats, load, store

LEAKY_SLOPE = np.float32(0.2)
"""Of the super-resolution's activation, docs/method.md 1.8."""

ACTIVATION_LIMIT = np.float32(256.0)

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@inlined
def _value(sums, place, gain, column, bias, begin):
    """x of sixteen columns."""
    return fused(load(sums, place), load(gain, column), load(bias, begin))


@inlined
def leaky(x, target):
    """max(x, 0.2 x), cut as published; integers are cut by their range, which is narrower."""
    y = maximum(x, x * LEAKY_SLOPE)
    if holds_floats(target):
        y = maximum(minimum(y, ACTIVATION_LIMIT), -ACTIVATION_LIMIT)
    return y


@inlined
def with_zero(y, zero, target):
    """Activations above what integers store for 0."""
    return y if holds_floats(target) else y + zero


class RowKernels(NamedTuple):
    """The block product of a shape and what finishes its rows.

    Attributes:
        shape: of the blocks.
        dot: see ``products.block.dot_block``.
        linear: linear(sums, m, gain, column, bias, begin, output, at): output.flat[at + n] = x.
        leaky: leaky(sums, m, gain, column, bias, begin, zero, output, at): output.flat[at + n] = max(x, 0.2 x) + zero,
            zero being what integers store for 0.
        heads: heads(sums, m, gain, column, bias, weights, values, output, at): output.flat[at + k] += sum over n of
            max(x, 0.2 x) weights[k, column + n], for (K, columns) float32 weights and float32 output; ``values`` is
            room for a row.
        heads_at_once: the same arguments: output.flat[at : at + 16] += sum over n of max(x, 0.2 x) weights[column + n],
            for (columns, 16) float32 weights.
        sigmoids: sigmoids(sums, m, panel, gain, bias, column, share, output, at): output.flat[at + n] += share
            sigmoid(x) for the sixteen columns from 16 panel on.
    """

    shape: Shape
    dot: Any
    linear: Any
    leaky: Any
    heads: Any
    heads_at_once: Any
    sigmoids: Any


def _row_kernels(shape: Shape, dot: Any) -> RowKernels:
    panels, columns = shape.panels, shape.columns

    @inlined
    def linear_row(sums, m, gain, column, bias, begin, output, at):
        for panel in range(panels):
            shift = panel * WIDTH
            store(output, at + shift, _value(sums, m * columns + shift, gain, column + shift, bias, begin + shift))

    @inlined
    def leaky_row(sums, m, gain, column, bias, begin, zero, output, at):
        for panel in range(panels):
            shift = panel * WIDTH
            x = _value(sums, m * columns + shift, gain, column + shift, bias, begin + shift)
            store(output, at + shift, with_zero(leaky(x, output), zero, output))

    @inlined
    def heads(sums, m, gain, column, bias, weights, values, output, at):
        for panel in range(panels):
            shift = panel * WIDTH
            x = _value(sums, m * columns + shift, gain, column + shift, bias, column + shift)
            store(values, shift, leaky(x, sums))
        count, width = weights.shape
        for head in range(count):
            summed = splat(_ZERO)
            for panel in range(panels):
                shift = panel * WIDTH
                summed = fused(load(values, shift), load(weights, head * width + column + shift), summed)
            add_at(output, at + head, total(summed))

    @inlined
    def heads_at_once(sums, m, gain, column, bias, weights, values, output, at):
        for panel in range(panels):
            shift = panel * WIDTH
            x = _value(sums, m * columns + shift, gain, column + shift, bias, column + shift)
            store(values, shift, leaky(x, sums))
        # Two sums, so that one need not wait for the other.
        first, second = load(output, at), splat(_ZERO)
        for n in range(0, columns, 2):
            row = (column + n) * WIDTH
            first = fused(broadcast(values, n), load(weights, row), first)
            second = fused(broadcast(values, n + 1), load(weights, row + WIDTH), second)
        store(output, at, first + second)

    @inlined
    def sigmoids(sums, m, panel, gain, bias, column, share, output, at):
        x = _value(sums, m * columns + panel * WIDTH, gain, column, bias, column)
        store(output, at, load(output, at) + share / (exponentials(negative(x)) + _ONE))

    return RowKernels(shape, dot, linear_row, leaky_row, heads, heads_at_once, sigmoids)


FULL_ROWS = _row_kernels(FULL, dot_block)
HALF_ROWS = _row_kernels(HALF, dot_half_block)


_PANELS, _COLUMNS = FULL.panels, FULL.columns


@inlined
def relu_row(sums, m, layer, column, bias, begin, output, at):
    """output.flat[at + n] = max(x, 0) for the columns n of a FULL block, with a layer's gain and another bias."""
    for panel in range(_PANELS):
        shift = panel * WIDTH
        x = _value(sums, m * _COLUMNS + shift, layer.gain, column + shift, bias, begin + shift)
        store(output, at + shift, maximum(x, _ZERO))


@inlined
def relu_row_with_head(sums, m, layer, column, output, at, weights):
    """The same with the layer's bias; answers the sum over n of max(x, 0) weights[column + n]."""
    summed = splat(_ZERO)
    for panel in range(_PANELS):
        shift = panel * WIDTH
        x = _value(sums, m * _COLUMNS + shift, layer.gain, column + shift, layer.bias, column + shift)
        y = maximum(x, _ZERO)
        summed = fused(y, load(weights, column + shift), summed)
        store(output, at + shift, y)
    return total(summed)
