"""The proxy mesh prepared for nearest-point queries: what its topology fixes once, and what each pose changes.

Neighbouring triangles make leaves, sixteen neighbouring leaves a group, sixteen groups a block, all of them full but
the last. Who belongs together is decided once, on the rest pose; only the boxes around them follow the pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...hand.data import ProxyModel
from ..compiling import compiled, inlined
from ..simd.lanes import WIDTH

LEAF_SIZE = 4
"""Triangles in a leaf."""

GROUP_SIZE = WIDTH
"""Leaves whose boxes are tested at once, and groups of leaves whose boxes are."""

BOX_COLUMNS = 6 * GROUP_SIZE
"""Numbers that hold sixteen boxes: the x, y and z of their middles, then of their half sides."""

FAR_AWAY = np.float32(1e15)
"""Metres; where boxes and triangles lie that only fill up a group. Its square still fits a float32."""

# Columns of a row of ``PosedProxy.triangles``. Plane coordinates of a point p: x = u.p - U[3], y = v.p - V[3] and the
# height z = n.p - N[3], with x along the edge ab, the origin in its middle, and the corner c at y >= 0. The edges ac
# and bc: unit direction, half length, where their middle lies along them, and what makes their edge function 0 on them.
U, V, N = 0, 4, 8
AB_HALF = 12
AC_X, AC_Y, AC_HALF, AC_MIDDLE, AC_OFFSET = 13, 14, 15, 16, 17
BC_X, BC_Y, BC_HALF, BC_MIDDLE, BC_OFFSET = 18, 19, 20, 21, 22
PLACE = 23
TRIANGLE_COLUMNS = 24

# Columns of a row of ``PosedProxy.shading``: what is said about the nearest point once it is found.
CORNERS, UV, FACE_NORMAL, EDGE_NORMALS, VERTEX_NORMALS = 0, 9, 15, 18, 27
SHADING_COLUMNS = 36

# Columns of a row of ``ProxyTopology.seams``: whether any follows that differs from the face's own; the texture
# coordinates of the edge opposite each corner at its two ends, in the order of the corners; those of each corner.
SEAM, EDGE_UV, CORNER_UV = 0, 1, 13
SEAM_COLUMNS = 19


@dataclass(frozen=True)
class ProxyTopology:
    """What all poses of a hand share. F triangles.

    Attributes:
        faces: (F, 3) int32, the model's order.
        neighbours: (F, 3) int32, the face across the edge opposite each corner; itself at a border.
        order: (F,) int32, the model's index of each triangle, leaf after leaf.
        face_uv: (F, 3, 2) float32 in the model's order, v = 1 - v_obj.
        seams: flat float32 rows of 19, leaf after leaf, filled up: texture coordinates of edges and corners. All faces
            of an edge are equally near to a point whose nearest place lies on it; the lowest of them speaks.
    """

    faces: np.ndarray
    neighbours: np.ndarray
    order: np.ndarray
    face_uv: np.ndarray
    seams: np.ndarray

    @classmethod
    def of(cls, data: ProxyModel) -> ProxyTopology:
        """Of a model."""
        return cls.of_mesh(data.v_template, data.faces, data.face_uv)

    @classmethod
    def of_mesh(cls, vertices: np.ndarray, faces: np.ndarray, face_uv: np.ndarray) -> ProxyTopology:
        """Of (V, 3) rest vertices, (F, 3) faces and (F, 3, 2) texture coordinates; F is at least 1."""
        triangles = np.array(faces, dtype=np.int32, order="C")
        uv = np.array(face_uv, dtype=np.float32, order="C")
        order = _leaf_order(np.asarray(vertices, dtype=np.float64)[triangles])
        neighbours = face_neighbours(triangles)
        places = -(-len(order) // (LEAF_SIZE * GROUP_SIZE)) * LEAF_SIZE * GROUP_SIZE
        seams = np.zeros((places, SEAM_COLUMNS), dtype=np.float32)
        seams[: len(order)] = _seams(triangles, neighbours, uv)[order]
        return cls(triangles, neighbours, order, uv, seams.reshape(-1))

    @property
    def groups(self) -> int:
        """Number of groups of sixteen leaves, the last one filled up."""
        return -(-len(self.faces) // (LEAF_SIZE * GROUP_SIZE))

    @property
    def blocks(self) -> int:
        """Number of blocks of sixteen groups, the last one filled up."""
        return -(-self.groups // GROUP_SIZE)


def face_neighbours(faces: np.ndarray) -> np.ndarray:
    """(F, 3) int32: the face across the edge opposite each corner; the face itself at a border edge."""
    edges = np.sort(np.stack([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]], axis=1).astype(np.int64), axis=-1)
    key = (edges[..., 0] * (int(faces.max()) + 1) + edges[..., 1]).reshape(-1)
    order = np.argsort(key, kind="stable")
    same = np.nonzero(key[order[1:]] == key[order[:-1]])[0]
    first, second = order[same], order[same + 1]
    answer = np.repeat(np.arange(len(faces)), 3)
    answer[first], answer[second] = second // 3, first // 3
    return answer.reshape(-1, 3).astype(np.int32)


def _seams(faces: np.ndarray, neighbours: np.ndarray, face_uv: np.ndarray) -> np.ndarray:
    """(F, 19) float32 rows of ``ProxyTopology.seams`` in the model's order."""
    owner = np.repeat(np.arange(len(faces)), 3)
    lowest = np.full(int(faces.max()) + 1, len(faces))
    np.minimum.at(lowest, faces.reshape(-1), owner)

    def said_by(speaker: np.ndarray, vertex: np.ndarray) -> np.ndarray:
        """(F, 3, 2) what speakers (F, 3) call vertices (F, 3) of theirs."""
        corner = (faces[speaker] == vertex[..., None]).argmax(axis=-1)
        answer: np.ndarray = face_uv[speaker, corner]
        return answer

    rows = np.zeros((len(faces), SEAM_COLUMNS), dtype=np.float32)
    speaker = np.minimum(np.arange(len(faces))[:, None], neighbours)
    ends = [[1, 2], [0, 2], [0, 1]]
    own = np.stack([face_uv[:, pair] for pair in ends], axis=1)
    said = np.stack([said_by(speaker, faces[:, [pair[k] for pair in ends]]) for k in (0, 1)], axis=2)
    rows[:, EDGE_UV:CORNER_UV] = said.reshape(len(faces), -1)
    rows[:, CORNER_UV:] = said_by(lowest[faces], faces).reshape(len(faces), -1)
    differs = (said != own).any(axis=(1, 2, 3)) | (rows[:, CORNER_UV:] != face_uv.reshape(len(faces), -1)).any(axis=1)
    rows[:, SEAM] = differs
    return rows


