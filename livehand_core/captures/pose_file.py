"""``poses.npz`` of a capture: any table of hand poses that ``motion`` reads, row by row, in the capture's own frame."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import MEBIBYTE, Reader
from ..errors import CaptureError, PoseError
from ..motion.convention import ReadOptions
from ..motion.keys import sides_of, sort_keys
from ..motion.parameters import read_parameters
from ..motion.wrist import rest_wrists
from ..poses import HandPose, PoseSequence, Side

REFINED_POSES = "refined_poses.npz"
"""In a run's folder: the poses of its captures, as training refined them."""

POSES_READER = Reader("The poses of the capture", CaptureError, "Write them again.", limit=2048 * MEBIBYTE)


@dataclass(frozen=True)
class PoseTable:
    """What was read.

    Attributes:
        poses: the hand in each row; at rest where the row cannot be used.
        bad: by row what is wrong with it, without a full stop.
        notes: what a person should know about how it was read.
    """

    poses: PoseSequence
    bad: dict[int, str]
    notes: tuple[str, ...]


def read_pose_file(path: Path, hand_model: str) -> PoseTable:
    """The poses of a capture.

    A capture is of one hand: the side that most rows have. Its translations count from the wrist of its own hand
    model, its angles from the flat hand; what else the file tells about itself (up axis, mean pose, components) is
    followed.

    Args:
        hand_model: of the capture, which the file means unless it says otherwise.

    Raises:
        CaptureError: the file is not there, is damaged, or holds no hand's poses.
    """
    table: dict[str, Any] = POSES_READER.arrays(path)
    bad = _clean(table)
    try:
        side, others = _one_side(table, path.name)
        motion = read_parameters(table, ReadOptions(side=side, model=_model(table, hand_model, path)), path.name)
    except PoseError as error:
        raise CaptureError(error.message, error.remedy) from error
    bad.update(others)
    notes = [*motion.notes]
    if not motion.has_wrist:
        notes.append("It does not place the wrist, which is taken to rest at the origin.")
    poses = [_own_frame(pose, hand_model) if motion.has_wrist else pose for pose in motion.sequence.poses]
    rest = HandPose.rest(poses[0].side)
    poses = [rest if index in bad else pose for index, pose in enumerate(poses)]
    return PoseTable(
        PoseSequence(tuple(poses), motion.sequence.fps), bad, tuple(f"{path.name}: {note}" for note in notes)
    )


def _clean(table: dict[str, Any]) -> dict[int, str]:
    """Put zeros in place of what is not finite; by row what was wrong."""
    bad: dict[int, str] = {}
    count = max((len(value) for value in table.values() if value.ndim > 1), default=0)
    for key, value in table.items():
        if value.ndim < 1 or len(value) != count or not np.issubdtype(value.dtype, np.floating):
            continue
        wrong = ~np.isfinite(value.reshape(count, -1)).all(axis=1)
        if wrong.any():
            bad.update({int(row): f"{key} holds values that are not finite" for row in np.flatnonzero(wrong)})
            table[key] = np.where(wrong.reshape(-1, *[1] * (value.ndim - 1)), 0.0, value)
    return bad


def _one_side(table: dict[str, Any], name: str) -> tuple[Side | None, dict[int, str]]:
    """The side that most rows have, which the table then tells for all, and what is wrong with the other rows."""
    roles, _ = sort_keys(table, "right")
    role = next((role for role in ("side", "right", "left") if role in roles), None)
    if role is None:
        return None, {}
    key = roles[role]
    asks: Side | None = None if role == "side" else role  # type: ignore[assignment]
    told = sides_of(table[key], name, key, asks)
    side, _ = Counter(told).most_common(1)[0]
    table[key] = np.array(side if asks is None else side == asks)
    reason = "a left hand among right ones" if side == "right" else "a right hand among left ones"
    return side, {row: reason for row, other in enumerate(told) if other != side}


def _model(table: dict[str, Any], hand_model: str, path: Path) -> str:
    roles, _ = sort_keys(table, "right")
    model = table[roles["model"]].reshape(-1) if "model" in roles else np.array([])
    told = str(model.astype(str)[0]) if model.size else hand_model
    if told != hand_model:
        raise CaptureError(
            f"{path} holds poses of the hand model {told!r}, the capture is of {hand_model!r}.",
            "Name the poses' model in transforms.json.",
        )
    return told


def _own_frame(pose: HandPose, hand_model: str) -> HandPose:
    """The pose with its translation counted from its own hand model's wrist: motion counts from the built-in one's."""
    own, builtin = rest_wrists(hand_model, pose.side, pose.betas)
    return replace(pose, transl=pose.transl + builtin - own)
