"""Takes as motion files: what any reader of motions reads, and beside it the camera and how sure each frame is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cameras import Camera
from ..documents import Reader
from ..errors import LiveHandError, PoseError
from ..files import write_arrays
from ..hand.library import find_hand
from ..motion import WriteOptions, write_motion
from ..motion.convention import up_rotation
from ..motion.writing import write_parameters
from ..poses import HandPose, PoseSequence, Side, interpolate
from .offline import Take

SUFFIXES = (".npz", ".json")
_TAKE = Reader("The take", PoseError, "Track the video again.")


@dataclass(frozen=True)
class TakeNotes:
    """What a tracked motion file tells besides the motion.

    Attributes:
        confidence: (n,) of each frame.
        camera: that sees the hand, in the axes of the camera.
    """

    confidence: np.ndarray
    camera: Camera


def write_takes(path: Path, takes: Sequence[Take], model: str) -> tuple[Path, ...]:
    """Write the takes of one clip; the world is z-up, with the camera at its origin looking along y.

    Args:
        path: ``.json`` (InterHand2.6M) takes both hands; ``.npz`` one, so that of two each gets its own file, with the
            side before the suffix.

    Returns:
        The files.

    Raises:
        PoseError: another suffix.
        LiveHandError: a file cannot be written.
    """
    check_suffix(path)
    sequences = {take.side: world_sequence(take.sequence, model) for take in takes}
    if path.suffix.lower() == ".json":
        write_motion(path, list(sequences.values()), WriteOptions(model=model))
        return (path,)
    paths = []
    for take in takes:
        own = path if len(takes) == 1 else path.with_name(f"{path.stem}.{take.side}{path.suffix}")
        table = write_parameters(sequences[take.side], WriteOptions(up="z", model=model))
        table["tracking_confidence"] = take.confidence
        table["tracking_camera"] = np.array(json.dumps(take.camera.to_json()))
        write_arrays(own, table)
        paths.append(own)
    return tuple(paths)


def check_suffix(path: Path) -> None:
    """Raises PoseError when takes cannot be written to such a file."""
    if path.suffix.lower() not in SUFFIXES:
        raise PoseError(f"{path.name} has an unknown suffix.", f"Name it {' or '.join(SUFFIXES)}.")


def read_notes(path: Path) -> TakeNotes:
    """What a take's ``.npz`` tells besides the motion.

    Raises:
        PoseError: it is damaged, or no tracked motion.
    """
    found = _TAKE.arrays(path)
    try:
        camera = Camera.from_json(json.loads(str(found["tracking_camera"])))
        return TakeNotes(found["tracking_confidence"].astype(np.float64), camera)
    except (KeyError, TypeError, ValueError, LiveHandError) as error:
        raise _TAKE.damaged(path, f"it tells no camera: {error}") from error


def resampled(samples: Sequence[tuple[float, HandPose]], fps: float) -> PoseSequence:
    """Poses at a constant rate from the first sample's moment to the last one's.

    Args:
        samples: (seconds, pose), in the order of time.
        fps: frames a second.

    Raises:
        PoseError: there are none.
    """
    if not samples:
        raise PoseError("The take has no frames: no hand was seen while it was recorded.", "Record it again.")
    times = np.array([moment for moment, _ in samples])
    poses = []
    for number in range(int((times[-1] - times[0]) * fps + 1e-6) + 1):
        moment = times[0] + number / fps
        after = min(int(np.searchsorted(times, moment)), len(samples) - 1)
        before = max(after - 1, 0)
        gap = times[after] - times[before]
        share = float(np.clip((moment - times[before]) / gap, 0.0, 1.0)) if gap > 0.0 else 1.0
        poses.append(interpolate(samples[before][1], samples[after][1], share))
    return PoseSequence(tuple(poses), fps)


def world_sequence(sequence: PoseSequence, model: str) -> PoseSequence:
    """Poses of the camera's axes in a z-up world in which the camera looks along y."""
    return PoseSequence(tuple(world_pose(pose, model) for pose in sequence.poses), sequence.fps)


def world_pose(pose: HandPose, model: str) -> HandPose:
    """The same of one pose."""
    return pose.moved(up_rotation("-y"), np.zeros(3), rest_wrist(model, pose.side, pose.betas))


def rest_wrist(model: str, side: Side, betas: np.ndarray) -> np.ndarray:
    """(3,) where the wrist of a hand model rests."""
    return np.asarray(find_hand(model, side).rest_joints(betas)[0])
