"""The hand's mesh on the device: linear blend skinning and normals, nothing that depends on the pose's values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from ...hand.data import HandData
from ...poses import BETA_COUNT
from ...surface import face_neighbours
from ...surface.canonical import lowest_faces
from .inputs import FrameInputs


class DeviceMesh(NamedTuple):
    """A posed mesh.

    Attributes:
        vertices: (V, 3) metres.
        corners: (F, 3, 3) of each face.
        face_normals: (F, 3), zero for degenerate faces; vertex_normals: (V, 3), weighted by angle.
    """

    vertices: torch.Tensor
    corners: torch.Tensor
    face_normals: torch.Tensor
    vertex_normals: torch.Tensor


class ProxyMesh(nn.Module):
    """A hand model's arrays, float32 and int64, as buffers."""

    template: torch.Tensor
    directions: torch.Tensor
    weights: torch.Tensor
    faces: torch.Tensor
    face_uv: torch.Tensor
    neighbours: torch.Tensor
    lowest: torch.Tensor
    incident: torch.Tensor

    def __init__(self, hand: HandData) -> None:
        super().__init__()
        shapes = np.zeros((hand.vertex_count, 3, BETA_COUNT), dtype=np.float32)
        count = min(BETA_COUNT, hand.shapedirs.shape[2])
        shapes[..., :count] = hand.shapedirs[..., :count]
        directions = np.concatenate([shapes, hand.posedirs], axis=2).reshape(hand.vertex_count * 3, -1)
        faces = torch.tensor(np.asarray(hand.faces), dtype=torch.int64)
        for name, values in (
            ("template", hand.v_template.reshape(-1)),
            ("directions", directions),
            ("weights", hand.weights),
            ("face_uv", hand.face_uv),
        ):
            self.register_buffer(name, torch.tensor(np.asarray(values), dtype=torch.float32))
        self.register_buffer("faces", faces)
        self.register_buffer("neighbours", face_neighbours(faces))
        self.register_buffer("lowest", lowest_faces(faces, hand.vertex_count))
        self.register_buffer("incident", torch.from_numpy(_incident(np.asarray(hand.faces), hand.vertex_count)))

    def forward(self, inputs: FrameInputs) -> DeviceMesh:
        """Pose the mesh."""
        amounts = torch.cat([inputs.betas, inputs.correctives])
        rest = torch.addmv(self.template, self.directions, amounts).view(-1, 3)
        carried = (self.weights @ inputs.transforms).view(-1, 3, 4)
        vertices = (carried[..., :3] * rest[:, None]).sum(dim=-1) + carried[..., 3]
        corners = vertices[self.faces]
        a, b, c = corners.unbind(1)
        normals = normalize(torch.linalg.cross(b - a, c - a), dim=-1)
        ahead = normalize(corners.roll(-1, 1) - corners, dim=-1)
        behind = normalize(corners.roll(1, 1) - corners, dim=-1)
        angle = torch.acos((ahead * behind).sum(dim=-1).clamp(-1.0, 1.0))
        shares = (angle[..., None] * normals[:, None]).reshape(-1, 3)
        # A gather by vertex in place of atomic additions: the same sum in every run.
        padded = torch.cat([shares, shares.new_zeros(1, 3)])
        return DeviceMesh(vertices, corners, normals, normalize(padded[self.incident].sum(dim=1), dim=-1))


def _incident(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    """(V, M) int64: which of the 3 F corners lie at each vertex, filled up with 3 F."""
    owner = faces.reshape(-1)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=vertex_count)
    place = np.arange(len(owner)) - np.repeat(counts.cumsum() - counts, counts)
    table = np.full((vertex_count, max(int(counts.max()), 1)), len(owner), dtype=np.int64)
    table[owner[order], place] = order
    return table
