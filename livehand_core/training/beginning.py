"""How a run begins: which light its avatar answers to, and what another avatar has learnt already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn.functional import interpolate

from ..avatars.file import Avatar, State
from ..avatars.identities import identity_names
from ..captures.capture import Capture, CaptureFrame
from ..captures.checks import check_one_light
from ..errors import TrainingError
from ..hand.data import ProxyModel
from ..networks.config import MATERIAL_CHANNELS, FieldConfig
from ..networks.detail import identity_texture
from .config import TrainingConfig
from .model import AvatarModel

SAME = ("coordinates", "pose_size", "depth", "width", "feature_channels", "position_frequencies", "view_frequencies",
        "view_width", "normal_frequencies", "local_joints", "density_scale", "distance_scale",
        "texture_channels")  # fmt: skip
"""Sizes of a field that both must have; the avatar may have further textures, and codes."""

FADED = 0.1
"""What is left of the weights of feature channels that mean something else in a relightable avatar."""


def with_light(config: TrainingConfig, capture: Capture, frames: list[CaptureFrame]) -> TrainingConfig:
    """The settings with ``light`` decided: by the capture's lights where they say ``"auto"``.

    Raises:
        TrainingError: a relightable avatar of images whose light is not told.
        CaptureError: one that brings its light along of images in several.
    """
    untold = [frame.image for frame in frames if frame.light is None]
    if config.light == "scene_light" and untold:
        raise TrainingError(
            f"The capture does not tell in which light {len(untold)} of its images were taken, such as {untold[0]}.",
            "Capture under many lights, or train with light=as_trained.",
        )
    if config.light == "auto":
        several = not untold and len({frame.light for frame in frames}) > 1 and config.coordinates == "uvd"
        config = replace(config, light="scene_light" if several else "as_trained")
    if config.light == "as_trained":
        check_one_light(capture, frames)
    return config


def with_model(config: TrainingConfig, model: ProxyModel) -> TrainingConfig:
    """The settings with the conditioning that a model needs: a part's pose is told at each place.

    Raises:
        TrainingError: a hand by a part's conditioning, or a part in world coordinates or without normals.
    """
    if model.is_hand:
        if config.conditioning == "local":
            raise TrainingError("A hand's pose is not told at each place.", "Set conditioning to wrist.")
        return config
    if config.coordinates != "uvd" or not config.normal_frequencies:
        raise TrainingError(
            "A part that is no hand is trained in uvd coordinates and with normals.",
            "Set coordinates to uvd and normal_frequencies to 1 or more.",
        )
    return replace(config, conditioning="local")


@torch.no_grad()
def begin_with(model: AvatarModel, avatar: Avatar, hand: ProxyModel, identities: Sequence[str]) -> None:
    """Put an avatar's weights into a new model.

    The field, its textures and the layer around the skin are taken over, and super-resolution's convolutions. Its heads
    are taken over between avatars that both are relightable or both are not, and the detail texture where it has as
    many channels, resampled to the model's size. A surface that the avatar's training found is where that of this run
    begins.

    Args:
        model: each of its identities begins as the avatar's of the same name, or as its first where it knows none.
        avatar: trained on the same hand.
        hand: the model's.
        identities: names of the model's, in its order.

    Raises:
        TrainingError: the avatar's networks have other sizes, or its surface was refined and this run refines none.
        AvatarError: it is of another hand.
    """
    avatar.metadata.check_hand(hand)
    avatar.arrays().refined(hand)
    old, new = avatar.metadata.architecture.field, model.field.config
    differing = [name for name in SAME if getattr(old, name) != getattr(new, name)]
    network = avatar.metadata.architecture.super_resolution
    if network.hidden != model.super_resolution.config.hidden or network.factor != model.super_resolution.config.factor:
        differing.append("hidden")
    if old.texture_sizes[: len(new.texture_sizes)] != new.texture_sizes:
        differing.append("texture_sizes")
    if differing:
        raise TrainingError(
            f"The avatar {avatar.metadata.name!r} cannot be begun with: it has other settings: {', '.join(differing)}.",
            "Give --set those of the avatar, or begin anew.",
        )
    if avatar.proxy_offsets is not None:
        if model.refinement is None:
            raise TrainingError(
                f"The avatar {avatar.metadata.name!r} is drawn on a surface of its own, which training has refined.",
                "Train with --refine, which begins with that surface, or begin anew.",
            )
        model.refinement.ground.copy_(avatar.proxy_offsets)
    relit = network.out_channels != model.super_resolution.config.out_channels
    names = identity_names(avatar.metadata, 1 if avatar.latent is None else len(avatar.latent))
    places = [names.index(name) if name in names else 0 for name in identities]
    several = model.codes is not None and avatar.latent is not None and old.latent_size == new.latent_size
    model.field.load_state_dict(_field(model, avatar, old, relit, None if several else places[0]))
    if several:
        assert model.codes is not None and avatar.latent is not None
        model.codes.copy_(avatar.latent[places])
        for own, residuals in zip(model.identity_textures, avatar.identity_textures, strict=False):
            own.copy_(residuals[places])
    state = avatar.super_resolution_state
    kept = {key: value for key, value in state.items() if not (relit and key.startswith("colour"))}
    model.super_resolution.load_state_dict({**model.super_resolution.state_dict(), **kept})
    if avatar.levels is not None:
        model.levels = avatar.levels.to(model.levels.device).clone()
    detail, own_detail = avatar.detail_state, avatar.identity_detail
    if model.detail is not None and detail is not None and detail["head"].shape == model.detail.head.shape:
        texture = detail["texture"]
        if own_detail is not None and several:
            assert model.identity_detail is not None
            model.identity_detail.copy_(_resampled(own_detail[places], model.identity_detail.shape[1]))
        elif own_detail is not None:
            texture = identity_texture(texture, own_detail[places[0]])
        own = model.detail
        own.head.copy_(detail["head"])
        own.texture.copy_(_resampled(texture[None], len(own.texture))[0])
        own.relief.copy_(_resampled(detail["relief"][None, ..., None], len(own.relief))[0, ..., 0])


def _resampled(textures: torch.Tensor, size: int) -> torch.Tensor:
    """(N, S, S, C) textures as those of another size."""
    if textures.shape[1] == size:
        return textures
    planes = textures.permute(0, 3, 1, 2)
    smaller = size < textures.shape[1]
    found = interpolate(planes, size, mode="area") if smaller else interpolate(planes, size, mode="bilinear")
    return found.permute(0, 2, 3, 1)


def _field(model: AvatarModel, avatar: Avatar, old: FieldConfig, relit: bool, place: int | None) -> State:
    """The avatar's field as the model's, the pose given as the model normalises it: of the identity at a ``place``, or
    of all of them."""
    new = model.field.config
    state = {key: value.clone() for key, value in avatar.field_state.items() if not key.startswith("textures.")}
    for index in range(len(new.texture_sizes)):
        state[f"textures.{index}"] = avatar.field_state[f"textures.{index}"].clone()
        if avatar.identity_textures and place is not None:
            state[f"textures.{index}"] += avatar.identity_textures[index][place]
    weight, bias = state["layers.0.weight"], state["layers.0.bias"]
    code, pose = (old.position_size, old.latent_size), weight[:, old.position_size + old.latent_size : old.input_size]
    codes = weight[:, code[0] : sum(code)]
    if place is not None:
        if avatar.latent is not None:
            bias = bias + codes @ avatar.latent[place]
        codes = weight.new_zeros(len(weight), new.latent_size)
    # What a field is told of a pose is its angles less their mean, times a scale: the other way as on export.
    mean, scale = model.pose_mean.cpu(), model.pose_scale.cpu()
    rest = weight[:, old.input_size :]
    state["layers.0.weight"] = torch.cat([weight[:, : new.position_size], codes, pose / scale, rest], dim=1)
    state["layers.0.bias"] = bias + pose @ mean
    if relit:
        state["colour.weight"][3:MATERIAL_CHANNELS] *= FADED
        state["colour.bias"][3:MATERIAL_CHANNELS] = 0.0
    return state
