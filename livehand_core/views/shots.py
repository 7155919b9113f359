"""The frames of a view: requests for the renderer, and for a capture's frames the truth beside. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..captures.capture import Capture, CaptureFrame
from ..errors import AvatarError
from ..frames import FrameRequest, HandInstance
from ..hand.builtin import mirror_hand
from ..hand.data import ProxyModel
from ..hand.library import find_model
from ..hand.skinning import pose_vertices
from ..poses import Side
from .cameras import Axes, CameraPath, cameras_around
from .hands import HandTrack


@dataclass(frozen=True)
class Shot:
    """One frame of a view.

    Attributes:
        request: what is rendered.
        truth: reads the image that is shown beside it, (H, W, 4) sRGB premultiplied; None where there is none.
    """

    request: FrameRequest
    truth: Callable[[], np.ndarray] | None = None


def hand_of(metadata: AvatarMetadata, side: Side) -> ProxyModel:
    """The hand model of an avatar, of either side: the other side is its mirror image.

    Raises:
        AvatarError: the avatar may not be mirrored.
        HandModelError: its files are not there.
    """
    hand = find_model(metadata.hand_model, metadata.side)
    if side == metadata.side:
        return hand
    if not metadata.mirrorable:
        raise AvatarError(
            f"The avatar {metadata.name!r} is of a {metadata.side} hand and may not be mirrored.",
            f"Leave out --side, or give {metadata.side}.",
        )
    return mirror_hand(hand)


def view_shots(
    track: HandTrack,
    path: CameraPath,
    axes: Axes,
    frames: int,
    size: tuple[int, int],
    passes: Sequence[str],
    metadata: AvatarMetadata,
    names: Sequence[str],
) -> list[Shot]:
    """A hand that moves before a camera that moves.

    Args:
        track: what the hand does.
        path: what the camera does.
        axes: what is up and front for the camera.
        frames: number of frames, at least 1. Where hand and camera come back to where they began, the last frame is
            one before the first, so that the film may be repeated.
        size: width and height in pixels.
        passes: what each frame answers.
        metadata: of the avatar.
        names: of its identities.

    Raises:
        AvatarError: the avatar has no such identity, or may not be mirrored.
    """
    hand = hand_of(metadata, track.poses[0].side)
    closed = track.loops and (path.kind == "still" or path.loops)
    last = frames if closed else max(frames - 1, 1)
    times = [number / last for number in range(frames)]
    instances = [track.at(time, metadata, names, hand) for time in times]
    cameras = cameras_around(path, times, [_vertices(hand, one) for one in instances], axes, *size)
    return [
        Shot(FrameRequest(camera, (instance,), tuple(passes)))
        for camera, instance in zip(cameras, instances, strict=True)
    ]


def capture_shots(
    capture: Capture, frames: Sequence[CaptureFrame], avatar: str, passes: Sequence[str], names: Sequence[str]
) -> list[Shot]:
    """A capture's frames as the avatar sees them, each with its image for comparison."""
    return [
        Shot(
            FrameRequest(
                frame.camera,
                (HandInstance(capture.hand(frame), avatar, 1.0, frame.identity if frame.identity in names else 0),),
                tuple(passes),
            ),
            partial(capture.image, frame),
        )
        for frame in frames
    ]


def _vertices(hand: ProxyModel, instance: HandInstance) -> np.ndarray:
    return instance.scale * pose_vertices(hand, instance.pose)
