"""The super-resolution with enlarging convolutions folded into four phases, channels innermost, in half precision."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pixel_shuffle

from ...networks import SuperResolution
from ...networks.super_resolution import ACTIVATION_LIMIT


class FoldedSuperResolution(nn.Module):
    """docs/method.md 1.8 over a box that is rounded up: what lies beyond the box is kept at zero between layers.

    Args:
        network: float32.
        dtype: of the convolutions; the picture that they add to stays float32.
    """

    def __init__(self, network: SuperResolution, dtype: torch.dtype) -> None:
        super().__init__()
        self.config, self.dtype = network.config, dtype
        kernel = network.kernel
        weights = {
            "conv00": _phases(network.conv00, kernel) if self.config.factor == 4 else _plain(network.conv00),
            "conv01": _plain(network.conv01),
            "colour0": _plain(network.colour0),
            "conv10": _phases(network.conv10, kernel),
            "conv11": _plain(network.conv11),
            "colour1": _plain(network.colour1),
        }
        for name, (weight, bias) in weights.items():
            innermost = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
            self.register_buffer(name, innermost)
            self.register_buffer(f"{name}_bias", bias.detach().to(dtype).clone())
        spread = kernel.expand(self.config.out_channels, 1, 4, 4)
        self.register_buffer("spread", spread.detach().clone())

    def forward(self, features: torch.Tensor, opacity: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """Enlarge.

        Args:
            features: (1, in_channels, h, w) float32, zero beyond the box.
            opacity: (1, 1, h, w).
            inside: (1, 1, h, w) bool, the box's own pixels.

        Returns:
            (out_channels, factor h, factor w) float32; beyond the box anything.
        """
        factor, get = self.config.factor, self.get_buffer
        outside = ~inside
        wide = _twice(outside)
        image = features[:, :3]
        if self.config.out_channels == 4:
            image = torch.cat([image, opacity], dim=1)
        x = features.to(self.dtype, memory_format=torch.channels_last)
        if factor == 4:
            x, image, outside = self._enlarging("conv00", x), self._enlarge(image), wide
            wide = _twice(wide)
        else:
            x = _activate(conv2d(x, get("conv00"), get("conv00_bias"), padding=1))
        x = x.masked_fill(outside, 0.0)
        x = _activate(conv2d(x, get("conv01"), get("conv01_bias"), padding=1)).masked_fill(outside, 0.0)
        image = (image + self._head("colour0", x)).masked_fill(outside, 0.0)
        x = self._enlarging("conv10", x).masked_fill(wide, 0.0)
        x = _activate(conv2d(x, get("conv11"), get("conv11_bias"), padding=1))
        return (self._enlarge(image) + self._head("colour1", x))[0]

    def _enlarging(self, name: str, x: torch.Tensor) -> torch.Tensor:
        y = conv2d(x, self.get_buffer(name), padding=1)
        return _activate(pixel_shuffle(y, 2) + self.get_buffer(f"{name}_bias")[:, None, None])

    def _head(self, name: str, x: torch.Tensor) -> torch.Tensor:
        colour = conv2d(x, self.get_buffer(name), self.get_buffer(f"{name}_bias")).float()
        return colour.clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)

    def _enlarge(self, image: torch.Tensor) -> torch.Tensor:
        """Twice the size by zero insertion and the low-pass filter."""
        return conv_transpose2d(image, self.get_buffer("spread"), stride=2, padding=1, groups=image.shape[1])


def _twice(mask: torch.Tensor) -> torch.Tensor:
    """Each pixel of (1, 1, h, w) doubled both ways."""
    return mask.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def _plain(convolution: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    bias = convolution.bias
    assert bias is not None
    return convolution.weight, bias


def _phases(convolution: nn.Conv2d, kernel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Transposed convolution of stride 2 and 4x4 filter as one 3x3 convolution to four pixels (exact).

    Output pixel 2 q + p takes input pixels q - 1, q, q + 1 through the entries p + 4, p + 2, p of the two kernels'
    product, which is 6 x 6.

    Returns:
        (4 out, in, 3, 3), phases innermost as ``pixel_shuffle`` reads them; (out,) bias.
    """
    weight, bias = _plain(convolution)
    outputs, inputs = weight.shape[:2]
    filtered = conv2d(weight.reshape(-1, 1, 3, 3), kernel.flip(0, 1)[None, None], padding=3)
    product = filtered.view(outputs, inputs, 6, 6)
    # What pixel q - 1 adds is farthest along in its own product: taps run backwards.
    phases = [product[..., p::2, :][..., r::2].flip(-2, -1) for p in (0, 1) for r in (0, 1)]
    return torch.stack(phases, dim=1).reshape(4 * outputs, inputs, 3, 3), bias


def _activate(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2 times sqrt(2), clamped."""
    return (leaky_relu(x, 0.2) * math.sqrt(2.0)).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
