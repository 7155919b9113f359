"""Nearest triangle to each sample, among the few that can be: candidates by cluster, then every pair of them.

A cluster is a handful of neighbouring samples inside a ball of centre c and radius r. When c is d from the mesh, the
triangle nearest to any of its samples lies within d + 2 r of c; a triangle's ball about its centroid bounds how near
it can come. What is left is a fixed number of candidates, the nearest first, and a count of how many there were.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from .proxy import DeviceMesh

DEGENERATE = 1e-12
"""Twice the area in square metres under which a triangle is left to its neighbours, whose edges hold all its points."""

FAR_AWAY = 1e3
"""Metres to a degenerate triangle."""

SLACK = 1e-6
"""Metres by which a bound may be wrong through rounding."""


def nearest_faces(
    points: torch.Tensor, live: torch.Tensor, mesh: DeviceMesh, candidates: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find.

    Args:
        points: (C, P, 3) P samples of each of C clusters, metres.
        live: (C, P) bool, samples whose answers matter.
        mesh: posed.
        candidates: triangles that there is room for in a cluster.

    Returns:
        (C, P) int64 faces, and 0-dim int64: the most candidates that any cluster had.
    """
    centre, radius, any_live = _balls(points, live)
    chosen, needed = _candidates(centre, radius, mesh, min(candidates, len(mesh.corners)))
    planes, lengths = edge_planes(mesh)
    local = points - centre[:, None]
    rows = planes[chosen]
    # (C, 7 K, 4) -> what each plane says about the cluster's centre, and about the way from there.
    flat = rows.transpose(1, 2).reshape(len(points), -1, 4)
    offset = (flat[..., :3] * centre[:, None]).sum(dim=-1) + flat[..., 3]
    said = torch.baddbmm(offset[:, None], local, flat[..., :3].transpose(1, 2))
    square = squared_distances(said.view(*points.shape[:2], 7, -1), lengths[chosen].transpose(1, 2)[:, None])
    face = chosen.gather(1, square.argmin(dim=-1))
    return face, needed.masked_fill(~any_live, 0).amax()


def _balls(points: torch.Tensor, live: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centre (C, 3) and radius (C,) of each cluster's live samples, and whether it has any (C,)."""
    dead = ~live[..., None]
    low = points.masked_fill(dead, torch.inf).amin(dim=1)
    high = points.masked_fill(dead, -torch.inf).amax(dim=1)
    any_live = live.any(dim=1)
    centre = (0.5 * (low + high)).masked_fill(~any_live[:, None], 0.0)
    distance = (points - centre[:, None]).norm(dim=-1)
    return centre, distance.masked_fill(~live, 0.0).amax(dim=1), any_live


def _candidates(
    centre: torch.Tensor, radius: torch.Tensor, mesh: DeviceMesh, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(C, K) triangles in order of how near they can come, and (C,) how many may hold a nearest point."""
    middle = mesh.corners.mean(dim=1)
    reach = (mesh.corners - middle[:, None]).norm(dim=-1).amax(dim=1)
    distance = torch.cdist(centre, middle, compute_mode="donot_use_mm_for_euclid_dist")
    limit = distance.amin(dim=1) + 2.0 * radius + SLACK
    least = distance - reach
    return least.topk(count, dim=1, largest=False).indices, (least <= limit[:, None]).sum(dim=1)


def edge_planes(mesh: DeviceMesh) -> tuple[torch.Tensor, torch.Tensor]:
    """What a triangle's distance is made of, as planes n . x + o.

    Returns:
        (F, 7, 4): height above the triangle; by edge, distance from the edge inwards; by edge, distance along it.
        (F, 3): lengths of the edges.
    """
    edges = mesh.corners.roll(-1, 1) - mesh.corners
    lengths = edges.norm(dim=-1)
    along = normalize(edges, dim=-1)
    up = mesh.face_normals
    inwards = torch.linalg.cross(up[:, None].expand_as(along), along)
    normals = torch.cat([up[:, None], inwards, along], dim=1)
    origins = torch.cat([mesh.corners[:, :1], mesh.corners, mesh.corners], dim=1)
    offsets = -(normals * origins).sum(dim=-1)
    area = torch.linalg.cross(edges[:, 0], edges[:, 1]).norm(dim=-1)
    height = offsets[:, :1].masked_fill((area < DEGENERATE)[:, None], FAR_AWAY)
    offsets = torch.cat([height, offsets[:, 1:]], dim=1)
    return torch.cat([normals, offsets[..., None]], dim=-1), lengths


def squared_distances(said: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Squared distance to each triangle.

    Args:
        said: (..., 7, K) what :func:`edge_planes` says about a point.
        lengths: (..., 3, K) of the edges, broadcast.

    Returns:
        (..., K) square metres.
    """
    height, inwards, along = said.split([1, 3, 3], dim=-2)
    beyond = along - along.clamp(min=0.0).minimum(lengths)
    to_edge = torch.addcmul(inwards.square(), beyond, beyond).amin(dim=-2)
    inside = inwards.amin(dim=-2) >= 0.0
    return height.squeeze(-2).square() + to_edge.masked_fill(inside, 0.0)
