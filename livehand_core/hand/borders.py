"""Where a mesh is open."""

from __future__ import annotations

import numpy as np


def border_sides(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) triangles of (F, 3) and (N,) corners where a side begins that no other one runs through the other way."""
    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
    span = int(faces.max(initial=0)) + 1
    face, corner = np.nonzero(~np.isin(start * span + end, end * span + start))
    return face, corner
