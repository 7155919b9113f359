"""Bilinear look-ups in the field's learnt textures over (u, v), four channels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..compiling import inner
from ..products.dot import array_data
from ..simd.vector import Vector
from .rows import put

GROUP = 4
"""Channels of a texel that one vector holds; textures are filled up to whole groups."""

_HALF = np.float32(0.5)
_FOUR_FLOATS = ir.VectorType(ir.FloatType(), GROUP)


@intrinsic  # type: ignore[misc]
def _blend(
    typing_context: Any, texels: Any, first: Any, steps: Any, across: Any, down: Any, output: Any, at: Any
) -> Any:
    """output.flat[at : at + 4] = four channels, ``across`` and ``down`` of the way from the texel at ``first`` to its
    neighbours, which are ``steps`` elements away to the right and below."""
    index = types.intp
    signature = types.void(texels, index, types.UniTuple(index, 2), types.float32, types.float32, output, index)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        data, target = (array_data(context, builder, kind, arguments[k]) for kind, k in ((texels, 0), (output, 5)))
        shifts = [builder.extract_value(arguments[2], place) for place in (0, 1)]

        def texel(*ways: Any) -> Vector:
            place = arguments[1]
            for shift in ways:
                place = builder.add(place, shift)
            return Vector.load(builder, builder.gep(data, [place]), _FOUR_FLOATS)

        def spread(value: Any) -> Vector:
            empty, first = ir.Constant(_FOUR_FLOATS, ir.Undefined), ir.VectorType(ir.IntType(32), GROUP)
            lane = builder.insert_element(empty, value, ir.IntType(32)(0))
            return Vector(builder, builder.shuffle_vector(lane, empty, ir.Constant(first, None)))

        right, below = spread(arguments[3]), spread(arguments[4])
        here, under = texel(), texel(shifts[1])
        upper = (texel(shifts[0]) - here).times_plus(right, here)
        lower = (texel(shifts[0], shifts[1]) - under).times_plus(right, under)
        put((lower - upper).times_plus(below, upper), output, builder.gep(target, [arguments[6]]))
        return context.get_dummy_value()

    return signature, generate


@inner
def _place(coordinate, size):
    """Where on a side of ``size`` texels a coordinate lies, from the first texel's centre to the last one's."""
    place = coordinate * np.float32(size) - _HALF
    # Written so that what is not a number comes out as 0.
    place = place if place > np.float32(0.0) else np.float32(0.0)
    return place if place < np.float32(size - 1) else np.float32(size - 1)


@inner
def put_texels(texels, places, u, v, output, at):
    """output.flat[at + k] = the textures' values at (u, v), texture after texture.

    Args:
        texels: (N,) float32, what all textures hold, in the output's units: rows by v, columns by u, the centre of
            texel (i, j) at u = (j + 1/2) / S, v = (i + 1/2) / S. Beyond the outermost centres values stay.
        places: (T, 3) int64: each texture's first element, its side S of 2 texels or more, its channels, a multiple of
            GROUP.
        output: float32 or int16 array of any shape; at: in elements.
    """
    for number in range(len(places)):
        size, channels = places[number, 1], places[number, 2]
        across, down = _place(u, size), _place(v, size)
        column, row = min(np.int64(across), size - 2), min(np.int64(down), size - 2)
        across, down = across - np.float32(column), down - np.float32(row)
        first = places[number, 0] + (row * size + column) * channels
        for channel in range(0, channels, GROUP):
            _blend(texels, first + channel, (channels, size * channels), across, down, output, at + channel)
        at += channels
