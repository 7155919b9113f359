"""What an avatar's metadata say about drawing it: its own view of a hand, its feature image, its conditioning."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..avatars.identities import weights_of
from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..errors import AvatarError
from ..frames import HandInstance
from ..framing import lateral_kernel, low_resolution, published_kernel
from ..hand.data import ProxyModel
from ..identities import IdentityChoice
from ..poses import HandPose
from .view import View, view_of

Sign = Literal["face_normal", "pseudo_normal"]
"""How the sign of the distance is found, see ``surface.canonical``."""


def avatar_view(metadata: AvatarMetadata, hand: ProxyModel, instance: HandInstance, camera: Camera) -> View:
    """The avatar's own view of a hand in the world.

    Raises:
        AvatarError: a hand of the other side, and the avatar may not be mirrored.
    """
    if instance.pose.side != metadata.side and not metadata.mirrorable:
        raise AvatarError(
            f"The avatar {metadata.name!r} is of a {metadata.side} hand and may not be mirrored.",
            f"Choose an avatar of a {instance.pose.side} hand.",
        )
    if len(instance.pose.hand_pose) != len(metadata.joint_names) - 1:
        raise AvatarError(
            f"The avatar {metadata.name!r} has {len(metadata.joint_names)} joints, the pose "
            f"{1 + len(instance.pose.hand_pose)}.",
            "Give it a pose of its own model, or choose another avatar.",
        )
    wrist = metadata.follows_root
    world = metadata.architecture.field.coordinates == "xyz" and not wrist
    # Cut out and resized, an image keeps its rays only where they pass through the middles of pixels.
    return view_of(instance, camera.centred(0.5), hand, to_wrist=wrist, to_origin=not world)


def conditioning(
    metadata: AvatarMetadata, latent: np.ndarray | None, view: View, identity: IdentityChoice
) -> tuple[np.ndarray, np.ndarray | None]:
    """The pose numbers and the identity code that a frame's field takes; a blend's code is the codes' weighted mean.

    Args:
        metadata: of the avatar.
        latent: (identities, latent_size) codes, or None.
        view: of the hand.
        identity: which identity, or weights of several.

    Raises:
        AvatarError: the avatar has no such identity.
    """
    pose = pose_numbers(view.pose, metadata.conditioning)
    shares = identity_shares(metadata, latent, identity)
    if latent is None:
        return pose, None
    return pose, (shares @ latent).astype(latent.dtype)


def pose_numbers(pose: HandPose, conditioning: str) -> np.ndarray:
    """What a field is told of a pose: (45,) joint angles; the published form has the wrist's turn before them. Nothing,
    (0,), of a local pose, which is told at each place."""
    if conditioning == "local":
        return np.zeros(0)
    return pose.hand_pose.reshape(-1) if conditioning == "wrist" else pose.full_pose


def identity_shares(metadata: AvatarMetadata, latent: np.ndarray | None, identity: IdentityChoice) -> np.ndarray:
    """(identities,) weights of what a hand shows, their sum 1; arguments and errors as :func:`conditioning`."""
    return weights_of(metadata, identity, 1 if latent is None else len(latent))


def feature_camera(metadata: AvatarMetadata, camera: Camera) -> Camera:
    """The feature image's camera. The published form rounds odd sizes down and is stretched afterwards.

    Its pixel i lies where the image's pixels at ``factor (i + o) - o`` do, o being the avatar's ``pixel_offset``: in
    the middle of its ``factor`` x ``factor`` pixels, or, in the published form, on the first of them.
    """
    factor = metadata.architecture.super_resolution.factor
    camera = camera.centred(metadata.pixel_offset)
    if metadata.pixel_offset == 0.0:
        width, height = max(camera.width // factor, 1), max(camera.height // factor, 1)
        return camera.resized(width, height)
    return low_resolution(camera, factor)


def filter_size(metadata: AvatarMetadata, low: Camera, vertices: np.ndarray) -> int:
    """Side of the filter that widens the proxy's depth to ray bounds, in pixels of the feature image."""
    margin = metadata.lateral_margin
    return published_kernel(low.height) if margin == 0.0 else lateral_kernel(low, vertices, margin)


def reach(metadata: AvatarMetadata, camera: Camera, vertices: np.ndarray) -> int:
    """Pixels of the full image by which the hand's picture may leave the proxy's box."""
    low = feature_camera(metadata, camera)
    return (filter_size(metadata, low, vertices) // 2 + 2) * metadata.architecture.super_resolution.factor
