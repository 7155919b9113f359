"""Which pixels each convolution of the super-resolution makes: no more than the hand's picture depends on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.networks.convolution import dilate, doubled


@dataclass(frozen=True)
class Doubling:
    """What a convolution that doubles the size makes, in the grid that it starts from.

    Attributes:
        inside: (H, W) bool, pixels whose four answers are wanted.
        cells: (H, W) bool, these and their neighbours, which the filter behind it reads.
    """

    inside: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, inside: np.ndarray) -> Doubling:
        """For the answers of some pixels."""
        return cls(inside, dilate(inside, 1, False))


@dataclass(frozen=True)
class Coverage:
    """Pixels by convolution. Grids have a margin, see ``kernels.convolution``; lists hold indices into their grid.

    Attributes:
        valid: (H, W) bool, pixels of the feature image that have rays.
        entry: what conv00 makes: a list where the factor is 2.
        middle: (H', W') bool, the valid ones in the grid of conv01, which is twice as large where the factor is 4.
        near: list of what conv01 makes.
        doubling: what conv10 makes.
        drawn: (H'', W'') bool, pixels of the picture that are drawn.
        pixels: the same as a list.
    """

    valid: np.ndarray
    entry: np.ndarray | Doubling
    middle: np.ndarray
    near: np.ndarray
    doubling: Doubling
    drawn: np.ndarray
    pixels: np.ndarray

    @classmethod
    def of(cls, valid: np.ndarray, factor: int) -> Coverage:
        """From (h + 2 MARGIN, w + 2 MARGIN) bool, which pixels of the feature image have rays; factor 2 or 4."""
        entry: np.ndarray | Doubling
        if factor == 4:
            entry, middle = Doubling.of(dilate(valid, 2, True)), doubled(valid)
        else:
            entry, middle = np.flatnonzero(dilate(valid, 3, True)), valid
        near = np.flatnonzero(dilate(middle, 2, True))
        drawn = doubled(middle)
        return cls(valid, entry, middle, near, Doubling.of(dilate(middle, 1, True)), drawn, np.flatnonzero(drawn))
