"""Where the joints of our hand are and how thick its parts are: the numbers of the right hand, in millimetres.

Positions are written as (distal, radial, dorsal): along the fingers, towards the thumb, out of the back of the hand.
``place`` turns them into MANO's axes (x = -distal, y = dorsal, z = radial), metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livehand_core.hand.limits import FINGERS, JOINT_AXES


def place(distal: float, radial: float, dorsal: float) -> np.ndarray:
    """(3,) metres in MANO's axes from anatomical millimetres."""
    return np.array([-distal, dorsal, radial]) * 1e-3


@dataclass(frozen=True)
class Finger:
    """One finger: its knuckle (millimetres, anatomical), phalanx lengths to the last joint, tip length, thickness."""

    name: str
    knuckle: tuple[float, float, float]
    lengths: tuple[float, float, float]
    thickness: float


FINGER_TABLE = {
    "index": Finger("index", (89.0, 27.0, 0.0), (41.0, 25.0, 22.5), 0.99),
    "middle": Finger("middle", (92.0, 6.0, 2.0), (45.0, 29.0, 23.5), 1.02),
    "ring": Finger("ring", (86.0, -14.0, 1.0), (42.0, 28.0, 23.0), 0.97),
    "pinky": Finger("pinky", (77.5, -32.0, -2.5), (34.0, 21.0, 21.0), 0.85),
    "thumb": Finger("thumb", (21.0, 22.0, -9.0), (46.0, 33.0, 30.0), 1.17),
}
"""Thumb: ``knuckle`` is the saddle joint at the wrist and the lengths are metacarpal, proximal and distal bone."""


def joints() -> np.ndarray:
    """(16, 3) float64 metres: rest joints in MANO order, wrist at the origin."""
    points = np.zeros((16, 3))
    for finger, name in enumerate(FINGERS):
        spec = FINGER_TABLE[name]
        here = place(*spec.knuckle)
        for part in range(3):
            joint = 1 + 3 * finger + part
            points[joint] = here
            here = here + JOINT_AXES[joint - 1, 2] * spec.lengths[part] * 1e-3
    return points


def tips() -> np.ndarray:
    """(5, 3) float64 metres: finger tips in the order of ``FINGERS``."""
    rest = joints()
    return np.stack(
        [
            rest[3 * k + 3] + JOINT_AXES[3 * k + 2, 2] * FINGER_TABLE[name].lengths[2] * 1e-3
            for k, name in enumerate(FINGERS)
        ]
    )
