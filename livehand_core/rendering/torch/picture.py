"""The feature image -> the picture: super-resolution, opacity ramp, depths at its size (docs/method.md 1.8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from ...framing import Box
from ...kernels.compose import ALPHA_RAMP, LIT_RAMP, WEIGHT_FLOOR
from ...networks import SuperResolution
from ..clock import Clock
from .features import FeatureImage

TILE = 192
"""Side of the feature image's tiles that go through the super-resolution at once; bounds memory and cancel time."""


def upsampled(
    network: SuperResolution,
    low: FeatureImage,
    offset: float,
    clock: Clock,
    plain: bool = False,
    lit: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """(H, W, 6) of ``factor`` times the feature image's size: premultiplied RGBA, weighted depth, weight.

    Args:
        network: super-resolution.
        low: the feature image.
        offset: where in a pixel the avatar's rays start.
        clock: is asked between tiles whether to stop.
        plain: the whole image at once; differentiable.
        lit: of relightable avatars: (14, H, W) materials and opacity -> (4, H, W) in their light.
    """
    factor = network.config.factor
    image = (_whole if plain else _tiled)(network, low.features, low.opacity, clock)
    clipped = lit is None
    if lit is not None:
        image = lit(image)
    weight = (low.opacity + float(WEIGHT_FLOOR)) * low.valid
    planes = torch.stack([weight * torch.where(low.valid, low.depth, 0.0), weight])
    rgba = to_rgba(image, low.opacity, support_mask(low.valid, factor), offset, clipped)
    return torch.cat([rgba, upsample_bilinear(planes, factor, offset).movedim(0, -1)], dim=-1)


def _whole(network: SuperResolution, features: torch.Tensor, opacity: torch.Tensor, clock: Clock) -> torch.Tensor:
    """(C, h, w) and (h, w) -> (3 or 4, factor h, factor w)."""
    clock.check()
    answer: torch.Tensor = network(features[None], opacity[None, None])[0]
    return answer


def _tiled(network: SuperResolution, features: torch.Tensor, opacity: torch.Tensor, clock: Clock) -> torch.Tensor:
    """The same in tiles that overlap by the receptive field, channels innermost as the convolutions like them."""
    config, (height, width) = network.config, opacity.shape
    factor = config.factor
    output = features.new_empty(config.out_channels, height * factor, width * factor)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            tile = Box(left, top, min(left + TILE, width), min(top + TILE, height))
            wide = tile.grown(config.receptive_radius, width, height)
            innermost = features[(slice(None), *wide.window)][None].contiguous(memory_format=torch.channels_last)
            piece = network(innermost, opacity[wide.window][None, None])[0]
            own, place = tile.moved(-wide.left, -wide.top).times(factor), tile.times(factor)
            output[(slice(None), *place.window)] = piece[(slice(None), *own.window)]
            clock.check()
    return output


def support_mask(valid: torch.Tensor, factor: int) -> torch.Tensor:
    """(h, w) bool of evaluated rays -> (factor h, factor w) bool: where the hand may be drawn."""
    return valid.repeat_interleave(factor, dim=0).repeat_interleave(factor, dim=1)


def to_rgba(
    output: torch.Tensor, opacity: torch.Tensor, support: torch.Tensor, offset: float, clipped: bool = True
) -> torch.Tensor:
    """Super-resolution's answer -> premultiplied RGBA.

    Args:
        output: (3 or 4, H, W); with three channels alpha is the upsampled opacity.
        opacity: (h, w) of the feature image.
        support: (H, W) bool; nothing is drawn outside it, where the networks only ever saw zeros.
        offset: where in a pixel the avatar's rays start.
        clipped: whether no colour may exceed alpha; in the light of a scene it may.

    Returns:
        (H, W, 4) with alpha in [0, 1], faded out within ALPHA_RAMP, or LIT_RAMP.
    """
    factor = output.shape[-1] // opacity.shape[-1]
    alpha = output[3] if len(output) == 4 else upsample_bilinear(opacity[None], factor, offset)[0]
    begin, end = ALPHA_RAMP if clipped else LIT_RAMP
    alpha = torch.where(support, (alpha * ((alpha - begin) / (end - begin)).clamp(0.0, 1.0)).clamp(max=1.0), 0.0)
    if clipped:
        colour = output[:3].clamp(min=0.0).minimum(alpha)
    else:
        # As opacity fades, so do the colours that lie under it.
        colour = output[:3] * (alpha / output[3].clamp(min=1e-6)).clamp(max=1.0)
    return torch.cat([colour, alpha[None]]).movedim(0, -1)


def upsample_bilinear(planes: torch.Tensor, factor: int, offset: float) -> torch.Tensor:
    """(C, h, w) -> (C, factor h, factor w), bilinear; samples lie ``offset`` inside the pixels of both images."""
    for axis in (1, 2):
        size = planes.shape[axis]
        place = torch.arange(size * factor, device=planes.device, dtype=planes.dtype)
        place = ((place + offset) / factor - offset).clamp(0.0, size - 1.0)
        first = place.long()
        share = (place - first).view((-1, 1) if axis == 1 else (-1,))
        second = (first + 1).clamp(max=size - 1)
        planes = torch.lerp(planes.index_select(axis, first), planes.index_select(axis, second), share)
    return planes


def resized(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """(h, w, C) -> (height, width, C), bilinear, antialiased where it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    planes = image.movedim(-1, 0)[None]
    return functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)[0].movedim(0, -1)