def _leaf_order(corners: np.ndarray) -> np.ndarray:
    """(F,) int32: (F, 3, 3) triangles cut in two again and again, where the boxes' areas become smallest."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    centres = corners.mean(axis=1)
    order: list[int] = []

    def cut(members: np.ndarray) -> None:
        if len(members) <= LEAF_SIZE:
            order.extend(members.tolist())
            return
        # Left parts hold whole blocks, groups or leaves, so that all but the last are full.
        unit = LEAF_SIZE
        while len(members) > unit * GROUP_SIZE:
            unit *= GROUP_SIZE
        for part in _cut(members, unit, low, high, centres):
            cut(part)

    cut(np.arange(len(corners)))
    return np.array(order, dtype=np.int32)


def _cut(
    members: np.ndarray, unit: int, low: np.ndarray, high: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best cut across an axis after a multiple of ``unit`` members."""
    sizes = np.arange(unit, len(members), unit)
    best = np.inf
    answer = members[:unit], members[unit:]
    for axis in range(3):
        ranked = members[np.argsort(centres[members, axis], kind="stable")]
        left = _half_area(np.minimum.accumulate(low[ranked]), np.maximum.accumulate(high[ranked]))
        back = ranked[::-1]
        right = _half_area(np.minimum.accumulate(low[back]), np.maximum.accumulate(high[back]))[::-1]
        cost = left[sizes - 1] * sizes + right[sizes] * (len(members) - sizes)
        place = int(cost.argmin())
        if cost[place] < best:
            best = float(cost[place])
            answer = ranked[: sizes[place]], ranked[sizes[place] :]
    return answer


