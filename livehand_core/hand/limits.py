"""How a hand can bend: anatomical axes in the flat rest pose, ranges, sampled poses and named gestures.

Frames are MANO's right hand: fingers along -x, palm facing -y, thumb towards +z, metres. Capture, the demo and the
pose presets of the Blender side call this; numpy only. Left hands mirror the result (see ``mirror_hand_pose``).
"""

from __future__ import annotations

import numpy as np

from ..errors import PoseError
from ..poses import Side
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
"""Finger names in MANO's joint order, three joints each."""

_SPREAD_AT_REST = {"index": 8.0, "middle": 1.0, "ring": -6.5, "pinky": -15.0}
_DORSAL_TILT = {"index": 3.0, "middle": 0.0, "ring": -4.0, "pinky": -9.0}
_THUMB_METACARPAL = (-0.740, -0.300, 0.600)
_THUMB_PHALANX = (-0.860, -0.210, 0.465)
_THUMB_DORSAL = (0.10, 0.640, 0.770)

_RANGES_DEGREES = {
    # joint: (flexion low, high), (spread low, high), (twist low, high)
    "finger1": ((-20.0, 85.0), (-14.0, 14.0), (-4.0, 4.0)),
    "finger2": ((-2.0, 105.0), (0.0, 0.0), (0.0, 0.0)),
    "finger3": ((-6.0, 72.0), (0.0, 0.0), (0.0, 0.0)),
    "thumb1": ((-18.0, 38.0), (-22.0, 30.0), (-10.0, 35.0)),
    "thumb2": ((-12.0, 52.0), (-6.0, 6.0), (-4.0, 8.0)),
    "thumb3": ((-18.0, 75.0), (0.0, 0.0), (0.0, 0.0)),
}


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _frame(along: np.ndarray, dorsal: np.ndarray) -> np.ndarray:
    """(3, 3) rows: flexion axis, spread axis (dorsal), twist axis (along the bone)."""
    along = _unit(along)
    dorsal = _unit(dorsal - along * (along @ dorsal))
    return np.stack([np.cross(dorsal, along), dorsal, along])


def _all_axes() -> np.ndarray:
    axes = np.zeros((15, 3, 3))
    for finger, name in enumerate(FINGERS):
        for part in range(3):
            if name == "thumb":
                along = np.array(_THUMB_METACARPAL if part == 0 else _THUMB_PHALANX)
                dorsal = np.array(_THUMB_DORSAL)
            else:
                spread, tilt = np.radians([_SPREAD_AT_REST[name], _DORSAL_TILT[name]])
                along = np.array([-np.cos(spread), 0.0, np.sin(spread)])
                dorsal = np.array([0.0, np.cos(tilt), np.sin(tilt)])
            axes[3 * finger + part] = _frame(along, dorsal)
    return axes


JOINT_AXES: np.ndarray = _all_axes()
"""(15, 3, 3) float64: for joints 1 to 15 the unit axes [flexion, spread, twist] of the right hand at rest.

Positive flexion curls towards the palm; positive spread moves a finger towards the thumb's side; the twist axis points
to the finger tip. The rows are the bone's frame, so they also say where a finger points and where its nail faces."""


def _all_ranges() -> np.ndarray:
    ranges = np.zeros((15, 3, 2))
    for finger, name in enumerate(FINGERS):
        for part in range(3):
            key = f"{'thumb' if name == 'thumb' else 'finger'}{part + 1}"
            ranges[3 * finger + part] = np.radians(_RANGES_DEGREES[key])
    return ranges


JOINT_RANGES: np.ndarray = _all_ranges()
"""(15, 3, 2) float64 radians: lowest and highest [flexion, spread, twist] of joints 1 to 15."""


def compose_pose(angles: np.ndarray) -> np.ndarray:
    """(15, 3) axis-angle from (15, 3) radians [flexion, spread, twist]: spread first, then flexion, then twist."""
    angles = np.asarray(angles, dtype=np.float64)
    turns = [axis_angle_to_matrix(angles[:, k, None] * JOINT_AXES[:, k]) for k in range(3)]
    return matrix_to_axis_angle(turns[1] @ turns[0] @ turns[2])


def mirror_hand_pose(hand_pose: np.ndarray) -> np.ndarray:
    """(15, 3) axis-angle of the other hand's same gesture: the hands mirror each other in x."""
    return np.asarray(hand_pose, dtype=np.float64) * np.array([1.0, -1.0, -1.0])


