"""One avatar drawn by one camera: box, bounds, volume rendering, super-resolution, geometry passes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..avatars.file import Avatar
from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..errors import AvatarError
from ..frames import HandInstance
from ..hand.data import HandData
from ..hand.model import HandModel
from ..surface import (
    face_neighbours,
    lateral_kernel,
    published_kernel,
    rasterise_depth,
    ray_bounds,
)
from .clock import Clock
from .framing import Box, hand_box, resampling
from .geometry import geometry_passes
from .layer import Layer, enlarge, on_canvas, resize, support_mask, to_rgba
from .rays import camera_rays, low_resolution
from .view import View, view_of
from .volume import Conditioning, Proxy, volume_render

TILE = 192
"""Side of the feature image's tiles that go through the super-resolution at once; bounds memory and cancel time."""

OPACITY_FLOOR = 1e-4
"""Opacity under which an expected depth says nothing."""


@dataclass(frozen=True)
class LowImage:
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


class HandRenderer:
    """An avatar and its hand model on a device."""

    def __init__(self, avatar: Avatar, hand: HandData, device: torch.device) -> None:
        """Raises AvatarError when the avatar was trained on another hand."""
        avatar.metadata.check_hand(hand)
        self.metadata: AvatarMetadata = avatar.metadata
        self.device = device
        self.model = HandModel(hand, device)
        self.field, self.fine, self.enlarge = avatar.networks(device)
        # Channels innermost: what the convolutions are fastest with, on the CPU by a third.
        torch.nn.utils.convert_conv2d_weight_memory_format(self.enlarge, torch.channels_last)
        self.latent = None if avatar.latent is None else avatar.latent.to(device)
        self._neighbours = face_neighbours(self.model.faces)

    def view(self, instance: HandInstance, camera: Camera) -> View:
        """The avatar's own view of a hand in the world.

        Raises:
            AvatarError: a hand of the other side, and the avatar may not be mirrored.
        """
        metadata = self.metadata
        if instance.pose.side != metadata.side and not metadata.mirrorable:
            raise AvatarError(
                f"The avatar {metadata.name!r} is of a {metadata.side} hand and may not be mirrored.",
                f"Choose an avatar of a {instance.pose.side} hand.",
            )
        wrist = metadata.conditioning == "wrist"
        world = metadata.architecture.field.coordinates == "xyz" and not wrist
        return view_of(instance, camera, self.model.data, to_wrist=wrist, to_origin=not world)

    def render(
        self, instance: HandInstance, camera: Camera, passes: frozenset[str], clock: Clock, crop: bool = True
    ) -> Layer | None:
        """Draw one hand.

        Args:
            instance: the hand.
            camera: of the request.
            passes: which of ``normal`` and ``uvd`` to make; ``rgba`` and ``depth`` are always there.
            clock: takes times, asks for cancellation.
            crop: only work on the hand's box; the answer is the same without.

        Returns:
            The layer, or None when the hand is out of view.
        """
        view = self.view(instance, camera)
        with clock.stage("skinning"):
            vertices = self.model([view.pose])[0][0]
        if hand_box(vertices, view.camera, self._reach(view.camera, vertices)).empty:
            return None
        proxy = Proxy.of(vertices, self.model.faces, self.model.face_uv, self._neighbours)
        conditioning = self._conditioning(view, instance.identity)
        factor = resampling(view.camera, vertices, self.metadata.pixels_per_metre)
        if factor == 1.0:
            box = Box(0, 0, view.camera.width, view.camera.height)
            working = view.camera
        else:
            reach = self._reach(view.camera, vertices)
            box = hand_box(vertices, view.camera, reach)
            sides = (max(1, round(box.width * factor)), max(1, round(box.height * factor)))
            working = box.of(view.camera).resized(*sides)
        low = self._volume(working, proxy, conditioning, clock, crop)
        if low is None:
            return None
        image, inner = self._super_resolve(low, working, clock)
        low_rgba = torch.cat([low.features[:3], low.opacity[None]]).clamp(0.0, 1.0).movedim(0, -1)
        low_depth = low.depth[..., None] * view.scale
        low_box, low_size = low.box, (low.camera.width, low.camera.height)
        if factor == 1.0:
            box = inner
        else:
            image = resize(
                on_canvas(image, inner.left, inner.top, working.width, working.height), box.width, box.height
            )
            low_rgba = resize(on_canvas(low_rgba, low_box.left, low_box.top, *low_size), box.width, box.height)
            low_depth = torch.full_like(low_rgba[..., :1], float(low_depth[low.valid].mean()))
            low_box, low_size = box, (view.camera.width, view.camera.height)
        with clock.stage("compose"):
            geometry = geometry_passes(view, box, image, proxy, self.metadata.sign, passes)
        layer = Layer(box, image[..., :4], *geometry, low_box, low_size, low_rgba, low_depth[..., 0])
        return layer.flipped(view.camera.width) if view.mirrored else layer

    def _conditioning(self, view: View, identity: int) -> Conditioning:
        wrist = self.metadata.conditioning == "wrist"
        pose = view.pose.hand_pose.reshape(-1) if wrist else view.pose.full_pose
        latent = None
        if self.latent is not None:
            if not 0 <= identity < len(self.latent):
                raise AvatarError(
                    f"The avatar {self.metadata.name!r} has {len(self.latent)} identities, not number {identity}.",
                    f"Choose an identity from 0 to {len(self.latent) - 1}.",
                )
            latent = self.latent[identity]
        return Conditioning(torch.tensor(pose, dtype=torch.float32, device=self.device), latent)

    def _kernel(self, low: Camera, vertices: torch.Tensor) -> int:
        margin = self.metadata.lateral_margin
        return published_kernel(low.height) if margin == 0.0 else lateral_kernel(low, vertices, margin)

    def _low_camera(self, camera: Camera) -> Camera:
        """The feature image's camera. The published form rounds odd sizes down and is stretched afterwards."""
        factor = self.metadata.architecture.super_resolution.factor
        if self.metadata.pixel_offset == 0.0:
            width, height = max(camera.width // factor, 1), max(camera.height // factor, 1)
            return self._centred(camera).resized(width, height)
        return self._centred(low_resolution(camera, factor))

    def _centred(self, camera: Camera) -> Camera:
        return replace(camera, pixel_offset=self.metadata.pixel_offset)

    def _reach(self, camera: Camera, vertices: torch.Tensor) -> int:
        """Pixels of the full image by which the hand's picture may leave the proxy's box."""
        factor = self.metadata.architecture.super_resolution.factor
        return (self._kernel(self._low_camera(camera), vertices) // 2 + 2) * factor

    def _volume(
        self, camera: Camera, proxy: Proxy, conditioning: Conditioning, clock: Clock, crop: bool
    ) -> LowImage | None:
        low = self._low_camera(camera)
        with clock.stage("raster"):
            kernel = self._kernel(low, proxy.vertices)
            # A margin of twice the receptive field would make every pixel the same as without cropping; the outer
            # half of it only feeds pixels outside the support, which are not drawn.
            reach = kernel // 2 + 2 + self.metadata.architecture.super_resolution.receptive_radius
            box = hand_box(proxy.vertices, low, reach) if crop else Box(0, 0, low.width, low.height)
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
        result = volume_render((self.field, self.fine), self.metadata, proxy, rays, bounds, conditioning, clock)
        features[:, rows, columns] = result.features.T
        opacity[rows, columns] = result.opacity
        middle = 0.5 * (bounds[0] + bounds[1])
        seen = result.opacity > OPACITY_FLOOR
        expected[rows, columns] = torch.where(seen, result.depth / result.opacity.clamp(min=OPACITY_FLOOR), middle)
        return LowImage(box, low, features, opacity, expected, valid)

    def _super_resolve(self, low: LowImage, camera: Camera, clock: Clock) -> tuple[torch.Tensor, Box]:
        """(h, w, 6) of the box: premultiplied RGBA, weighted depth, weight; and the box in the camera's image."""
        factor = self.metadata.architecture.super_resolution.factor
        with clock.stage("super_resolution"):
            rgba = to_rgba(self._tiled(low, clock), low.opacity, support_mask(low.valid, factor))
            weight = (low.opacity + OPACITY_FLOOR) * low.valid
            weighted = weight * torch.where(low.valid, low.depth, 0.0)
            image = torch.cat([rgba, enlarge(torch.stack([weighted, weight]), factor).movedim(0, -1)], dim=-1)
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

    def _tiled(self, low: LowImage, clock: Clock) -> torch.Tensor:
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
