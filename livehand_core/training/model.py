"""The parameters that training moves, and how they become an avatar's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig
from ..networks.config import LIT_CHANNELS
from ..networks.detail import DetailTexture, identity_texture
from .config import TrainingConfig
from .refinement import Refinement
from .seams import Seams

SMALLEST_SPREAD = 0.1
"""Radians: joints that hardly move in the capture are normalised as if they moved this much."""

FOG = 50.0
"""Density, in 1/m, that a field of world coordinates starts from: a tenth of the light is lost in 2 mm."""


class AvatarModel(nn.Module):
    """Radiance field and super-resolution of one avatar, the pose normalised, with a colour calibration a camera.

    Several identities share both networks. What tells them apart is a code, and what each adds to the textures.

    Attributes:
        field: takes the pose as ``pose_input`` makes it, until ``field_state`` folds that into its first layer.
        super_resolution: of RGB and opacity.
        calibration: (cameras, 2, 3) gain - 1 and bias; the first camera's stay 0.
        codes: (identities, latent_size), none longer than 1; None for one identity.
        identity_textures: (identities, S, S, C) each, added to the field's texture of the same number.
        detail: of a relightable avatar, unless it has none.
        identity_detail: (identities, R, R, C), added to the detail texture; None for one identity.
        seams: what ties texels past the charts of a part to theirs; None of a hand.
        refinement: of the fits; None where they are trained on as they are.
        levels: (V, 2) of the layer that surface sampling looks in, see ``layer.find_levels``; (0, 2) until it is known.
    """

    levels: torch.Tensor
    pose_mean: torch.Tensor
    pose_scale: torch.Tensor

    def __init__(
        self,
        config: TrainingConfig,
        poses: torch.Tensor,
        cameras: int,
        identities: int = 1,
        local_joints: int = 0,
        seams: Seams | None = None,
    ) -> None:
        """``poses``: (n, 45 or 48) angles of the training frames as they condition the field, radians; (n, 0) where
        ``local_joints`` slots tell of them at each place."""
        super().__init__()
        sizes = FieldConfig(
            coordinates=config.coordinates,
            pose_size=poses.shape[1],
            local_joints=local_joints,
            depth=config.depth,
            width=config.width,
            latent_size=config.latent_size if identities > 1 else 0,
            view_width=config.view_width,
            position_frequencies=config.position_frequencies,
            normal_frequencies=config.normal_frequencies,
            density_scale=config.density_scale,
            distance_scale=config.distance_scale,
            texture_sizes=config.texture_sizes,
            texture_channels=config.texture_channels,
        )
        self.field = RadianceField(sizes)
        _initialise(self.field)
        relightable = config.light == "scene_light"
        outputs = LIT_CHANNELS if relightable else SuperResolutionConfig.out_channels
        self.super_resolution = SuperResolution(SuperResolutionConfig(hidden=config.hidden, out_channels=outputs))
        self.detail: DetailTexture | None = None
        if relightable and config.detail_size:
            self.detail = DetailTexture(config.detail_size, config.detail_channels)
        self.calibration = nn.Parameter(torch.zeros(cameras, 2, 3))
        self.codes: nn.Parameter | None = None
        self.identity_textures = nn.ParameterList()
        self.identity_detail: nn.Parameter | None = None
        if identities > 1:
            # As long as the longest that are allowed: in so many directions a few are far apart.
            self.codes = nn.Parameter(nn.functional.normalize(torch.randn(identities, config.latent_size), dim=1))
            for size in config.texture_sizes:
                self.identity_textures.append(torch.zeros(identities, size, size, config.texture_channels))
            if self.detail is not None:
                size = config.identity_detail_size or config.detail_size
                self.identity_detail = nn.Parameter(torch.zeros(identities, size, size, config.detail_channels))
        # Of a local pose there are no numbers here, of which torch would warn.
        spread = (poses.std(dim=0, unbiased=False) if poses.numel() else poses[0]).clamp(min=SMALLEST_SPREAD)
        self.register_buffer("pose_mean", poses.mean(dim=0))
        self.register_buffer("pose_scale", config.pose_gain / spread)
        self.register_buffer("levels", torch.zeros(0, 2))
        self._noise = config.pose_noise * config.pose_gain
        self.refinement: Refinement | None = None
        self.seams = seams
        if seams is not None:
            seams.dilate(self._of_skin)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As a module does; the state may know a layer that this model does not, or none at all, as older ones."""
        self.levels = state_dict.get("levels", torch.zeros(0, 2)).to(self.pose_mean.device).clone()
        return super().load_state_dict({**state_dict, "levels": self.levels}, strict, assign)

    def pose_input(self, pose: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """(..., 45 or 48) angles -> what the field is given; with a generator, noise is added (training)."""
        value = (pose - self.pose_mean) * self.pose_scale
        if generator is not None and self._noise > 0.0:
            value = value + self._noise * torch.randn(pose.shape, generator=generator).to(pose.device)
        return value

    def told(self, positions: torch.Tensor, generator: torch.Generator, each: bool) -> torch.Tensor:
        """Samples (R, S, C) with noise on their local pose, as :meth:`pose_input` has: one draw for all rays, or one
        for ``each``. As they are where the field takes none."""
        size = self.field.config.local_size
        if not size or self._noise == 0.0:
            return positions
        noise = self._noise * torch.randn((len(positions) if each else 1, 1, size), generator=generator)
        return torch.cat([positions[..., :6], positions[..., 6:] + noise.to(positions.device)], dim=-1)

    def code(self, identity: int) -> torch.Tensor | None:
        """(latent_size,) of an identity; None where there is but one."""
        return None if self.codes is None else self.codes[identity]

    def textures(self, identity: int) -> list[torch.Tensor] | None:
        """(S, S, C) each: those of an identity; None where the field's own are all there is."""
        if self.codes is None:
            return None
        pairs = zip(self.field.textures, self.identity_textures, strict=True)
        return [shared + residual[identity] for shared, residual in pairs]

    def detail_texture(self, identity: int) -> torch.Tensor | None:
        """(S, S, C): that of an identity; None where the detail's own is all there is."""
        if self.detail is None or self.identity_detail is None:
            return None
        return identity_texture(self.detail.texture, self.identity_detail[identity])

    @property
    def _of_skin(self) -> list[nn.Parameter]:
        """Everything that is looked up by texture coordinates."""
        detail = [] if self.detail is None else [self.detail.texture]
        own = [] if self.identity_detail is None else [self.identity_detail]
        return [*self.field.textures, *self.identity_textures, *detail, *own]

    def join_gradients(self) -> None:
        """Make one of the gradients of texels that are tied; called before each step of an optimiser."""
        if self.seams is not None:
            self.seams.join_gradients(self._of_skin)

    @torch.no_grad()
    def constrain(self) -> None:
        """Shorten codes longer than 1, and dilate a part's textures; called after each step of an optimiser."""
        if self.seams is not None:
            self.seams.dilate(self._of_skin)
        if self.codes is not None:
            self.codes.div_(self.codes.norm(dim=1, keepdim=True).clamp(min=1.0))

    def identity_groups(self, rate: float, texture_rate: float) -> list[dict[str, Any]]:
        """The optimiser's groups of what tells identities apart, each with its highest ``rate``; none for one."""
        if self.codes is None:
            return []
        groups: list[dict[str, Any]] = [{"params": [self.codes], "rate": rate}]
        if self.identity_textures:
            groups.append({"params": list(self.identity_textures), "rate": texture_rate})
        return groups

    def detail_groups(self, rate: float, texture_rate: float) -> list[dict[str, Any]]:
        """The optimiser's groups of the detail texture, each with its highest ``rate``; none without one."""
        if self.detail is None:
            return []
        textures = [self.detail.texture, *([] if self.identity_detail is None else [self.identity_detail])]
        others = [self.detail.head, self.detail.relief]
        return [{"params": textures, "rate": texture_rate}, {"params": others, "rate": rate}]

    def calibrate(self, colour: torch.Tensor, alpha: torch.Tensor, camera: int) -> torch.Tensor:
        """(3, H, W) premultiplied colour as ``camera`` sees it; ``alpha`` (1, H, W) is the foreground."""
        if camera == 0:
            return colour
        gain, bias = self.calibration[camera, 0], self.calibration[camera, 1]
        return colour * (1.0 + gain[:, None, None]) + bias[:, None, None] * alpha

    @torch.no_grad()
    def field_state(self) -> dict[str, torch.Tensor]:
        """The field's state for joint angles in radians: the normalisation becomes a part of the first layer."""
        state = {key: value.detach().clone() for key, value in self.field.state_dict().items()}
        config = self.field.config
        columns = slice(config.position_size + config.latent_size, config.input_size)
        weight, bias = state["layers.0.weight"], state["layers.0.bias"]
        scaled = weight[:, columns] * self.pose_scale
        bias -= scaled @ self.pose_mean
        weight[:, columns] = scaled
        return state


def _initialise(field: RadianceField) -> None:
    """Hidden layers that keep the variance of their input (He 2015); the pose begins without a say."""
    for layer in field.layers:
        assert isinstance(layer, nn.Linear)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    first = field.layers[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight[:, field.config.position_size + field.config.latent_size :] = 0.0
        first.weight[:, field.config.encodings_size - field.config.local_size : field.config.encodings_size] = 0.0


def field_groups(field: RadianceField, rate: float, texture_rate: float) -> list[dict[str, Any]]:
    """The optimiser's groups of a field: weights, and textures where it has any, each with its highest ``rate``."""
    textures = list(field.textures)
    known = {id(texture) for texture in textures}
    groups = [{"params": [value for value in field.parameters() if id(value) not in known], "rate": rate}]
    return [*groups, {"params": textures, "rate": texture_rate}] if textures else groups


def warm_start(field: RadianceField, margin: float, seed: int, steps: int = 150) -> None:
    """Teach the field that inside (d < 0) is dense and outside is empty, so that training begins with a solid hand.

    A ReLU density that starts negative everywhere on a ray would never get a gradient. World coordinates do not tell
    what is inside: there it starts as a thin fog.

    Args:
        margin: metres on both sides of the surface over which it is taught.
    """
    if field.config.coordinates == "xyz":
        nn.init.constant_(field.density.bias, FOG / field.config.density_scale)
        return
    generator = torch.Generator().manual_seed(seed)
    device = next(field.parameters()).device
    optimiser = torch.optim.Adam(field.parameters(), lr=2e-3)
    pose = torch.zeros(field.config.pose_size, device=device)
    for _ in range(steps):
        positions = torch.rand((256, 8, 6), generator=generator)
        positions[..., 3:] = torch.nn.functional.normalize(2.0 * positions[..., 3:] - 1.0, dim=-1)
        positions[..., 2] = (2.0 * positions[..., 2] - 1.0) * margin
        positions = torch.nn.functional.pad(positions, (0, field.config.local_size))
        directions = torch.nn.functional.normalize(torch.randn((256, 3), generator=generator), dim=-1)
        positions, directions = positions.to(device), directions.to(device)
        _, sigma = field(positions, directions, pose)
        # 1/e-folding within a millimetre at a depth of one millimetre, in units of the density's scale.
        wanted = (-1000.0 * positions[..., 2]).clamp(-1.0, 2.0) * 1000.0 / field.config.density_scale
        loss = (sigma / field.config.density_scale - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
