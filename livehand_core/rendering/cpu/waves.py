"""The waves of the encoding (docs/method.md 1.6) in the order and the vectors in which the kernels make them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from ...kernels.networks.rows import MOST_WAVE_VECTORS, WAVES_A_VECTOR
from ...kernels.products.dot import LANES, fill_up
from ...networks.config import FieldConfig


class Waves(NamedTuple):
    """The encoding's waves in the kernels' order: frequency by frequency, axis by axis, position before normal.

    Attributes:
        axes: (W,) coordinate that each depends on.
        scales: (W,) float32 factor on it.
        columns: (2 W + C,) of our columns (sines, cosines, coordinates) the number among the published ones:
            coordinates, then sines and cosines by frequency (:func:`livehand_core.networks.encoding.encode`).
        threes: frequencies of each three coordinates.
    """

    axes: np.ndarray
    scales: np.ndarray
    columns: np.ndarray
    threes: tuple[int, ...]

    @classmethod
    def of(cls, threes: Sequence[int]) -> Waves:
        """For so many frequencies of each three coordinates."""
        axes, scales, sines, cosines, plain, first = [], [], [], [], [], 0
        for number, count in enumerate(threes):
            for frequency, axis in product(range(count), range(3)):
                axes.append(3 * number + axis)
                scales.append(2.0**frequency)
                sines.append(first + 3 + 6 * frequency + axis)
                cosines.append(first + 6 + 6 * frequency + axis)
            plain += [first, first + 1, first + 2]
            first += 3 * (1 + 2 * count)
        columns = np.array(sines + cosines + plain)
        return cls(np.array(axes, np.int64), np.array(scales, np.float32), columns, tuple(threes))

    @classmethod
    def of_position(cls, config: FieldConfig) -> Waves:
        """Those of a field's (u, v, d) and, where it takes one, normal."""
        return cls.of([config.position_frequencies] + [config.normal_frequencies] * bool(config.normal_frequencies))

    def vectors(self, coordinate_scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What :func:`livehand_core.kernels.networks.rows.put_waves` reads: (V, 16) scales, (V, 2) parts."""
        rows, parts, first = [], [], 0
        for number, count in enumerate(self.threes):
            for begin in range(0, 3 * count, WAVES_A_VECTOR):
                waves = slice(first + begin, first + min(begin + WAVES_A_VECTOR, 3 * count))
                rows.append(fill_up(self.scales[waves] * coordinate_scale[self.axes[waves]], LANES))
                parts.append((3 * number, first + begin))
            first += 3 * count
        assert len(rows) <= MOST_WAVE_VECTORS
        return np.array(rows, np.float32).reshape(-1, LANES), np.array(parts, np.int64).reshape(-1, 2)
