"""Which hands a command makes files of: one pose, a motion, or hands of frame requests. NumPy only."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ..avatars.identities import betas_of, reenacted
from ..documents import Reader
from ..errors import LiveHandError, PoseError
from ..frames import HandInstance
from ..identities import identity_weights
from ..poses import HandPose
from ..views.hand_arguments import open_avatar, pose_reader
from ..views.hands import read_identity, resampled
from ..views.shots import hand_of

LARGEST = 1 << 28
"""Bytes of a file of hands: some hundred thousand frames."""


def add_motion_arguments(group: argparse._ArgumentGroup) -> None:
    """Declare them in the group "the hand"."""
    group.add_argument("--motion", type=Path, metavar="FILE", help="play a motion file (.npz, InterHand2.6M .json)")
    group.add_argument("--fps", type=float, help="frames a second (24, or the motion's)")


def check_rate(fps: float | None) -> None:
    """Raises LiveHandError for frames a second that cannot be meant."""
    if fps is not None and not 0.1 <= fps <= 1000.0:
        raise LiveHandError(f"{fps:g} frames a second cannot be used.", "Give --fps from 0.1 to 1000.")


def chosen_hands(args: argparse.Namespace) -> tuple[list[HandInstance], float]:
    """The hands that the command line names, one a frame, and frames a second.

    Args:
        args: with what ``add_hand_arguments`` and :func:`add_motion_arguments` declare, and ``avatar``.

    Raises:
        AvatarError, PoseError, LiveHandError: something of it cannot be used.
    """
    avatar, arrays, names = open_avatar(args.avatar)
    metadata = arrays.metadata
    reader = pose_reader(args, metadata, args.keep_wrist)
    fps, motion = args.fps, args.motion
    check_rate(fps)
    if motion is None:
        poses: tuple[HandPose, ...] = (reader.pose(args.pose or reader.usual),)
    else:
        if args.pose is not None:
            raise LiveHandError("--pose and --motion were both given.", "Leave one of them out.")
        sequence = reader.motion(motion, lambda line: print(f"livehand: {line}", file=sys.stderr))
        poses = sequence.poses if fps is None else resampled(sequence, fps)
        fps = fps or sequence.fps
    identity = read_identity(args.identity or "0")
    identity_weights(identity, names, metadata.name)
    betas = betas_of(metadata, identity) if args.betas is None else None
    if betas is not None:
        model = hand_of(metadata, poses[0].side)
        poses = tuple(reenacted(pose, betas, model) for pose in poses)
    return [HandInstance(pose, avatar, 1.0, identity) for pose in poses], fps or 24.0


def read_hands(path: Path, avatar: str) -> list[HandInstance]:
    """What ``HandInstance.to_json`` writes, or a list of it; the avatar is the command line's.

    Raises:
        PoseError: the file holds something else, or hands that do not belong together.
    """
    told = Reader("The hand", PoseError, "Write it with HandInstance.to_json.", limit=LARGEST).json(path)
    try:
        parts = told if isinstance(told, list) else [told]
        hands = [replace(HandInstance.from_json(one), avatar=avatar) for one in parts]
    except LiveHandError as error:
        raise PoseError(f"{path} holds no hand. {error.message}", error.remedy) from error
    if not hands:
        raise PoseError(f"{path} holds no hand.", "Write it with HandInstance.to_json.")
    first = hands[0]
    same = (first.pose.side, first.scale, first.identity)
    if any((hand.pose.side, hand.scale, hand.identity) != same for hand in hands):
        raise PoseError(f"{path} holds hands of several sides, scales or identities.", "Give one hand's frames.")
    return hands
