"""Meshes of the scene as a surface that fingers touch, by Blender's own search. Called by rig/contact_operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bmesh
import numpy as np
from mathutils import Matrix
from mathutils.bvhtree import BVHTree

from livehand_core.errors import PoseError

SHAPES = ("MESH", "CURVE", "SURFACE", "FONT", "META")
"""Types of objects that have a surface."""

SHEET = 0.01
"""Metres behind an open mesh up to which a point counts as inside it: it is a sheet and holds no room."""


class TouchedSurface:
    """The surface of some objects in a hand's space.

    Args:
        objects: with faces; visible.
        graph: the evaluated depsgraph, so that modifiers count.
        scale: of the hand's rig: world = scale * (point of the hand's space).
        viewer: (3,) in the hand's space, on whose side of an open mesh the hand is.

    Raises:
        PoseError: an object without faces, hidden, or whose points are not finite.
    """

    def __init__(self, objects: Sequence[Any], graph: Any, scale: float, viewer: np.ndarray) -> None:
        parts = [_part(obj, graph, scale) for obj in objects]
        starts = np.cumsum([0, *(len(part[0]) for part in parts)])
        self._vertices = np.concatenate([part[0] for part in parts])
        self._faces = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=False)])
        self._closed = np.repeat([part[2] for part in parts], [len(part[1]) for part in parts])
        self._rim = np.concatenate([part[3] for part in parts])
        self._normals = _vertex_normals(self._vertices, self._faces)
        self._tree = BVHTree.FromPolygons(self._vertices.tolist(), self._faces.tolist(), all_triangles=True)
        self._turned = np.ones(len(self._faces))
        for number, (part, start) in enumerate(
            zip(parts, np.cumsum([0, *(len(part[1]) for part in parts)]), strict=False)
        ):
            if not part[2] and self._side(parts[number], scale, viewer) < 0.0:
                self._turned[start : start + len(part[1])] = -1.0

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) metres to the surface, negative inside, and (N, 3) unit vectors away from it."""
        found = [self._tree.find_nearest(point) for point in points.tolist()]
        places = np.array([place for place, _, _, _ in found])
        faces = np.array([face for _, _, face, _ in found])
        corners = self._faces[faces]
        weights = _barycentric(places, self._vertices[corners])
        normals = np.einsum("nc,ncx->nx", weights, self._normals[corners]) * self._turned[faces, None]
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        away = points - places
        length = np.linalg.norm(away, axis=1)
        # Beside the edge of a sheet nothing is behind it; far behind it, nothing is inside it.
        beside = ((weights > 1e-3) <= self._rim[corners]).all(axis=1) | (length > SHEET)
        inside = (np.sum(away * normals, axis=1) < 0.0) & (self._closed[faces] | ~beside)
        sign = np.where(inside, -1.0, 1.0)
        near = length < 1e-7
        direction = np.where(near[:, None], normals, sign[:, None] * away / np.maximum(length, 1e-12)[:, None])
        return sign * length, direction

    def _side(self, part: tuple[Any, ...], scale: float, viewer: np.ndarray) -> float:
        tree = BVHTree.FromPolygons(part[0].tolist(), part[1].tolist(), all_triangles=True)
        place, normal, _, _ = tree.find_nearest(viewer.tolist())
        return float(np.dot(viewer - np.array(place), np.array(normal)))


def _part(obj: Any, graph: Any, scale: float) -> tuple[np.ndarray, np.ndarray, bool, np.ndarray]:
    """(V, 3) vertices in the hand's space, (F, 3) triangles facing outwards, whether closed, (V,) on an open edge."""
    name = obj.name
    if obj.type not in SHAPES:
        raise PoseError(f"{name!r} is no mesh: nothing can hold it.", "Choose a mesh, a curve or a text.")
    if not obj.visible_get():
        raise PoseError(f"{name!r} is hidden.", "Show it in the view, or choose another mesh.")
    shown = obj.evaluated_get(graph)
    mesh = shown.to_mesh()
    if mesh is None or not len(mesh.polygons):
        shown.to_mesh_clear()
        raise PoseError(f"{name!r} has no faces to touch.", "Choose a mesh with faces.")
    work = bmesh.new()
    try:
        work.from_mesh(mesh)
        bmesh.ops.transform(work, matrix=Matrix.Scale(1.0 / scale, 4) @ shown.matrix_world, verts=work.verts)
        bmesh.ops.remove_doubles(work, verts=work.verts, dist=1e-6)
        bmesh.ops.triangulate(work, faces=work.faces)
        bmesh.ops.recalc_face_normals(work, faces=work.faces)
        vertices = np.array([vertex.co for vertex in work.verts], dtype=np.float64).reshape(-1, 3)
        if not np.isfinite(vertices).all():
            raise PoseError(f"{name!r} has points that are not finite.", "Repair the mesh (Mesh, Clean Up).")
        if not work.faces:
            raise PoseError(f"{name!r} is so small that it has no surface.", "Scale it up.")
        rim = np.array([any(len(edge.link_faces) < 2 for edge in vertex.link_edges) for vertex in work.verts])
        work.verts.index_update()
        faces = np.array([[vertex.index for vertex in face.verts] for face in work.faces], dtype=np.int64)
        closed = not rim.any()
        if closed and work.calc_volume(signed=True) < 0.0:
            faces = faces[:, ::-1]
        return vertices, faces, closed, rim
    finally:
        work.free()
        shown.to_mesh_clear()


def _vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, weighted by the angles of the triangles, by which the side of a point is told well."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    sums = np.zeros_like(vertices)
    for corner in range(3):
        one, two = (corners[:, (corner + step) % 3] - corners[:, corner] for step in (1, 2))
        length = np.maximum(np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1), 1e-20)
        angle = np.arccos(np.clip((one * two).sum(axis=1) / length, -1.0, 1.0))
        np.add.at(sums, faces[:, corner], angle[:, None] * normal)
    answer: np.ndarray = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-20)
    return answer


def _barycentric(places: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N, 3) weights of points that lie on triangles (N, 3, 3)."""
    one, two, to = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], places - corners[:, 0]
    a, b, c = (one * one).sum(1), (one * two).sum(1), (two * two).sum(1)
    d, e = (to * one).sum(1), (to * two).sum(1)
    size = np.maximum(a * c - b * b, 1e-30)
    v, w = (c * d - b * e) / size, (a * e - b * d) / size
    weights: np.ndarray = np.clip(np.stack([1.0 - v - w, v, w], axis=1), 0.0, 1.0)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)


def chosen_objects(context: Any, rig: Any, name: str, own: Sequence[Any]) -> list[Any]:
    """What is to be held: the object of that name, or else all that are selected beside the hand and its proxies.

    Raises:
        PoseError: there is none.
    """
    if name:
        found = context.scene.objects.get(name)
        if found is None:
            raise PoseError(f"The scene has no object {name!r}.", "Choose one of its meshes.")
        if found == rig or found in own:
            raise PoseError(f"{name!r} is the hand itself.", "Choose the mesh that it is to hold.")
        return [found]
    others = [obj for obj in context.selected_objects if obj != rig and obj not in own and obj.type in SHAPES]
    if not others:
        raise PoseError("No mesh to hold is chosen.", "Select the mesh, then the hand, or name it under Mesh.")
    return others
