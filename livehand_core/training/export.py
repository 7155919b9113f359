"""From a trained model to an avatar: weights, pose statistics, footprint, provenance."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from .. import __version__
from ..avatars import Architecture, Avatar, AvatarMetadata, PoseStatistics, topology_hash
from ..avatars.file import proxy_state
from ..captures.capture import Capture, CaptureFrame
from ..captures.fingerprint import capture_hash
from ..captures.joined import identities_in
from ..errors import TrainingError
from ..hand.data import ProxyModel
from ..hand.skinning import pose_vertices
from ..rotations import axis_angle_to_matrix
from .config import TrainingConfig
from .model import AvatarModel
from .refined import refined_capture


def pixels_per_metre(capture: Capture, frames: list[CaptureFrame], data: ProxyModel) -> float:
    """Median over the frames of what a metre at the hand's middle measures on the image, in pixels."""
    middles = {pose: pose_vertices(data, capture.poses.poses[pose]).mean(axis=0) for pose in {f.pose for f in frames}}
    depths = np.array([float(frame.camera.project(middles[frame.pose])[1]) for frame in frames])
    focals = np.array([0.5 * (frame.camera.fx + frame.camera.fy) for frame in frames])
    return float(np.median(focals / depths))


def licence_of(config: TrainingConfig, capture: Capture) -> str:
    """The licence of the avatar. Raises TrainingError where neither the run nor the capture has one."""
    licence = config.licence.strip() or capture.licence.strip()
    if not licence:
        raise TrainingError(
            "The avatar would have no licence: neither the run nor the capture states one.",
            "Give --licence (Licence in Blender's panel Training), such as CC0-1.0 or 'own use only'; a capture states "
            "it in its part 'livehand'.",
        )
    return licence


def make_avatar(
    model: AvatarModel,
    config: TrainingConfig,
    capture: Capture,
    frames: list[CaptureFrame],
    data: ProxyModel,
    provenance: dict[str, Any],
) -> Avatar:
    """The avatar that renders as ``model`` does.

    Args:
        frames: those that were trained on.
        provenance: steps, time, perceptual term, what else a reader of the file should know.

    Raises:
        TrainingError: it would have no licence.
    """
    licence = licence_of(config, capture)
    # Until the layer is known, an avatar is what has been trained so far: linear.
    surface = config.sampling == "surface" and len(model.levels) > 0
    samples = config.samples if surface or config.sampling == "linear" else config.coarse_samples
    sizes = model.field.config, model.super_resolution.config
    sampling: Literal["surface", "linear"] = "surface" if surface else "linear"
    architecture = Architecture(*sizes, n_samples=samples, sampling=sampling)
    if model.detail is not None:
        size, channels = config.detail_size, config.detail_channels
        architecture = replace(architecture, detail_size=size, detail_channels=channels)
    refined = refined_capture(capture, model)
    poses = np.stack([refined.poses.poses[pose].hand_pose.reshape(-1) for pose in sorted({f.pose for f in frames})])
    story = {
        "trained_with": f"LiveHand {__version__}",
        "capture": capture.origin,
        "capture_licence": capture.licence,
        "capture_hash": capture_hash(capture),
        "consent": config.consent or capture.consent,
        "training_images": len(frames),
        "training_cameras": len({frame.camera_name for frame in frames}),
        "training_poses": len(poses),
    }
    metadata = AvatarMetadata(
        name=config.name,
        architecture=architecture,
        hand_model=data.name,
        topology=topology_hash(data),
        side=data.side,
        conditioning=config.conditioning,
        joints=() if data.is_hand else data.joint_names,
        light="scene_light" if config.light == "scene_light" else "as_trained",
        reference_light=reference_light(capture, frames, data) if config.light == "scene_light" else None,
        depth_margin=config.bounds_margin,
        lateral_margin=config.lateral_margin,
        last_interval=config.last_interval,
        pixels_per_metre=pixels_per_metre(refined, frames, data),
        pose_statistics=PoseStatistics.of(poses),
        identities=identities_in(refined, frames, config.name.strip() or "avatar"),
        provenance=story | provenance,
        licence=licence,
    )
    upsampler = _copied(model.super_resolution.state_dict())
    codes = None if model.codes is None else model.codes.detach().clone()
    residuals = tuple(texture.detach().clone() for texture in model.identity_textures)
    levels = model.levels.detach().clone() if surface else None
    return Avatar(
        metadata,
        model.field_state(),
        upsampler,
        codes,
        identity_textures=residuals,
        levels=levels,
        detail_state=None if model.detail is None else _copied(model.detail.state_dict()),
        proxy_offsets=None if model.refinement is None else model.refinement.surface().detach().float(),
        identity_detail=None if model.identity_detail is None else model.identity_detail.detach().clone(),
        proxy=proxy_state(data),
    )


def reference_light(capture: Capture, frames: list[CaptureFrame], data: ProxyModel) -> dict[str, Any]:
    """The light that most of the images were taken in, about its first image's wrist, as ``Light.to_json``."""
    (most, _), *_ = Counter(frame.light for frame in frames).most_common(1)
    frame = next(frame for frame in frames if frame.light == most)
    told, hand = capture.light(frame), capture.hand(frame)
    assert told is not None
    turn, wrist = axis_angle_to_matrix(hand.global_orient).T, data.rest_joints(hand.betas)[0]
    return told.light.scaled(2.0**frame.exposure).moved(turn, wrist - turn @ (wrist + hand.transl)).to_json()


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.detach().clone().contiguous() for key, value in state.items()}
