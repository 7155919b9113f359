"""The parts of all instants, made a capture: one shape for each person, what is held out and what was left out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame, write_capture
from ..errors import CaptureError
from ..files import atomic_path
from ..hand.library import find_hand
from ..poses import HandPose, PoseSequence
from .conventions import DataSet
from .parts import pose_of, read_parts
from .source import LEFT_OUT, LeftOut, Notes

RATE = 30.0
"""Frames a second of the poses' file; they need not follow one another."""

REASONS = 3
"""Why nothing could be used, at most."""

CAMERAS_HELD_OUT = 16
"""One camera of so many is kept for evaluation."""
POSES_HELD_OUT = 10
"""One pose of so many is kept for evaluation."""


def merge(
    folder: Path, row: DataSet, left_out: list[LeftOut], held_out: Callable[[str], bool] | None = None
) -> Capture:
    """Write the capture of all parts in a folder, and ``left_out.json``.

    Args:
        folder: of the capture.
        row: the data set.
        left_out: what its reader has not even given to preparation.
        held_out: which instants are kept for evaluation, by name; None chooses cameras and poses, evenly spread.

    Raises:
        CaptureError: no image is left, or a part is damaged.
    """
    parts = list(read_parts(folder))
    lost = [*left_out, *(LeftOut(*entry) for part in parts for entry in part["left_out"])]
    with atomic_path(folder / LEFT_OUT) as temporary:
        temporary.write_text(json.dumps([entry._asdict() for entry in lost], indent=1), encoding="utf-8")
    kept = [part for part in parts if part["frames"]]
    if not kept:
        reasons = "; ".join(Notes(lost).summary()[:REASONS]) or "there is none"
        raise CaptureError(
            f"No image of {row.title} could be used: {reasons}.", f"{folder / LEFT_OUT} lists all {len(lost)}."
        )
    poses = _one_shape([(part["identity"], pose_of(part)) for part in kept], row.hand_model)
    frames = [_frame(entry, index, part["identity"]) for index, part in enumerate(kept) for entry in part["frames"]]
    names = sorted({frame.camera_name for frame in frames})
    if held_out is None:
        cameras = frozenset(names[i] for i in _spread(len(names), CAMERAS_HELD_OUT))
        kept_poses = frozenset(_spread(len(kept), POSES_HELD_OUT))
    else:
        cameras, kept_poses = frozenset(), frozenset(i for i, part in enumerate(kept) if held_out(part["name"]))
    capture = Capture(
        folder,
        tuple(frames),
        PoseSequence(tuple(poses), RATE),
        row.hand_model,
        cameras,
        kept_poses,
        row.licence,
        f"prepared from {row.title}",
    )
    write_capture(capture)
    return capture


def _spread(count: int, one_of: int) -> list[int]:
    """Evenly spread indices, one of so many; none of fewer than four."""
    wanted = max(1, count // one_of) if count >= 4 else 0
    return [int((i + 0.5) * count / wanted) for i in range(wanted)]


def _one_shape(hands: list[tuple[str, HandPose]], hand_model: str) -> list[HandPose]:
    """Poses with the mean betas of each person; their wrists J0(betas) + transl stay where they are.

    Fits find the shape anew in each frame, and the shape of one person does not change.
    """
    groups: dict[str, list[np.ndarray]] = defaultdict(list)
    for identity, pose in hands:
        groups[identity].append(pose.betas)
    means = {identity: np.mean(betas, axis=0) for identity, betas in groups.items()}
    data = find_hand(hand_model, hands[0][1].side)
    answer = []
    for identity, pose in hands:
        moved = data.rest_joints(pose.betas)[0] - data.rest_joints(means[identity])[0]
        answer.append(replace(pose, betas=means[identity], transl=pose.transl + moved))
    return answer


def _frame(entry: dict[str, Any], pose: int, identity: str) -> CaptureFrame:
    return CaptureFrame(entry["image"], Camera.from_json(entry["camera"]), entry["camera_name"], pose, identity)
