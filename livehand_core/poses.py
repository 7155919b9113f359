"""Poses: a hand's 16 joints in MANO order or those of any part, one pose, and a sequence with its file format."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, Literal

import numpy as np

from .errors import PoseError
from .files import write_arrays
from .records import AS_IS, build
from .rotations import axis_angle_to_matrix, matrix_to_axis_angle, slerp

Side = Literal["right", "left"]

JOINT_NAMES = (
    "wrist",
    *(f"{finger}{i}" for finger in ("index", "middle", "pinky", "ring", "thumb") for i in (1, 2, 3)),
)
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
JOINT_COUNT = 16
BETA_COUNT = 10


LARGEST_VALUE = 1e6
"""Of metres, radians and shape coefficients: beyond it single precision turns a mesh into rubbish."""

_CHECK = "Check the rig or the file."


def _where(name: str, wrong: np.ndarray) -> str:
    """Which joints or entries are wrong, for a message."""
    if wrong.ndim == 2:
        named = JOINT_NAMES if len(wrong) == JOINT_COUNT - 1 else [f"joint {joint}" for joint in range(1 + len(wrong))]
        return " at " + ", ".join(named[1 + joint] for joint in np.flatnonzero(wrong.any(axis=1)))
    return " at " + ", ".join(f"{name}[{entry}]" for entry in np.flatnonzero(wrong))


def _vector(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(value, dtype=np.float64)
    if shape[0] < 0 and array.size % math.prod(shape[1:]) == 0:
        shape = (array.size // math.prod(shape[1:]), *shape[1:])
    if array.size != math.prod(shape):
        raise PoseError(f"{name} has shape {array.shape}; {shape} is needed.", "Check the pose's joint count.")
    array = array.reshape(shape)
    # One look for the usual case: a comparison with NaN is false. Every frame's request passes here.
    if not np.abs(array).max(initial=0.0) <= LARGEST_VALUE:
        if not np.isfinite(array).all():
            where = _where(name, ~np.isfinite(array))
            raise PoseError(f"{name} holds values that are not finite (NaN or infinity){where}.", _CHECK)
        where = _where(name, np.abs(array) > LARGEST_VALUE)
        raise PoseError(f"{name} holds values beyond {LARGEST_VALUE:g}{where}; no hand pose reaches that far.", _CHECK)
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class HandPose:
    """One hand, or another skinned part, at one moment, in world space (metres, radians).

    Joint rotations are axis-angle in each parent joint's frame, relative to the flat rest pose (MANO's mean pose
    is added when a file is read, never later). ``global_orient`` turns the hand about its wrist joint
    J0(betas), then ``transl`` moves it: x = R (x_rest - J0) + J0 + transl.

    Attributes:
        global_orient: (3,) float64.
        hand_pose: (15, 3) float64, joints 1 to 15 in MANO order; of a part (J - 1, 3), those of its own J joints but
            the root.
        betas: (10,) float64 shape coefficients.
        transl: (3,) float64.
        side: ``"right"`` or ``"left"``.

    Raises:
        PoseError: a wrong size, a value that is not finite, or an unknown side.
    """

    global_orient: np.ndarray
    hand_pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    side: Side = field(default="right", metadata={AS_IS: True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "global_orient", _vector("global_orient", self.global_orient, (3,)))
        object.__setattr__(self, "hand_pose", _vector("hand_pose", self.hand_pose, (-1, 3)))
        object.__setattr__(self, "betas", _vector("betas", self.betas, (BETA_COUNT,)))
        object.__setattr__(self, "transl", _vector("transl", self.transl, (3,)))
        if self.side not in ("right", "left"):
            raise PoseError(f"The side {self.side!r} is unknown.", "Use 'right' or 'left'.")

    @classmethod
    def rest(cls, side: Side = "right", joints: int = JOINT_COUNT) -> HandPose:
        """The flat hand at the origin, or a part of so many joints at rest."""
        return cls(np.zeros(3), np.zeros((joints - 1, 3)), np.zeros(BETA_COUNT), np.zeros(3), side)

    @property
    def full_pose(self) -> np.ndarray:
        """(3 J,) global_orient followed by the joints' rotations; 48 of a hand."""
        return np.concatenate([self.global_orient, self.hand_pose.reshape(-1)])

    def moved(self, rotation: np.ndarray, translation: np.ndarray, wrist: np.ndarray) -> HandPose:
        """The pose after the world is turned by ``rotation`` (3, 3) about the origin, then shifted by ``translation``.

        Args:
            wrist: (3,) rest position J0(betas) of the wrist joint, about which global_orient turns.
        """
        orient = matrix_to_axis_angle(rotation @ axis_angle_to_matrix(self.global_orient))
        transl = rotation @ (wrist + self.transl) + translation - wrist
        return replace(self, global_orient=orient, transl=transl)

    def mirrored(self) -> HandPose:
        """The same pose of the other hand, reflected in the plane x = 0; betas stay.

        A reflection keeps a rotation vector's part along the plane's normal and reverses the rest.
        """
        turn, shift = np.array([1.0, -1.0, -1.0]), np.array([-1.0, 1.0, 1.0])
        side: Side = "left" if self.side == "right" else "right"
        return HandPose(self.global_orient * turn, self.hand_pose * turn, self.betas, self.transl * shift, side)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, ready for JSON."""
        return {
            "global_orient": self.global_orient.tolist(),
            "hand_pose": self.hand_pose.reshape(-1).tolist(),
            "betas": self.betas.tolist(),
            "transl": self.transl.tolist(),
            "side": self.side,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HandPose:
        """Inverse of :meth:`to_json`.

        Raises:
            PoseError: a key is missing or a value does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise PoseError(
                f"The pose is incomplete or invalid: {error}.", "Write poses with HandPose.to_json."
            ) from error


