"""Samples -> the texture cube (docs/method.md 1.5), every case worked out for every sample and the right one chosen.

The same as :mod:`livehand_core.surface.canonical`, which picks the samples of each case out of the list.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from ...surface import SignMode
from ...surface.canonical import DISTANCE_EPSILON, REGION_TOLERANCE, speaking_corners
from ...surface.nearest import closest_barycentric
from .proxy import DeviceMesh, ProxyMesh


def canonical(
    points: torch.Tensor, face: torch.Tensor, mesh: DeviceMesh, proxy: ProxyMesh, sign: SignMode, with_normals: bool
) -> torch.Tensor:
    """(N, 3) points and (N,) their nearest triangles -> (N, 3) u, v, d, or (N, 6) with the surface's normal."""
    corners = mesh.corners[face]
    barycentric = closest_barycentric(points, corners)
    offset = points - (barycentric[..., None] * corners).sum(dim=1)
    distance = torch.sqrt(offset.square().sum(dim=-1) + DISTANCE_EPSILON)
    side = torch.sign((offset * _sign_normals(face, barycentric, mesh, proxy, sign)).sum(dim=-1))
    speaker, shares = speaking_corners(proxy.faces, face, barycentric, proxy.neighbours, proxy.lowest)
    uv = (shares[..., None] * proxy.face_uv[speaker]).sum(dim=1)
    uvd = torch.cat([uv, (side * distance)[:, None]], dim=-1)
    if not with_normals:
        return uvd
    smooth = (barycentric[..., None] * mesh.vertex_normals[proxy.faces[face]]).sum(dim=1)
    return torch.cat([uvd, normalize(smooth, dim=-1)], dim=-1)


def _sign_normals(
    face: torch.Tensor, barycentric: torch.Tensor, mesh: DeviceMesh, proxy: ProxyMesh, sign: SignMode
) -> torch.Tensor:
    """(N, 3): of the face, or of the face, edge or vertex that holds the nearest point."""
    normal = mesh.face_normals[face]
    if sign == "face_normal":
        return normal
    outside = barycentric <= REGION_TOLERANCE
    count = outside.sum(dim=-1, keepdim=True)
    opposite = outside.long().argmax(dim=-1, keepdim=True)
    beyond = mesh.face_normals[proxy.neighbours[face].gather(1, opposite)[:, 0]]
    corner = proxy.faces[face].gather(1, barycentric.argmax(dim=-1, keepdim=True))[:, 0]
    normal = normal + beyond.masked_fill(count != 1, 0.0)
    return torch.where(count == 2, mesh.vertex_normals[corner], normal)
