"""Meshes made smaller where nothing but their shadow counts, in NumPy alone. Called by render/near."""

from __future__ import annotations

import numpy as np

GROWTH = 1.25
"""By which cells grow until few enough triangles are left."""


def compact(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) vertices and (F, 3) faces without the vertices that no face has."""
    used, places = np.unique(faces, return_inverse=True)
    return vertices[used], places.reshape(-1, 3).astype(np.int64)


def surface(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Area of a mesh."""
    corners = vertices[faces]
    across, along = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return 0.5 * float(np.linalg.norm(np.cross(across, along), axis=1).sum())


def reduced(vertices: np.ndarray, faces: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """A mesh with at most so many triangles: the vertices of each cell of a grid become one, their mean.

    Args:
        vertices: (V, 3), faces: (F, 3).
        most: triangles, at least 1.
    """
    area = surface(vertices, faces)
    low, size = vertices.min(axis=0), float(np.ptp(vertices, axis=0).max())
    cell = max(float(np.sqrt(area / most)), 1e-6 * size, 1e-9)
    while True:
        places = np.floor((vertices - low) / cell).astype(np.int64)
        _, own = np.unique(places @ np.array([1, 1 << 21, 1 << 42]), return_inverse=True)
        own = own.reshape(-1)
        small = np.sort(own[faces], axis=1)
        small = small[(small[:, 0] != small[:, 1]) & (small[:, 1] != small[:, 2])]
        small = np.unique(small, axis=0)
        if len(small) <= most:
            break
        cell *= GROWTH
    count = np.bincount(own)
    means = np.stack([np.bincount(own, vertices[:, axis]) / count for axis in range(3)], axis=1)
    return compact(means, small)
