"""Bilinear look-ups in the field's learnt textures over (u, v), four channels at a time."""

from __future__ import annotations

import numpy as np

from ..compiling import inlined, inner
from ..simd.lanes import fused
from ..simd.memory import load_four, store

GROUP = 4
"""Channels of a texel that one vector holds; textures are filled up to whole groups."""

_HALF = np.float32(0.5)


@inlined
def _blend(texels, first, right, below, across, down, output, at):
    """output.flat[at : at + 4] = four channels, ``across`` and ``down`` of the way from the texel at ``first`` to its
    neighbours, which are so many elements away to the right and below."""
    here, under = load_four(texels, first), load_four(texels, first + below)
    upper = fused(load_four(texels, first + right) - here, across, here)
    lower = fused(load_four(texels, first + right + below) - under, across, under)
    store(output, at, fused(lower - upper, down, upper))


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
            _blend(texels, first + channel, channels, size * channels, across, down, output, at + channel)
        at += channels
