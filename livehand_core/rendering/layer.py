"""One hand's images inside its box, before hands are merged."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch.nn import functional

from .framing import Box

ALPHA_FLOOR = 0.02
"""Opacity under which a pixel is empty: the networks' noise beside the hand would fray depth, normals and edges."""


@dataclass(frozen=True)
class Layer:
    """Images of one hand over the pixels of its box.

    Attributes:
        box: where in the request's image.
        rgba: (h, w, 4) display-referred, premultiplied.
        depth: (h, w) metres in the world along the optical axis, infinity where alpha is 0.
        normal: (h, w, 3) world space, or None when not asked for.
        uvd: (h, w, 3) or None when not asked for.
        low_box: where in the feature image.
        low_size: (width, height) of the feature image.
        low_rgba: (h', w', 4) the volume-rendered image.
        low_depth: (h', w') expected depth in the world, infinity where nothing is.
    """

    box: Box
    rgba: torch.Tensor
    depth: torch.Tensor
    normal: torch.Tensor | None
    uvd: torch.Tensor | None
    low_box: Box
    low_size: tuple[int, int]
    low_rgba: torch.Tensor
    low_depth: torch.Tensor

    def flipped(self, width: int) -> Layer:
        """Mirrored left to right within an image of ``width`` pixels."""
        changes: dict[str, object] = {
            item.name: value.flip(1)
            for item in fields(self)
            if isinstance(value := getattr(self, item.name), torch.Tensor)
        }
        box, low = self.box, self.low_box
        changes["box"] = Box(width - box.right, box.top, width - box.left, box.bottom)
        low_width = self.low_size[0]
        changes["low_box"] = Box(low_width - low.right, low.top, low_width - low.left, low.bottom)
        return replace(self, **changes)  # type: ignore[arg-type]


def resize(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """(h, w, C) -> (height, width, C), bilinear, antialiased where it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    planes = image.movedim(-1, 0)[None]
    return functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)[0].movedim(0, -1)


def enlarge(planes: torch.Tensor, factor: int) -> torch.Tensor:
    """(C, h, w) -> (C, factor h, factor w), bilinear, half-pixel centres."""
    return functional.interpolate(planes[None], scale_factor=factor, mode="bilinear", align_corners=False)[0]


def on_canvas(image: torch.Tensor, left: int, top: int, width: int, height: int) -> torch.Tensor:
    """(h, w, C) placed in an empty (height, width, C); what reaches past its edges is cut."""
    canvas = image.new_zeros(height, width, image.shape[2])
    window = canvas[top : top + image.shape[0], left : left + image.shape[1]]
    window[:] = image[: window.shape[0], : window.shape[1]]
    return canvas


def support_mask(valid: torch.Tensor, factor: int) -> torch.Tensor:
    """(h, w) bool of evaluated rays -> (factor h, factor w) bool: where the hand may be drawn."""
    return valid.repeat_interleave(factor, dim=0).repeat_interleave(factor, dim=1)


def to_rgba(output: torch.Tensor, opacity: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Super-resolution's answer -> premultiplied RGBA.

    Args:
        output: (3 or 4, H, W); with three channels alpha is the enlarged opacity.
        opacity: (h, w) of the feature image.
        support: (H, W) bool; nothing is drawn outside it, where the networks only ever saw zeros.

    Returns:
        (H, W, 4) with alpha in [0, 1] and no colour above alpha.
    """
    factor = output.shape[-1] // opacity.shape[-1]
    alpha = output[3] if len(output) == 4 else enlarge(opacity[None], factor)[0]
    alpha = torch.where(support & (alpha >= ALPHA_FLOOR), alpha.clamp(max=1.0), 0.0)
    colour = output[:3].clamp(min=0.0).minimum(alpha)
    return torch.cat([colour, alpha[None]]).movedim(0, -1)
