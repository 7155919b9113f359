"""The training loss as pure functions: squared error, and a perceptual term that needs no learned weights.

Every function returns a **sum** over pixels and not a mean: the loss of an image is the sum of its tiles' losses.
"""

from __future__ import annotations

import torch
from torch.nn import functional

STRUCTURE_WINDOW = 7
STRUCTURE_CONSTANT = 0.03**2
SCALES = 3


def squared_error(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sum over pixels of the mean squared error over channels. (C, H, W) each -> scalar."""
    return (image - target).square().mean(dim=0).sum()


def structure_error(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How much local contrast and structure differ: 1 - cs of SSIM (Wang 2004, eq. 9 and 10) in 7 px windows.

    cs = (2 cov + c) / (var + var' + c), which is 1 where both are flat. Windows lie inside the image; each stands for
    one pixel of the sum, scaled so that H x W pixels count.

    Args:
        image, target: (3, H, W) in [0, 1]; differentiable in ``image``.
    """
    height, width = image.shape[-2:]
    if min(height, width) < STRUCTURE_WINDOW:
        return image.new_zeros(())
    stacked = torch.cat([image, target, image * image, target * target, image * target])
    means = functional.avg_pool2d(stacked[None], STRUCTURE_WINDOW, stride=1)[0]
    x, y, xx, yy, xy = means.split(3)
    contrast = (2.0 * (xy - x * y) + STRUCTURE_CONSTANT) / (xx - x * x + yy - y * y + STRUCTURE_CONSTANT)
    return (1.0 - contrast).mean() * (height * width)


def gradient_error(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sum of absolute differences of the horizontal and vertical finite differences. (3, H, W) each -> scalar."""
    difference = image - target
    horizontal = difference.diff(dim=-1).abs().mean(dim=0).sum()
    vertical = difference.diff(dim=-2).abs().mean(dim=0).sum()
    return horizontal + vertical


def perceptual_error(image: torch.Tensor, target: torch.Tensor, structure: float, gradient: float) -> torch.Tensor:
    """The weight-free perceptual term: structure and gradient errors at three scales, each half the last.

    Args:
        image, target: (3, H, W) sRGB in [0, 1] over black; differentiable in ``image``.
        structure, gradient: weights of the two parts.

    Returns:
        Scalar sum over the pixels of the full scale.
    """
    total = image.new_zeros(())
    for scale in range(SCALES):
        pixels = 4**scale
        total = total + pixels * structure * structure_error(image, target)
        total = total + pixels * gradient * gradient_error(image, target)
        if min(image.shape[-2:]) < 2 * STRUCTURE_WINDOW:
            break
        image = functional.avg_pool2d(image[None], 2)[0]
        target = functional.avg_pool2d(target[None], 2)[0]
    return total / SCALES


def downsampled(image: torch.Tensor, factor: int) -> torch.Tensor:
    """Antialiased bilinear reduction. (C, H, W) -> (C, ceil(H / factor), ceil(W / factor))."""
    height, width = image.shape[-2:]
    size = (-(-height // factor), -(-width // factor))
    return functional.interpolate(image[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]
