"""How motion files differ from ``HandPose``: principal components, mean pose, up axis, what translations count from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import HandModelError, PoseError
from ..hand.data import HandData
from ..hand.library import find_hand
from ..poses import HandPose, PoseSequence, Side
from ..rotations import axis_angle_to_matrix

UpAxis = Literal["z", "y", "-y"]
"""The axis of a file's world that points up: Blender's z, y as in most animation tools, or -y as in cameras."""

FINGER_NUMBERS = 45


@dataclass(frozen=True)
class ReadOptions:
    """What a motion file does not tell by itself; None leaves it to the file, or to what is usual for its format.

    Attributes:
        side: the hand to read; None takes the one there is.
        up: the axis of the file's world that points up; when nobody tells "z", in InterHand2.6M files "-y".
        pca: whether finger poses are principal components; told by their count when it is below 45.
        flat_mean: whether finger poses are relative to the flat hand, or else to the model's mean pose.
        model: id of the hand model whose mean pose, components and wrist the file means, e.g. ``"mano"``.
        fps: frames a second.
        capture: which capture of an InterHand2.6M file; the first when None.
        prefer: the hand to read where a file holds both and ``side`` is None; right when None.
        bones: of a skeleton (``.bvh``): names of the hand's points (``wrist``, ``index1`` ... ``pinky3``) -> its bones;
            None finds them by the names that known tools give.
        bridge: whether frames without numbers (NaN, as trackers write where they lost the hand) are interpolated.
    """

    side: Side | None = None
    up: UpAxis | None = None
    pca: bool | None = None
    flat_mean: bool | None = None
    model: str | None = None
    fps: float | None = None
    capture: str | None = None
    prefer: Side | None = None
    bridge: bool = False
    bones: Mapping[str, str] | None = None


@dataclass(frozen=True)
class WriteOptions:
    """How a motion file is written.

    Attributes:
        up: the axis of the file's world that points up; None for what is usual: -y in InterHand2.6M files, whose world
            is a camera's, and z elsewhere.
        components: number of principal components, None for axis-angle.
        flat_mean: whether finger poses are relative to the flat hand, or else to the model's mean pose; None for what
            is usual: the mean pose in InterHand2.6M files, the flat hand elsewhere.
        model: id of the hand model whose mean pose and components are used, and that the betas belong to.
        capture: name of the capture in an InterHand2.6M file.
        first_frame: number of the first frame in an InterHand2.6M file.
    """

    up: UpAxis | None = None
    components: int | None = None
    flat_mean: bool | None = None
    model: str = "livehand-builtin-1"
    capture: str = "0"
    first_frame: int = 0


@dataclass(frozen=True)
class Motion:
    """What was read.

    Attributes:
        sequence: poses in Blender's world (z up), relative to the flat hand.
        has_wrist: whether the file places the wrist; otherwise orientations and translations are zero.
        model: id of the hand model that the betas belong to, empty when the file does not tell.
        notes: what a person should know about how it was read, one sentence each.
    """

    sequence: PoseSequence
    has_wrist: bool = True
    model: str = ""
    notes: tuple[str, ...] = ()


def up_rotation(up: UpAxis) -> np.ndarray:
    """(3, 3) rotation from a world with that up axis to one whose z points up; x stays.

    Raises:
        PoseError: the axis is unknown.
    """
    turns = {"z": 0.0, "y": 0.5 * np.pi, "-y": -0.5 * np.pi}
    if up not in turns:
        raise PoseError(f"The up axis {up!r} is unknown.", f"Choose one of {', '.join(turns)}.")
    return np.round(axis_angle_to_matrix(np.array([turns[up], 0.0, 0.0])))


def finger_model(name: str, side: Side, what: str) -> HandData:
    """The hand model whose mean pose or components a file needs.

    Args:
        what: what it is needed for, to complete "The file's finger poses ...".

    Raises:
        PoseError: the model is not there.
    """
    try:
        return find_hand(name, side)
    except HandModelError as error:
        raise PoseError(
            f"The finger poses {what}, which the hand model {name!r} holds: {error.message}",
            f"{error.remedy} Or choose another hand model (its mean pose differs a little), or a flat mean pose.",
        ) from error


def decode_fingers(numbers: np.ndarray, side: Side, pca: bool, flat_mean: bool, model: str) -> np.ndarray:
    """Finger poses of a file as axis-angle relative to the flat hand.

    Args:
        numbers: (n, k) principal components, or (n, 45) axis-angle.
        side: the hand.
        pca: whether they are principal components.
        flat_mean: whether they are relative to the flat hand.
        model: id of the hand model with components and mean pose.

    Returns:
        (n, 45) float64.

    Raises:
        PoseError: a wrong count, or the model is not there.
    """
    numbers = np.asarray(numbers, dtype=np.float64)
    count = numbers.shape[1]
    if not 1 <= count <= FINGER_NUMBERS or (not pca and count != FINGER_NUMBERS):
        raise PoseError(
            f"The finger poses have {count} numbers a frame; 45 angles or up to 45 components are needed.",
            "Choose the file's form (components or angles).",
        )
    if pca:
        data = finger_model(model, side, "are principal components")
        numbers = numbers @ data.hands_components[:count].astype(np.float64)
    if not flat_mean:
        data = finger_model(model, side, "are relative to a mean pose")
        numbers = numbers + data.hands_mean.astype(np.float64)
    return numbers


def encode_fingers(poses: np.ndarray, side: Side, components: int | None, flat_mean: bool, model: str) -> np.ndarray:
    """Inverse of :func:`decode_fingers`; exact for axis-angle and 45 components, else the nearest in least squares.

    Args:
        poses: (n, 45) axis-angle relative to the flat hand.
        components: number of principal components, None for axis-angle.

    Returns:
        (n, 45) or (n, components) float64.
    """
    numbers = np.asarray(poses, dtype=np.float64)
    if not flat_mean:
        numbers = numbers - finger_model(model, side, "are relative to a mean pose").hands_mean.astype(np.float64)
    if components is not None:
        if not 1 <= components <= FINGER_NUMBERS:
            raise PoseError(f"{components} components cannot be written.", "Choose 1 to 45.")
        data = finger_model(model, side, "are principal components")
        basis = data.hands_components[:components].astype(np.float64)
        numbers = np.linalg.lstsq(basis.T, numbers.T, rcond=None)[0].T
    return numbers


def into_world(poses: list[HandPose], up: UpAxis, source: np.ndarray, target: np.ndarray) -> list[HandPose]:
    """Poses of a file in a z-up world, with translations that count from another model's wrist.

    Args:
        poses: as the file has them.
        up: the file's up axis.
        source: (3,) rest position of the wrist joint in the file's hand model.
        target: (3,) the same in the hand model that shall show the motion.
    """
    rotation, shift = up_rotation(up), source - target
    moved = (pose.moved(rotation, np.zeros(3), source) for pose in poses)
    return [HandPose(pose.global_orient, pose.hand_pose, pose.betas, pose.transl + shift, pose.side) for pose in moved]
