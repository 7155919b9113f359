"""Steps through a finished avatar whose networks stay as they are: its model, settings, views and tiles of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..avatars import Avatar
from ..captures.capture import Capture, CaptureFrame
from ..errors import TrainingError
from ..kernels.mesh.placement import corner_rows
from ..rendering.shading.mesh import ShadedMesh
from .config import TrainingConfig, preset
from .model import AvatarModel
from .step import TileTask
from .tiles import partition
from .views import HandMesh, View

TILE = 48


class FrozenModel(AvatarModel):
    """An avatar as a step of training takes it; nothing of it is trained."""

    def __init__(self, avatar: Avatar, config: TrainingConfig, cameras: int = 1) -> None:
        count = 1 if avatar.latent is None else len(avatar.latent)
        size = avatar.metadata.architecture.field.pose_size
        super().__init__(config, torch.zeros(1, size), cameras, identities=count)
        self.field, _, self.super_resolution = avatar.networks()
        self.super_resolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.detail = avatar.detail()
        # The avatar's field is given angles in radians.
        self.pose_mean.zero_()
        self.pose_scale.fill_(1.0)
        if avatar.latent is not None:
            self.codes = nn.Parameter(avatar.latent)
            self.identity_textures = nn.ParameterList(avatar.identity_textures)
            self.identity_detail = None if avatar.identity_detail is None else nn.Parameter(avatar.identity_detail)
        self.requires_grad_(False)


def frozen_config(avatar: Avatar, steps: int, refine: bool, seed: int = 0) -> TrainingConfig:
    """A run's settings, of the avatar's networks."""
    metadata, field = avatar.metadata, avatar.metadata.architecture.field
    names = ["depth", "width", "view_width", "latent_size", "position_frequencies", "normal_frequencies"]
    names += ["density_scale", "distance_scale", "texture_sizes", "texture_channels"]
    detail = 0 if avatar.identity_detail is None else avatar.identity_detail.shape[1]
    return preset(
        "cpu",
        light=metadata.light,
        detail_size=metadata.architecture.detail_size,
        detail_channels=metadata.architecture.detail_channels or TrainingConfig.detail_channels,
        identity_detail_size=detail,
        **{name: getattr(field, name) for name in names} | {"latent_size": max(field.latent_size, 1)},
        steps=steps,
        hidden=metadata.architecture.super_resolution.hidden,
        sampling="linear",
        samples=metadata.architecture.n_samples,
        coarse_part=0.0,
        bounds_margin=metadata.depth_margin,
        lateral_margin=metadata.lateral_margin,
        last_interval=metadata.last_interval,
        conditioning=metadata.conditioning,
        # Where the light is told, colours are the hand's own.
        calibrate_colour=not metadata.relightable,
        pose_noise=0.0,
        empty_space_weight=0.0,
        refine=refine,
        seed=seed,
    )


def frozen_views(
    avatar: Avatar,
    capture: Capture,
    frames: Sequence[CaptureFrame],
    mesh: HandMesh,
    config: TrainingConfig,
    camera: int = 0,
    identities: Sequence[int] = (),
) -> list[View]:
    """The pictures as a step sees them, in the layer that the avatar knows.

    Args:
        camera: whose colour calibration all of them have.
        identities: numbers of who is seen; the first without.
    """
    factor = avatar.metadata.architecture.super_resolution.factor
    margins = (config.bounds_margin, config.lateral_margin)
    forms = "uvd", config.conditioning, config.last_interval
    cpu, shaded = torch.device("cpu"), ShadedMesh.of(mesh.model.data) if avatar.metadata.relightable else None
    pairs = zip(frames, identities or [0] * len(frames), strict=True)
    views = [View(capture, frame, camera, mesh, factor, margins, cpu, who, *forms, shaded) for frame, who in pairs]
    for view in views:
        view.levels = None if avatar.levels is None else corner_rows(avatar.levels.numpy(), mesh.topology)
    return views


def frozen_task(
    model: AvatarModel, views: Sequence[View], config: TrainingConfig, number: int, side: int = TILE
) -> TileTask:
    """The ``number``-th tile, of one view after another; ``side``: as ``TrainingConfig.tile``."""
    random = np.random.default_rng([config.seed, number])
    view = views[number % len(views)]
    if model.refinement is not None:
        model.refinement.place(view)
    radius = model.super_resolution.config.receptive_radius
    tiles = partition(view.mask, radius, side, (random.random(), random.random()))
    if not tiles:
        raise TrainingError(f"The hand is outside the picture {view.name}.", "Leave it out, or check its pose.")
    tile = tiles[int(random.integers(len(tiles)))]
    generator = torch.Generator().manual_seed(int(random.integers(1 << 62)))
    rays = view.rays(tile.grown(radius), config.samples, generator)
    background = view.mask.size - sum(one.pixels for one in tiles)
    light = None if view.lit is None else view.lit.of_tile(tile, model.super_resolution.config.factor)
    return TileTask(view, tile, len(tiles), background, rays, generator, light=light)
