"""The high-detail hand's mesh: the posed proxy subdivided smoothly, its wrist closed.

Subdivision is a fixed sparse linear map of the proxy's vertices, so any pose is a few milliseconds. What the skin adds
to it is in ``flesh`` (geometry that moves with the pose) and ``skin`` (images in the proxy's texture coordinates).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .borders import border_sides
from .data import HandData

LEVELS = 3
"""Steps of subdivision: vertices about 0.6 mm apart, which nails and knuckles need."""

CAP_RINGS = (0.60, 0.42, 0.22)
"""Rings of vertices that close the wrist, in parts of the rim's distance from its middle."""


@dataclass(frozen=True)
class SparseRows:
    """A sparse matrix by rows: ``apply(x)[i] = sum_k values[k] x[columns[k]]`` over ``starts[i] <= k < starts[i + 1]``.

    Attributes:
        starts: (n + 1,) int64; every row has at least one entry.
        columns: (m,) int64.
        values: (m,) float64.
    """

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(n, ...) float64 from (columns, ...)."""
        x = np.asarray(x, dtype=np.float64)
        product = self.values.reshape((-1,) + (1,) * (x.ndim - 1)) * x[self.columns]
        return np.add.reduceat(product, self.starts[:-1], axis=0)


@dataclass(frozen=True)
class DetailMesh:
    """Topology of the subdivided hand.

    Attributes:
        operator: maps (V, 3) proxy vertices to the (N, 3) detail vertices.
        faces: (F, 3) int64, counter-clockwise seen from outside.
        uv, uv_faces: (T, 2) float64 texture coordinates, v upwards, and (F, 3) int64 indices into them.
        vertex_uv: (N,) int64, one texture coordinate of each detail vertex.
        skin_vertices, skin_faces: how many of the vertices and faces are skin; those after them close the wrist.
    """

    operator: SparseRows
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    vertex_uv: np.ndarray
    skin_vertices: int
    skin_faces: int


def _edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unique edges (E, 2), the edge opposite to no vertex but along each face side (F, 3), and uses (E,)."""
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    unique, inverse, uses = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    return unique, inverse.reshape(3, -1).T, uses


def _split(faces: np.ndarray, side: np.ndarray, count: int) -> np.ndarray:
    """Four triangles for each one; edge points are numbered after the ``count`` vertices."""
    a, b, c = faces.T
    ab, bc, ca = (count + side).T
    corners = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1)
    return corners.reshape(-1, 3)


