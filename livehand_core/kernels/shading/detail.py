"""The detail texture looked up at the picture's resolution: between two of a chain of halved textures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import inlined
from ..simd.elementary import logarithms
from ..simd.lanes import WIDTH, floored, fused, maximum, minimum, negative, power_of_two, splat
from ..simd.memory import broadcast, load, load_columns, store

GROUP = WIDTH // 2
"""Channels that are looked up at once, two neighbouring texels in one vector."""

SIDES = np.array([1.0] * GROUP + [0.0] * GROUP + [-1.0] * GROUP + [1.0] * GROUP, np.float32)
"""Shares of the two texels of a vector: the first sixteen, and the second ones times the right texel's share."""

ROOM = (9 + WIDTH) * WIDTH
"""Numbers that :func:`with_detail` writes down."""

_ZERO, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0))
_LOG2E = np.float32(1.0 / np.log(2.0))


class Detail(NamedTuple):
    """A texture as pixels are given it; without texels where there is none.

    Attributes:
        texels: (N,) int16, the levels of each GROUP of channels, the largest first: rows by v, columns by u; behind
            the last one a vector's room.
        starts: (G, L) int64 first element of each group's levels; a level's side is half of the one's before it.
        head: (8 G, 16) float32 what a channel adds to the material, filled up.
        side: texels of the first level.
        span: texture coordinates that a metre of skin spans.
        sides: SIDES.
        relief: (R R,) float32 millimetres that the skin stands above the proxy, rows by v; none where it is flat.
        relief_side: R.
    """

    texels: np.ndarray
    starts: np.ndarray
    head: np.ndarray
    side: np.float32
    span: np.float32
    sides: np.ndarray
    relief: np.ndarray
    relief_side: np.int64


@inlined
def raised(detail, u, v, count, room):
    """Millimetres that the skin stands above the proxy where sixteen pixels see it, of which ``count`` are meant."""
    side = detail.relief_side
    last, inner = splat(np.float32(side - 1)), splat(np.float32(max(side - 2, 0)))
    scale = splat(np.float32(side))
    across = minimum(maximum(fused(u, scale, splat(-_HALF)), _ZERO), last)
    down = minimum(maximum(fused(v, scale, splat(-_HALF)), _ZERO), last)
    column, row = minimum(floored(across), inner), minimum(floored(down), inner)
    store(room, 0, fused(row, scale, column))
    store(room, WIDTH, across - column)
    store(room, 2 * WIDTH, down - row)
    right, below = np.int64(side > 1), side if side > 1 else np.int64(0)
    for lane in range(count):
        at, x, y = np.int64(room[lane]), room[WIDTH + lane], room[2 * WIDTH + lane]
        upper, lower = detail.relief[at], detail.relief[at + below]
        upper += (detail.relief[at + right] - upper) * x
        lower += (detail.relief[at + below + right] - lower) * x
        room[3 * WIDTH + lane] = upper + (lower - upper) * y
    return load(room, 3 * WIDTH)


@inlined
def levels(detail, footprint):
    """In which level a pixel spans one texel, as a number with a fraction; ``footprint`` in texture coordinates."""
    texels = minimum(maximum(footprint * detail.side, _ONE), detail.side)
    return logarithms(texels) * _LOG2E


@inlined
def _put_places(detail, level, u, v, room, at):
    """Where sixteen pixels look in their levels: the texel, and how far from its middle to its right and lower ones."""
    side = power_of_two(negative(level)) * detail.side
    last, inner = side - _ONE, maximum(side - _TWO, _ZERO)
    across = minimum(maximum(fused(u, side, splat(-_HALF)), _ZERO), last)
    down = minimum(maximum(fused(v, side, splat(-_HALF)), _ZERO), last)
    column, row = minimum(floored(across), inner), minimum(floored(down), inner)
    store(room, at, level)
    store(room, at + WIDTH, fused(row, side, column))
    store(room, at + 2 * WIDTH, across - column)
    store(room, at + 3 * WIDTH, down - row)


@inlined
def _level(detail, group, room, at):
    """A group's bilinear value in a pixel's level, in parts: what the left texels and the right ones add."""
    level, across, down = np.int64(room[at]), room[at + 2 * WIDTH], room[at + 3 * WIDTH]
    side = np.int64(detail.side) >> level
    first = detail.starts[group, level] + np.int64(room[at + WIDTH]) * GROUP
    upper = load(detail.texels, first)
    value = fused(load(detail.texels, first + (side * GROUP if side > 1 else 0)) - upper, down, upper)
    return value * fused(load(detail.sides, WIDTH), across, load(detail.sides, 0))


@inlined
def _more(detail, group, channel, texture, alpha, material):
    """A channel of the material, with what a group of the texture's adds to it."""
    at = group * GROUP * WIDTH + channel
    # Two sums, so that one need not wait for the other.
    one, two = texture[0] * broadcast(detail.head, at), texture[1] * broadcast(detail.head, at + WIDTH)
    for part in range(2, GROUP, 2):
        one = fused(texture[part], broadcast(detail.head, at + part * WIDTH), one)
        two = fused(texture[part + 1], broadcast(detail.head, at + (part + 1) * WIDTH), two)
    return fused(one + two, alpha, material[channel])


@inlined
def with_detail(detail, footprint, u, v, alpha, material, count, room):
    """Sixteen pixels' material, alpha times what the texture holds at (u, v) added to it, between two levels.

    Args:
        detail: Detail; footprint: texture coordinates that the pixels span.
        material: sixteen channels; count: pixels that are meant.
        room: (ROOM,) float32.
    """
    groups, number = detail.starts.shape
    level = levels(detail, footprint)
    lower = minimum(floored(level), np.float32(number - 1))
    _put_places(detail, lower, u, v, room, 0)
    _put_places(detail, minimum(lower + _ONE, np.float32(number - 1)), u, v, room, 4 * WIDTH)
    store(room, 8 * WIDTH, minimum(level - lower, _ONE))
    block = 9 * WIDTH
    for group in range(groups):
        for lane in range(count):
            value, share = _level(detail, group, room, lane), room[8 * WIDTH + lane]
            value = fused(_level(detail, group, room, 4 * WIDTH + lane) - value, share, value)
            store(room, block + lane * WIDTH, value)
        parts = load_columns(room, block, WIDTH)
        texture = (
            parts[0] + parts[8], parts[1] + parts[9], parts[2] + parts[10], parts[3] + parts[11],
            parts[4] + parts[12], parts[5] + parts[13], parts[6] + parts[14], parts[7] + parts[15],
        )  # fmt: skip
        material = (
            _more(detail, group, 0, texture, alpha, material), _more(detail, group, 1, texture, alpha, material),
            _more(detail, group, 2, texture, alpha, material), _more(detail, group, 3, texture, alpha, material),
            _more(detail, group, 4, texture, alpha, material), _more(detail, group, 5, texture, alpha, material),
            _more(detail, group, 6, texture, alpha, material), _more(detail, group, 7, texture, alpha, material),
            _more(detail, group, 8, texture, alpha, material), _more(detail, group, 9, texture, alpha, material),
            _more(detail, group, 10, texture, alpha, material), _more(detail, group, 11, texture, alpha, material),
            _more(detail, group, 12, texture, alpha, material), material[13], material[14], material[15],
        )  # fmt: skip
    return material
