"""The detail texture looked up at the picture's resolution: between two of a chain of halved textures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import inlined
from ..simd.elementary import logarithms
from ..simd.lanes import WIDTH, fused, maximum, minimum, splat
from ..simd.memory import load, number_at, store

GROUP = WIDTH // 2
"""Channels that are looked up at once, two neighbouring texels in one vector."""

SIDES = np.array([1.0] * GROUP + [0.0] * GROUP + [-1.0] * GROUP + [1.0] * GROUP, np.float32)
"""Shares of the two texels of a vector: the first sixteen, and the second ones times the right texel's share."""

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
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
    """

    texels: np.ndarray
    starts: np.ndarray
    head: np.ndarray
    side: np.float32
    span: np.float32
    sides: np.ndarray


@inlined
def levels(detail, footprint):
    """In which level a pixel spans one texel, as a number with a fraction; ``footprint`` in texture coordinates."""
    texels = minimum(maximum(footprint * detail.side, _ONE), detail.side)
    return logarithms(texels) * _LOG2E


@inlined
def _level(detail, group, level, u, v):
    """A group's bilinear value at (u, v) in a level, in parts: what the left texels and the right ones add."""
    side = np.int64(detail.side) >> level
    last = np.float32(side - 1)
    across = min(max(u * np.float32(side) - _HALF, _ZERO), last)
    down = min(max(v * np.float32(side) - _HALF, _ZERO), last)
    column, row = min(np.int64(across), max(side - 2, 0)), min(np.int64(down), max(side - 2, 0))
    across, down = across - np.float32(column), down - np.float32(row)
    first = detail.starts[group, level] + (row * side + column) * GROUP
    upper = load(detail.texels, first)
    value = fused(load(detail.texels, first + (side * GROUP if side > 1 else 0)) - upper, down, upper)
    return value * fused(load(detail.sides, WIDTH), across, load(detail.sides, 0))


@inlined
def add_detail(detail, level, u, v, alpha, texel, material, at):
    """material[at : at + 16] += alpha times what the texture holds at (u, v), between two levels.

    Args:
        detail: Detail; level: of :func:`levels`.
        texel: (16,) float32 room.
    """
    groups, count = detail.starts.shape
    lower = min(np.int64(level), count - 1)
    share = min(level - np.float32(lower), _ONE)
    added, other = splat(_ZERO), splat(_ZERO)
    for group in range(groups):
        value = _level(detail, group, lower, u, v)
        if share > _ZERO and lower + 1 < count:
            value = fused(_level(detail, group, lower + 1, u, v) - value, share, value)
        store(texel, 0, value)
        row = group * GROUP * WIDTH
        # Two sums, so that one need not wait for the other.
        for channel in range(0, GROUP, 2):
            one = number_at(texel, channel) + number_at(texel, channel + GROUP)
            two = number_at(texel, channel + 1) + number_at(texel, channel + 1 + GROUP)
            added = fused(load(detail.head, row + channel * WIDTH), one, added)
            other = fused(load(detail.head, row + (channel + 1) * WIDTH), two, other)
    store(material, at, fused(added + other, alpha, load(material, at)))
