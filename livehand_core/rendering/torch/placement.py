"""Samples where the surface is (docs/method.md 1.4): rays traced to the layer that holds an avatar's skin."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ...kernels.mesh import placement
from ...surface import SignMode, canonical_coordinates, smooth_normals
from .proxy import Proxy
from .rays import Rays

# Those of the processor's kernel, as numbers that torch takes.
MOST_PARTS, MOST_QUERIES = placement.MOST_PARTS, placement.MOST_QUERIES
TOLERANCE, ENTRY, NEARBY = float(placement.TOLERANCE), float(placement.ENTRY), float(placement.NEARBY)
STEEPEST, RELAXED = float(placement.STEEPEST), float(placement.RELAXED)


class SurfaceSamples(NamedTuple):
    """Samples of R rays, S places each; those that a ray does not need have an interval of 0.

    Attributes:
        depths: (R, S), ascending where they are needed.
        intervals: (R, S) the length that each stands for, in units of depth.
        positions: (R, S, 6 or 6 + L) canonical (u, v, d), the surface's normal, and the local pose.
    """

    depths: torch.Tensor
    intervals: torch.Tensor
    positions: torch.Tensor


@torch.no_grad()
def surface_samples(
    proxy: Proxy,
    levels: torch.Tensor,
    rays: Rays,
    bounds: tuple[torch.Tensor, torch.Tensor],
    parts: int,
    sign: SignMode,
    jitter: torch.Tensor | None = None,
) -> SurfaceSamples:
    """All samples of R rays. Not differentiable.

    Args:
        proxy: the posed mesh.
        levels: (V, 2) of the avatar, see ``AvatarArrays.levels``.
        rays: in the proxy's frame.
        bounds: near and far, (R,) each.
        parts: samples of a straight crossing of the layer.
        sign: how the sign of d is found.
        jitter: (R, MOST_PARTS parts) in [0, 1), where in its interval each sample lies; None for the middle.
    """
    near, far = bounds
    count, most = len(near), MOST_PARTS * parts
    depths, intervals = near[:, None].repeat(1, most), near.new_zeros(count, most)
    positions = near.new_zeros(count, most, 6 if proxy.local is None else 6 + proxy.local.shape[1])
    start, ahead = near.clone(), torch.zeros_like(near)
    taken = torch.zeros(count, dtype=torch.int64, device=near.device)
    for _ in range(MOST_QUERIES):
        going = torch.nonzero((start <= far) & (taken < most)).squeeze(-1)
        if not len(going):
            break
        own, number = Rays(*(value[going] for value in rays)), taken[going]
        share = 0.5 if jitter is None else jitter[going, number]
        depth = start[going] + share * ahead[going]
        found = _look(proxy, levels, own.at(depth[:, None])[:, 0], sign)
        facing = (found.normal * own.view_directions).sum(dim=-1).abs()
        onward = found.thickness / (parts * facing.clamp(min=STEEPEST) * own.lengths)
        gap = found.uvd[:, 2] - found.outer
        within = (gap < TOLERANCE) & (ahead[going] > 0.0)
        row, column = going[within], number[within]
        depths[row, column], intervals[row, column] = depth[within], ahead[row]
        positions[row, column] = torch.cat([found.uvd, found.normal, found.told], dim=-1)[within]
        taken[row] += 1
        slope = torch.where(gap < NEARBY * found.thickness, facing.clamp(min=RELAXED), 1.0)
        towards = gap.clamp(min=0.0) / (slope * own.lengths)
        reached = within | (gap < ENTRY * found.thickness)
        start[going] = torch.where(within, start[going] + ahead[going], depth + towards)
        ahead[going] = torch.where(reached, onward, 0.0)
    return SurfaceSamples(depths, intervals, positions)


class _Found(NamedTuple):
    """At N points: canonical (N, 3), unit normal (N, 3), local pose (N, L), the layer's start and thickness (N,)."""

    uvd: torch.Tensor
    normal: torch.Tensor
    told: torch.Tensor
    outer: torch.Tensor
    thickness: torch.Tensor


def _look(proxy: Proxy, levels: torch.Tensor, points: torch.Tensor, sign: SignMode) -> _Found:
    nearest = proxy.tree.nearest(points)
    uvd = canonical_coordinates(points, proxy.vertices, proxy.faces, proxy.face_uv, nearest, sign, proxy.normals)
    outer, thickness = (nearest.barycentric[..., None] * levels[proxy.faces[nearest.face]]).sum(dim=-2).unbind(-1)
    return _Found(uvd, smooth_normals(proxy.faces, nearest, proxy.normals), proxy.told(nearest), outer, thickness)
