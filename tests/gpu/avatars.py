"""Small avatars of every form that the kernels draw."""

from __future__ import annotations

from dataclasses import replace

import torch

from livehand_core.avatars import Architecture, Avatar, Identity, new_avatar
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig
from tests.core.conftest import solid, tube_hand

VARIANTS = ("twice", "four times", "normals", "textures", "latent", "face normals", "published", "surface")

TWO = (Identity("a"), Identity("b"))


def avatar_of(variant: str) -> Avatar:
    """A solid tube of one of VARIANTS."""
    factor, channels = (4, 3) if variant in ("four times", "published") else (2, 4)
    architecture = Architecture(
        FieldConfig(
            depth=3,
            width=24,
            feature_channels=8,
            latent_size=8 if variant == "latent" else 0,
            pose_size=48 if variant == "published" else 45,
            normal_frequencies=2 if variant == "normals" else 0,
            texture_sizes=(5, 12) if variant == "textures" else (),
        ),
        SuperResolutionConfig(factor=factor, in_channels=8, hidden=(10, 6), out_channels=channels),
        n_samples=3 if variant == "surface" else 6,
        sampling="surface" if variant == "surface" else "linear",
    )
    hand = tube_hand()
    if variant != "published":
        avatar = solid(new_avatar(hand, architecture, identities=TWO if variant == "latent" else ()))
        random = torch.Generator().manual_seed(1)
        for name, values in avatar.field_state.items():
            if name.startswith("textures."):
                values.normal_(std=20.0, generator=random)
        sign = "face_normal" if variant == "face normals" else "pseudo_normal"
        return replace(avatar, metadata=replace(avatar.metadata, sign=sign))  # type: ignore[arg-type]
    wrist = replace(architecture, field=replace(architecture.field, pose_size=45))
    metadata = new_avatar(hand, wrist).metadata
    published = replace(
        metadata, architecture=architecture, conditioning="published", pixel_offset=0.0, lateral_margin=0.0
    )
    torch.manual_seed(0)
    return solid(
        Avatar(
            published,
            RadianceField(architecture.field).state_dict(),
            SuperResolution(architecture.super_resolution).state_dict(),
        )
    )