def _degrees(
    index: tuple, middle: tuple, ring: tuple, pinky: tuple, thumb: tuple[tuple, tuple, tuple]
) -> np.ndarray:
    """(15, 3) radians from each finger's (flexion 1, 2, 3, spread 1) and the thumb's three [flexion, spread, twist]."""
    angles = np.zeros((15, 3))
    for finger, values in zip((0, 1, 3, 2), (index, middle, ring, pinky), strict=True):
        angles[3 * finger : 3 * finger + 3, 0] = values[:3]
        angles[3 * finger, 1] = values[3]
    angles[12:15] = thumb
    return np.radians(angles)


_FLAT_THUMB = ((0, 0, 0), (0, 0, 0), (0, 0, 0))

GESTURE_ANGLES: dict[str, np.ndarray] = {
    "rest": np.zeros((15, 3)),
    "relaxed": _degrees(
        (18, 28, 14, -3), (24, 32, 17, 0), (28, 35, 18, 2), (30, 36, 18, 5), ((8, -4, 8), (14, 0, 0), (18, 0, 0))
    ),
    "fist": _degrees(
        (74, 98, 58, -7), (78, 100, 60, -1), (80, 100, 60, 5), (82, 98, 58, 12), ((22, -8, 34), (30, 0, 4), (52, 0, 0))
    ),
    "point": _degrees(
        (2, 4, 3, -2), (76, 98, 58, 0), (80, 100, 60, 4), (82, 98, 58, 10), ((24, -8, 34), (34, 0, 4), (46, 0, 0))
    ),
    "pinch": _degrees(
        (48, 50, 22, -2), (32, 34, 18, -1), (26, 30, 15, 0), (22, 26, 12, 2), ((14, -2, 30), (14, 0, 4), (22, 0, 0))
    ),
    "spread": _degrees(
        (-6, 2, 0, 9), (-6, 2, 0, 1), (-6, 2, 0, -7), (-6, 3, 0, -10), ((-8, 12, 0), (-4, 0, 0), (-8, 0, 0))
    ),
    "thumb_up": _degrees(
        (74, 98, 58, -7), (78, 100, 60, -1), (80, 100, 60, 5), (82, 98, 58, 12), ((-8, 20, -4), (-6, 0, 0), (-12, 0, 0))
    ),
    "victory": _degrees(
        (2, 3, 2, 8), (2, 3, 2, -6), (78, 98, 58, 4), (80, 96, 56, 10), ((24, -12, 34), (34, 0, 4), (48, 0, 0))
    ),
    "cup": _degrees(
        (36, 30, 18, -6), (38, 32, 18, -1), (40, 32, 18, 5), (42, 32, 18, 11), ((12, -4, 24), (8, 0, 2), (16, 0, 0))
    ),
    "hook": _degrees(
        (4, 88, 50, -5), (4, 90, 52, 0), (4, 90, 52, 4), (4, 86, 50, 9), ((10, -6, 14), (14, 0, 0), (24, 0, 0))
    ),
}
"""Named gestures: (15, 3) radians [flexion, spread, twist] of joints 1 to 15."""

GESTURES: dict[str, np.ndarray] = {name: compose_pose(angles) for name, angles in GESTURE_ANGLES.items()}
"""Named gestures of the right hand: (15, 3) axis-angle of joints 1 to 15."""


def gesture(name: str, side: Side = "right") -> np.ndarray:
    """(15, 3) axis-angle of a named gesture.

    Raises:
        PoseError: no gesture has that name.
    """
    if name not in GESTURES:
        raise PoseError(f"The gesture {name!r} is unknown.", f"Choose one of {', '.join(sorted(GESTURES))}.")
    pose = GESTURES[name].copy()
    return mirror_hand_pose(pose) if side == "left" else pose


def sample_pose(rng: np.random.Generator, side: Side = "right") -> np.ndarray:
    """(15, 3) axis-angle of a natural pose within the joint limits.

    A blend of two named gestures finger by finger, plus coupled noise: the last joint follows the middle one, as
    tendons make it, and neighbouring fingers move together.
    """
    names = sorted(GESTURE_ANGLES)
    first, second = (GESTURE_ANGLES[names[i]] for i in rng.choice(len(names), size=2, replace=False))
    share = np.clip(rng.uniform(-0.15, 1.15) + rng.normal(0.0, 0.12, size=5), 0.0, 1.0)
    share = np.repeat(share, 3)[:, None]
    angles = (1.0 - share) * first + share * second
    common = rng.normal(0.0, 0.06)
    for finger in range(5):
        bend = common + rng.normal(0.0, 0.07)
        angles[3 * finger : 3 * finger + 3, 0] += bend * np.array([1.0, 1.1, 0.7])
        angles[3 * finger, 1] += rng.normal(0.0, 0.035)
    pose = compose_pose(np.clip(angles, JOINT_RANGES[..., 0], JOINT_RANGES[..., 1]))
    return mirror_hand_pose(pose) if side == "left" else pose
