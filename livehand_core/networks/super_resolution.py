"""Super-resolution of a feature image by 2 or 4: four convolutions and two colour heads, docs/method.md 1.8.

The published network's modulation is by a constant, so its weights are baked into ordinary convolutions on import.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from .config import SuperResolutionConfig

ACTIVATION_LIMIT = 256.0
KERNEL_TAPS = (1.0, 3.0, 3.0, 1.0)


class SuperResolution(nn.Module):
    """Feature image -> RGB or material (and opacity) of ``factor`` times its size."""

    kernel: torch.Tensor

    def __init__(self, config: SuperResolutionConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.hidden
        self.conv00 = nn.Conv2d(config.in_channels, first, 3, padding=1)
        self.conv01 = nn.Conv2d(first, first, 3, padding=1)
        self.colour0 = nn.Conv2d(first, config.out_channels, 1)
        self.conv10 = nn.Conv2d(first, second, 3, padding=1)
        self.conv11 = nn.Conv2d(second, second, 3, padding=1)
        self.colour1 = nn.Conv2d(second, config.out_channels, 1)
        taps = torch.tensor(KERNEL_TAPS)
        self.register_buffer("kernel", torch.outer(taps, taps) / 16.0, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Unit-variance convolutions, and colour heads so small that the output starts as the upsampled input."""
        for convolution in (self.conv00, self.conv01, self.conv10, self.conv11):
            nn.init.normal_(convolution.weight, std=1.0 / math.sqrt(convolution.weight[0].numel()))
        for head in (self.colour0, self.colour1):
            nn.init.normal_(head.weight, std=0.1 / math.sqrt(head.in_channels))
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, features: torch.Tensor, opacity: torch.Tensor | None = None) -> torch.Tensor:
        """Upsample. Differentiable.

        Args:
            features: (N, in_channels, h, w) feature image, zero in the background.
            opacity: (N, 1, h, w); needed where the network gives opacity, otherwise not used.

        Returns:
            (N, out_channels, factor h, factor w); not clamped.
        """
        image = features[:, : self.config.out_channels - self.config.gives_opacity]
        if self.config.gives_opacity:
            assert opacity is not None, "an output of opacity needs the low-resolution opacity"
            image = torch.cat([image, opacity], dim=1)
        if self.config.factor == 4:
            x = _activate(self._upsampling(self.conv00, features))
            image = self._upsample(image)
        else:
            x = _activate(self.conv00(features))
        x = _activate(self.conv01(x))
        image = image + self.colour0(x).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        x = _activate(self._upsampling(self.conv10, x))
        x = _activate(self.conv11(x))
        return self._upsample(image) + self.colour1(x).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)

    def _upsampling(self, convolution: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        """Transposed convolution of stride 2, then the 4x4 low-pass filter of each channel."""
        # A transposed convolution scatters: its kernel is the correlation kernel with in and out swapped.
        x = functional.conv_transpose2d(x, convolution.weight.transpose(0, 1), stride=2)
        kernel = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        x = functional.conv2d(x, kernel, padding=1, groups=x.shape[1])
        bias = convolution.bias
        return x if bias is None else x + bias.to(x.dtype)[:, None, None]

    def _upsample(self, image: torch.Tensor) -> torch.Tensor:
        """Twice the size by zero insertion and the same filter."""
        channels = image.shape[1]
        kernel = self.kernel.to(image.dtype).expand(channels, 1, 4, 4)
        return functional.conv_transpose2d(image, kernel, stride=2, padding=1, groups=channels)


def _activate(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2 times sqrt(2), clamped."""
    return (functional.leaky_relu(x, 0.2) * math.sqrt(2.0)).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
