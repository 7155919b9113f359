"""Depth of the posed mesh at every pixel, by a fixed number of (triangle, pixel) pairs and a scatter of minima.

The same homogeneous edge functions as :mod:`livehand_core.surface.raster`, whose pictures it equals; there the list of
pairs is as long as it needs to be, here as long as the graph has room for.
"""

from __future__ import annotations

import torch

from ...surface.raster import EDGE_TOLERANCE, MIN_DEPTH
from .inputs import CX, CY, FX, FY, HEIGHT, VIEW, WIDTH


def depth_image(
    vertices: torch.Tensor, faces: torch.Tensor, camera: torch.Tensor, size: tuple[int, int, int], perspective: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rasterise.

    Args:
        vertices: (V, 3) float32; faces: (F, 3) int64.
        camera: (30,) float64; pixels beyond its width and height stay empty.
        size: height, width of the answer, and the number of pairs there is room for.
        perspective: the camera's projection.

    Returns:
        (height, width) float32 depth, infinity where nothing is seen; 0-dim int64 number of pairs needed.
    """
    height, width, pairs = size
    left, top, across, counts, edges, depths = _set_up(vertices, faces, camera, perspective)
    ends = counts.cumsum(0)
    index = torch.arange(pairs, device=vertices.device)
    row = torch.searchsorted(ends, index, right=True).clamp(max=len(faces) - 1)
    offset = index - (ends - counts)[row]
    dy = torch.div(offset, across[row].clamp(min=1), rounding_mode="floor")
    dx = offset - dy * across[row]
    values = edges[row]
    weights = values[..., 0] * dx[:, None] + values[..., 1] * dy[:, None] + values[..., 2]
    total = weights.sum(dim=-1)
    inside = (weights.amin(dim=-1) >= -EDGE_TOLERANCE * total) & (total > 0.0)
    depth = (weights / total.masked_fill(~inside, 1.0)[:, None] * depths[row]).sum(dim=-1)
    seen = inside & (depth > MIN_DEPTH) & (index < ends[-1])
    # Pairs that see nothing write their infinity each to another pixel: atomics on one would wait for each other.
    pixel = torch.where(seen, (top[row] + dy) * width + left[row] + dx, index % (height * width))
    nearest = torch.full((height * width,), torch.inf, dtype=torch.float32, device=vertices.device)
    nearest = nearest.scatter_reduce(0, pixel, depth.masked_fill(~seen, torch.inf), "amin")
    return nearest.view(height, width), ends[-1]


def _set_up(
    vertices: torch.Tensor, faces: torch.Tensor, camera: torch.Tensor, perspective: bool
) -> tuple[torch.Tensor, ...]:
    """Left, top, width and pixel count of each triangle's box (F,), its edge functions (F, 3, 3), depths (F, 3)."""
    # float64: differences of products of pixel coordinates lose too many digits in float32.
    matrix = camera[VIEW].view(3, 4)
    local = vertices.double() @ matrix[:, :3].T + matrix[:, 3]
    x, y, z = local.unbind(-1)
    weight = z if perspective else torch.ones_like(z)
    plane = (camera[FX] * x + camera[CX] * weight, camera[FY] * y + camera[CY] * weight)
    corners = torch.stack([*plane, weight], dim=-1)[faces]
    depths = z[faces]
    inverse = corners[..., 2:]
    whole = (corners[..., 2] > MIN_DEPTH).all(dim=-1, keepdim=True)
    pixels = corners[..., :2] / inverse.masked_fill(~whole[..., None], 1.0)
    limit = camera[WIDTH : HEIGHT + 1] - 1.0
    low = pixels.amin(dim=1).ceil().masked_fill(~whole, 0.0).clamp(min=0.0)
    high = torch.minimum(torch.where(whole, pixels.amax(dim=1).floor(), limit), limit)
    size = (high - low + 1.0).clamp(min=0.0)
    if perspective:
        size = size.masked_fill(~(depths > MIN_DEPTH).any(dim=-1, keepdim=True), 0.0)
    # A triangle outside the picture has its first pixel anywhere; that of an empty box is never used.
    low = torch.minimum(low, limit)
    shifted = torch.cat([corners[..., :2] - low[:, None] * inverse, inverse], dim=-1)
    edges = torch.linalg.cross(shifted.roll(-1, 1), shifted.roll(-2, 1))
    determinant = (edges[:, 0] * shifted[:, 0]).sum(dim=-1)
    scale = determinant.abs().gt(0.0) / determinant.masked_fill(determinant == 0.0, 1.0)
    counts = (size[:, 0] * size[:, 1]).long()
    left, top, across = low[:, 0].long(), low[:, 1].long(), size[:, 0].long()
    return left, top, across, counts, (edges * scale[:, None, None]).float(), depths.float()
