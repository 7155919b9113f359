"""The encoding (docs/method.md 1.6) in the order and the vectors in which the kernels make it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from ...kernels.networks.encoding import ANGLES_A_VECTOR, MOST_VECTORS, Encoding
from ...kernels.products.packing import fill_up
from ...kernels.simd.lanes import WIDTH
from ...networks.config import FieldConfig


class Angles(NamedTuple):
    """The encoding's angles in the kernels' order: frequency by frequency, axis by axis, position before normal.

    Attributes:
        axes: (A,) coordinate that each depends on.
        frequencies: (A,) float32 factor on it.
        columns: (2 A + C,) of our columns (sines, cosines, coordinates) the number among the published ones:
            coordinates, then sines and cosines by frequency (:func:`livehand_core.networks.encoding.encode`).
        threes: frequencies of each three coordinates.
    """

    axes: np.ndarray
    frequencies: np.ndarray
    columns: np.ndarray
    threes: tuple[int, ...]

    @classmethod
    def of(cls, threes: Sequence[int]) -> Angles:
        """For so many frequencies of each three coordinates."""
        axes, frequencies, sines, cosines, plain, first = [], [], [], [], [], 0
        for number, count in enumerate(threes):
            for frequency, axis in product(range(count), range(3)):
                axes.append(3 * number + axis)
                frequencies.append(2.0**frequency)
                sines.append(first + 3 + 6 * frequency + axis)
                cosines.append(first + 6 + 6 * frequency + axis)
            plain += [first, first + 1, first + 2]
            first += 3 * (1 + 2 * count)
        columns = np.array(sines + cosines + plain)
        return cls(np.array(axes, np.int64), np.array(frequencies, np.float32), columns, tuple(threes))

    @classmethod
    def of_position(cls, config: FieldConfig) -> Angles:
        """Those of a field's (u, v, d) and, where it takes them, normal and local pose, which has no angles."""
        normal = [config.normal_frequencies] * bool(config.normal_frequencies)
        return cls.of([config.position_frequencies, *normal, *[0] * config.local_joints])

    def coordinate_scale(self, config: FieldConfig) -> np.ndarray:
        """(C,) float32 factor on each coordinate before anything else."""
        scale = np.ones(3 * len(self.threes), dtype=np.float32)
        scale[2] = config.distance_scale
        return scale

    def encoding(self, coordinate_scale: np.ndarray) -> Encoding:
        """What the kernels read; coordinates are scaled first."""
        rows, parts, first = [], [], 0
        for number, count in enumerate(self.threes):
            for begin in range(0, 3 * count, ANGLES_A_VECTOR):
                own = slice(first + begin, first + min(begin + ANGLES_A_VECTOR, 3 * count))
                rows.append(fill_up(self.frequencies[own] * coordinate_scale[self.axes[own]], WIDTH))
                parts.append((3 * number, first + begin))
            first += 3 * count
        assert len(rows) <= MOST_VECTORS
        frequencies = np.array(rows, np.float32).reshape(-1, WIDTH)
        return Encoding(frequencies, np.array(parts, np.int64).reshape(-1, 2), len(self.axes))
