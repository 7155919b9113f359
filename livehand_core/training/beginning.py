"""How a run begins: which light its avatar answers to, and what another avatar has learnt already."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..avatars.file import Avatar, State
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
def begin_with(model: AvatarModel, avatar: Avatar, hand: ProxyModel) -> None:
    """Put an avatar's weights into a new model.

    The field, its textures and the layer around the skin are taken over, and super-resolution's convolutions. Its heads
    are taken over between avatars that both are relightable or both are not. A surface that the avatar's training found
    is where that of this run begins.

    Args:
        model: the first of the avatar's identities is put into it; where it has several, each begins as that one.
        avatar: trained on the same hand.
        hand: the model's.

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
    model.field.load_state_dict(_field(model, avatar, old, relit))
    state = avatar.super_resolution_state
    kept = {key: value for key, value in state.items() if not (relit and key.startswith("colour"))}
    model.super_resolution.load_state_dict({**model.super_resolution.state_dict(), **kept})
    if avatar.levels is not None:
        model.levels = avatar.levels.to(model.levels.device).clone()
    detail = avatar.detail_state
    if model.detail is not None and detail is not None and detail["texture"].shape == model.detail.texture.shape:
        model.detail.load_state_dict(detail)
        if avatar.identity_detail is not None:
            model.detail.texture.copy_(identity_texture(detail["texture"], avatar.identity_detail[0]))


def _field(model: AvatarModel, avatar: Avatar, old: FieldConfig, relit: bool) -> State:
    """The avatar's field as the model's, the pose given as the model normalises it."""
    new = model.field.config
    state = {key: value.clone() for key, value in avatar.field_state.items() if not key.startswith("textures.")}
    for index in range(len(new.texture_sizes)):
        state[f"textures.{index}"] = avatar.field_state[f"textures.{index}"].clone()
        if avatar.identity_textures:
            state[f"textures.{index}"] += avatar.identity_textures[index][0]
    weight, bias = state["layers.0.weight"], state["layers.0.bias"]
    code, pose = (old.position_size, old.latent_size), weight[:, old.position_size + old.latent_size : old.input_size]
    if avatar.latent is not None:
        bias = bias + weight[:, code[0] : sum(code)] @ avatar.latent[0]
    # What a field is told of a pose is its angles less their mean, times a scale: the other way as on export.
    mean, scale = model.pose_mean.cpu(), model.pose_scale.cpu()
    rest = weight[:, old.input_size :]
    codes = weight.new_zeros(len(weight), new.latent_size)
    state["layers.0.weight"] = torch.cat([weight[:, : new.position_size], codes, pose / scale, rest], dim=1)
    state["layers.0.bias"] = bias + pose @ mean
    if relit:
        state["colour.weight"][3:MATERIAL_CHANNELS] *= FADED
        state["colour.bias"][3:MATERIAL_CHANNELS] = 0.0
    return state
