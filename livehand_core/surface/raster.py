"""Which triangle a pixel sees: a z-buffer over the posed proxy mesh, in torch, without a graphics library.

Homogeneous rasterisation (Olano and Greer 1997): edge functions before the perspective division, so that triangles
which cross the camera's plane need no clipping. Work is a flat list of (triangle, pixel) pairs; no Python loop a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from ..cameras import Camera

MIN_DEPTH = 1e-3
"""Nearest depth that is drawn, in metres (perspective)."""

EDGE_TOLERANCE = 1e-5
"""How far outside a triangle, in barycentric units, still counts as inside: no cracks between neighbours."""

PAIRS_AT_ONCE = 1 << 22


class Raster(NamedTuple):
    """What each pixel of an H x W grid sees first.

    Attributes:
        depth: (H, W) metres along the optical axis, infinity where nothing is seen.
        face: (H, W) int64 triangle, -1 where nothing is seen.
        barycentric: (H, W, 3) perspective-correct coordinates in that triangle, 0 where nothing is seen.
    """

    depth: torch.Tensor
    face: torch.Tensor
    barycentric: torch.Tensor


class _Triangles(NamedTuple):
    """Triangles that reach the image: their boxes and, relative to each box, their edge functions."""

    face: torch.Tensor
    left: torch.Tensor
    top: torch.Tensor
    box_width: torch.Tensor
    pixel_count: torch.Tensor
    edges: torch.Tensor
    corner_depth: torch.Tensor


def to_camera(vertices: torch.Tensor, camera: Camera) -> torch.Tensor:
    """(V, 3) world points -> camera axes (x right, y down, z forward), metres."""
    matrix = torch.tensor(camera.world_to_camera, dtype=vertices.dtype, device=vertices.device)
    return vertices @ matrix[:3, :3].T + matrix[:3, 3]


def rasterise(vertices: torch.Tensor, faces: torch.Tensor, camera: Camera) -> Raster:
    """Draw the mesh at the camera's pixels, ``camera.pixel_offset`` inside each; both sides of a triangle are seen.

    Args:
        vertices: (V, 3) world space, metres, on any device.
        faces: (F, 3) int64.
        camera: its width and height are the size of the answer.

    Returns:
        Raster in the dtype of ``vertices``; not differentiable.
    """
    with torch.no_grad():
        triangles = _set_up(vertices, faces, camera)
        pixel, depth, row = _all_hits(triangles, camera.width)
        size = camera.height * camera.width
        nearest = torch.full((size,), torch.inf, dtype=vertices.dtype, device=vertices.device)
        nearest.scatter_reduce_(0, pixel, depth, "amin")
        front = depth == nearest[pixel]
        # Ties between neighbours go to the lower index, so that the answer does not depend on thread order.
        winner = torch.full((size,), len(faces), dtype=torch.int64, device=vertices.device)
        winner.scatter_reduce_(0, pixel[front], row[front], "amin")
        return _finish(triangles, nearest, winner, camera)


def rasterise_depth(vertices: torch.Tensor, faces: torch.Tensor, camera: Camera) -> torch.Tensor:
    """(H, W) depth of :func:`rasterise`, infinity where nothing is seen."""
    return rasterise(vertices, faces, camera).depth


def _set_up(vertices: torch.Tensor, faces: torch.Tensor, camera: Camera) -> _Triangles:
    # float64: differences of products of pixel coordinates lose too many digits in float32.
    local = to_camera(vertices.double(), camera)
    x, y, z = local.unbind(-1)
    weight = torch.ones_like(z) if camera.projection == "orthographic" else z
    centre = (camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset)
    homogeneous = torch.stack([camera.fx * x + centre[0] * weight, camera.fy * y + centre[1] * weight, weight], -1)
    corners = homogeneous[faces]
    depths = z[faces]

    visible = (depths > MIN_DEPTH).any(dim=-1) if camera.projection == "perspective" else depths[:, 0] == depths[:, 0]
    whole = (corners[..., 2] > MIN_DEPTH).all(dim=-1)
    pixels = corners[..., :2] / torch.where(whole[:, None], corners[..., 2], 1.0)[..., None]
    limit = torch.tensor([camera.width - 1, camera.height - 1], dtype=pixels.dtype, device=pixels.device)
    low = torch.where(whole[:, None], pixels.amin(dim=1).ceil(), 0.0).clamp(min=0.0)
    high = torch.minimum(torch.where(whole[:, None], pixels.amax(dim=1).floor(), limit), limit)
    size = (high - low + 1.0).clamp(min=0.0)

    keep = torch.nonzero(visible & (size[:, 0] * size[:, 1] > 0)).squeeze(-1)
    corners, depths, low, size = corners[keep], depths[keep], low[keep], size[keep]
    shifted = corners.clone()
    shifted[..., :2] -= low[:, None] * corners[..., 2:]
    edges = torch.linalg.cross(shifted[:, [1, 2, 0]], shifted[:, [2, 0, 1]])
    determinant = (edges[:, 0] * shifted[:, 0]).sum(dim=-1)
    scale = torch.where(determinant.abs() > 0.0, 1.0 / determinant, 0.0)
    return _Triangles(
        face=keep,
        left=low[:, 0].long(),
        top=low[:, 1].long(),
        box_width=size[:, 0].long(),
        pixel_count=(size[:, 0] * size[:, 1]).long(),
        edges=(edges * scale[:, None, None]).to(vertices.dtype),
        corner_depth=depths.to(vertices.dtype),
    )


def _all_hits(triangles: _Triangles, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Every (pixel, depth, triangle row) with the pixel inside the triangle, a bounded number of pairs at once."""
    ends = triangles.pixel_count.cumsum(0)
    hits = []
    first, total = 0, len(ends)
    while first < total:
        done = int(ends[first - 1]) if first else 0
        last = max(int(torch.searchsorted(ends, done + PAIRS_AT_ONCE, right=True)), first + 1)
        hits.append(_hits(triangles, torch.arange(first, last, device=ends.device), width))
        first = last
    if not hits:
        none = torch.zeros(0, dtype=torch.int64, device=ends.device)
        return none, triangles.edges.new_zeros(0), none
    pixel, depth, row = zip(*hits, strict=True)
    return torch.cat(pixel), torch.cat(depth), torch.cat(row)


