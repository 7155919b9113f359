"""What all poses of a proxy share for shading: its triangles, how texture runs over it, how light scatters in it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from ...hand.data import ProxyModel
from ...kernels.mesh.skin import spread, vertex_frames

SCATTER = 0.006
"""Metres: standard deviation of how far light travels in skin before it leaves it, as seen by the proxy's vertices."""


@dataclass(frozen=True)
class ShadedMesh:
    """The part of a hand model that shading needs. V vertices, F triangles.

    Attributes:
        faces: (F, 3) int32.
        face_uv: (F, 3, 2) float32.
        along_u: (F, 2) float32: a triangle's direction of u is the sum of its edges from corner 0 to 1 and 2 by these.
        first, other, share: sparse rows of the smoothing: vertex i takes ``share[k]`` of vertex ``other[k]`` for k from
            ``first[i]`` up to ``first[i + 1]``; the shares of a row sum to 1.
        uv_a_metre: texture coordinates that a metre of skin spans, the mean of the rest mesh.
    """

    faces: np.ndarray
    face_uv: np.ndarray
    along_u: np.ndarray
    first: np.ndarray
    other: np.ndarray
    share: np.ndarray
    uv_a_metre: float

    @classmethod
    def of(cls, data: ProxyModel) -> ShadedMesh:
        """Of a hand model."""
        faces, uv = np.array(data.faces, np.int32, order="C"), np.array(data.face_uv, np.float32, order="C")
        rest = data.v_template.astype(np.float64)
        one, two = (uv[:, corner].astype(np.float64) - uv[:, 0] for corner in (1, 2))
        span = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
        turned = np.where(np.abs(span) < 1e-12, 1.0, span)
        along_u = np.stack([two[:, 1], -one[:, 1]], axis=1) / turned[:, None]
        corners = rest[faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        ratio = float(np.sqrt(np.abs(span).sum() / max(area.sum(), 1e-12)))
        return cls(faces, uv, along_u.astype(np.float32), *_smoothing(rest, faces), ratio)

    def frames(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals and directions of u at each vertex.

        Args:
            vertices: (V, 3) posed.

        Returns:
            (V, 3) normals, by the area of the triangles around; (V, 3) unit tangents at right angles to them.
        """
        normals, tangents = np.empty((len(vertices), 3)), np.empty((len(vertices), 3))
        vertex_frames(np.ascontiguousarray(vertices, np.float32), self.faces, self.along_u, normals, tangents)
        return normals, tangents

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """(V, C) values of the vertices, spread over the skin."""
        values = np.ascontiguousarray(values, np.float64)
        answer = np.empty_like(values)
        spread(self.first, self.other, self.share, values, answer)
        return answer


def _smoothing(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a Gaussian of SCATTER over paths along the mesh's edges, weighted by the vertices' areas."""
    count = len(vertices)
    corners = vertices[faces]
    doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    area = np.bincount(faces.reshape(-1), np.repeat(doubled, 3), count) + 1e-12
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    starts = np.searchsorted(edges[:, 0], np.arange(count + 1))
    first, other, share = [0], [], []
    for vertex in range(count):
        near = _paths(vertex, edges[:, 1], lengths, starts, 3.0 * SCATTER)
        reached = np.array(sorted(near))
        weight = area[reached] * np.exp(-0.5 * (np.array([near[one] for one in reached]) / SCATTER) ** 2)
        other.append(reached)
        share.append(weight / weight.sum())
        first.append(first[-1] + len(reached))
    rows = np.concatenate(other).astype(np.int32), np.concatenate(share).astype(np.float32)
    return np.array(first, np.int64), *rows


def _paths(vertex: int, ends: np.ndarray, lengths: np.ndarray, starts: np.ndarray, reach: float) -> dict[int, float]:
    """Length of the shortest path along edges to each vertex within ``reach``."""
    known: dict[int, float] = {}
    waiting = [(0.0, vertex)]
    while waiting:
        length, here = heapq.heappop(waiting)
        if here in known:
            continue
        known[here] = length
        for edge in range(starts[here], starts[here + 1]):
            farther = length + float(lengths[edge])
            if farther <= reach and int(ends[edge]) not in known:
                heapq.heappush(waiting, (farther, int(ends[edge])))
    return known
