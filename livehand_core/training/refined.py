"""What a run found of its capture's poses: written beside the run, and taken back into the capture by a command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..captures.capture import POSES, Capture, read_capture
from ..captures.pose_file import read_pose_file
from ..errors import TrainingError
from ..files import atomic_path
from ..poses import PoseSequence
from .control import read_status

if TYPE_CHECKING:
    from .model import AvatarModel

REFINED_POSES = "refined_poses.npz"
FORMER_POSES = "poses_as_fitted.npz"
"""What the poses of a capture are kept as that refined ones replace."""

IMPORTED = ("prepared from", "footage")
"""What the origin of captures says that ``livehand prepare`` and ``livehand footage`` make."""


def refined_capture(capture: Capture, model: AvatarModel) -> Capture:
    """The capture with the poses and shapes that training found; itself where they were not refined."""
    if model.refinement is None:
        return capture
    return replace(capture, poses=PoseSequence(tuple(model.refinement.hands()), capture.poses.fps))


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
