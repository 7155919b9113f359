"""One avatar drawn by one camera with torch: the reference, on any device and for every form of avatar."""

from __future__ import annotations

import numpy as np
import torch

from ...avatars.file import Avatar
from ...cameras import Camera
from ...hand.data import ProxyModel
from ...hand.local import LocalPose
from ...hand.model import HandModel
from ...identities import IdentityChoice
from ...networks.config import MATERIAL_CHANNELS
from ...networks.detail import identity_texture
from ...poses import HandPose
from ...surface import face_neighbours
from ..clock import Clock
from ..hand import DrawnHand
from ..layer import Layer
from ..placing import in_the_layers_box, low_image
from ..plan import Plan
from ..setup import conditioning, identity_shares
from ..shading.edges import among, edges_of
from ..shading.pixels import SeenSurface, lit_pixels
from .features import FeatureImage, feature_image
from .geometry import geometry_passes
from .identity_textures import IdentityTextures
from .picture import resized, upsampled
from .proxy import Proxy
from .shading import LitEdges, LitTensors, LitTile, lit_picture
from .volume import Conditioning


class TorchHand(DrawnHand[FeatureImage, torch.Tensor]):
    """An avatar and its hand model on a device.

    Args:
        avatar: of any form.
        hand: the model it was trained on.
        device: where.
        plain: without a shortcut: the whole image, every ray that has bounds and all of its samples, the networks as
            they are written down. What every shortcut is measured and checked by.
        dtype: of all numbers.

    Raises:
        AvatarError: the avatar was trained on another hand.
    """

    def __init__(
        self,
        avatar: Avatar,
        hand: ProxyModel,
        device: torch.device,
        plain: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(avatar.metadata, hand)
        self.device, self.plain, self.dtype = device, plain, dtype
        self.crop = not plain
        self.arithmetic = dict.fromkeys(self.arithmetic, str(dtype).removeprefix("torch."))
        self.model = HandModel(hand, device)
        self.field, self.fine, self.super_resolution = avatar.networks(device)
        self.detail = avatar.detail(device)
        self._identity_detail = None if avatar.identity_detail is None else avatar.identity_detail.to(device, dtype)
        self._detail_texture: torch.Tensor | None = None
        for network in (self.field, self.fine, self.super_resolution, self.detail):
            if network is not None:
                network.to(dtype)
        for field in (self.field, self.fine):
            if field is not None:
                field.folded = not plain
        if not plain:
            # Channels innermost: what the convolutions are fastest with, on the CPU by a third.
            torch.nn.utils.convert_conv2d_weight_memory_format(self.super_resolution, torch.channels_last)
        self._codes = None if avatar.latent is None else avatar.latent.cpu().numpy()
        self._textures = [
            IdentityTextures(list(network.textures), avatar.identity_textures)
            for network in (self.field, self.fine)
            if network is not None
        ]
        self._local = LocalPose(hand) if self.metadata.joints else None
        self._neighbours = face_neighbours(self.model.faces)
        levels = avatar.arrays().levels(hand)
        self._levels = None if levels is None else self._tensor(levels)

    def posed(self, pose: HandPose) -> np.ndarray:
        """See the base class."""
        vertices: np.ndarray = self.model([pose])[0][0].cpu().numpy()
        return vertices

    def features(
        self, plan: Plan, identity: IdentityChoice, passes: frozenset[str], clock: Clock
    ) -> FeatureImage | None:
        """See the base class."""
        mesh = self.model.faces, self.model.face_uv, self._neighbours
        told = None if self._local is None else self._tensor(self._local.numbers(plan.view.pose.hand_pose))
        proxy = Proxy.of(self._tensor(plan.vertices), *mesh, self._levels, told)
        pose, code = conditioning(self.metadata, self._codes, plan.view, identity)
        if self._identity_detail is not None and self.detail is not None:
            shares = self._tensor(identity_shares(self.metadata, self._codes, identity))
            residual = torch.einsum("n,nijc->ijc", shares, self._identity_detail)
            self._detail_texture = identity_texture(self.detail.texture, residual)
        for textures in self._textures:
            textures.show(identity_shares(self.metadata, self._codes, identity))
        given = Conditioning(self._tensor(pose), None if code is None else self._tensor(code))
        fields, seen = (self.field, self.fine), plan.low_box.of(plan.low)
        return feature_image(fields, self.metadata, proxy, seen, plan.kernel, given, clock, self.plain)

    def upsample(self, plan: Plan, features: FeatureImage, clock: Clock) -> torch.Tensor:
        """(h, w, 6) of the plan's picture: premultiplied RGBA, weighted depth, weight."""
        lit = None
        if plan.received is not None:

            def lit(image: torch.Tensor) -> torch.Tensor:
                with clock.stage("light"):
                    return self._lit(plan, image, plan.picture_camera)

        with clock.stage("super_resolution"):
            offset = self.metadata.pixel_offset
            image = upsampled(self.super_resolution, features, offset, clock, self.plain, lit)
        return image[: plan.picture.height, : plan.picture.width]

    def layer(
        self, plan: Plan, features: FeatureImage, picture: torch.Tensor, passes: frozenset[str], clock: Clock
    ) -> Layer:
        """See the base class."""
        with clock.stage("compose"):
            image = in_the_layers_box(plan, picture, resized)
            geometry = geometry_passes(plan.view, plan.box, image, features.proxy, self.metadata.sign, passes)
            depth, normal, uvd = (None if item is None else _array(item) for item in geometry)
            assert depth is not None
            low = None
            if "rgba_low" in passes:
                small = self._small(plan, features).clamp(0.0, 1.0).movedim(0, -1)
                low = low_image(plan, _array(small), _array(features.depth))
            return Layer(plan.box, _array(image[..., :4]), depth, normal, uvd, low)

    def _small(self, plan: Plan, features: FeatureImage) -> torch.Tensor:
        """(4, h, w) the feature image's own picture."""
        if plan.received is None:
            return torch.cat([features.features[:3], features.opacity[None]])
        material = torch.cat([features.features[:MATERIAL_CHANNELS], features.opacity[None]])
        return self._lit(plan, material, plan.low_box.of(plan.low), detailed=False)

    def _lit(self, plan: Plan, image: torch.Tensor, camera: Camera, detailed: bool = True) -> torch.Tensor:
        """(14, H, W) materials and opacity at a camera's pixels -> (4, H, W) in the plan's light; what lies beside the
        camera's image stays black."""
        assert plan.received is not None
        vertices = self.shaded.closed(plan.vertices)
        surface = SeenSurface.of(self.shaded, vertices, camera, self.metadata.lateral_margin)
        rows, columns = np.nonzero(surface.place[: image.shape[1], : image.shape[2]] >= 0)
        places = rows * camera.width + columns
        pixels = lit_pixels(self.shaded, vertices, surface, plan.received, camera, places)
        edges = edges_of(self.shaded, vertices, camera, surface.depth, surface.face)
        tile = LitTile(
            torch.as_tensor(rows * image.shape[2] + columns, device=self.device),
            LitTensors.of(pixels, plan.received, self.device, self.dtype),
            LitEdges.of(among(edges, places, surface.face.size), self.device, self.dtype),
        )
        detail = None
        if detailed and self.detail is not None:
            detail = self.detail(tile.lit.uv, tile.lit.lean, tile.lit.footprint, self._detail_texture)
        return lit_picture(image, tile, detail)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)


def _array(values: torch.Tensor) -> np.ndarray:
    """Of a layer: float32, contiguous, in the processor's memory."""
    return np.ascontiguousarray(values.detach().cpu().numpy(), np.float32)
