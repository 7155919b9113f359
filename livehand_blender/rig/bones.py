"""Where the bones of a hand lie and how far they turn, in NumPy alone (no bpy). Called by rig/armature."""

from __future__ import annotations

import numpy as np

from livehand_core.hand.data import HandData
from livehand_core.hand.limits import JOINT_AXES, JOINT_RANGES
from livehand_core.poses import JOINT_COUNT, JOINT_NAMES, Side

LIMIT_ORDER = "YZX"
"""Euler order in which the ranges hold: twist first, then spread, then flexion (Blender applies letters in turn)."""

_MIDDLE1 = JOINT_NAMES.index("middle1")
_WRIST_ALONG = (-1.0, 0.0, 0.0)
_WRIST_DORSAL = (0.0, 1.0, 0.0)


def bone_axes(side: Side) -> np.ndarray:
    """(16, 3, 3) rest rotations of the bones, columns X, Y, Z in the armature's space.

    Y points along the bone, a positive turn about X curls towards the palm, Z faces the palm's side.
    """
    mirror = np.array([1.0 if side == "right" else -1.0, 1.0, 1.0])
    axes = np.zeros((JOINT_COUNT, 3, 3))
    for joint in range(JOINT_COUNT):
        dorsal, along = (_WRIST_DORSAL, _WRIST_ALONG) if joint == 0 else JOINT_AXES[joint - 1, 1:]
        y, up = np.asarray(along) * mirror, np.asarray(dorsal) * mirror
        axes[joint] = np.stack([np.cross(up, y), y, -up], axis=1)
    return axes


def bone_matrices(data: HandData, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rest bones of a hand whose wrist joint is the armature's origin.

    Args:
        data: the hand model.
        betas: (10,) shape coefficients; they move the joints and leave the bones' axes as they are.

    Returns:
        (16, 4, 4) rest matrices in the armature's space, and (16,) lengths in metres.
    """
    joints = data.rest_joints(betas)
    matrices = np.tile(np.eye(4), (JOINT_COUNT, 1, 1))
    matrices[:, :3, :3] = bone_axes(data.side)
    matrices[:, :3, 3] = joints - joints[0]
    lengths = np.zeros(JOINT_COUNT)
    for joint in range(1, JOINT_COUNT):
        if joint % 3 != 0:
            lengths[joint] = np.linalg.norm(joints[joint + 1] - joints[joint])
        else:
            lengths[joint] = 0.8 * lengths[joint - 1]
    lengths[0] = 0.9 * np.linalg.norm(joints[_MIDDLE1] - joints[0])
    return matrices, np.maximum(lengths, 1e-3)


def bone_limits(side: Side) -> np.ndarray:
    """(15, 3, 2) lowest and highest turn about the local X, Y, Z of bones 1 to 15, radians, in LIMIT_ORDER.

    The hand model's ranges count spread and twist towards the thumb, which turns their sign on the left hand.
    """
    flexion, spread, twist = JOINT_RANGES[:, 0], JOINT_RANGES[:, 1], JOINT_RANGES[:, 2]
    spread, twist = (-spread[:, ::-1], twist) if side == "right" else (spread, -twist[:, ::-1])
    return np.stack([flexion, twist, spread], axis=1)
