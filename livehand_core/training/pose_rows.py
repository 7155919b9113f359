"""A pose as one row of numbers, in the order in which fits are refined. Called by refinement and silhouettes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..poses import HandPose


def numbers_of(hand: HandPose) -> np.ndarray:
    """(61,) float64: turn of the wrist 3, joint angles 45, place 3, betas 10."""
    return np.concatenate([hand.global_orient, hand.hand_pose.reshape(-1), hand.transl, hand.betas])


def hand_of(pose: HandPose, numbers: np.ndarray) -> HandPose:
    """The pose with other :func:`numbers_of`."""
    turn, angles, place, betas = np.split(np.asarray(numbers, dtype=np.float64), [3, 48, 51])
    return replace(pose, global_orient=turn, hand_pose=angles.reshape(15, 3), transl=place, betas=betas)
