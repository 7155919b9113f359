"""A small relightable avatar with weights of a seed, and lights to put it into."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from livehand_core import harmonics
from livehand_core.avatars import Avatar, Identity, new_avatar
from livehand_core.avatars.metadata import Architecture
from livehand_core.hand.data import HandData
from livehand_core.lights import Lamp, Light
from livehand_core.networks.config import LIT_CHANNELS, FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose

from .conftest import camera_at, solid

FOLDED = camera_at((0.07, 0.2, -0.05))


def relightable(
    hand: HandData, factor: int = 2, detail: int = 32, identities: tuple[Identity, ...] = (), seed: int = 0
) -> Avatar:
    """A solid hand whose material varies over the skin, with a detail texture of ``detail`` texels a side."""
    field = FieldConfig(
        depth=3, width=48, position_frequencies=5, texture_sizes=(16,), latent_size=4 if identities else 0
    )
    picture = SuperResolutionConfig(factor, 32, (24, 20), LIT_CHANNELS)
    sizes = Architecture(field, picture, n_samples=8, detail_size=detail, detail_channels=3 if detail else 0)
    avatar = solid(new_avatar(hand, sizes, seed=seed, identities=identities))
    random = torch.Generator().manual_seed(seed)

    def varied(state: dict[str, torch.Tensor], name: str, size: float) -> None:
        state[name] = state[name] + size * torch.randn(state[name].shape, generator=random)

    colours, heads = dict(avatar.field_state), dict(avatar.super_resolution_state)
    for name, size in (("colour.weight", 0.5), ("colour.bias", 0.5), ("textures.0", 0.5)):
        varied(colours, name, size)
    for name in ("colour0", "colour1"):
        varied(heads, f"{name}.weight", 0.02)
    avatar = replace(avatar, field_state=colours, super_resolution_state=heads)
    if not detail:
        return avatar
    texture = dict(avatar.detail_state or {})
    varied(texture, "texture", 0.1)
    residual = avatar.identity_detail
    if residual is not None:
        residual = 0.1 * torch.randn(residual.shape, generator=random)
    varied(texture, "relief", 2.0)
    return replace(avatar, detail_state=texture, identity_detail=residual)


def folded_pose() -> HandPose:
    """The tube bent so far that FOLDED sees it pass in front of itself."""
    return HandPose(np.zeros(3), np.tile([0.0, 0.0, -0.9], (15, 1)), np.zeros(10), np.zeros(3))


def sky(seed: int = 1, strength: float = 1.0) -> Light:
    """A coloured sky that is brighter on one side."""
    coefficients = 0.15 * np.random.default_rng(seed).normal(size=(harmonics.COUNT, 3))
    coefficients[0] = 1.6, 1.4, 1.2
    return Light(coefficients).scaled(strength)


SUN = Lamp((2.0, 1.8, 1.5), direction=(0.3, 0.8, 0.5), size=0.02)

LAMPS = {
    "sun": SUN,
    "haze": Lamp((1.5, 1.5, 1.5), direction=(-0.4, 0.7, 0.2), size=0.5),
    "dome": Lamp((1.0, 1.2, 1.0), direction=(0.1, 0.2, 0.9), size=2.0),
    "bulb": Lamp((0.2, 0.15, 0.1), position=(-0.05, 0.3, 0.2), size=0.02),
    "panel": Lamp((0.3, 0.3, 0.35), position=(0.1, 0.35, 0.2), size=0.2, emission="disc", axis=(-0.4, -0.8, -0.4)),
    "spread": Lamp(
        (0.3, 0.3, 0.35), position=(0.0, 0.4, 0.1), size=0.1, emission="disc", axis=(-0.2, -1.0, -0.2), half_angle=0.8
    ),
    "spot": Lamp(
        (0.4, 0.3, 0.3), position=(-0.08, 0.4, 0.0), size=0.01, emission="cone", axis=(0.0, -1.0, 0.0),
        half_angle=0.2, blend=0.5,
    ),
    "inside": Lamp((0.001, 0.001, 0.001), position=(-0.08, 0.0, 0.0)),
}  # fmt: skip
"""One of each kind."""

LIGHTS = {
    "sky": sky(),
    "everything": Light(sky().harmonics, tuple(LAMPS.values())).scaled(0.1),
    "dark": Light(),
} | {name: Light.uniform((0.05, 0.05, 0.06), (lamp,)) for name, lamp in LAMPS.items()}
