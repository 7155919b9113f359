"""Marching cubes over a sparse grid, block by block: memory holds one block and the surface, however fine the grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

BLOCK = 32
"""Cells along a block's side."""

SMALLEST = 1e-3
"""Least magnitude of a value over the largest there is, so that no vertex falls onto a grid point: vertices that two
blocks share are told by the grid edge that they lie on."""

Values = Callable[[np.ndarray], np.ndarray]
"""(N, 3) float32 points -> (N,) values in [-1, 1], positive inside."""


@dataclass(frozen=True)
class Grid:
    """Points at ``low + step * (i, j, k)`` in blocks of BLOCK cells a side.

    Attributes:
        low: (3,) float64, metres.
        step: metres.
        blocks: number of blocks along x, y, z.
    """

    low: np.ndarray
    step: float
    blocks: tuple[int, int, int]

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray, step: float) -> Grid:
        """That covers a box."""
        size = np.asarray(high, np.float64) - low
        counts = np.maximum(np.ceil(size / (BLOCK * step)).astype(int), 1)
        middle = 0.5 * (np.asarray(high, np.float64) + low)
        return cls(middle - 0.5 * counts * BLOCK * step, step, (int(counts[0]), int(counts[1]), int(counts[2])))

    def middles(self) -> tuple[np.ndarray, np.ndarray]:
        """(B, 3) int64 places of all blocks, and (B, 3) float32 their middles."""
        places = np.stack(np.meshgrid(*(np.arange(n) for n in self.blocks), indexing="ij"), axis=-1).reshape(-1, 3)
        return places, (self.low + (places + 0.5) * BLOCK * self.step).astype(np.float32)

    @property
    def reach(self) -> float:
        """Metres from a block's middle to its corners."""
        return 0.5 * np.sqrt(3.0) * BLOCK * self.step

    def points(self, place: np.ndarray) -> np.ndarray:
        """((BLOCK + 1)^3, 3) float32 points of a block, z fastest, its far sides included."""
        axes = (self.low[i] + (place[i] * BLOCK + np.arange(BLOCK + 1)) * self.step for i in range(3))
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)


def surface(grid: Grid, places: Iterable[np.ndarray], values: Values) -> tuple[np.ndarray, np.ndarray]:
    """Where ``values`` changes its sign in some of a grid's blocks.

    Args:
        grid: the grid.
        places: blocks to look at, each (3,) integers.
        values: called once a block.

    Returns:
        (V, 3) float64 vertices and (F, 3) int32 faces, counter-clockwise seen from where values are negative; closed
        except at the sides of blocks that were not looked at. Empty arrays when there is no surface.
    """
    from skimage.measure import marching_cubes

    vertices: list[np.ndarray] = []
    keys: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    count = 0
    for place in places:
        volume = values(grid.points(place)).reshape(BLOCK + 1, BLOCK + 1, BLOCK + 1)
        volume = np.where(np.abs(volume) < SMALLEST, np.where(volume < 0.0, -SMALLEST, SMALLEST), volume)
        if volume.min() > 0.0 or volume.max() < 0.0:
            continue
        local, triangles, _, _ = marching_cubes(volume.astype(np.float32), 0.0, gradient_direction="ascent")
        corner = place.astype(np.int64) * BLOCK
        vertices.append(local.astype(np.float64) + corner)
        keys.append(_edge_keys(local, corner, len(keys)))
        faces.append(triangles.astype(np.int64) + count)
        count += len(local)
    if not faces:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    _, first, number = np.unique(np.concatenate(keys), axis=0, return_index=True, return_inverse=True)
    triangles = number.reshape(-1)[np.concatenate(faces)]
    a, b, c = triangles.T
    whole = (a != b) & (b != c) & (c != a)
    places_of = np.concatenate(vertices)[first]
    return grid.low + places_of * grid.step, triangles[whole].astype(np.int32)


def _edge_keys(local: np.ndarray, corner: np.ndarray, block: int) -> np.ndarray:
    """(N, 4) int64 that are equal for vertices of different blocks on the same grid edge, and for no others.

    The edge's lower end and its axis; a vertex inside a cell belongs to its block alone.
    """
    nearest = np.rint(local)
    off = np.abs(local - nearest) > 1e-4
    on_edge = off.sum(axis=1) == 1
    keys = np.empty((len(local), 4), np.int64)
    keys[:, :3] = np.where(off, np.floor(local), nearest).astype(np.int64) + corner
    keys[:, 3] = off.argmax(axis=1)
    inside = np.flatnonzero(~on_edge)
    keys[inside] = np.stack([inside, np.full(len(inside), block), 0 * inside, np.full(len(inside), -1)], axis=1)
    return keys
