"""From the distance field to a clean triangle mesh: marching cubes, then isotropic remeshing with a size field.

Split long edges, collapse short ones, flip towards valence six, relax and project; edges of the open wrist stay on
their plane. Deterministic: edges are visited in sorted order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage.measure import marching_cubes

from . import field

LOW = np.array([-0.200, -0.070, -0.062])
HIGH = np.array([0.048, 0.035, 0.100])


@dataclass(frozen=True)
class Surface:
    """What is meshed: its signed distance (n,) metres at (n, 3) points, and the x at which it is open, if it is."""

    distance: Callable[[np.ndarray], np.ndarray]
    cut: float | None = None


HAND = Surface(field.hand_distance, field.WRIST_CUT)


def extract(spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) vertices and (f, 3) faces, outward winding, of the hand closed a little beyond the wrist's cut."""
    counts = np.ceil((HIGH - LOW) / spacing).astype(int)
    ticks = [LOW[i] + spacing * np.arange(counts[i]) for i in range(3)]
    grid = np.stack(np.meshgrid(*ticks, indexing="ij"), -1).reshape(-1, 3)
    values = np.maximum(field.hand_distance(grid), grid[:, 0] - (field.WRIST_CUT + 2.0 * spacing))
    vertices, faces, _, _ = marching_cubes(values.reshape(counts), 0.0, spacing=(spacing,) * 3)
    return vertices + LOW, faces.astype(np.int64)


def open_wrist(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop what lies beyond the cut and move the new boundary onto its plane."""
    kept = faces[(vertices[faces, 0] <= field.WRIST_CUT).all(axis=1)]
    used, inverse = np.unique(kept, return_inverse=True)
    vertices, faces = vertices[used], inverse.reshape(-1, 3)
    rim = boundary_vertices(faces, len(vertices))
    vertices[rim, 0] = field.WRIST_CUT
    return vertices, faces


def boundary_vertices(faces: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool, vertices on an open edge."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, uses = np.unique(edges, axis=0, return_counts=True)
    mask = np.zeros(count, dtype=bool)
    mask[unique[uses == 1].reshape(-1)] = True
    return mask


class _Mesh:
    """Triangles with vertex-to-face sets: enough for local edits on a few thousand elements."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, sizes: np.ndarray) -> None:
        self.points = [np.array(v) for v in vertices]
        self.sizes = [float(s) for s in sizes]
        self.faces: dict[int, tuple[int, int, int]] = {i: (int(a), int(b), int(c)) for i, (a, b, c) in enumerate(faces)}
        self.around: list[set[int]] = [set() for _ in vertices]
        self.next_face = len(faces)
        for i, face in self.faces.items():
            for v in face:
                self.around[v].add(i)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        faces = np.array([self.faces[i] for i in sorted(self.faces)])
        used, inverse = np.unique(faces, return_inverse=True)
        return np.array(self.points)[used], inverse.reshape(-1, 3)

    def edges(self) -> list[tuple[int, int]]:
        found = {(min(a, b), max(a, b)) for f in self.faces.values() for a, b in zip(f, f[1:] + f[:1], strict=True)}
        return sorted(found)

    def sharing(self, a: int, b: int) -> list[int]:
        return sorted(self.around[a] & self.around[b])

    def neighbours(self, v: int) -> set[int]:
        return {w for f in self.around[v] for w in self.faces[f]} - {v}

    def on_rim(self, v: int) -> bool:
        return any(len(self.sharing(v, w)) == 1 for w in self.neighbours(v))

    def add(self, face: tuple[int, int, int]) -> None:
        self.faces[self.next_face] = face
        for v in face:
            self.around[v].add(self.next_face)
        self.next_face += 1

    def remove(self, index: int) -> None:
        for v in self.faces.pop(index):
            self.around[v].discard(index)

    def normal(self, face: tuple[int, int, int]) -> np.ndarray:
        a, b, c = (self.points[v] for v in face)
        return np.cross(b - a, c - a)

    def split(self, a: int, b: int) -> None:
        middle = len(self.points)
        self.points.append(0.5 * (self.points[a] + self.points[b]))
        self.sizes.append(0.5 * (self.sizes[a] + self.sizes[b]))
        self.around.append(set())
        for index in self.sharing(a, b):
            face = self.faces[index]
            self.remove(index)
            self.add(tuple(middle if v == a else v for v in face))  # type: ignore[arg-type]
            self.add(tuple(middle if v == b else v for v in face))  # type: ignore[arg-type]

    def collapse(self, a: int, b: int) -> bool:
        """Merge b into a where that keeps the surface a manifold and turns no face over."""
        shared = self.sharing(a, b)
        if len(self.neighbours(a) & self.neighbours(b)) != len(shared):
            return False
        rim_a, rim_b = self.on_rim(a), self.on_rim(b)
        if rim_a and rim_b and len(shared) != 1:
            return False
        if rim_b and not rim_a:
            return self.collapse(b, a)
        target = self.points[a] if rim_a and not rim_b else 0.5 * (self.points[a] + self.points[b])
        ring = (self.neighbours(a) | self.neighbours(b)) - {a, b}
        if any(np.linalg.norm(self.points[w] - target) > 1.3 * self.sizes[a] for w in ring):
            return False
        moved = [f for f in (self.around[a] | self.around[b]) if f not in shared]
        saved = self.points[a], self.points[b]
        before = [self.normal(self.faces[f]) for f in moved]
        self.points[a] = self.points[b] = target
        after = [self.normal(self.faces[f]) for f in moved]
        if any(x @ y < 0.3 * np.linalg.norm(x) * np.linalg.norm(y) for x, y in zip(before, after, strict=True)):
            self.points[a], self.points[b] = saved
            return False
        for f in shared:
            self.remove(f)
        for f in sorted(self.around[b]):
            face = self.faces[f]
            self.remove(f)
            self.add(tuple(a if v == b else v for v in face))  # type: ignore[arg-type]
        return True

    def flip(self, a: int, b: int) -> None:
        shared = self.sharing(a, b)
        if len(shared) != 2:
            return
        first, second = (self.faces[i] for i in shared)
        c = next(v for v in first if v not in (a, b))
        d = next(v for v in second if v not in (a, b))
        if c == d or d in self.neighbours(c):
            return
        goal = [4 if self.on_rim(v) else 6 for v in (a, b, c, d)]
        valence = [len(self.neighbours(v)) for v in (a, b, c, d)]
        now = sum((v - g) ** 2 for v, g in zip(valence, goal, strict=True))
        changed = [valence[0] - 1, valence[1] - 1, valence[2] + 1, valence[3] + 1]
        if sum((v - g) ** 2 for v, g in zip(changed, goal, strict=True)) >= now:
            return
        if first[(first.index(a) + 1) % 3] != b:
            a, b = b, a
        old = self.normal(first) + self.normal(second)
        new_faces = ((a, d, c), (d, b, c))
        for face in new_faces:
            n = self.normal(face)
            if n @ old <= 0.35 * np.linalg.norm(n) * np.linalg.norm(old):
                return
        for index in shared:
            self.remove(index)
        for face in new_faces:
            self.add(face)


def relax(
    vertices: np.ndarray, faces: np.ndarray, size: Callable[[np.ndarray], np.ndarray], surface: Surface
) -> np.ndarray:
    """One tangential smoothing step, weighted by triangle area over wanted size, then projection onto the field."""
    corner = vertices[faces]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    centre = corner.mean(axis=1)
    weight = area / size(centre) ** 2
    total = np.zeros(len(vertices))
    moved = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], weight)
        np.add.at(moved, faces[:, k], weight[:, None] * centre)
    step = moved / total[:, None] - vertices
    rim = boundary_vertices(faces, len(vertices))
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = rim[directed].all(axis=1)
    pairs = np.sort(directed[both], axis=1)
    unique, uses = np.unique(pairs, axis=0, return_counts=True)
    rim_sum, rim_count = np.zeros_like(vertices), np.zeros(len(vertices))
    for a, b in ((0, 1), (1, 0)):
        np.add.at(rim_sum, unique[uses == 1][:, a], vertices[unique[uses == 1][:, b]])
        np.add.at(rim_count, unique[uses == 1][:, a], 1.0)
    step[rim] = (rim_sum[rim] / rim_count[rim][:, None] - vertices[rim]) * 0.5
    normal = field.gradient(vertices, surface.distance)
    step -= (step * normal).sum(axis=1, keepdims=True) * normal
    result = vertices + 0.7 * step
    for _ in range(3):
        g = field.gradient(result, surface.distance)
        g[rim, 0] = 0.0
        g /= np.maximum((g * g).sum(axis=1, keepdims=True), 0.2)
        result -= g * surface.distance(result)[:, None]
    if surface.cut is not None:
        result[rim, 0] = surface.cut
    return result


def remesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    size: Callable[[np.ndarray], np.ndarray],
    rounds: int = 10,
    surface: Surface = HAND,
) -> tuple[np.ndarray, np.ndarray]:
    """Isotropic triangles whose edges are about ``size(points)`` metres long, on the field's surface."""
    for turn in range(rounds):
        mesh = _Mesh(vertices, faces, size(vertices))
        edges = np.array(mesh.edges())
        points = np.array(mesh.points)
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        wanted = size(0.5 * (points[edges[:, 0]] + points[edges[:, 1]]))
        for a, b in edges[length > 4.0 / 3.0 * wanted]:
            mesh.split(int(a), int(b))
        edges = np.array(mesh.edges())
        points = np.array(mesh.points)
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        ratio = length / size(0.5 * (points[edges[:, 0]] + points[edges[:, 1]]))
        short = np.flatnonzero(ratio < 0.8)
        for a, b in edges[short[np.argsort(ratio[short], kind="stable")]]:
            a, b = int(a), int(b)
            if not mesh.around[a] or not mesh.around[b] or not mesh.sharing(a, b):
                continue
            if np.linalg.norm(mesh.points[a] - mesh.points[b]) < 0.4 * (mesh.sizes[a] + mesh.sizes[b]):
                mesh.collapse(a, b)
        for a, b in mesh.edges():
            mesh.flip(a, b)
        vertices, faces = mesh.arrays()
        for _ in range(2 if turn < rounds - 1 else 6):
            vertices = relax(vertices, faces, size, surface)
    return vertices, faces


def decimate(vertices: np.ndarray, faces: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Fewer triangles (about ``target``) by Blender's quadric edge collapse: a quick start for the remeshing."""
    import bpy

    mesh = bpy.data.meshes.new("dense")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    thing = bpy.data.objects.new("dense", mesh)
    bpy.context.scene.collection.objects.link(thing)
    modifier = thing.modifiers.new("fewer", "DECIMATE")
    modifier.ratio = target / len(faces)
    modifier.use_collapse_triangulate = True
    result = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points = np.empty(3 * len(result.vertices), dtype=np.float32)
    result.vertices.foreach_get("co", points)
    corners = np.empty(3 * len(result.polygons), dtype=np.int32)
    result.polygons.foreach_get("vertices", corners)
    bpy.data.objects.remove(thing)
    bpy.data.meshes.remove(mesh)
    return points.reshape(-1, 3).astype(np.float64), corners.reshape(-1, 3).astype(np.int64)
