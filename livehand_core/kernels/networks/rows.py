"""What is done with a block's sums, sixteen lanes at a time: gain, bias, activation, storing; waves; sigmoids."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..products.dot import FULL, HALF, Shape, array_data
from ..simd.vector import FLOATS, INTEGERS, LANES, Vector, exponential, sine_cosine

INT16_LIMIT = 16383
"""Largest stored int16 activation; with the weights' scale chosen by it, int32 sums cannot overflow."""

LEAKY_SLOPE = 0.2
"""Of the super-resolution's activation, docs/method.md 1.8."""

ACTIVATION_LIMIT = 256.0

_INDEX = ir.IntType(64)


def _sums(builder: Any, array_type: Any, data: Any, position: Any) -> Vector:
    if array_type.dtype == types.int32:
        return Vector.load(builder, builder.gep(data, [position]), INTEGERS).to_floats()
    return Vector.load(builder, builder.gep(data, [position]))


def put(value: Vector, array_type: Any, address: Any) -> None:
    """Store values that are in units of the array's step, rounded to the nearest integer and cut to its range."""
    if array_type.dtype == types.float32:
        value.store(address)
        return
    low, high = (0.0, 255.0) if array_type.dtype == types.uint8 else (-INT16_LIMIT, INT16_LIMIT)
    put_within(value.at_least(float(low)).at_most(float(high)), array_type, address)


def put_within(value: Vector, array_type: Any, address: Any) -> None:
    """The same for values that lie within the array's range."""
    if array_type.dtype == types.float32:
        value.store(address)
        return
    value.nearest_integers().narrowed(array_type.dtype.bitwidth).store(address)


def _activated(x: Vector, kind: str, in_float: bool) -> Vector:
    if kind == "relu":
        return x.at_least(0.0)
    y = x.at_least(x * LEAKY_SLOPE)
    # Integers are cut by their range, which is narrower.
    return y.at_most(ACTIVATION_LIMIT).at_least(-ACTIVATION_LIMIT) if in_float else y


def _row_intrinsic(kind: str, with_head: bool = False, shape: Shape = FULL) -> Any:
    """The intrinsic that finishes one row of a block's sums; see ``relu_row`` and its siblings below."""

    @intrinsic  # type: ignore[misc]
    def finish(
        typing_context: Any,
        sums: Any,
        m: Any,
        gain: Any,
        bias: Any,
        begin: Any,
        output: Any,
        at: Any,
        extra: Any,
        column: Any,
    ) -> Any:
        answer = types.float32 if with_head else types.void
        heads = extra if with_head else types.float32
        signature = answer(sums, types.intp, gain, bias, types.intp, output, types.intp, heads, types.intp)
        in_float = output.dtype == types.float32

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _, row, _, _, first_bias, _, place, _, first = arguments
            data, gains, biases, target = (
                array_data(context, builder, array, arguments[index])
                for array, index in ((sums, 0), (gain, 2), (bias, 3), (output, 5))
            )
            product = Vector.zero(builder)
            for panel in range(shape.panels):
                shift = _INDEX(panel * LANES)
                at_column = builder.add(first, shift)
                x = _sums(builder, sums, data, builder.add(builder.mul(row, _INDEX(shape.columns)), shift)).times_plus(
                    Vector.load(builder, builder.gep(gains, [at_column])),
                    Vector.load(builder, builder.gep(biases, [builder.add(first_bias, shift)])),
                )
                y = x if kind == "linear" else _activated(x, kind, in_float)
                if with_head:
                    weights = array_data(context, builder, extra, arguments[7])
                    product = y.times_plus(Vector.load(builder, builder.gep(weights, [at_column])), product)
                elif not in_float and kind == "leaky":
                    y = y + Vector.spread(builder, arguments[7])
                put(y, output, builder.gep(target, [builder.add(place, shift)]))
            return product.total() if with_head else context.get_dummy_value()

        return signature, generate

    return finish


relu_row = _row_intrinsic("relu")
"""relu_row(sums, m, gain, bias, begin, output, at, zero, column): output.flat[at + n] = max(x, 0) in stored units,
x = sums[m, n] gain[column + n] + bias.flat[begin + n], for the columns n of a FULL block.

sums (FULL.rows, FULL.columns); gain, bias float32; output float32, int16 or uint8; begin and at in elements; ``zero``
is not used."""

relu_row_with_head = _row_intrinsic("relu", with_head=True)
"""As ``relu_row`` with float32 weights in place of ``zero``; answers the sum over n of max(x, 0) weights[column + n].
"""

leaky_row = _row_intrinsic("leaky")
"""As ``relu_row`` with max(x, 0.2 x) + zero, zero being what integers store for 0."""

leaky_half_row = _row_intrinsic("leaky", shape=HALF)
"""The same for HALF blocks."""

