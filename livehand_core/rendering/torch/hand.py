"""One avatar drawn by one camera with torch, on any device and for every form of avatar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...avatars.file import Avatar
from ...framing import Box
from ...hand.data import HandData
from ...hand.model import HandModel
from ...identities import IdentityChoice
from ...kernels.compose import ALPHA_RAMP
from ...poses import HandPose
from ...surface import face_neighbours, rasterise_depth, ray_bounds
from ..clock import Clock
from ..hand import DrawnHand
from ..layer import Layer
from ..placing import in_the_layers_box, low_image
from ..plan import Plan
from ..setup import conditioning, identity_shares
from .geometry import geometry_passes
from .identity_textures import IdentityTextures
from .rays import camera_rays
from .volume import Conditioning, Proxy, volume_render

TILE = 192
"""Side of the feature image's tiles that go through the super-resolution at once; bounds memory and cancel time."""

OPACITY_FLOOR = 1e-4
"""Opacity under which an expected depth says nothing."""


@dataclass(frozen=True)
class FeatureImage:
    """The feature image inside the hand's box.

    Attributes:
        proxy: the posed mesh that it is of.
        features: (C, h, w); opacity, depth (expected, infinity where no ray was evaluated): (h, w).
        valid: (h, w) bool, rays that were evaluated.
    """

    proxy: Proxy
    features: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    valid: torch.Tensor