def loop_rows(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One step of Loop subdivision.

    Args:
        faces: (F, 3) triangles over ``count`` vertices, each vertex used.

    Returns:
        rows, columns, values of the (count + E, count) matrix, and the (4 F, 3) new faces.
    """
    edges, side, uses = _edges(faces)
    border = uses == 1
    number = np.arange(len(edges)) + count
    inner = ~border
    rows = [number, number]
    columns = [edges[:, 0], edges[:, 1]]
    weight = np.where(border, 0.5, 3.0 / 8.0)
    values = [weight, weight]
    for k in range(3):
        # The corner opposite to side k of a face.
        keep = inner[side[:, k]]
        rows.append(number[side[keep, k]])
        columns.append(faces[keep, (k + 2) % 3])
        values.append(np.full(int(keep.sum()), 1.0 / 8.0))
    valence = np.bincount(edges.reshape(-1), minlength=count)
    rim = np.zeros(count, dtype=bool)
    rim[edges[border].reshape(-1)] = True
    beta = (5.0 / 8.0 - (3.0 / 8.0 + np.cos(2.0 * np.pi / valence) / 4.0) ** 2) / valence
    own = np.where(rim, 0.75, 1.0 - valence * beta)
    rows.append(np.arange(count))
    columns.append(np.arange(count))
    values.append(own)
    for a, b in ((0, 1), (1, 0)):
        used = ~rim[edges[:, a]] | border
        rows.append(edges[used, a])
        columns.append(edges[used, b])
        values.append(np.where(border[used], 0.125, beta[edges[used, a]]))
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values), _split(faces, side, count)


def _compress(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, count: int, width: int) -> SparseRows:
    key = rows * width + columns
    unique, inverse = np.unique(key, return_inverse=True)
    summed = np.bincount(inverse, weights=values)
    row = unique // width
    return SparseRows(np.searchsorted(row, np.arange(count + 1)), unique % width, summed)


def _chain(outer: SparseRows, inner: SparseRows, width: int) -> SparseRows:
    """The product outer @ inner."""
    lengths = np.diff(inner.starts)[outer.columns]
    owner = np.repeat(np.arange(len(outer.columns)), lengths)
    first = np.cumsum(lengths) - lengths
    entry = inner.starts[outer.columns][owner] + np.arange(len(owner)) - first[owner]
    outer_row = np.repeat(np.arange(len(outer.starts) - 1), np.diff(outer.starts))
    return _compress(
        outer_row[owner],
        inner.columns[entry],
        outer.values[owner] * inner.values[entry],
        len(outer.starts) - 1,
        width,
    )


def subdivide(data: HandData, levels: int = LEVELS) -> DetailMesh:
    """Topology and linear operator of the proxy after ``levels`` steps of Loop subdivision (0 is the proxy itself)."""
    faces, width = data.faces, data.vertex_count
    count = width
    operator = SparseRows(np.arange(count + 1), np.arange(count), np.ones(count))
    uv, uv_faces = data.uv.astype(np.float64), data.uv_faces
    for _ in range(levels):
        rows, columns, values, finer = loop_rows(faces, count)
        step = _compress(rows, columns, values, int(rows.max()) + 1, count)
        operator = _chain(step, operator, width)
        count, faces = len(step.starts) - 1, finer
        edges, side, _ = _edges(uv_faces)
        uv_faces = _split(uv_faces, side, len(uv))
        uv = np.concatenate([uv, uv[edges].mean(axis=1)])
    skin_faces = len(faces)
    faces, uv_faces, cap = _closed(faces, uv_faces, count)
    operator = _chain(_stacked(count, cap), operator, width)
    vertex_uv = np.zeros(count + len(cap), dtype=np.int64)
    vertex_uv[faces.reshape(-1)] = uv_faces.reshape(-1)
    return DetailMesh(operator, faces, uv, uv_faces, vertex_uv, count, skin_faces)


def rim_loop(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The one open border of a surface, in order.

    Returns:
        (R,) vertices such that the surface lies to the left of the way from each to the next seen from outside; (R,)
        the face and (R,) the side of it that each of these ways belongs to.
    """
    face, corner = border_sides(faces)
    start, end = faces[face, corner], faces[face, (corner + 1) % 3]
    follows = {int(a): k for k, a in enumerate(start)}
    order = [0]
    while len(order) < len(start):
        order.append(follows[int(end[order[-1]])])
    chain = np.array(order)
    return start[chain], face[chain], corner[chain]


def _closed(faces: np.ndarray, uv_faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Faces with a cap over the rim; and for each new vertex its (columns, values), as (2, m), of the skin's vertices.

    A cap's triangles have the texture coordinates of the rim's edge that they stand on.
    """
    rim, face, corner = rim_loop(faces)
    size = len(rim)
    rows = []
    for part in CAP_RINGS:
        for k in range(size):
            values = np.full(size, (1.0 - part) / size)
            values[k] += part
            rows.append(np.stack([rim.astype(np.float64), values]))
    rows.append(np.stack([rim.astype(np.float64), np.full(size, 1.0 / size)]))
    rings = [rim, *(count + size * k + np.arange(size) for k in range(len(CAP_RINGS)))]
    middle = count + size * len(CAP_RINGS)
    a, b = uv_faces[face, corner], uv_faces[face, (corner + 1) % 3]
    new, new_uv = [], []
    for outer, inner in pairwise(rings):
        outer_next, inner_next = np.roll(outer, -1), np.roll(inner, -1)
        new += [np.stack([outer_next, outer, inner], axis=1), np.stack([outer_next, inner, inner_next], axis=1)]
        new_uv += [np.stack([b, a, a], axis=1), np.stack([b, a, b], axis=1)]
    last = rings[-1]
    new.append(np.stack([np.roll(last, -1), last, np.full(size, middle)], axis=1))
    new_uv.append(np.stack([b, a, a], axis=1))
    return np.concatenate([faces, *new]), np.concatenate([uv_faces, *new_uv]), rows


def _stacked(count: int, cap: list[np.ndarray]) -> SparseRows:
    """The identity of ``count`` rows, and the cap's rows below it."""
    lengths = np.concatenate([np.ones(count, dtype=np.int64), [row.shape[1] for row in cap]])
    columns = np.concatenate([np.arange(count), *(row[0].astype(np.int64) for row in cap)])
    values = np.concatenate([np.ones(count), *(row[1] for row in cap)])
    return SparseRows(np.concatenate([[0], np.cumsum(lengths)]), columns, values)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals, weighted by triangle area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(face[:, k], 3), len(vertices)) for k in range(3)], axis=1
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)


def detail_normals(mesh: DetailMesh, vertices: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals of the skin, and apart from it of the cap on the wrist, for their edge is not rounded."""
    normals = vertex_normals(vertices, mesh.faces[: mesh.skin_faces])
    normals[mesh.skin_vertices :] = vertex_normals(vertices, mesh.faces[mesh.skin_faces :])[mesh.skin_vertices :]
    return normals


def detail_vertices(mesh: DetailMesh, posed: np.ndarray, offsets: np.ndarray | None = None) -> np.ndarray:
    """(N, 3) float64 detail vertices from (V, 3) posed proxy vertices; ``offsets`` (N,) metres along the normal."""
    smooth = mesh.operator.apply(posed)
    if offsets is None:
        return smooth
    return smooth + offsets[:, None] * detail_normals(mesh, smooth)