linear_row = _row_intrinsic("linear")
"""As ``relu_row`` with x itself."""

linear_half_row = _row_intrinsic("linear", shape=HALF)
"""The same for HALF blocks."""


def _heads_intrinsic(shape: Shape) -> Any:
    """The intrinsic that adds the colour heads of one row of a block's sums; see ``leaky_heads``."""

    @intrinsic  # type: ignore[misc]
    def finish(
        typing_context: Any, sums: Any, m: Any, gain: Any, bias: Any, column: Any, heads: Any, output: Any, at: Any
    ) -> Any:
        signature = types.void(sums, types.intp, gain, bias, types.intp, heads, output, types.intp)

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _, row, _, _, first, _, _, place = arguments
            data, gains, biases, target = (
                array_data(context, builder, array, arguments[index])
                for array, index in ((sums, 0), (gain, 2), (bias, 3), (output, 6))
            )
            weights = context.make_array(heads)(context, builder, arguments[5])
            count, width = (builder.extract_value(weights.shape, index) for index in (0, 1))
            values = []
            for panel in range(shape.panels):
                shift = _INDEX(panel * LANES)
                at_column = builder.add(first, shift)
                x = _sums(builder, sums, data, builder.add(builder.mul(row, _INDEX(shape.columns)), shift)).times_plus(
                    Vector.load(builder, builder.gep(gains, [at_column])),
                    Vector.load(builder, builder.gep(biases, [at_column])),
                )
                values.append(_activated(x, "leaky", in_float=sums.dtype == types.float32))
            with cgutils.for_range(builder, count) as head:
                total = Vector.zero(builder)
                for panel, y in enumerate(values):
                    entry = builder.add(builder.mul(head.index, width), builder.add(first, _INDEX(panel * LANES)))
                    total = y.times_plus(Vector.load(builder, builder.gep(weights.data, [entry])), total)
                address = builder.gep(target, [builder.add(place, head.index)])
                builder.store(builder.fadd(builder.load(address), total.total()), address)
            return context.get_dummy_value()

        return signature, generate

    return finish


leaky_heads = _heads_intrinsic(FULL)
"""leaky_heads(sums, m, gain, bias, column, heads, output, at): output.flat[at + k] += sum over n of
max(x, 0.2 x) heads[k, column + n], with x as in ``relu_row``.

heads: (K, columns) float32; output: float32."""

leaky_half_heads = _heads_intrinsic(HALF)
"""The same for HALF blocks."""


def _blur_intrinsic(leaky: bool) -> Any:
    """The intrinsic that filters four rows of channels by [1, 3, 3, 1] / 4; see ``blur`` and ``leaky_blur``."""

    @intrinsic  # type: ignore[misc]
    def blur(
        typing_context: Any,
        source: Any,
        a: Any,
        b: Any,
        c: Any,
        d: Any,
        channels: Any,
        bias: Any,
        zero: Any,
        output: Any,
        at: Any,
    ) -> Any:
        index = types.intp
        signature = types.void(source, index, index, index, index, index, bias, types.float32, output, index)

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            data, biases, target = (
                array_data(context, builder, array, arguments[place])
                for array, place in ((source, 0), (bias, 6), (output, 8))
            )
            with cgutils.for_range_slice(builder, _INDEX(0), arguments[5], _INDEX(LANES)) as (channel, _):
                first, second, third, fourth = (
                    Vector.load(builder, builder.gep(data, [builder.add(arguments[place], channel)]))
                    for place in (1, 2, 3, 4)
                )
                y = (second + third).times_plus(0.75, (first + fourth) * 0.25)
                if leaky:
                    y = y + Vector.load(builder, builder.gep(biases, [channel]))
                    y = _activated(y, "leaky", in_float=output.dtype == types.float32)
                    if output.dtype != types.float32:
                        y = y + Vector.spread(builder, arguments[7])
                put(y, output, builder.gep(target, [builder.add(arguments[9], channel)]))
            return context.get_dummy_value()

        return signature, generate

    return blur


blur = _blur_intrinsic(leaky=False)
"""blur(source, a, b, c, d, channels, bias, zero, output, at): output.flat[at + n] = (source.flat[a + n] + 3 [b + n] +
3 [c + n] + [d + n]) / 4 for ``channels`` (a multiple of 16) entries. Float32; bias and zero are not used."""

leaky_blur = _blur_intrinsic(leaky=True)
"""As ``blur``, then y = x + bias[n] and max(y, 0.2 y) + zero into float32 or uint8."""


MOST_WAVE_VECTORS = 16
"""Vectors of waves that ``put_waves`` has room for."""

WAVES_A_VECTOR = 15
"""Waves that a vector holds: five frequencies of three coordinates, so that which lane is whose never changes."""

