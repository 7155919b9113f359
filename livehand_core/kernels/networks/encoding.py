"""The encoding's sines and cosines of a sample's coordinates, sixteen at a time: docs/method.md 1.6."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import inlined
from ..simd.elementary import sines_cosines
from ..simd.lanes import WIDTH
from ..simd.memory import load, load_three_in_turn, store, store_within

MOST_VECTORS = 16
"""Vectors of angles that there is room for."""

ANGLES_A_VECTOR = 15
"""Angles that a vector holds: five frequencies of three coordinates, so that which lane is whose never changes."""


class Encoding(NamedTuple):
    """Which angles are made of which coordinates, in vectors.

    Attributes:
        frequencies: (V, 16) float32, V at most MOST_VECTORS; lane l is the factor on coordinate l mod 3 of three. The
            last lane is not meant, nor are others behind the last vector's angles.
        parts: (V, 2) int64, of each vector: the first of its three coordinates, and the number of its first angle,
            ascending.
        angles: how many are meant, of all vectors.
    """

    frequencies: np.ndarray
    parts: np.ndarray
    angles: int


@inlined
def put_encoding(encoding, places, first, scale, room, output, at):
    """output.flat[at + k] = scale sin(angle k), and ``encoding.angles`` further on the cosines.

    Args:
        encoding: Encoding.
        places: float32; first: in elements, where the coordinates begin.
        scale: float32, within the output's range.
        room: float32, MOST_VECTORS vectors.
        output: float32 or int16 array of any shape; at: in elements. Up to 15 entries behind the last cosine are
            written over.
    """
    vectors = len(encoding.parts)
    # Sines that are not meant lie where cosines go, which therefore wait for all of them.
    for vector in range(vectors):
        coordinates = load_three_in_turn(places, first + encoding.parts[vector, 0])
        sines, cosines = sines_cosines(coordinates * load(encoding.frequencies, vector * WIDTH))
        store_within(output, at + encoding.parts[vector, 1], sines * scale)
        store(room, vector * WIDTH, cosines * scale)
    for vector in range(vectors):
        store_within(output, at + encoding.angles + encoding.parts[vector, 1], load(room, vector * WIDTH))
