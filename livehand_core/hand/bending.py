"""How a posed hand's skin moves when its joints turn: the degrees of freedom that anatomy leaves, and their effect.

NumPy only. Called by ``separation`` and ``holding``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..poses import HandPose
from ..rotations import axis_angle_to_matrix
from .data import HandData
from .gestures import joint_angles, joint_rotations, mirror_hand_pose
from .limits import JOINT_RANGES
from .skinning import joint_transforms, pose_vertices

FREE_RANGE = np.radians(20.0)
"""A joint turns about those of its axes whose range is wider; the others are given by its bones."""

FREEDOMS = tuple(
    (joint, axis) for joint in range(15) for axis in range(3) if np.ptp(JOINT_RANGES[joint, axis]) > FREE_RANGE
)
"""(joint from 0 for the index finger's first, axis: 0 flexion, 1 spread, 2 twist) of each degree of freedom."""

_STEP = 1e-4
"""Radians by which joints are turned to see where that leads."""


@dataclass(frozen=True)
class Bent:
    """A hand in a pose, ready to be bent further.

    Attributes:
        data: its model.
        pose: world space.
    """

    data: HandData
    pose: HandPose

    @cached_property
    def angles(self) -> np.ndarray:
        """(15, 3) flexion, spread and twist of its joints in radians, as a right hand's."""
        fingers = self.pose.hand_pose
        return joint_angles(mirror_hand_pose(fingers) if self.pose.side == "left" else fingers)

    @cached_property
    def vertices(self) -> np.ndarray:
        """(V, 3) metres."""
        return pose_vertices(self.data, self.pose)

    @cached_property
    def frames(self) -> np.ndarray:
        """(16, 4, 4) of its joints."""
        return joint_transforms(self.data, self.pose)

    @cached_property
    def room(self) -> tuple[np.ndarray, np.ndarray]:
        """(D,) radians by which each of FREEDOMS may turn at least and at most; a joint out of its range may stay."""
        low, high, now = (np.array([part[one] for one in FREEDOMS]) for part in (*_RANGES, self.angles))
        return np.minimum(low - now, 0.0), np.maximum(high - now, 0.0)

    def bent(self, turns: np.ndarray, shift: np.ndarray | None = None) -> Bent:
        """Turned by (D,) radians along FREEDOMS, and moved by (3,) metres; the same pose where all of it is 0."""
        pose = self.pose
        if np.any(turns):
            angles = self.angles.copy()
            for (joint, axis), turn in zip(FREEDOMS, turns, strict=True):
                angles[joint, axis] += turn
            changed = np.unique([joint for (joint, _), turn in zip(FREEDOMS, turns, strict=True) if turn != 0.0])
            fingers = pose.hand_pose.copy()
            fingers[changed] = _rotations(angles, pose)[changed]
            pose = replace(pose, hand_pose=fingers)
        if shift is not None and np.any(shift):
            pose = replace(pose, transl=pose.transl + shift)
        return Bent(self.data, pose)

    def motion(self, points: np.ndarray, influence: np.ndarray) -> np.ndarray:
        """(N, 3, D) metres by which points of the skin move for a radian of each of FREEDOMS.

        Args:
            points: (N, 3) on the posed skin.
            influence: (N, 16) what share of each joint's own motion they follow, as the model's weights.
        """
        joints = np.array([joint + 1 for joint, _ in FREEDOMS])
        arms = points[:, None] - self.frames[joints, :3, 3]
        carried = influence @ _BELOW[joints].T
        moved: np.ndarray = carried[..., None] * np.cross(self._axes[None], arms)
        return moved.transpose(0, 2, 1)

    @cached_property
    def _axes(self) -> np.ndarray:
        """(D, 3) unit axis in the world of each of FREEDOMS."""
        local = np.empty((3, 15, 3))
        for axis in range(3):
            moved = [self.angles.copy() for _ in range(2)]
            moved[0][:, axis] -= _STEP
            moved[1][:, axis] += _STEP
            before, after = (axis_angle_to_matrix(_rotations(angles, self.pose)) for angles in moved)
            turn = after @ before.transpose(0, 2, 1) / (2.0 * _STEP)
            local[axis] = 0.5 * np.stack(
                [turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], axis=1
            )
        parents = self.frames[self.data.parents[[joint + 1 for joint, _ in FREEDOMS]], :3, :3]
        return np.einsum("dij,dj->di", parents, np.array([local[axis, joint] for joint, axis in FREEDOMS]))


def _rotations(angles: np.ndarray, pose: HandPose) -> np.ndarray:
    fingers = joint_rotations(angles)
    return mirror_hand_pose(fingers) if pose.side == "left" else fingers


def _below() -> np.ndarray:
    """(16, 16) whether a joint (row) carries another one (column), itself included."""
    carries = np.eye(16)
    for finger in range(5):
        first = 1 + 3 * finger
        carries[0, first : first + 3] = 1.0
        carries[first, first + 1 : first + 3] = carries[first + 1, first + 2] = 1.0
    return carries


_BELOW = _below()
_RANGES = JOINT_RANGES[..., 0], JOINT_RANGES[..., 1]
