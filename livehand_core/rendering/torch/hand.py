"""One avatar drawn by one camera with torch, on any device and for every form of avatar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...avatars.file import Avatar
from ...avatars.metadata import AvatarMetadata
from ...cameras import Camera
from ...frames import HandInstance
from ...framing import Box, hand_box, networks_view, resampling
from ...hand.data import HandData
from ...hand.model import HandModel
from ...kernels.compose import ALPHA_RAMP
from ...surface import face_neighbours, rasterise_depth, ray_bounds
from ..clock import Clock
from ..layer import Layer, LowImage, blended
from ..setup import avatar_view, conditioning, feature_camera, filter_size, identity_shares, reach
from ..view import View
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
        box: where in the feature image, ``camera`` being the whole feature image's.
        camera: of the feature image.
        features: (C, h, w); opacity, depth (expected, infinity where no ray was evaluated): (h, w).
        valid: (h, w) bool, rays that were evaluated.
    """

    box: Box
    camera: Camera
    features: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    valid: torch.Tensor


class TorchHand:
    """An avatar and its hand model on a device.

    Attributes:
        arithmetic: network -> type of number that it is multiplied in.
    """

    def __init__(self, avatar: Avatar, hand: HandData, device: torch.device) -> None:
        """Raises AvatarError when the avatar was trained on another hand."""
        avatar.metadata.check_hand(hand)
        self.metadata: AvatarMetadata = avatar.metadata
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
        self.arithmetic = dict.fromkeys(("field", "super_resolution"), "float32")

    def render(
        self,
        instance: HandInstance,
        camera: Camera,
        passes: frozenset[str],
        clock: Clock,
        scale: float | None = None,
        limit: float | None = None,
        crop: bool = True,
    ) -> Layer | None:
        """Draw one hand.

        Args:
            instance: the hand.
            camera: of the request.
            passes: which of ``depth``, ``normal``, ``uvd`` and ``rgba_low`` to make; ``rgba`` is always there.
            clock: takes times, asks for cancellation.
            scale: size at which the networks run over the image's; None for the avatar's own.
            limit: the largest that this may be.
            crop: only work on the hand's box; the answer is the same without.

        Returns:
            The layer, or None when the hand is out of view.
        """
        view = avatar_view(self.metadata, self.model.data, instance, camera)
        with clock.stage("skinning"):
            vertices = self.model([view.pose])[0][0]
            corners = vertices.cpu().numpy()
        box = hand_box(corners, view.camera, reach(self.metadata, view.camera, corners))
        if box.empty:
            return None
        factors = resampling(view.camera, corners, self.metadata.pixels_per_metre, scale, limit)
        if len(factors) > 1:
            layers = [self.render(instance, camera, passes, clock, factor, crop=crop) for factor in factors]
            return blended(layers, factors.values())
        (factor,) = factors
        proxy = Proxy.of(vertices, self.model.faces, self.model.face_uv, self._neighbours)
        pose, code = conditioning(self.metadata, self._codes, view, instance.identity)
        for textures in self._textures:
            textures.show(identity_shares(self.metadata, self._codes, instance.identity))
        conditions = Conditioning(self._tensor(pose), None if code is None else self._tensor(code))
        working, placed = networks_view(view.camera, box, factor)
        low = self._volume(working, proxy, corners, conditions, clock, crop)
        if low is None:
            return None
        image, inner = self._super_resolve(low, working, clock)
        small = _low_image(low, view, placed if factor != 1.0 else None) if "rgba_low" in passes else None
        if factor != 1.0:
            canvas = on_canvas(image, inner.left, inner.top, working.width, working.height)
            image, inner = resize(canvas, placed.width, placed.height), placed
        with clock.stage("compose"):
            geometry = geometry_passes(view, inner, image, proxy, self.metadata.sign, passes)
            depth, normal, uvd = (None if item is None else item.cpu().numpy() for item in geometry)
            assert depth is not None
            rgba = np.ascontiguousarray(image[..., :4].cpu().numpy())
            layer = Layer(inner, rgba, np.ascontiguousarray(depth, np.float32), normal, uvd, small)
        return layer.flipped(view.camera.width) if view.mirrored else layer

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def _volume(
        self,
        camera: Camera,
        proxy: Proxy,
        corners: np.ndarray,
        conditions: Conditioning,
        clock: Clock,
        crop: bool,
    ) -> FeatureImage | None:
        low = feature_camera(self.metadata, camera)
        with clock.stage("raster"):
            kernel = filter_size(self.metadata, low, corners)
            # A margin of twice the receptive field would make every pixel the same as without cropping; the outer
            # half of it only feeds pixels outside the support, which are not drawn.
            margin = kernel // 2 + 2 + self.metadata.architecture.super_resolution.receptive_radius
            box = hand_box(corners, low, margin) if crop else Box(0, 0, low.width, low.height)
            if box.empty:
                return None
            depth = rasterise_depth(proxy.vertices, proxy.faces, box.of(low))
            near, far = ray_bounds(depth, kernel, self.metadata.depth_margin)
            valid = near < far
            rows, columns = torch.nonzero(valid, as_tuple=True)
        clock.check()
        channels = self.metadata.architecture.field.feature_channels
        features = depth.new_zeros(channels, box.height, box.width)
        opacity, expected = torch.zeros_like(depth), torch.full_like(depth, torch.inf)
        if not len(rows):
            return None
        rays = camera_rays(box.of(low), columns, rows)
        bounds = (near[rows, columns].clamp(min=0.0), far[rows, columns])
        result = volume_render((self.field, self.fine), self.metadata, proxy, rays, bounds, conditions, clock)
        features[:, rows, columns] = result.features.T
        opacity[rows, columns] = result.opacity
        middle = 0.5 * (bounds[0] + bounds[1])
        seen = result.opacity > OPACITY_FLOOR
        expected[rows, columns] = torch.where(seen, result.depth / result.opacity.clamp(min=OPACITY_FLOOR), middle)
        return FeatureImage(box, low, features, opacity, expected, valid)

    def _super_resolve(self, low: FeatureImage, camera: Camera, clock: Clock) -> tuple[torch.Tensor, Box]:
        """(h, w, 6) of the box: premultiplied RGBA, weighted depth, weight; and the box in the camera's image."""
        factor = self.metadata.architecture.super_resolution.factor
        with clock.stage("super_resolution"):
            offset = self.metadata.pixel_offset
            rgba = to_rgba(self._tiled(low, clock), low.opacity, support_mask(low.valid, factor), offset)
            weight = (low.opacity + OPACITY_FLOOR) * low.valid
            weighted = weight * torch.where(low.valid, low.depth, 0.0)
            image = torch.cat([rgba, enlarge(torch.stack([weighted, weight]), factor, offset).movedim(0, -1)], dim=-1)
        whole = (low.camera.width * factor, low.camera.height * factor)
        if self.metadata.pixel_offset == 0.0 and whole != (camera.width, camera.height):
            canvas = on_canvas(image, low.box.left * factor, low.box.top * factor, *whole)
            return resize(canvas, camera.width, camera.height), Box(0, 0, camera.width, camera.height)
        box = Box(
            low.box.left * factor,
            low.box.top * factor,
            min(low.box.right * factor, camera.width),
            min(low.box.bottom * factor, camera.height),
        )
        return image[: box.height, : box.width], box

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


