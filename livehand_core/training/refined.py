"""What a run found of its capture's poses: written beside the run, and taken back into the capture by a command.

Poses that were held out are fitted as the others were, and are off as those are: they take what poses like them were
corrected by. No image of theirs is looked at.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..captures.capture import POSES, Capture, read_capture
from ..captures.pose_file import REFINED_POSES, read_pose_file
from ..errors import TrainingError
from ..files import atomic_path
from ..poses import PoseSequence
from .control import read_status
from .pose_rows import hand_of, numbers_of

if TYPE_CHECKING:
    from .model import AvatarModel

FORMER_POSES = "poses_as_fitted.npz"
"""What the poses of a capture are kept as that refined ones replace."""

ALIKE = np.concatenate([np.full(48, 0.3), np.full(3, 0.1)])
"""Radians and metres by which poses differ that are a unit apart."""

ALIKE_RANGE, CHANCE = 5.0, 0.3
"""Units over which corrections of fits stay alike by the factor 1/e, and the share of their variance that is chance."""

NEAREST = 64
"""Poses that one is foretold by."""

IMPORTED = ("prepared from", "footage")
"""What the origin of captures says that ``livehand prepare`` and ``livehand footage`` make."""


def refined_capture(capture: Capture, model: AvatarModel) -> Capture:
    """The capture with the poses and shapes that training found, and with those carried over to the poses of the same
    identities that were held out; itself where they were not refined."""
    refinement = model.refinement
    if refinement is None:
        return capture
    hands = refinement.hands()
    shown = {frame.pose: frame.identity for frame in capture.frames}
    for identity in sorted(set(shown.values())):
        own = sorted(number for number in refinement.owners if shown.get(number) == identity)
        others = sorted({number for number, name in shown.items() if name == identity} - set(own))
        if not own or not others:
            continue
        given = np.stack([numbers_of(capture.poses.poses[number]) for number in (*own, *others)])
        found = np.stack([numbers_of(hands[number]) for number in own])
        moved = carried_over(given[: len(own)], found - given[: len(own)], given[len(own) :])
        for number, fit, change in zip(others, given[len(own) :], moved, strict=True):
            hands[number] = hand_of(hands[number], fit + change)
    return replace(capture, poses=PoseSequence(tuple(hands), capture.poses.fps))


def carried_over(fits: np.ndarray, changes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(M, 61) changes of other fits, foretold by those of (N, 61) fits: ordinary kriging from the NEAREST, in which
    corrections are the more alike the nearer poses are, and far from all of them their mean.

    Args:
        fits: ``numbers_of`` poses; changes: (N, 61) what they were corrected by; others: (M, 61).
    """
    rows = fits[:, : len(ALIKE)] / ALIKE
    foretold = []
    for one in others[:, : len(ALIKE)] / ALIKE:
        away = np.linalg.norm(rows - one, axis=1)
        near = np.argsort(away, kind="stable")[:NEAREST]
        between = np.linalg.norm(rows[near, None] - rows[near], axis=-1)
        known = np.linalg.inv(np.exp(-between / ALIKE_RANGE) + CHANCE * np.eye(len(near)))
        mean = known.sum(axis=0) @ changes[near] / known.sum()
        foretold.append(mean + np.exp(-away[near] / ALIKE_RANGE) @ known @ (changes[near] - mean))
    return np.stack(foretold)


def write_back(run: Path) -> list[Path]:
    """Take the refined poses of a run into its captures; what they had is kept beside as FORMER_POSES.

    Returns:
        The files that were written.

    Raises:
        TrainingError: the run has refined nothing, or a capture is not the one that it was trained on.
        CaptureError: a capture is gone or damaged.
    """
    file, status = run / REFINED_POSES, read_status(run)
    if not file.is_file():
        raise TrainingError(f"{run} has no refined poses.", "Train with --refine; they are written with a checkpoint.")
    captures = [read_capture(Path(folder)) for folder in (status.capture, *status.more_captures) if folder]
    poses = read_pose_file(file, captures[0].hand_model).poses.poses
    counts = [len(capture.poses.poses) for capture in captures]
    if sum(counts) != len(poses):
        raise TrainingError(
            f"The run refined {len(poses)} poses; its captures have {sum(counts)} now.",
            "Give the captures back the poses that the run was trained on.",
        )
    written, first = [], 0
    for capture, count in zip(captures, counts, strict=True):
        target, former = capture.folder / POSES, capture.folder / FORMER_POSES
        if not target.is_file():
            raise TrainingError(
                f"The capture {capture.folder} keeps its poses in another file than {POSES}.",
                f"Call it {POSES}, also in transforms.json, and write them again.",
            )
        if not former.exists():
            with atomic_path(former) as temporary:
                temporary.write_bytes(target.read_bytes())
        own = poses[first : first + count]
        PoseSequence(own, capture.poses.fps).save(target)
        written.append(target)
        first += count
    return written


def is_imported(capture: Capture) -> bool:
    """Whether a capture was made of a data set or of footage, whose fits are off by some millimetres."""
    return any(word in capture.origin.lower() for word in IMPORTED)
