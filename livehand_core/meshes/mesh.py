"""A coloured triangle mesh and what is asked of it: normals, components, volume, borders. NumPy and SciPy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..hand.borders import border_sides


@dataclass(frozen=True)
class Mesh:
    """Triangles with a colour and a normal at each vertex.

    Attributes:
        vertices: (V, 3) float32, metres; z points up in a posed world, as in Blender.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        normals: (V, 3) float32 unit vectors, outwards.
        colours: (V, 3) float32 display-referred sRGB in [0, 1].
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    colours: np.ndarray

    def moved(self, matrix: np.ndarray) -> Mesh:
        """The mesh after x -> A x + t with (3, 4) or (4, 4) ``matrix`` [A | t], A a rotation or reflection times a
        factor; a reflection turns the triangles round, so that they still face outwards."""
        turn, shift = np.asarray(matrix, np.float64)[:3, :3], np.asarray(matrix, np.float64)[:3, 3]
        scale = np.cbrt(np.linalg.det(turn))
        faces = self.faces if scale > 0.0 else np.ascontiguousarray(self.faces[:, ::-1])
        vertices = (self.vertices @ turn.T + shift).astype(np.float32)
        normals = (self.normals @ (turn / abs(scale)).T).astype(np.float32)
        return replace(self, vertices=vertices, faces=faces, normals=normals)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) float32 unit normals, each face weighted by its angle at the vertex; zero where no face has an area."""
    corners = np.asarray(vertices, np.float64)[faces]
    ahead = _unit(corners[:, [1, 2, 0]] - corners)
    behind = _unit(corners[:, [2, 0, 1]] - corners)
    angle = np.arccos(np.clip((ahead * behind).sum(axis=-1), -1.0, 1.0))
    face_normals = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    total = np.zeros((len(vertices), 3))
    np.add.at(total, faces.reshape(-1), (angle[..., None] * face_normals[:, None]).reshape(-1, 3))
    return _unit(total).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30))


def signed_volumes(vertices: np.ndarray, faces: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """(count,) volume that each component encloses, negative where its triangles face inwards (a void).

    Divergence theorem; exact for closed components.

    Args:
        vertices: (V, 3); faces: (F, 3).
        labels: (F,) component of each face.
        count: number of components.
    """
    # Relative to the middle, where products lose the fewest digits.
    corners = np.asarray(vertices, np.float64)[faces] - np.asarray(vertices, np.float64).mean(axis=0)
    each = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0
    return np.bincount(labels, weights=each, minlength=count)


def components(faces: np.ndarray, vertex_count: int) -> tuple[int, np.ndarray]:
    """How many parts a mesh falls into, and (F,) the part that each face belongs to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = faces[:, [0, 1]].reshape(-1), faces[:, [1, 2]].reshape(-1)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (vertex_count, vertex_count))
    _, labels = connected_components(graph, directed=False)
    used, numbered = np.unique(labels[faces[:, 0]], return_inverse=True)
    return len(used), numbered.reshape(-1)


def largest_component(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertices and faces of the part that encloses most: floating crumbs and inner voids go."""
    count, labels = components(faces, len(vertices))
    if count > 1:
        faces = faces[labels == int(signed_volumes(vertices, faces, labels, count).argmax())]
    return without_strays(vertices, faces)


def without_strays(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh without vertices that no face uses."""
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    number = np.cumsum(used) - 1
    return vertices[used], number[faces].astype(np.int32)


def border_edges(faces: np.ndarray) -> np.ndarray:
    """(N, 2) directed edges of a face that no other face runs through the other way; none in a closed mesh."""
    face, corner = border_sides(faces)
    return np.stack([faces[face, corner], faces[face, (corner + 1) % 3]], axis=1).astype(np.int64)
