"""The training loss as pure functions: squared error, and a perceptual term that needs no learned weights.

Errors are **sums** over pixels and not means: the loss of an image is the sum of its tiles' losses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from . import loss_kernels
from .precision import has_loops

STRUCTURE_WINDOW = loss_kernels.WINDOW
STRUCTURE_CONSTANT = 0.03**2
SCALES = 3


def squared_error(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sum over pixels of the mean squared error over channels. (C, H, W) each -> scalar."""
    return (image - target).square().mean(dim=0).sum()


class Frame(NamedTuple):
    """Where an image lies in a larger one in which everything around it is flat: its place and the larger size."""

    left: int
    top: int
    width: int
    height: int


def structure_error(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How much local contrast and structure differ: 1 - cs of SSIM (Wang 2004, eq. 9 and 10) in 7 px windows.

    cs = (2 cov + c) / (var + var' + c), which is 1 where both are flat.

    Args:
        image, target: (3, H, W) in [0, 1]; differentiable in ``image``.

    Returns:
        Sum over the windows inside the image, and over channels.
    """
    if min(image.shape[-2:]) < STRUCTURE_WINDOW:
        return image.new_zeros(())
    stacked = torch.cat([image, target, image * image, target * target, image * target])
    means = functional.avg_pool2d(stacked[None], STRUCTURE_WINDOW, stride=1)[0]
    x, y, xx, yy, xy = means.split(3)
    contrast = (2.0 * (xy - x * y) + STRUCTURE_CONSTANT) / (xx - x * x + yy - y * y + STRUCTURE_CONSTANT)
    return (1.0 - contrast).sum()


def gradient_error(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sum of absolute differences of the horizontal and vertical finite differences. (3, H, W) each -> scalar."""
    difference = image - target
    return difference.diff(dim=-1).abs().sum() + difference.diff(dim=-2).abs().sum()


class _Compiled(torch.autograd.Function):
    """Both errors with their weights, on the CPU; the gradient is found in the forward pass."""

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, target: torch.Tensor, weights: tuple[float, float]) -> torch.Tensor:
        slope = torch.zeros_like(image, memory_format=torch.contiguous_format)
        arrays = image.contiguous().numpy(), target.contiguous().numpy()
        structure = loss_kernels.structure(*arrays, STRUCTURE_CONSTANT, weights[0], slope.numpy())
        steps = loss_kernels.steps(*arrays, weights[1], slope.numpy())
        ctx.save_for_backward(slope)
        return image.new_tensor(weights[0] * structure + weights[1] * steps)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (slope,) = ctx.saved_tensors
        return gradient * slope, None, None


def perceptual_error(
    image: torch.Tensor,
    target: torch.Tensor,
    structure: float,
    gradient: float,
    frame: Frame | None = None,
    plain: bool = False,
) -> torch.Tensor:
    """The weight-free perceptual term: structure and gradient errors at three scales, each half the last.

    Args:
        image, target: (3, H, W) sRGB in [0, 1] over black; differentiable in ``image``.
        structure, gradient: weights of the two parts.
        frame: of an image that holds all of a larger one that is not flat: the answer is the larger one's, and both
            must be 0 where they are flat (subtract what they are there; neither part sees a constant).
        plain: by torch alone, also where there are compiled loops.

    Returns:
        Scalar: the mean a pixel of each scale, times the number of pixels, of the frame where there is one.
    """
    total = image.new_zeros(())
    frame = frame or Frame(0, 0, image.shape[2], image.shape[1])
    pixels = frame.width * frame.height
    for _ in range(SCALES):
        (image, target), frame = _bordered((image, target), frame)
        windows = 3 * max(frame.width - STRUCTURE_WINDOW + 1, 1) * max(frame.height - STRUCTURE_WINDOW + 1, 1)
        weights = structure * pixels / windows, gradient * pixels / (3 * frame.width * frame.height)
        if has_loops(image.device) and not plain:
            total = total + _Compiled.apply(image, target, weights)  # type: ignore[no-untyped-call]
        else:
            total = total + weights[0] * structure_error(image, target) + weights[1] * gradient_error(image, target)
        if min(frame.width, frame.height) < 2 * STRUCTURE_WINDOW:
            break
        image, target = functional.avg_pool2d(image[None], 2)[0], functional.avg_pool2d(target[None], 2)[0]
        frame = Frame(*(value // 2 for value in frame))
    return total / SCALES


def _bordered(images: tuple[torch.Tensor, ...], frame: Frame) -> tuple[tuple[torch.Tensor, ...], Frame]:
    """With as much of the flat rest as windows reach that hold something, from an even place on, so that it halves."""
    reach = STRUCTURE_WINDOW - 1
    height, width = images[0].shape[-2:]
    left, top = (max(start - reach, 0) // 2 * 2 for start in (frame.left, frame.top))
    right = min((frame.left + width + reach + 1) // 2 * 2, frame.width)
    bottom = min((frame.top + height + reach + 1) // 2 * 2, frame.height)
    border = (frame.left - left, right - frame.left - width, frame.top - top, bottom - frame.top - height)
    if any(border):
        images = tuple(functional.pad(image, border) for image in images)
    return images, frame._replace(left=left, top=top)


def downsampled(image: torch.Tensor, factor: int) -> torch.Tensor:
    """Antialiased bilinear reduction. (C, H, W) -> (C, ceil(H / factor), ceil(W / factor))."""
    height, width = image.shape[-2:]
    size = (-(-height // factor), -(-width // factor))
    return functional.interpolate(image[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]
