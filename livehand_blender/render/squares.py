"""Which parts of a picture have anything to draw, in NumPy alone. Called by render/drawing."""

from __future__ import annotations

import numpy as np


def squares(opacity: np.ndarray, top: int, bottom: int, side: int) -> np.ndarray:
    """Squares of a regular grid that hold every pixel whose filtered opacity can be above zero.

    They are not joined: where a corner of one lies on the edge of another, rounding leaves pixels out between them.

    Args:
        opacity: (H, W), with the row above ``top`` and the one at ``bottom`` where there are such rows.
        top, bottom: rows to look at.
        side: of a square in pixels; those at the right and at the bottom are cut.

    Returns:
        (N, 4) int64 left, top, right, bottom in pixels.
    """
    seen = opacity > 0.0
    # A pixel shows part of its neighbours.
    dilated = seen.copy()
    dilated[1:] |= seen[:-1]
    dilated[:-1] |= seen[1:]
    seen = dilated.copy()
    seen[:, 1:] |= dilated[:, :-1]
    seen[:, :-1] |= dilated[:, 1:]
    seen = seen[top:bottom]
    height, width = seen.shape
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)
    row, column = np.nonzero(np.logical_or.reduceat(np.logical_or.reduceat(seen, rows, axis=0), columns, axis=1))
    left, upper = column * side, top + row * side
    return np.stack([left, upper, np.minimum(left + side, width), np.minimum(upper + side, bottom)], axis=1)