def _hits(triangles: _Triangles, rows: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    counts = triangles.pixel_count[rows]
    row = torch.repeat_interleave(rows, counts)
    offset = torch.arange(len(row), device=rows.device) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    across = triangles.box_width[row]
    dy = torch.div(offset, across, rounding_mode="floor")
    dx = offset - dy * across
    weights = _edge_values(triangles, row, dx, dy)
    # Normalised edge functions sum to 1 / (depth-like weight): positive in front of the camera.
    total = weights.sum(dim=-1)
    inside = (weights.amin(dim=-1) >= -EDGE_TOLERANCE * total) & (total > 0.0)
    index = torch.nonzero(inside).squeeze(-1)
    row = row[index]
    barycentric = weights[index] / total[index, None]
    depth = (barycentric * triangles.corner_depth[row]).sum(dim=-1)
    pixel = (triangles.top[row] + dy[index]) * width + triangles.left[row] + dx[index]
    near = depth > MIN_DEPTH
    return pixel[near], depth[near], row[near]


def _edge_values(triangles: _Triangles, row: torch.Tensor, dx: torch.Tensor, dy: torch.Tensor) -> torch.Tensor:
    edges = triangles.edges[row]
    return edges[..., 0] * dx[:, None] + edges[..., 1] * dy[:, None] + edges[..., 2]


def _finish(triangles: _Triangles, nearest: torch.Tensor, winner: torch.Tensor, camera: Camera) -> Raster:
    shape = (camera.height, camera.width)
    seen = torch.nonzero(torch.isfinite(nearest)).squeeze(-1)
    row = winner[seen]
    dx = seen % camera.width - triangles.left[row]
    dy = torch.div(seen, camera.width, rounding_mode="floor") - triangles.top[row]
    weights = _edge_values(triangles, row, dx, dy)
    barycentric = nearest.new_zeros(len(nearest), 3)
    barycentric[seen] = weights / weights.sum(dim=-1, keepdim=True)
    face = torch.full_like(winner, -1)
    face[seen] = triangles.face[row]
    return Raster(nearest.view(shape), face.view(shape), barycentric.view(*shape, 3))