_COORDINATES = ir.VectorType(ir.FloatType(), 4)


@intrinsic  # type: ignore[misc]
def put_waves(
    typing_context: Any, scales: Any, parts: Any, places: Any, first: Any, count: Any, step: Any, output: Any, at: Any
) -> Any:
    """output.flat[at + k] = step sin(angle k), and ``count`` further on the cosines.

    Args:
        scales: (V, 16) float32, V at most MOST_WAVE_VECTORS; lane l of a vector is scaled by it, coordinate l mod 3 of
            three. The last lane is not meant, nor are others behind the last vector's waves.
        parts: (V, 2) int64, of each vector: the first of its three coordinates, and the number of its first wave,
            ascending.
        places: float32; first: in elements, where the coordinates begin.
        count: waves that are meant, of all vectors. Up to 15 entries behind the last cosine are written over.
        step: float32, within the output's range.
        output: float32 or int16 array of any shape; at: in elements.
    """
    index = types.intp
    signature = types.void(scales, parts, places, index, index, types.float32, output, index)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _, _, _, begin, meant, factor, _, place = arguments
        table = context.make_array(scales)(context, builder, arguments[0])
        where, source, target = (
            array_data(context, builder, kind, arguments[k]) for kind, k in ((parts, 1), (places, 2), (output, 6))
        )
        vectors = builder.extract_value(table.shape, 0)
        steps = Vector.spread(builder, factor)
        lanes = ir.Constant(INTEGERS, [lane % 3 for lane in range(LANES)])
        # Sines that are not meant lie where cosines go, which therefore wait for all of them.
        waiting = cgutils.alloca_once(builder, FLOATS, size=MOST_WAVE_VECTORS)

        def part(number: Any, entry: int) -> Any:
            return builder.load(builder.gep(where, [builder.add(builder.mul(number, _INDEX(2)), _INDEX(entry))]))

        with cgutils.for_range(builder, vectors) as loop:
            of_three = builder.add(begin, part(loop.index, 0))
            three: Any = ir.Constant(_COORDINATES, ir.Undefined)
            for axis in range(3):
                value = builder.load(builder.gep(source, [builder.add(of_three, _INDEX(axis))]))
                three = builder.insert_element(three, value, ir.IntType(32)(axis))
            spread = builder.shuffle_vector(three, ir.Constant(_COORDINATES, ir.Undefined), lanes)
            row = builder.gep(table.data, [builder.mul(loop.index, _INDEX(LANES))])
            sine, cosine = sine_cosine(Vector(builder, spread) * Vector.load(builder, row))
            put_within(sine * steps, output, builder.gep(target, [builder.add(place, part(loop.index, 1))]))
            builder.store((cosine * steps).value, builder.gep(waiting, [loop.index]))
        cosines = builder.add(place, meant)
        with cgutils.for_range(builder, vectors) as loop:
            cosine = Vector(builder, builder.load(builder.gep(waiting, [loop.index])))
            put_within(cosine, output, builder.gep(target, [builder.add(cosines, part(loop.index, 1))]))
        return context.get_dummy_value()

    return signature, generate


def _sigmoid_intrinsic(shape: Shape) -> Any:
    """The intrinsic that composites one row of a block's sums; see ``add_sigmoids``."""

    @intrinsic  # type: ignore[misc]
    def finish(
        typing_context: Any,
        sums: Any,
        m: Any,
        panel: Any,
        gain: Any,
        bias: Any,
        column: Any,
        share: Any,
        output: Any,
        at: Any,
    ) -> Any:
        signature = types.void(sums, types.intp, types.intp, gain, bias, types.intp, types.float32, output, types.intp)

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _, row, number, _, _, first, share_, _, place = arguments
            data, gains, biases, target = (
                array_data(context, builder, kind, arguments[index])
                for kind, index in ((sums, 0), (gain, 3), (bias, 4), (output, 7))
            )
            position = builder.add(builder.mul(row, _INDEX(shape.columns)), builder.mul(number, _INDEX(LANES)))
            x = _sums(builder, sums, data, position).times_plus(
                Vector.load(builder, builder.gep(gains, [first])), Vector.load(builder, builder.gep(biases, [first]))
            )
            address = builder.gep(target, [place])
            sum_ = Vector.spread(builder, share_) / (exponential(-x) + 1.0)
            (Vector.load(builder, address) + sum_).store(address)
            return context.get_dummy_value()

        return signature, generate

    return finish


add_sigmoids = _sigmoid_intrinsic(FULL)
"""add_sigmoids(sums, m, panel, gain, bias, column, share, output, at): output.flat[at + n] += share
sigmoid(sums[m, 16 panel + n] gain[column + n] + bias[column + n]) for 16 columns n."""

add_half_sigmoids = _sigmoid_intrinsic(HALF)
"""The same for HALF blocks."""
