"""A small film of known truth: the built-in hand, shaded, before a plain ground, seen by cameras that are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from livehand_core.cameras import Camera, look_at
from livehand_core.hand.builtin import MODEL_ID, builtin_hand
from livehand_core.hand.gestures import GESTURES
from livehand_core.hand.skinning import pose_joints
from livehand_core.poses import HandPose, interpolate
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.tracking.overlay import draw_hand
from tests.tracking.films import write_film

SKIN, GROUND = (226, 172, 148), (88, 104, 120)
SIDE, FOCAL = 480, 640.0
CENTRE = builtin_hand("right").v_template.mean(axis=0)
"""About the middle of the hand at rest."""


@dataclass(frozen=True)
class Film:
    """Poses of a right hand at a constant rate.

    Attributes:
        poses: one a frame; fps: frames a second.
    """

    poses: tuple[HandPose, ...]
    fps: float = 15.0

    def joints(self, index: int) -> np.ndarray:
        """(16, 3) metres."""
        return pose_joints(builtin_hand("right"), self.poses[index])


def gesturing(count: int) -> Film:
    """An open hand that closes some way, turns and moves."""
    start, end = HandPose.rest(), HandPose.rest()
    start = HandPose(np.array([0.1, 0.0, -0.2]), GESTURES["relaxed"], start.betas, np.zeros(3))
    end = HandPose(np.array([-0.25, 0.3, 0.25]), GESTURES["open"], end.betas, np.array([0.03, -0.02, 0.02]))
    share = 0.5 - 0.5 * np.cos(np.linspace(0.0, 2.4 * np.pi, count))
    return Film(tuple(interpolate(start, end, float(part)) for part in share))


def camera(degrees: float, tilt: float = 0.0, distance: float = 0.42) -> Camera:
    """One that looks at the palm from so many degrees about the hand's length, and tilted towards the fingers."""
    turn = axis_angle_to_matrix(np.array([np.radians(degrees), 0.0, 0.0]))
    away = turn @ axis_angle_to_matrix(np.array([0.0, 0.0, np.radians(tilt)])) @ np.array([0.0, -1.0, 0.0])
    fingers = builtin_hand("right").rest_joints()[4] - builtin_hand("right").rest_joints()[0]
    matrix = look_at(CENTRE + distance * away, CENTRE, fingers)
    return Camera(SIDE, SIDE, FOCAL, FOCAL, SIDE / 2, SIDE / 2, matrix)


def draw(pose: HandPose, view: Camera) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    big = view.resized(2 * view.width, 2 * view.height)
    picture = np.full((big.height, big.width, 3), GROUND, np.uint8)
    draw_hand(picture, pose, big, MODEL_ID, SKIN, 1.0)
    return np.asarray(
        cv2.resize(cv2.GaussianBlur(picture, (0, 0), 1.2), (view.width, view.height), interpolation=cv2.INTER_AREA)
    )


def shoot(path: Path, poses: list[HandPose], views: list[Camera], fps: float) -> Path:
    """A film of poses, each by a view of its own."""
    return write_film(path, [draw(pose, view) for pose, view in zip(poses, views, strict=True)], fps)
