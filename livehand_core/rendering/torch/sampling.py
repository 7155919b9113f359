"""Where along a ray the field is evaluated: stratified samples, and samples drawn from coarse weights."""

from __future__ import annotations

import torch


def stratified(near: torch.Tensor, far: torch.Tensor, count: int, jitter: torch.Tensor | None = None) -> torch.Tensor:
    """Depths linear in [near, far], ends included; with jitter, one uniform draw in each stratum (docs/method.md 1.4).

    Args:
        near, far: (R,) metres along the optical axis.
        count: S, at least 2.
        jitter: (R, S) uniform numbers in [0, 1), for training; None leaves the depths where they are.

    Returns:
        (R, S) depths, ascending. Differentiable in near and far.
    """
    fraction = torch.linspace(0.0, 1.0, count, dtype=near.dtype, device=near.device)
    depths = near[:, None] * (1.0 - fraction) + far[:, None] * fraction
    if jitter is None:
        return depths
    middle = 0.5 * (depths[:, 1:] + depths[:, :-1])
    lower = torch.cat([depths[:, :1], middle], dim=-1)
    upper = torch.cat([middle, depths[:, -1:]], dim=-1)
    return lower + (upper - lower) * jitter


def from_weights(
    depths: torch.Tensor, weights: torch.Tensor, count: int, uniform: torch.Tensor | None = None
) -> torch.Tensor:
    """Inverse-CDF samples of the piecewise constant density that coarse weights define (NeRF, section 5.2).

    Args:
        depths: (R, S) coarse depths, ascending.
        weights: (R, S) their compositing weights; only the inner S - 2 shape the distribution.
        count: number of new samples N.
        uniform: (R, N) numbers in [0, 1), for training; None spaces them evenly, ends included.

    Returns:
        (R, S + N) coarse and new depths together, ascending. No gradient flows through the new ones.
    """
    edges = 0.5 * (depths[:, 1:] + depths[:, :-1])
    density = weights[:, 1:-1].detach() + 1e-5
    density = density / density.sum(dim=-1, keepdim=True)
    cumulative = torch.cat([torch.zeros_like(density[:, :1]), density.cumsum(dim=-1)], dim=-1)
    if uniform is None:
        even = torch.linspace(0.0, 1.0, count, dtype=depths.dtype, device=depths.device)
        uniform = even.expand(len(depths), count)
    uniform = uniform.contiguous()
    upper = torch.searchsorted(cumulative, uniform, right=True).clamp(max=cumulative.shape[-1] - 1)
    lower = (upper - 1).clamp(min=0)
    start, end = cumulative.gather(-1, lower), cumulative.gather(-1, upper)
    width = end - start
    fraction = (uniform - start) / torch.where(width < 1e-5, torch.ones_like(width), width)
    left, right = edges.gather(-1, lower), edges.gather(-1, upper)
    drawn = (left + fraction * (right - left)).detach()
    return torch.cat([depths, drawn], dim=-1).sort(dim=-1).values
