"""What all poses of a proxy share for shading: its triangles, how texture runs over it, how light scatters in it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from ...hand.borders import border_sides
from ...hand.data import ProxyModel
from ...kernels.mesh.proxy import face_neighbours
from ...kernels.mesh.skin import vertex_frames
from ...kernels.products.packing import fill_up
from ...kernels.shading.vertices import spread
from ...kernels.simd.lanes import WIDTH

SCATTER = 0.006
"""Metres: standard deviation of how far light travels in skin before it leaves it, as seen by the proxy's vertices."""


@dataclass(frozen=True)
class ShadedMesh:
    """The part of a hand model that shading needs: its proxy, with flat ends over what is open, such as the wrist.

    V vertices, of which those of the ends, with normals of their own, come last; F triangles.

    Attributes:
        rim: (R,) int32 vertices of the model around its openings, which the ends have once more.
        ends: (E, R) float32 shares of these in the middle of each end.
        solid: whether it closes a body, its triangles counter-clockwise seen from outside.
        faces: (F, 3) int32, those of the ends last.
        face_uv: (F, 3, 2) float32.
        neighbours: (F, 3) int32 triangle across the side opposite each corner; itself where there is none.
        along_u: (F, 2) float32: a triangle's direction of u is the sum of its edges from corner 0 to 1 and 2 by these.
        turn: (F,) float32: 1 where v runs to the left of u seen from outside, -1 where to its right, 0 where nowhere.
        first, other, share: sparse rows of the smoothing: vertex i takes ``share[k]`` of vertex ``other[k]`` for k from
            ``first[i]`` up to ``first[i + 1]``; the shares of a row sum to 1.
        uv_a_metre: texture coordinates that a metre of skin spans, the mean of the rest mesh.
    """

    rim: np.ndarray
    ends: np.ndarray
    solid: bool
    faces: np.ndarray
    face_uv: np.ndarray
    neighbours: np.ndarray
    along_u: np.ndarray
    turn: np.ndarray
    first: np.ndarray
    other: np.ndarray
    share: np.ndarray
    uv_a_metre: float

    @classmethod
    def of(cls, data: ProxyModel) -> ShadedMesh:
        """Of a hand model."""
        faces, uv = np.array(data.faces, np.int32, order="C"), np.array(data.face_uv, np.float32, order="C")
        rest = data.v_template.astype(np.float64)
        corners, span = rest[faces], _span(uv)
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        ratio = float(np.sqrt(np.abs(span).sum() / max(area.sum(), 1e-12)))
        border = border_sides(faces)
        rim, ends, faces, uv = _closed(faces, uv, border, len(rest))
        one, two, span = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0], _span(uv)
        along_u = np.stack([two[:, 1], -one[:, 1]], axis=1) / np.where(np.abs(span) < 1e-12, 1.0, span)[:, None]
        closed = np.concatenate([rest, rest[rim], ends @ rest[rim]])
        same = np.stack([rim, len(rest) + np.arange(len(rim), dtype=np.int32)], axis=1)
        solid = _is_solid(closed, faces, same)
        rows = along_u.astype(np.float32), np.sign(span).astype(np.float32), *_smoothing(closed, faces, same)
        return cls(rim, ends, solid, faces, uv, face_neighbours(_joined(faces, same)), *rows, ratio)

    def closed(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) float32 vertices of the mesh, of the model's posed ones."""
        rim = vertices[self.rim]
        return np.concatenate([vertices, rim, self.ends @ rim], dtype=np.float32)

    def frames(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals and directions of u at each vertex.

        Args:
            vertices: (V, 3) posed, of :meth:`closed`.

        Returns:
            (V, 3) normals, by the area of the triangles around; (V, 3) unit tangents at right angles to them, zero on
            the ends: these are flat, so that materials, which there are the rim's, bend no normal.
        """
        normals, tangents = np.empty((len(vertices), 3)), np.empty((len(vertices), 3))
        vertex_frames(np.ascontiguousarray(vertices, np.float32), self.faces, self.along_u, normals, tangents)
        tangents[len(vertices) - len(self.rim) - len(self.ends) :] = 0.0
        return normals, tangents

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """(V, C) float32 values of the vertices, up to WIDTH of each, spread over the skin."""
        rows = np.ascontiguousarray(fill_up(values, WIDTH))
        answer = np.empty_like(rows)
        spread(self.first, self.other, self.share, rows.reshape(-1), answer.reshape(-1))
        return answer[:, : values.shape[1]]


def _span(uv: np.ndarray) -> np.ndarray:
    """(F,) twice the signed area of triangles in the texture."""
    one, two = (uv[:, corner].astype(np.float64) - uv[:, 0] for corner in (1, 2))
    return np.asarray(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])


def _closed(
    faces: np.ndarray, uv: np.ndarray, border: tuple[np.ndarray, np.ndarray], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``rim``, ``ends``, ``faces`` and ``face_uv`` with fans over the openings, each around a middle of its own.

    A fan's triangles have the texture coordinates of the side that they stand on.
    """
    face, corner = border
    start, end = faces[face, corner], faces[face, (corner + 1) % 3]
    rim = np.unique(start)
    places = np.searchsorted(rim, start), np.searchsorted(rim, end)
    # Which opening a vertex belongs to: the least of those that it hangs together with.
    opening = np.arange(len(rim))
    for _ in range(len(rim)):
        least = opening.copy()
        for one, other in (places, places[::-1]):
            np.minimum.at(least, one, opening[other])
        if np.array_equal(least, opening):
            break
        opening = least
    names, own = np.unique(opening, return_inverse=True)
    ends = (own == np.arange(len(names))[:, None]).astype(np.float32)
    ends /= np.maximum(ends.sum(axis=1, keepdims=True), 1.0)
    middle = count + len(rim) + own[places[0]]
    fans = np.stack([count + places[1], count + places[0], middle], axis=1).astype(np.int32)
    one, two = uv[face, corner], uv[face, (corner + 1) % 3]
    fan_uv = np.stack([two, one, 0.5 * (one + two)], axis=1)
    return rim.astype(np.int32), ends, np.concatenate([faces, fans]), np.concatenate([uv, fan_uv])


def _is_solid(vertices: np.ndarray, faces: np.ndarray, same: np.ndarray) -> bool:
    """Whether each side of a triangle is one of another's, the other way, and the volume within is not negative."""
    joined = _joined(faces, same)
    sides = np.concatenate([joined[:, [0, 1]], joined[:, [1, 2]], joined[:, [2, 0]]])
    once = len(np.unique(sides, axis=0)) == len(sides)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return once and not len(border_sides(joined)[0]) and float(np.sum(np.cross(a, b) * c)) > 0.0


def _joined(faces: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Triangles with one vertex in place of each two that are one place."""
    merged = np.arange(int(max(faces.max(), same.max(initial=0))) + 1, dtype=np.int32)
    merged[same[:, 1]] = same[:, 0]
    answer: np.ndarray = merged[faces]
    return answer


def _smoothing(vertices: np.ndarray, faces: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a Gaussian of SCATTER over paths along the mesh's edges, weighted by the vertices' areas; pairs of
    vertices in (R, 2) ``same`` are one place."""
    count = len(vertices)
    corners = vertices[faces]
    doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    area = np.bincount(faces.reshape(-1), np.repeat(doubled, 3), count) + 1e-12
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]], same])
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
