"""Small linear systems, solved on the caller's thread. NumPy only.

``np.linalg.inv`` and ``solve`` wake OpenBLAS's threads even for four numbers by four. These wait for more by spinning
for tens of milliseconds, on a core that the renderer beside needs.

>>> turn = np.array([[0.0, -2.0, 0.0, 1.0], [2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
>>> np.abs(inverse_affine(turn) @ turn - np.eye(4)).max() < 1e-12
True
"""

from __future__ import annotations

import numpy as np


def inverse_affine(matrices: np.ndarray) -> np.ndarray:
    """(..., 4, 4) inverses of transforms whose last row is 0, 0, 0, 1.

    Raises:
        LinAlgError: one of them has none.
    """
    matrices = np.asarray(matrices, dtype=np.float64)
    linear = matrices[..., :3, :3]
    # Rows of the inverse: cross products of the columns.
    rows = np.stack([np.cross(linear[..., (i + 1) % 3], linear[..., (i + 2) % 3]) for i in range(3)], axis=-2)
    determinants = np.einsum("...i,...i->...", rows[..., 0, :], linear[..., :, 0])
    if not determinants.all():
        raise np.linalg.LinAlgError("Singular matrix")
    inverse = np.zeros_like(matrices)
    inverse[..., :3, :3] = rows / determinants[..., None, None]
    inverse[..., :3, 3] = -np.einsum("...ij,...j->...i", inverse[..., :3, :3], matrices[..., :3, 3])
    inverse[..., 3, 3] = 1.0
    return inverse


def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N,) solution of a positive definite (N, N) system, by Cholesky's factors."""
    lower = np.linalg.cholesky(matrix)
    x = np.array(right, dtype=np.float64)
    for i in range(len(x)):
        x[i] /= lower[i, i]
        x[i + 1 :] -= lower[i + 1 :, i] * x[i]
    for i in reversed(range(len(x))):
        x[i] /= lower[i, i]
        x[:i] -= lower[i, :i] * x[i]
    return x
