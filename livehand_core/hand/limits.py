"""How a hand can bend: anatomical axes in the flat rest pose, and the range of each joint.

Frames are MANO's right hand: fingers along -x, palm facing -y, thumb towards +z. The armature, the gestures and the
hand's own builder read this; numpy only. A left hand is the mirror in x.
"""

from __future__ import annotations

import numpy as np

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
