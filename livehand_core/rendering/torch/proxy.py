"""The posed proxy as the torch room sees it: what rays are placed by, and where points get their coordinates from."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...networks import FieldConfig
from ...surface import NearestSurface, SignMode, SurfaceNormals, SurfaceTree, canonical_coordinates, smooth_normals


@dataclass(frozen=True)
class Proxy:
    """A posed proxy mesh with what stays the same over a frame.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3).
        face_uv: (F, 3, 2).
        normals: of its faces and vertices, and which faces meet.
        tree: for nearest points.
        levels: (V, 2) of the layer that surface sampling looks in, see ``AvatarArrays.levels``; None for none.
        local: (V, L) what is told of the pose at each vertex, see ``hand.local``; None for nothing.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    face_uv: torch.Tensor
    normals: SurfaceNormals
    tree: SurfaceTree
    levels: torch.Tensor | None = None
    local: torch.Tensor | None = None

    @classmethod
    def of(
        cls,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        face_uv: torch.Tensor,
        neighbours: torch.Tensor | None = None,
        levels: torch.Tensor | None = None,
        local: torch.Tensor | None = None,
    ) -> Proxy:
        """With its normals found; ``neighbours`` is ``face_neighbours(faces)``, when at hand."""
        normals = SurfaceNormals.of(vertices, faces, neighbours)
        return cls(vertices, faces, face_uv, normals, SurfaceTree(vertices, faces), levels, local)

    def coordinates(self, points: torch.Tensor, field: FieldConfig, sign: SignMode) -> torch.Tensor:
        """What a field takes of points: (u, v, d), and normal and local pose where it asks for them, or the points.

        Differentiable in the points and the vertices, as far as the nearest triangle stays the same.

        Args:
            points: (..., 3) metres, in the frame of the vertices.
            field: says which coordinates.
            sign: how the sign of d is found.

        Returns:
            (..., 3, 6 or 6 + L).
        """
        if field.coordinates == "xyz":
            return points
        flat = points.reshape(-1, 3)
        nearest = self.tree.nearest(flat)
        found = canonical_coordinates(flat, self.vertices, self.faces, self.face_uv, nearest, sign, self.normals)
        if field.normal_frequencies:
            found = torch.cat([found, smooth_normals(self.faces, nearest, self.normals)], dim=-1)
        if field.local_joints:
            found = torch.cat([found, self.told(nearest)], dim=-1)
        return found.view(*points.shape[:-1], -1)

    def told(self, nearest: NearestSurface) -> torch.Tensor:
        """(N, L) the local pose at nearest points; (N, 0) where there is none."""
        if self.local is None:
            return self.vertices.new_zeros(len(nearest.face), 0)
        return (nearest.barycentric[..., None] * self.local[self.faces[nearest.face]]).sum(dim=-2)
