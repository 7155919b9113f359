"""World points -> the texture cube (u, v, d) around the posed proxy mesh (docs/method.md 1.5)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from .nearest import NearestSurface

SignMode = Literal["face_normal", "pseudo_normal"]

DISTANCE_EPSILON = 1e-8
"""Square metres added under the root of the distance, which therefore never falls below 0.1 mm."""

REGION_TOLERANCE = 1e-6
"""Barycentric coordinate under which the nearest point counts as on an edge or a vertex."""


def face_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """(F, 3) unit normals, outwards for counter-clockwise faces; zero for degenerate ones."""
    a, b, c = vertices[faces].unbind(-2)
    return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)


def vertex_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """(V, 3) unit normals, each face weighted by its angle at the vertex."""
    corners = vertices[faces]
    normals = face_normals(vertices, faces)
    ahead = torch.nn.functional.normalize(corners[:, [1, 2, 0]] - corners, dim=-1)
    behind = torch.nn.functional.normalize(corners[:, [2, 0, 1]] - corners, dim=-1)
    angle = torch.acos((ahead * behind).sum(dim=-1).clamp(-1.0, 1.0))
    total = torch.zeros_like(vertices)
    total.index_add_(0, faces.reshape(-1), (angle[..., None] * normals[:, None]).reshape(-1, 3))
    return torch.nn.functional.normalize(total, dim=-1)


def face_neighbours(faces: torch.Tensor) -> torch.Tensor:
    """(F, 3) int64: the face across the edge opposite each corner; the face itself at a border edge."""
    edges = torch.stack([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]], dim=1).sort(dim=-1).values
    key = (edges[..., 0] * (int(faces.max()) + 1) + edges[..., 1]).reshape(-1)
    order = key.argsort(stable=True)
    same = torch.nonzero(key[order[1:]] == key[order[:-1]]).squeeze(-1)
    first, second = order[same], order[same + 1]
    owner = torch.arange(len(faces), device=faces.device)
    answer = owner.repeat_interleave(3)
    answer[first], answer[second] = owner[second // 3], owner[first // 3]
    return answer.view(-1, 3)


class SurfaceNormals(NamedTuple):
    """The normals of a posed mesh, found once a frame.

    Attributes:
        faces: (F, 3) unit normals.
        vertices: (V, 3) unit normals, weighted by angle.
        neighbours: (F, 3) see ``face_neighbours``.
    """

    faces: torch.Tensor
    vertices: torch.Tensor
    neighbours: torch.Tensor

    @classmethod
    def of(cls, vertices: torch.Tensor, faces: torch.Tensor, neighbours: torch.Tensor | None = None) -> SurfaceNormals:
        """Of (V, 3) vertices and (F, 3) faces; ``neighbours`` when at hand."""
        if neighbours is None:
            neighbours = face_neighbours(faces)
        return cls(face_normals(vertices, faces), vertex_normals(vertices, faces), neighbours)


def sign_normals(faces: torch.Tensor, nearest: NearestSurface, mode: SignMode, normals: SurfaceNormals) -> torch.Tensor:
    """(N, 3) the normals that decide on which side of the surface each point lies; not of unit length.

    ``"face_normal"`` takes the nearest face's (published; the sign flips near sharp edges). ``"pseudo_normal"`` takes
    the angle-weighted normal of the vertex, edge or face that holds the nearest point, which is right everywhere on a
    closed mesh (Baerentzen and Aanaes 2005).
    """
    normal = normals.faces[nearest.face]
    if mode == "face_normal":
        return normal
    outside = nearest.barycentric <= REGION_TOLERANCE
    count = outside.sum(dim=-1)
    edge = torch.nonzero(count == 1).squeeze(-1)
    opposite = outside[edge].to(torch.int64).argmax(dim=-1)
    normal[edge] += normals.faces[normals.neighbours[nearest.face[edge], opposite]]
    corner = torch.nonzero(count == 2).squeeze(-1)
    vertex = faces[nearest.face[corner], nearest.barycentric[corner].argmax(dim=-1)]
    normal[corner] = normals.vertices[vertex]
    return normal


def lowest_faces(faces: torch.Tensor, vertex_count: int) -> torch.Tensor:
    """(V,) int64: the first of the faces at each vertex; F where there is none."""
    owner = torch.arange(len(faces), device=faces.device).repeat_interleave(3)
    answer = torch.full((vertex_count,), len(faces), device=faces.device)
    return answer.scatter_reduce(0, faces.reshape(-1), owner, "amin")


def speaking_corners(
    faces: torch.Tensor, face: torch.Tensor, barycentric: torch.Tensor, neighbours: torch.Tensor, lowest: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest points as their texture coordinates are read: on edges and vertices the lowest face that is there speaks.

    All faces of an edge are equally near to a point whose nearest place lies on it. At a seam of the texture they give
    it different coordinates, and which of them a search comes upon first depends on the search.

    Args:
        faces: (F, 3) int64 of the mesh.
        face: (N,) int64, barycentric: (N, 3): the nearest points, as any search found them.
        neighbours: (F, 3), see ``face_neighbours``.
        lowest: (V,), see ``lowest_faces``.

    Returns:
        face (N,), barycentric (N, 3): the same points by the faces that speak.
    """
    outside = barycentric <= REGION_TOLERANCE
    count = outside.sum(dim=-1)
    opposite = outside.to(torch.int64).argmax(dim=-1, keepdim=True)
    across = neighbours[face].gather(1, opposite)[:, 0]
    vertex = faces[face].gather(1, barycentric.argmax(dim=-1, keepdim=True))[:, 0]
    speaker = torch.where(count == 1, torch.minimum(face, across), torch.where(count == 2, lowest[vertex], face))
    same = faces[speaker][:, :, None] == faces[face][:, None, :]
    shared = (same * barycentric[:, None, :]).sum(dim=-1)
    return speaker, torch.where((speaker == face)[:, None], barycentric, shared)


