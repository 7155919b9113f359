"""The detail texture looked up at the picture's resolution: between two of a chain of halved textures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import inlined, inner
from ..networks.texture import GROUP
from ..simd.elementary import logarithms
from ..simd.lanes import WIDTH, fused, maximum, minimum, splat
from ..simd.memory import broadcast, load, load_four, store

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_LOG2E = np.float32(1.0 / np.log(2.0))


class Detail(NamedTuple):
    """A texture as pixels are given it; without texels where there is none.

    Attributes:
        texels: (N,) float32, all levels in one row, the largest first: rows by v, columns by u.
        starts: (L,) int64 first element of each level, whose side is half of the one's before it.
        head: (C, 16) float32 what a channel adds to the material, filled up; C is a multiple of GROUP.
        side: texels of the first level.
        span: texture coordinates that a metre of skin spans.
    """

    texels: np.ndarray
    starts: np.ndarray
    head: np.ndarray
    side: np.float32
    span: np.float32


@inlined
def levels(detail, footprint):
    """In which level a pixel spans one texel, as a number with a fraction; ``footprint`` in texture coordinates."""
    texels = minimum(maximum(footprint * detail.side, _ONE), detail.side)
    return logarithms(texels) * _LOG2E


@inner
def _add(detail, level, share, u, v, texel):
    """texel += share times a level's bilinear value at (u, v)."""
    channels, side = detail.head.shape[0], np.int64(detail.side) >> level
    last = np.float32(side - 1)
    across = min(max(u * np.float32(side) - _HALF, _ZERO), last)
    down = min(max(v * np.float32(side) - _HALF, _ZERO), last)
    column, row = np.int64(across), np.int64(down)
    right = channels if column + 1 < side else 0
    below = side * channels if row + 1 < side else 0
    across, down = across - np.float32(column), down - np.float32(row)
    first = detail.starts[level] + (row * side + column) * channels
    for channel in range(0, channels, GROUP):
        at = first + channel
        here, under = load_four(detail.texels, at), load_four(detail.texels, at + below)
        upper = fused(load_four(detail.texels, at + right) - here, across, here)
        lower = fused(load_four(detail.texels, at + below + right) - under, across, under)
        store(texel, channel, fused(fused(lower - upper, down, upper), share, load_four(texel, channel)))


@inner
def add_detail(detail, level, u, v, alpha, texel, material, at):
    """material[at : at + 16] += alpha times what the texture holds at (u, v), between two levels.

    Args:
        detail: Detail; level: of :func:`levels`.
        texel: (C,) float32 room.
    """
    for channel in range(len(texel)):
        texel[channel] = _ZERO
    lower = min(np.int64(level), len(detail.starts) - 1)
    share = min(level - np.float32(lower), _ONE)
    _add(detail, lower, _ONE - share, u, v, texel)
    if share > _ZERO and lower + 1 < len(detail.starts):
        _add(detail, lower + 1, share, u, v, texel)
    added = splat(_ZERO)
    for channel in range(len(detail.head)):
        added = fused(load(detail.head, channel * WIDTH), broadcast(texel, channel), added)
    store(material, at, fused(added, alpha, load(material, at)))
