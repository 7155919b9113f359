"""Signed distances between points and a posed hand's skin, near it and for few points. NumPy only.

Called by ``separation`` and ``holding``; frames are drawn with the kernels of ``kernels/mesh``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .data import HandData

AWAY = 0.015
"""Metres inside the skin beyond which a point belongs to the other side of it."""


class Nearest(NamedTuple):
    """What of a skin is nearest to N points.

    Attributes:
        distance: (N,) metres, negative inside; infinity where nothing of the skin can be told, as beyond the wrist.
        normal: (N, 3) unit, outwards.
        face: (N,) triangle, weights: (N, 3) barycentric.
    """

    distance: np.ndarray
    normal: np.ndarray
    face: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class SkinTopology:
    """What all poses of a hand's skin share: its triangles, those around each vertex, and where it is open."""

    data: HandData

    @cached_property
    def faces(self) -> np.ndarray:
        """(F, 3)."""
        return np.asarray(self.data.faces, np.int64)

    @cached_property
    def around(self) -> np.ndarray:
        """(V, K) triangles at each vertex, the last one repeated."""
        order = np.argsort(self.faces.reshape(-1), kind="stable")
        counts = np.bincount(self.faces.reshape(-1), minlength=self.data.vertex_count)
        ends = np.cumsum(counts)
        column = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
        found: np.ndarray = order[(ends - counts)[:, None] + np.maximum(column, 0)] // 3
        return found

    @cached_property
    def rim(self) -> np.ndarray:
        """(V,) bool: on the edge of the skin, at the wrist."""
        edges = np.sort(np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]]), axis=1)
        found, count = np.unique(edges, axis=0, return_counts=True)
        rim = np.zeros(self.data.vertex_count, bool)
        rim[found[count == 1].reshape(-1)] = True
        return rim

    @cached_property
    def finger(self) -> np.ndarray:
        """(V,) the finger that a vertex belongs to, 0 to 4 in the order of joints; 5 in the palm and where fingers
        grow out of it."""
        shares = self.data.weights[:, 1:].reshape(-1, 5, 3).sum(axis=2)
        return np.where(shares.max(axis=1) > 0.95, shares.argmax(axis=1), 5)

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) unit normals of the posed skin, by the area of the triangles around."""
        a, b, c = (vertices[self.faces[:, corner]] for corner in range(3))
        area = np.cross(b - a, c - a)
        around = self.faces.reshape(-1)
        sums = [np.bincount(around, np.repeat(area[:, axis], 3), len(vertices)) for axis in range(3)]
        normals = np.stack(sums, axis=1)
        answer: np.ndarray = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
        return answer

    def nearest(
        self, vertices: np.ndarray, normals: np.ndarray, points: np.ndarray, chosen: np.ndarray | None = None
    ) -> Nearest:
        """The nearest of the posed skin to points.

        Args:
            vertices: (V, 3) posed, normals: (V, 3) of :meth:`normals`.
            points: (N, 3).
            chosen: (V,) bool, the part of the skin that counts: triangles at these vertices; all of it when None.
        """
        places = np.flatnonzero(chosen if chosen is not None else np.ones(len(vertices), bool))
        some = vertices[places]
        squares = (points**2).sum(1)[:, None] + (some**2).sum(1) - 2.0 * points @ some.T
        vertex = places[squares.argmin(axis=1)]
        faces = self.around[vertex]
        weights = closest_on_triangles(points[:, None], vertices[self.faces[faces]])
        closest = np.einsum("nkc,nkcx->nkx", weights, vertices[self.faces[faces]])
        away = points[:, None] - closest
        best = (away**2).sum(axis=2).argmin(axis=1)
        rows = np.arange(len(points))
        face, weight = faces[rows, best], weights[rows, best]
        normal = np.einsum("nc,ncx->nx", weight, normals[self.faces[face]])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        offset = away[rows, best]
        length = np.linalg.norm(offset, axis=1)
        distance = np.where((offset * normal).sum(axis=1) < 0.0, -length, length)
        unknown = self.rim[vertex] | (distance < -AWAY)
        return Nearest(np.where(unknown, np.inf, distance), normal, face, weight)


def closest_on_triangles(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(..., 3) barycentric weights of what is nearest to ``points`` (..., 3) on triangles ``corners`` (..., 3, 3)."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    one, two, to = b - a, c - a, points - a
    d11, d12, d22 = ((x * y).sum(-1) for x, y in ((one, one), (one, two), (two, two)))
    t1, t2 = (to * one).sum(-1), (to * two).sum(-1)
    size = np.maximum(d11 * d22 - d12 * d12, 1e-30)
    v, w = (d22 * t1 - d12 * t2) / size, (d11 * t2 - d12 * t1) / size
    inside = np.stack([1.0 - v - w, v, w], axis=-1)
    # Of a point that does not lie over the triangle the nearest is on one of its edges.
    ends = [(a, one, d11, (0, 1)), (a, two, d22, (0, 2)), (b, c - b, ((c - b) ** 2).sum(-1), (1, 2))]
    best, answer = np.full(v.shape, np.inf), inside
    for start, along, square, (first, second) in ends:
        share = np.clip(((points - start) * along).sum(-1) / np.maximum(square, 1e-30), 0.0, 1.0)
        away = ((points - start - share[..., None] * along) ** 2).sum(-1)
        weights = np.zeros((*share.shape, 3))
        weights[..., first], weights[..., second] = 1.0 - share, share
        nearer = away < best
        best, answer = np.where(nearer, away, best), np.where(nearer[..., None], weights, answer)
    answer = np.where((inside.min(axis=-1) >= 0.0)[..., None], inside, answer)
    return answer
