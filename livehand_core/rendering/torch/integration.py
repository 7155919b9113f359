"""Volume rendering: densities and colours along rays -> features, opacity, expected depth (docs/method.md 1.7)."""

from __future__ import annotations

from typing import NamedTuple

import torch

LAST_INTERVAL = 1e10
"""Length of the interval behind the last sample, in units of depth, in the published form.

It makes any density at a ray's end opaque, and its gradient exactly zero: such density can never be unlearnt."""


class Integrated(NamedTuple):
    """What :func:`integrate` returns, for R rays of S samples and C channels.

    Attributes:
        features: (R, C) premultiplied by opacity.
        opacity: (R,) sum of weights.
        depth: (R,) sum of weights times depth; divide by opacity for the expected depth.
        weights: (R, S).
        intervals: (R, S) length that each sample stands for; 0 where a ray needs fewer.
    """

    features: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    weights: torch.Tensor
    intervals: torch.Tensor


def intervals_between(depths: torch.Tensor, last_interval: float = LAST_INTERVAL) -> torch.Tensor:
    """(R, S) ascending depths -> the lengths that they stand for: to the next, ``last_interval`` behind the last."""
    return torch.cat([depths.diff(dim=-1), torch.full_like(depths[:, :1], last_interval)], dim=-1)


def compositing_weights(sigma: torch.Tensor, intervals: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """w_i = T_i alpha_i with alpha = 1 - exp(-delta sigma) and T_i = prod_{j<i} (1 - alpha_j + 1e-10).

    Args:
        sigma: (R, S) densities in 1/m, not negative.
        intervals: (R, S) lengths that they stand for, in units of depth.
        lengths: (R,) metres a ray advances per unit of depth.

    Returns:
        (R, S) weights; differentiable.
    """
    alpha = 1.0 - torch.exp(-sigma * intervals * lengths[:, None])
    behind = torch.cumprod(1.0 - alpha + 1e-10, dim=-1)
    transmittance = torch.cat([torch.ones_like(behind[:, :1]), behind[:, :-1]], dim=-1)
    return alpha * transmittance


def integrate(
    colour_raw: torch.Tensor,
    sigma_raw: torch.Tensor,
    depths: torch.Tensor,
    lengths: torch.Tensor,
    noise: torch.Tensor | None = None,
    last_interval: float = LAST_INTERVAL,
    intervals: torch.Tensor | None = None,
) -> Integrated:
    """Composite the field's answers along each ray.

    Args:
        colour_raw: (R, S, C) before the sigmoid.
        sigma_raw: (R, S) before the ReLU.
        depths: (R, S) sample depths along the optical axis, ascending, metres.
        lengths: (R,) norm of each ray direction whose depth component is 1.
        noise: (R, S) added to sigma_raw in training (standard normal in the published form).
        last_interval: length of the interval behind the last sample, in units of depth.
        intervals: (R, S) length that each sample stands for, where that is not the way to the next.

    Returns:
        Integrated; differentiable in the raw values.
    """
    if noise is not None:
        sigma_raw = sigma_raw + noise
    if intervals is None:
        intervals = intervals_between(depths, last_interval)
    weights = compositing_weights(torch.relu(sigma_raw), intervals, lengths)
    features = (weights[..., None] * torch.sigmoid(colour_raw)).sum(dim=1)
    return Integrated(features, weights.sum(dim=-1), (weights * depths).sum(dim=-1), weights, intervals)