def _low_image(low: FeatureImage, view: View, placed: Box | None) -> LowImage:
    """The feature image's colours in its own grid, or resized to the part of the image where they lie."""
    rgba = torch.cat([low.features[:3], low.opacity[None]]).clamp(0.0, 1.0).movedim(0, -1)
    depth = (low.depth * view.scale).cpu().numpy()
    size = (low.camera.width, low.camera.height)
    if placed is None:
        return LowImage(low.box, size, np.ascontiguousarray(rgba.cpu().numpy()), depth)
    canvas = on_canvas(rgba, low.box.left, low.box.top, *size)
    image = np.ascontiguousarray(resize(canvas, placed.width, placed.height).cpu().numpy())
    mean = float(depth[low.valid.cpu().numpy()].mean())
    whole = (view.camera.width, view.camera.height)
    return LowImage(placed, whole, image, np.full(image.shape[:2], mean, dtype=np.float32))


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


def on_canvas(image: torch.Tensor, left: int, top: int, width: int, height: int) -> torch.Tensor:
    """(h, w, C) placed in an empty (height, width, C); what reaches past its edges is cut."""
    canvas = image.new_zeros(height, width, image.shape[2])
    window = canvas[top : top + image.shape[0], left : left + image.shape[1]]
    window[:] = image[: window.shape[0], : window.shape[1]]
    return canvas


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
