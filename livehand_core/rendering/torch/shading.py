"""The pixel stage of shading, in torch: gains times features of the light, linear in it (docs/method.md 1.12)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from ... import harmonics
from ...kernels.compose import LIT_RAMP
from ...kernels.shading.edges import Edges
from ...kernels.shading.material import BACK, BEND, LEAST_ALPHA, LEAST_SOLID, LOBE_GAIN, ROUGH
from ..shading.pixels import LitPixels
from ..shading.received import Received


class LitTensors(NamedTuple):
    """``LitPixels`` as tensors, and what of the light is the same for all pixels.

    Attributes:
        normal, tangent, view, sky, scatter, back, towards, facing, uv, lean, footprint: as there.
        irradiance, lobes: as in ``Received``.
        sine, flux: (L,) of the lamps; sharpness, most: (L, 2) of their lobes.
    """

    normal: torch.Tensor
    tangent: torch.Tensor
    view: torch.Tensor
    sky: torch.Tensor
    scatter: torch.Tensor
    back: torch.Tensor
    towards: torch.Tensor
    facing: torch.Tensor
    uv: torch.Tensor
    lean: torch.Tensor
    footprint: torch.Tensor
    irradiance: torch.Tensor
    lobes: torch.Tensor
    sine: torch.Tensor
    flux: torch.Tensor
    sharpness: torch.Tensor
    most: torch.Tensor

    @classmethod
    def of(
        cls, pixels: LitPixels, received: Received, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> LitTensors:
        """On a device, in a precision."""
        lamps = received.lamps
        lobes = np.array([lamp.lobes for lamp in lamps]).reshape(len(lamps), 2, 2)
        sine, flux = np.array([lamp.sine for lamp in lamps]), np.array([lamp.flux for lamp in lamps])
        constants = received.irradiance, received.lobes, sine, flux, lobes[..., 0], lobes[..., 1]
        return cls(*(torch.as_tensor(value, dtype=dtype, device=device) for value in (*pixels, *constants)))


class LitEdges(NamedTuple):
    """``Edges`` as tensors, int64 indices into the pixels of a tile."""

    into: torch.Tensor
    source: torch.Tensor
    share: torch.Tensor

    @classmethod
    def of(cls, edges: Edges, device: torch.device, dtype: torch.dtype = torch.float32) -> LitEdges:
        """On a device, in a precision."""
        kinds = torch.int64, torch.int64, dtype
        return cls(*(torch.as_tensor(one, dtype=kind, device=device) for one, kind in zip(edges, kinds, strict=True)))


class LitTile(NamedTuple):
    """Pixels of a picture, or of a part of one, that see the skin.

    Attributes:
        places: (P,) int64 flat indices into it.
        lit: of these pixels; edges: between them.
    """

    places: torch.Tensor
    lit: LitTensors
    edges: LitEdges


def lit_picture(image: torch.Tensor, tile: LitTile, detail: torch.Tensor | None = None) -> torch.Tensor:
    """(4, H, W) premultiplied sRGB, going on above 1, and opacity, of a tile of materials. Differentiable.

    Args:
        image: (14, H, W) material and opacity.
        tile: its pixels that see the skin; elsewhere it is black.
        detail: (P, 13) to be added to the material of these, times opacity.
    """
    flat = image.reshape(len(image), -1)
    some = flat[:, tile.places].T
    material, alpha = some[:, :-1], some[:, -1].clamp(0.0, 1.0)
    if detail is not None:
        material = material + alpha[:, None] * detail
    colour = encoded(blended(shaded(material, alpha, tile.lit), alpha, tile.edges), alpha[:, None])
    answer = torch.cat([torch.zeros_like(flat[:3]).index_copy(1, tile.places, colour.T), flat[-1:]])
    return answer.view(4, *image.shape[1:])


def blended(colour: torch.Tensor, alpha: torch.Tensor, edges: LitEdges) -> torch.Tensor:
    """(P, 3) premultiplied scene-linear colours with what edges leave to neighbours. Differentiable.

    Args:
        colour: (P, 3) of the same kind; alpha: (P,) opacity, of which as much is exchanged as both have.
    """
    straight = colour / alpha.clamp(min=LEAST_SOLID)[:, None]
    both = torch.minimum(alpha[edges.into], alpha[edges.source])
    share = torch.where(both > LIT_RAMP[0], edges.share * both, 0.0)
    change = share[:, None] * (straight[edges.source] - straight[edges.into])
    return colour.index_add(0, edges.into, change)


def shaded(material: torch.Tensor, alpha: torch.Tensor, lit: LitTensors) -> torch.Tensor:
    """(P, 3) scene-linear radiance, premultiplied, of pixels. Differentiable.

    Args:
        material: (P, 13) premultiplied, as the networks give it.
        alpha: (P,) opacity.
        lit: P pixels.
    """
    offset = BEND * (material[:, 11:13] - 0.5 * alpha[:, None]) / alpha.clamp(min=LEAST_ALPHA)[:, None]
    return radiance(material, alpha, light_features(lit, offset))


def radiance(material: torch.Tensor, alpha: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """(P, 3): gains of (P, 13) material, from 0 to (P,) alpha, times (P, 5, 3) features."""
    gains = _Floor.apply(material[:, :11])  # type: ignore[no-untyped-call]
    # But light from behind: what hardly passes through skin would learn noise.
    gains = torch.cat([gains[:, :BACK], material[:, BACK:ROUGH].clamp(min=0.0), gains[:, ROUGH:]], dim=1)
    # A pixel that the hand hardly covers shines no brighter than white skin. Training still learns what is above that.
    gains = gains - (gains - alpha[:, None]).clamp(min=0.0).detach()
    colours = gains[:, :9].view(-1, 3, 3) * features[:, :3]
    return colours.sum(dim=1) + LOBE_GAIN * (gains[:, 9:, None] * features[:, 3:]).sum(dim=1)


class _Floor(torch.autograd.Function):
    """At least 0; a number below it still learns to rise, as a gain that once was too small otherwise never could."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values)
        return values.clamp(min=0.0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (values,) = ctx.saved_tensors
        return torch.where((values < 0.0) & (gradient > 0.0), 0.0, gradient)


def light_features(lit: LitTensors, offset: torch.Tensor | None = None) -> torch.Tensor:
    """(P, 5, 3): diffuse, scattered and back light as irradiance over pi, and two reflection lobes.

    Args:
        lit: P pixels.
        offset: (P, 2) of the normal along the tangent and the other way; None for none.
    """
    normal = lit.normal
    if offset is not None:
        across = torch.linalg.cross(lit.normal, lit.tangent)
        bent = lit.normal + offset[:, :1] * lit.tangent + offset[:, 1:] * across
        normal = torch.nn.functional.normalize(bent, dim=-1)
    mirrored = lit.view - 2.0 * (lit.view * normal).sum(dim=-1, keepdim=True) * normal
    around, reflected = harmonic_basis(normal), harmonic_basis(mirrored)
    diffuse = (around @ lit.irradiance).clamp(min=0.0) * lit.sky
    lobes = [(reflected @ lobe).clamp(min=0.0) * lit.sky for lobe in lit.lobes]
    if lit.towards.shape[1]:
        cosine = (lit.towards * normal[:, None]).sum(dim=-1)
        diffuse = diffuse + (wrapped_cosine(cosine, lit.sine)[..., None] * lit.facing).sum(dim=1) / math.pi
        cosine = (lit.towards * mirrored[:, None]).sum(dim=-1)
        flux = lit.flux[:, None] * lit.facing
        for index in range(len(lobes)):
            sharpness, most = lit.sharpness[:, index], lit.most[:, index]
            peak = sharpness / (2.0 * math.pi * -torch.expm1(-2.0 * sharpness))
            density = torch.minimum(peak * torch.exp(sharpness * (cosine - 1.0)), most)
            lobes[index] = lobes[index] + (density[..., None] * flux).sum(dim=1)
    return torch.stack([diffuse, lit.scatter, lit.back, *lobes], dim=1)


def wrapped_cosine(cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """As ``shading.received.wrapped_cosine``, for (..., L) cosines and (L,) sines."""
    sine = sine.clamp(min=1e-4)
    between = torch.minimum((cosine + sine).clamp(min=0.0), 2.0 * sine).square() / (4.0 * sine)
    return between + (cosine - sine).clamp(min=0.0)


def harmonic_basis(directions: torch.Tensor) -> torch.Tensor:
    """(..., 3) unit directions -> (..., 16), as ``harmonics.basis``."""
    return torch.stack(harmonics.terms(*directions.unbind(-1)), dim=-1)


def encoded(colour: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Premultiplied scene-linear -> premultiplied sRGB, which goes on above 1. Differentiable.

    Args:
        colour: (..., 3), not negative.
        alpha: (..., 1).
    """
    straight = colour / alpha.clamp(min=LEAST_SOLID)
    curve = 1.055 * straight.clamp(min=0.0031308).pow(1.0 / 2.4) - 0.055
    return torch.where(straight <= 0.0031308, 12.92 * straight, curve) * alpha
