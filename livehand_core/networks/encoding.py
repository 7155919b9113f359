"""What coordinates become before the first layer: their encoding (NeRF, arXiv 2003.08934, eq. 4, no pi), and texels."""

from __future__ import annotations

import torch
from torch.nn import functional


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
    pairs = torch.stack([angles.sin(), angles.cos()], dim=-2)
    return torch.cat([x, pairs.flatten(-3)], dim=-1)


def look_up(texture: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """Bilinear look-up; beyond the outermost texels' centres the value stays.

    Args:
        texture: (S, S, C), row by v, column by u; texel (i, j) has its centre at u = (j + 1/2) / S, v = (i + 1/2) / S.
        uv: (..., 2) in [0, 1]; differentiable in both.

    Returns:
        (..., C).
    """
    image = texture.permute(2, 0, 1)[None]
    places = (2.0 * uv - 1.0).reshape(1, 1, -1, 2)
    values = functional.grid_sample(image, places, mode="bilinear", padding_mode="border", align_corners=False)
    return values[0, :, 0].T.reshape(*uv.shape[:-1], texture.shape[-1])