def _half_area(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    x, y, z = (high - low).T
    return x * y + y * z + z * x


@dataclass(frozen=True)
class PosedProxy:
    """A posed mesh, ready for queries. Everything but ``vertices`` is relative to ``centre``, so that float32 suffices.

    Attributes:
        topology: of the hand.
        vertices: (V, 3) float32, metres.
        centre: (3,) float32, metres.
        triangles: (24 T,) float32 in leaf order, for distances; see the columns above. T is F, filled up to whole
            groups.
        shading: (36 T,) float32 in leaf order: corners, texture coordinates and normals.
        leaf_boxes: (96 groups,) float32, those of each group's sixteen leaves; see ``BOX_COLUMNS``.
        group_boxes: (96 blocks,) float32, those of each block's sixteen groups.
        face_normals: (F, 3) float32 unit normals in the model's order; zero for degenerate triangles.
        vertex_normals: (V, 3) float32 unit normals, each face weighted by its angle at the vertex.
        local: (3 L T,) float32: ``placement.corner_rows`` of the L numbers of the local pose; empty for none.
    """

    topology: ProxyTopology
    vertices: np.ndarray
    centre: np.ndarray
    triangles: np.ndarray
    shading: np.ndarray
    leaf_boxes: np.ndarray
    group_boxes: np.ndarray
    face_normals: np.ndarray
    vertex_normals: np.ndarray
    local: np.ndarray

    @property
    def local_columns(self) -> int:
        """L, numbers of the local pose; 0 for none."""
        return len(self.local) * TRIANGLE_COLUMNS // (3 * len(self.triangles))

    @classmethod
    def of(cls, vertices: np.ndarray, topology: ProxyTopology, told: np.ndarray | None = None) -> PosedProxy:
        """Of (V, 3) posed vertices; ``told``: the attribute ``local``."""
        vertices = np.ascontiguousarray(vertices, dtype=np.float32)
        count, groups = len(topology.faces), topology.groups
        places = groups * GROUP_SIZE * LEAF_SIZE
        centre = (0.5 * (vertices.min(axis=0) + vertices.max(axis=0))).astype(np.float32)
        local = vertices - centre
        triangles = np.zeros((places, TRIANGLE_COLUMNS), np.float32)
        triangles[count:, N + 3] = FAR_AWAY
        shading = np.zeros((places, SHADING_COLUMNS), np.float32)
        leaf_boxes = np.empty((groups, 6, GROUP_SIZE), np.float32)
        group_boxes = np.empty((topology.blocks, 6, GROUP_SIZE), np.float32)
        face_normals = np.empty((count, 3), np.float32)
        vertex_normals = np.zeros((len(vertices), 3), np.float32)
        faces, order = topology.faces, topology.order
        _normals(local, faces, face_normals, vertex_normals)
        _frames(local, faces, order, triangles)
        _shade(local, faces, topology.neighbours, order, topology.face_uv, face_normals, vertex_normals, shading)
        _enclose_leaves(local, faces, order, leaf_boxes)
        _enclose_groups(leaf_boxes, group_boxes)
        return cls(
            topology,
            vertices,
            centre,
            triangles.reshape(-1),
            shading.reshape(-1),
            leaf_boxes.reshape(-1),
            group_boxes.reshape(-1),
            face_normals,
            vertex_normals,
            np.zeros(0, np.float32) if told is None else told,
        )


@inlined
def _unit(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """The vector at length 1 and its length; zero stays zero."""
    length = np.sqrt(x * x + y * y + z * z)
    scale = 1.0 / length if length > 1e-30 else 0.0
    return x * scale, y * scale, z * scale, length


@compiled
def _normals(vertices: np.ndarray, faces: np.ndarray, face_normals: np.ndarray, vertex_normals: np.ndarray) -> None:
    """Face normals, and vertex normals from zero."""
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ux, uy, uz, _ = _edge(vertices, a, b)
        vx, vy, vz, _ = _edge(vertices, a, c)
        wx, wy, wz, _ = _edge(vertices, b, c)
        ax, ay, az = _between(vertices, a, b)
        cx, cy, cz = _between(vertices, a, c)
        nx, ny, nz, _ = _unit(ay * cz - az * cy, az * cx - ax * cz, ax * cy - ay * cx)
        face_normals[face, 0], face_normals[face, 1], face_normals[face, 2] = nx, ny, nz
        at_a = np.arccos(min(max(ux * vx + uy * vy + uz * vz, -1.0), 1.0))
        at_b = np.arccos(min(max(-ux * wx - uy * wy - uz * wz, -1.0), 1.0))
        at_c = np.arccos(min(max(vx * wx + vy * wy + vz * wz, -1.0), 1.0))
        for corner, angle in ((a, at_a), (b, at_b), (c, at_c)):
            vertex_normals[corner, 0] += angle * nx
            vertex_normals[corner, 1] += angle * ny
            vertex_normals[corner, 2] += angle * nz
    for vertex in range(len(vertex_normals)):
        x, y, z, _ = _unit(vertex_normals[vertex, 0], vertex_normals[vertex, 1], vertex_normals[vertex, 2])
        vertex_normals[vertex, 0], vertex_normals[vertex, 1], vertex_normals[vertex, 2] = x, y, z


@inlined
def _between(vertices: np.ndarray, a: int, b: int) -> tuple[float, float, float]:
    """From a to b, in float64: differences of neighbours lose too many digits in products of float32."""
    return (
        np.float64(vertices[b, 0]) - vertices[a, 0],
        np.float64(vertices[b, 1]) - vertices[a, 1],
        np.float64(vertices[b, 2]) - vertices[a, 2],
    )


@inlined
def _edge(vertices: np.ndarray, a: int, b: int) -> tuple[float, float, float, float]:
    x, y, z = _between(vertices, a, b)
    return _unit(x, y, z)


@inlined
def _across(x: float, y: float, z: float) -> tuple[float, float, float]:
    """A unit vector at right angles to a unit vector."""
    if abs(x) < 0.6:
        i, j, k, _ = _unit(0.0, -z, y)
    else:
        i, j, k, _ = _unit(z, 0.0, -x)
    return i, j, k


@compiled
def _frames(vertices: np.ndarray, faces: np.ndarray, order: np.ndarray, rows: np.ndarray) -> None:
    """Fill (F, 24) ``PosedProxy.triangles``. Degenerate triangles become segments or points, which their edges are."""
    for place in range(len(order)):
        face = order[place]
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ux, uy, uz, ab = _edge(vertices, a, b)
        px, py, pz = _between(vertices, a, c)
        if ab < 1e-12:
            ux, uy, uz, length = _unit(px, py, pz)
            if length < 1e-12:
                ux = 1.0
        along = px * ux + py * uy + pz * uz
        vx, vy, vz, height = _unit(px - along * ux, py - along * uy, pz - along * uz)
        if height < 1e-12:
            vx, vy, vz = _across(ux, uy, uz)
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        half = 0.5 * ab
        x, y, z = np.float64(vertices[a, 0]), np.float64(vertices[a, 1]), np.float64(vertices[a, 2])
        row = rows[place]
        row[U], row[U + 1], row[U + 2], row[U + 3] = ux, uy, uz, ux * x + uy * y + uz * z + half
        row[V], row[V + 1], row[V + 2], row[V + 3] = vx, vy, vz, vx * x + vy * y + vz * z
        row[N], row[N + 1], row[N + 2], row[N + 3] = nx, ny, nz, nx * x + ny * y + nz * z
        row[AB_HALF] = half
        for first, start in ((AC_X, -half), (BC_X, half)):
            ex, ey, _, length = _unit(along - half - start, height, 0.0)
            if length < 1e-12:
                ex = 1.0
            row[first], row[first + 1], row[first + 2] = ex, ey, 0.5 * length
            row[first + 3] = start * ex + 0.5 * length
            row[first + 4] = abs(start) * ey
        row[PLACE] = place


@compiled
def _shade(
    vertices: np.ndarray,
    faces: np.ndarray,
    neighbours: np.ndarray,
    order: np.ndarray,
    face_uv: np.ndarray,
    face_normals: np.ndarray,
    vertex_normals: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Fill (F, 36) ``PosedProxy.shading``."""
    for place in range(len(order)):
        face = order[place]
        row = rows[place]
        for corner in range(3):
            vertex, other = faces[face, corner], neighbours[face, corner]
            row[UV + 2 * corner] = face_uv[face, corner, 0]
            row[UV + 2 * corner + 1] = face_uv[face, corner, 1]
            row[FACE_NORMAL + corner] = face_normals[face, corner]
            for axis in range(3):
                row[CORNERS + 3 * corner + axis] = vertices[vertex, axis]
                row[EDGE_NORMALS + 3 * corner + axis] = face_normals[face, axis] + face_normals[other, axis]
                row[VERTEX_NORMALS + 3 * corner + axis] = vertex_normals[vertex, axis]


@compiled
def _enclose_leaves(vertices: np.ndarray, faces: np.ndarray, order: np.ndarray, boxes: np.ndarray) -> None:
    """Fill (groups, 6, 16) boxes of leaves."""
    for leaf in range(len(boxes) * GROUP_SIZE):
        group, place = leaf // GROUP_SIZE, leaf % GROUP_SIZE
        first, last = leaf * LEAF_SIZE, min((leaf + 1) * LEAF_SIZE, len(order))
        for axis in range(3):
            low, high = np.float32(np.inf), np.float32(-np.inf)
            for index in range(first, last):
                for corner in range(3):
                    value = vertices[faces[order[index], corner], axis]
                    low, high = min(low, value), max(high, value)
            empty = first >= last
            boxes[group, axis, place] = FAR_AWAY if empty else np.float32(0.5) * (low + high)
            boxes[group, 3 + axis, place] = np.float32(0.0) if empty else np.float32(0.5) * (high - low)


@compiled
def _enclose_groups(leaf_boxes: np.ndarray, boxes: np.ndarray) -> None:
    """Fill (blocks, 6, 16) boxes of groups from (groups, 6, 16) boxes of leaves."""
    for group in range(len(boxes) * GROUP_SIZE):
        block, place = group // GROUP_SIZE, group % GROUP_SIZE
        for axis in range(3):
            low, high = np.float32(np.inf), np.float32(-np.inf)
            if group < len(leaf_boxes):
                for leaf in range(GROUP_SIZE):
                    middle, half = leaf_boxes[group, axis, leaf], leaf_boxes[group, 3 + axis, leaf]
                    if middle < FAR_AWAY:
                        low, high = min(low, middle - half), max(high, middle + half)
            empty = low > high
            boxes[block, axis, place] = FAR_AWAY if empty else np.float32(0.5) * (low + high)
            boxes[block, 3 + axis, place] = np.float32(0.0) if empty else np.float32(0.5) * (high - low)
