"""A texture of the skin looked up at the picture's own resolution, in a chain of halved ones (docs/method.md 1.12)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from .config import detail_shapes
from .encoding import look_up


class DetailTexture(nn.Module):
    """What is added to a relightable avatar's material: creases and pores need not pass through the feature image.

    Attributes:
        texture: (S, S, C) over (u, v).
        head: (13, C) from its channels to the material's.
        relief: (R, R) over (u, v), R a part of S: millimetres that the skin stands above the proxy.
    """

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        shapes = detail_shapes(size, channels)
        self.texture = nn.Parameter(torch.zeros(shapes["texture"]))
        self.head = nn.Parameter(torch.randn(shapes["head"]) / math.sqrt(channels))
        self.relief = nn.Parameter(torch.zeros(shapes["relief"]))

    def forward(
        self, uv: torch.Tensor, lean: torch.Tensor, footprint: torch.Tensor, texture: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(P, 13) to be added where the hand is opaque, by parallax mapping. Differentiable in the parameters.

        Args:
            uv: (P, 2) texture coordinates of the proxy.
            lean: (P, 2) by how much they change for each millimetre that the skin stands above it.
            footprint: (P,) texture coordinates that a pixel spans.
            texture: an identity's, in place of the own one.
        """
        uv = uv + look_up(self.relief[..., None], uv) * lean
        return trilinear(self.texture if texture is None else texture, uv, footprint) @ self.head.T


def identity_texture(shared: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """(S, S, C): a shared texture with what an identity adds to it, (R, R, C), R a part of S. Differentiable."""
    if len(residual) == len(shared):
        return shared + residual
    enlarged = functional.interpolate(residual.permute(2, 0, 1)[None], size=shared.shape[:2], mode="bilinear")
    return shared + enlarged[0].permute(1, 2, 0)


def trilinear(texture: torch.Tensor, uv: torch.Tensor, footprint: torch.Tensor) -> torch.Tensor:
    """(P, C): a texture (S, S, C), S a power of two, looked up where a pixel spans as much as a texel.

    The levels are means of 2 x 2 texels; between two of them the look-up is linear in the logarithm of the span.
    """
    level = (footprint * len(texture)).clamp(min=1.0).log2().clamp(max=math.log2(len(texture)))
    levels = [texture]
    while len(levels) <= (math.ceil(float(level.max())) if len(level) else 0):
        halved = functional.avg_pool2d(levels[-1].permute(2, 0, 1)[None], 2)[0]
        levels.append(halved.permute(1, 2, 0))
    answer = uv.new_zeros(len(uv), texture.shape[-1])
    for number, one in enumerate(levels):
        share = (1.0 - (level - number).abs()).clamp(min=0.0)
        (seen,) = torch.nonzero(share, as_tuple=True)
        if len(seen):
            answer = answer.index_add(0, seen, share[seen, None] * look_up(one.contiguous(), uv[seen]))
    return answer