class TorchHand(DrawnHand[FeatureImage, torch.Tensor]):
    """An avatar and its hand model on a device.

    Args:
        avatar: of any form.
        hand: the model it was trained on.
        device: where.

    Raises:
        AvatarError: the avatar was trained on another hand.
    """

    def __init__(self, avatar: Avatar, hand: HandData, device: torch.device) -> None:
        super().__init__(avatar.metadata, hand)
        self.device = device
        self.model = HandModel(hand, device)
        self.field, self.fine, self.enlarge = avatar.networks(device)
        # Channels innermost: what the convolutions are fastest with, on the CPU by a third.
        torch.nn.utils.convert_conv2d_weight_memory_format(self.enlarge, torch.channels_last)
        self._codes = None if avatar.latent is None else avatar.latent.cpu().numpy()
        self._textures = [
            IdentityTextures(list(network.textures), avatar.identity_textures)
            for network in (self.field, self.fine)
            if network is not None
        ]
        self._neighbours = face_neighbours(self.model.faces)

    def posed(self, pose: HandPose) -> np.ndarray:
        """See the base class."""
        vertices: np.ndarray = self.model([pose])[0][0].cpu().numpy()
        return vertices

    def features(
        self, plan: Plan, identity: IdentityChoice, passes: frozenset[str], clock: Clock
    ) -> FeatureImage | None:
        """See the base class."""
        vertices = torch.from_numpy(plan.vertices).to(self.device)
        proxy = Proxy.of(vertices, self.model.faces, self.model.face_uv, self._neighbours)
        pose, code = conditioning(self.metadata, self._codes, plan.view, identity)
        for textures in self._textures:
            textures.show(identity_shares(self.metadata, self._codes, identity))
        conditions = Conditioning(self._tensor(pose), None if code is None else self._tensor(code))
        with clock.stage("raster"):
            box, seen = plan.low_box, plan.low_box.of(plan.low)
            depth = rasterise_depth(vertices, proxy.faces, seen)
            near, far = ray_bounds(depth, plan.kernel, self.metadata.depth_margin)
            valid = near < far
            rows, columns = torch.nonzero(valid, as_tuple=True)
        clock.check()
        if not len(rows):
            return None
        channels = self.metadata.architecture.field.feature_channels
        features = depth.new_zeros(channels, box.height, box.width)
        opacity, expected = torch.zeros_like(depth), torch.full_like(depth, torch.inf)
        bounds = (near[rows, columns].clamp(min=0.0), far[rows, columns])
        rays = camera_rays(seen, columns, rows)
        result = volume_render((self.field, self.fine), self.metadata, proxy, rays, bounds, conditions, clock)
        features[:, rows, columns] = result.features.T
        opacity[rows, columns] = result.opacity
        middle = 0.5 * (bounds[0] + bounds[1])
        known = result.opacity > OPACITY_FLOOR
        expected[rows, columns] = torch.where(known, result.depth / result.opacity.clamp(min=OPACITY_FLOOR), middle)
        return FeatureImage(proxy, features, opacity, expected, valid)

    def upsample(self, plan: Plan, features: FeatureImage, clock: Clock) -> torch.Tensor:
        """(h, w, 6) of the plan's picture: premultiplied RGBA, weighted depth, weight."""
        low, offset = features, self.metadata.pixel_offset
        factor = self.metadata.architecture.super_resolution.factor
        with clock.stage("super_resolution"):
            rgba = to_rgba(self._tiled(low, clock), low.opacity, support_mask(low.valid, factor), offset)
            weight = (low.opacity + OPACITY_FLOOR) * low.valid
            weighted = weight * torch.where(low.valid, low.depth, 0.0)
            image = torch.cat([rgba, enlarge(torch.stack([weighted, weight]), factor, offset).movedim(0, -1)], dim=-1)
        return image[: plan.picture.height, : plan.picture.width]

    def layer(
        self, plan: Plan, features: FeatureImage, picture: torch.Tensor, passes: frozenset[str], clock: Clock
    ) -> Layer:
        """See the base class."""
        with clock.stage("compose"):
            image = in_the_layers_box(plan, picture, resize)
            geometry = geometry_passes(plan.view, plan.box, image, features.proxy, self.metadata.sign, passes)
            depth, normal, uvd = (None if item is None else item.cpu().numpy() for item in geometry)
            assert depth is not None
            rgba = np.ascontiguousarray(image[..., :4].cpu().numpy())
            low = None
            if "rgba_low" in passes:
                small = torch.cat([features.features[:3], features.opacity[None]]).clamp(0.0, 1.0).movedim(0, -1)
                low = low_image(plan, np.ascontiguousarray(small.cpu().numpy()), features.depth.cpu().numpy())
            return Layer(plan.box, rgba, np.ascontiguousarray(depth, np.float32), normal, uvd, low)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def _tiled(self, low: FeatureImage, clock: Clock) -> torch.Tensor:
        """Super-resolution in tiles that overlap by the receptive field: the same pixels as at once."""
        config = self.metadata.architecture.super_resolution
        height, width = low.opacity.shape
        if height <= TILE and width <= TILE:
            return self._enlarge_piece(low.features, low.opacity)
        output = low.features.new_empty(config.out_channels, height * config.factor, width * config.factor)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                tile = Box(left, top, min(left + TILE, width), min(top + TILE, height))
                wide = tile.grown(config.receptive_radius, width, height)
                window = (slice(wide.top, wide.bottom), slice(wide.left, wide.right))
                piece = self._enlarge_piece(low.features[(slice(None), *window)], low.opacity[window])
                y, x = ((tile.top - wide.top) * config.factor, (tile.left - wide.left) * config.factor)
                h, w = tile.height * config.factor, tile.width * config.factor
                y0, x0 = tile.top * config.factor, tile.left * config.factor
                output[:, y0 : y0 + h, x0 : x0 + w] = piece[:, y : y + h, x : x + w]
                clock.check()
        return output

    def _enlarge_piece(self, features: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
        """(C, h, w) and (h, w) -> (3 or 4, factor h, factor w)."""
        innermost = features[None].contiguous(memory_format=torch.channels_last)
        return self.enlarge(innermost, opacity[None, None])[0]


def resize(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """(h, w, C) -> (height, width, C), bilinear, antialiased where it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    planes = image.movedim(-1, 0)[None]
    return functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)[0].movedim(0, -1)


def enlarge(planes: torch.Tensor, factor: int, offset: float) -> torch.Tensor:
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


def support_mask(valid: torch.Tensor, factor: int) -> torch.Tensor:
    """(h, w) bool of evaluated rays -> (factor h, factor w) bool: where the hand may be drawn."""
    return valid.repeat_interleave(factor, dim=0).repeat_interleave(factor, dim=1)


def to_rgba(output: torch.Tensor, opacity: torch.Tensor, support: torch.Tensor, offset: float) -> torch.Tensor:
    """Super-resolution's answer -> premultiplied RGBA.

    Args:
        output: (3 or 4, H, W); with three channels alpha is the enlarged opacity.
        opacity: (h, w) of the feature image.
        support: (H, W) bool; nothing is drawn outside it, where the networks only ever saw zeros.
        offset: where in a pixel the avatar's rays start.

    Returns:
        (H, W, 4) with alpha in [0, 1], faded out within ALPHA_RAMP, and no colour above alpha.
    """
    factor = output.shape[-1] // opacity.shape[-1]
    alpha = output[3] if len(output) == 4 else enlarge(opacity[None], factor, offset)[0]
    begin, end = ALPHA_RAMP
    alpha = torch.where(support, (alpha * ((alpha - begin) / (end - begin)).clamp(0.0, 1.0)).clamp(max=1.0), 0.0)
    colour = output[:3].clamp(min=0.0).minimum(alpha)
    return torch.cat([colour, alpha[None]]).movedim(0, -1)
