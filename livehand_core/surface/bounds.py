"""Per-pixel near and far bounds of the rays, from the depth of the proxy mesh (docs/method.md 1.2)."""

from __future__ import annotations

import torch
from torch.nn import functional

MARGIN = 0.01
"""Metres added in front of and behind the filtered depth, in the published form."""


def ray_bounds(depth: torch.Tensor, kernel: int, margin: float = MARGIN) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest and farthest depth in a window around each pixel, widened by ``margin``.

    Args:
        depth: (H, W) metres, infinity in the background.
        kernel: side of the square window, odd.
        margin: metres.

    Returns:
        near, far (H, W); infinity and minus infinity where the window holds no surface, so ``near < far`` says
        which rays to evaluate.
    """
    radius = kernel // 2
    far = -_minimum(torch.where(torch.isfinite(depth), -depth, torch.inf), kernel, radius)
    return _minimum(depth, kernel, radius) - margin, far + margin


def _minimum(image: torch.Tensor, kernel: int, radius: int) -> torch.Tensor:
    pooled = functional.max_pool2d(-image[None, None], (1, kernel), stride=1, padding=(0, radius))
    return -functional.max_pool2d(pooled, (kernel, 1), stride=1, padding=(radius, 0))[0, 0]