def smooth_normals(faces: torch.Tensor, nearest: NearestSurface, normals: SurfaceNormals) -> torch.Tensor:
    """(N, 3) unit normals of the surface at each nearest point, interpolated between the vertices'."""
    corners = normals.vertices[faces[nearest.face]]
    return torch.nn.functional.normalize((nearest.barycentric[..., None] * corners).sum(dim=-2), dim=-1)


def canonical_coordinates(
    points: torch.Tensor,
    vertices: torch.Tensor,
    faces: torch.Tensor,
    face_uv: torch.Tensor,
    nearest: NearestSurface,
    mode: SignMode = "pseudo_normal",
    normals: SurfaceNormals | None = None,
) -> torch.Tensor:
    """(u, v, d) of each point. Differentiable in the points and the vertices while the nearest triangle stays.

    Args:
        points: (N, 3) world space, metres.
        vertices: (V, 3) posed mesh, metres.
        faces: (F, 3) int64.
        face_uv: (F, 3, 2) texture coordinates of the corners, v = 1 - v_obj.
        nearest: of these points on this mesh.
        mode: how the sign of d is found.
        normals: of this mesh, when at hand.

    Returns:
        (N, 3): u and v in texture units, d in metres, positive outside.
    """
    offset = points - nearest.closest
    distance = torch.sqrt(offset.square().sum(dim=-1) + DISTANCE_EPSILON)
    normals = normals or SurfaceNormals.of(vertices, faces)
    with torch.no_grad():
        sign = torch.sign((offset * sign_normals(faces, nearest, mode, normals)).sum(dim=-1))
    face, barycentric = speaking_corners(
        faces, nearest.face, nearest.barycentric, normals.neighbours, lowest_faces(faces, len(vertices))
    )
    uv = (barycentric[..., None] * face_uv[face]).sum(dim=-2)
    return torch.cat([uv, (sign * distance)[:, None]], dim=-1)