def interpolate(start: HandPose, end: HandPose, fraction: float) -> HandPose:
    """Blend two poses of one side: rotations by shortest path, betas and transl linearly."""
    if len(start.hand_pose) != len(end.hand_pose):
        raise PoseError("Poses of different numbers of joints cannot be blended.", "Blend poses of one model.")
    if start.side != end.side:
        raise PoseError("A right and a left hand cannot be blended.", "Blend poses of one side.")
    return HandPose(
        slerp(start.global_orient, end.global_orient, fraction),
        slerp(start.hand_pose, end.hand_pose, fraction),
        (1.0 - fraction) * start.betas + fraction * end.betas,
        (1.0 - fraction) * start.transl + fraction * end.transl,
        start.side,
    )


@dataclass(frozen=True)
class PoseSequence:
    """A motion of one hand: poses at a constant rate.

    Attributes:
        poses: one pose a frame, all of one side.
        fps: frames a second.
    """

    poses: tuple[HandPose, ...]
    fps: float = 30.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "poses", tuple(self.poses))
        if not self.poses:
            raise PoseError("The motion has no frames.", "Give at least one pose.")
        if len({len(pose.hand_pose) for pose in self.poses}) != 1:
            raise PoseError("The motion's poses have different numbers of joints.", "Keep one sequence for each model.")
        if len({pose.side for pose in self.poses}) != 1:
            raise PoseError("The motion mixes right and left hands.", "Keep one sequence for each hand.")

    def save(self, path: str | PathLike[str]) -> None:
        """Write ``.npz`` with AMASS-like keys: poses (n, 3 J), betas (n, 10), trans (n, 3), mocap_framerate, side.

        ``motion.read_motion`` reads it.
        """
        table = {
            "poses": np.stack([pose.full_pose for pose in self.poses]),
            "betas": np.stack([pose.betas for pose in self.poses]),
            "trans": np.stack([pose.transl for pose in self.poses]),
            "mocap_framerate": np.float64(self.fps),
            "side": np.array(self.poses[0].side),
        }
        write_arrays(path, table)
