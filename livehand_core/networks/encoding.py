"""Positional encoding gamma_L of NeRF (arXiv 2003.08934, eq. 4), without the factor pi."""

from __future__ import annotations

import torch


def encode(x: torch.Tensor, frequencies: int) -> torch.Tensor:
    """gamma_L(x) = [x, sin(2^0 x), cos(2^0 x), ..., sin(2^(L-1) x), cos(2^(L-1) x)].

    Args:
        x: (..., C) coordinates; differentiable.
        frequencies: L.

    Returns:
        (..., C (1 + 2 L)).
    """
    if frequencies == 0:
        return x
    scales = 2.0 ** torch.arange(frequencies, dtype=x.dtype, device=x.device)
    angles = x[..., None, :] * scales[:, None]
    waves = torch.stack([angles.sin(), angles.cos()], dim=-2)
    return torch.cat([x, waves.flatten(-3)], dim=-1)
