"""Named gestures and natural random finger poses of the right hand; ``mirror_hand_pose`` carries them to the left one.

Poses are written as anatomical angles, [flexion, spread, twist] for each joint about ``limits.JOINT_AXES``, and
turned into MANO's axis-angle rotations. A hand of plain capsules (joint positions and radii of our built-in hand)
tells poses in which fingers pass through one another from those that a hand can take. NumPy only: Blender's presets,
the demo and the capture plan call this.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import PoseError
from ..poses import Side
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle, slerp
from .limits import FINGERS, JOINT_AXES, JOINT_RANGES

_JOINTS_MM = np.array(
    [
        (-89.0, 0.0, 27.0), (-129.6, 0.0, 32.7), (-154.4, 0.0, 36.2),
        (-92.0, 2.0, 6.0), (-137.0, 2.0, 6.8), (-166.0, 2.0, 7.3),
        (-77.5, -2.5, -32.0), (-110.3, -2.5, -40.8), (-130.6, -2.5, -46.2),
        (-86.0, 1.0, -14.0), (-127.7, 1.0, -18.8), (-155.6, 1.0, -21.9),
        (-21.0, -9.0, 22.0), (-55.1, -22.8, 49.6), (-83.5, -29.7, 65.0),
    ]
)  # fmt: skip
_TIPS_MM = np.array(
    [(-176.6, 0.0, 39.3), (-189.5, 2.0, 7.7), (-150.9, -2.5, -51.7), (-178.4, 1.0, -24.5), (-109.3, -36.0, 78.9)]
)
_RADII_MM = np.array([8.6, 8.2, 7.0, 8.8, 8.4, 7.2, 7.4, 7.0, 6.0, 8.4, 8.0, 6.9, 11.5, 9.6, 8.2])
"""Joints 1 to 15 and finger tips at rest, and the radius of the bone that starts at each joint."""

_PALM_RADIUS_MM = 9.5
_SOFTNESS_MM = 3.0
"""How far two capsules may sink into each other: flesh gives way, and real sections are flatter than circles."""

_THUMB = FINGERS.index("thumb")


def joint_rotations(flexion_spread_twist: np.ndarray) -> np.ndarray:
    """Anatomical angles of the right hand as rotations.

    A bone is first twisted about its own length, then spread, then flexed: R = R_flexion R_spread R_twist. In this
    order the spread is the middle angle, so the angles stay unique within all ranges of ``JOINT_RANGES``.

    Args:
        flexion_spread_twist: (15, 3) radians for joints 1 to 15.

    Returns:
        (15, 3) axis-angle in radians, as in ``HandPose.hand_pose``.
    """
    angles = np.asarray(flexion_spread_twist, dtype=np.float64).reshape(15, 3)
    turns = axis_angle_to_matrix(angles[..., None] * JOINT_AXES)
    return matrix_to_axis_angle(turns[:, 0] @ turns[:, 1] @ turns[:, 2])


def joint_angles(hand_pose: np.ndarray) -> np.ndarray:
    """The inverse of :func:`joint_rotations`: (15, 3) axis-angle -> (15, 3) [flexion, spread, twist] in radians."""
    matrices = axis_angle_to_matrix(np.asarray(hand_pose, dtype=np.float64).reshape(15, 3))
    local = JOINT_AXES @ matrices @ JOINT_AXES.transpose(0, 2, 1)
    flexion = np.arctan2(-local[:, 1, 2], local[:, 2, 2])
    spread = np.arcsin(np.clip(local[:, 0, 2], -1.0, 1.0))
    twist = np.arctan2(-local[:, 0, 1], local[:, 0, 0])
    return np.stack([flexion, spread, twist], axis=1)


def within_limits(hand_pose: np.ndarray, tolerance: float = 1e-6) -> bool:
    """Whether all angles of a right hand's (15, 3) pose lie in ``JOINT_RANGES``; ``tolerance`` in radians."""
    angles = joint_angles(hand_pose)
    low, high = JOINT_RANGES[..., 0], JOINT_RANGES[..., 1]
    return bool(((angles >= low - tolerance) & (angles <= high + tolerance)).all())


def mirror_hand_pose(hand_pose: np.ndarray) -> np.ndarray:
    """A pose seen in a mirror across x = 0: right hand to left hand and back. (15, 3) axis-angle -> (15, 3).

    A reflection keeps a rotation vector's part along the mirror's normal and reverses the rest.
    """
    return np.asarray(hand_pose, dtype=np.float64).reshape(15, 3) * np.array([1.0, -1.0, -1.0])


def _posed_segments(hand_pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (15, 3), millimetres, of the bones of the posed capsule hand; wrist at the origin."""
    rotations = axis_angle_to_matrix(hand_pose)
    starts, ends = np.zeros((15, 3)), np.zeros((15, 3))
    for finger in range(5):
        here, turn = _JOINTS_MM[3 * finger], np.eye(3)
        for part in range(3):
            bone = 3 * finger + part
            turn = turn @ rotations[bone]
            target = _TIPS_MM[finger] if part == 2 else _JOINTS_MM[bone + 1]
            starts[bone] = here
            here = here + turn @ (target - _JOINTS_MM[bone])
            ends[bone] = here
    return starts, ends


def _segment_distances(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(n,) smallest distances between segments a-b and c-d, each (n, 3)."""
    u, v, w = b - a, d - c, a - c
    uu, vv, uv = (u * u).sum(1), (v * v).sum(1), (u * v).sum(1)
    uw, vw = (u * w).sum(1), (v * w).sum(1)
    s = np.clip((uv * vw - uw * vv) / np.maximum(uu * vv - uv * uv, 1e-9), 0.0, 1.0)
    t = np.clip((uv * s + vw) / vv, 0.0, 1.0)
    s = np.clip((uv * t - uw) / uu, 0.0, 1.0)
    return np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1)


def _capsule_pairs() -> np.ndarray:
    """(n, 2) pairs of capsules that may collide: 0 to 14 are bones, 15 to 18 the palm from wrist to knuckles."""
    pairs = [(a, b) for a in range(15) for b in range(a + 1, 15) if a // 3 != b // 3 and 3 * _THUMB not in (a, b)]
    # First bones grow out of the palm, the thumb's metacarpal lies in it, and the thumb rests on it.
    pairs += [(bone, palm) for bone in range(14) if bone % 3 for palm in range(15, 19)]
    pairs += [(3 * _THUMB + 2, palm) for palm in range(15, 19)]
    # The thenar's muscle carries curled finger tips.
    pairs += [(bone, 3 * _THUMB) for bone in range(12) if bone % 3]
    return np.array(pairs)


_PAIRS = _capsule_pairs()
_PALM_STARTS = np.array([(-25.0, 1.0, 14.0), (-25.0, 2.0, 5.0), (-25.0, 0.0, -16.0), (-25.0, 2.0, -6.0)])
_PALM_ENDS = _JOINTS_MM[[0, 3, 6, 9]]


def penetration(hand_pose: np.ndarray) -> float:
    """How deep fingers, thumb and palm of a right hand's (15, 3) pose go into one another, metres; 0 if they do not.

    Measured on capsules of our built-in hand, with no allowance for soft flesh.
    """
    starts, ends = _posed_segments(np.asarray(hand_pose, dtype=np.float64).reshape(15, 3))
    last = np.arange(2, 15, 3)
    inward = starts[last] - ends[last]
    # A tip's joint length reaches the skin; the capsule's round end must, too.
    ends[last] += inward / np.linalg.norm(inward, axis=1, keepdims=True) * _RADII_MM[last, None]
    starts, ends = np.concatenate([starts, _PALM_STARTS]), np.concatenate([ends, _PALM_ENDS])
    radii = np.concatenate([_RADII_MM, np.full(4, _PALM_RADIUS_MM)])
    a, b = _PAIRS.T
    gaps = _segment_distances(starts[a], ends[a], starts[b], ends[b]) - radii[a] - radii[b]
    return float(max(0.0, -gaps.min())) * 1e-3


def _is_plausible(hand_pose: np.ndarray) -> bool:
    return penetration(hand_pose) <= _SOFTNESS_MM * 1e-3


_Finger = tuple[float, float, float, float]  # first joint's flexion and spread, flexion of the other two; degrees
_Thumb = tuple[float, float, float, float, float]  # first joint's flexion, spread, twist; flexion of the other two


def _gesture(index: _Finger, middle: _Finger, ring: _Finger, pinky: _Finger, thumb: _Thumb) -> np.ndarray:
    angles = np.zeros((15, 3))
    for name, (first, spread, second, third) in {
        "index": index, "middle": middle, "ring": ring, "pinky": pinky
    }.items():  # fmt: skip
        row = 3 * FINGERS.index(name)
        angles[row, :2] = first, spread
        angles[row + 1 : row + 3, 0] = second, third
    angles[3 * _THUMB] = thumb[:3]
    angles[3 * _THUMB + 1 :, 0] = thumb[3:]
    return joint_rotations(np.radians(angles))


_CURLED: dict[str, _Finger] = {
    "index": (80, -6, 99, 60),
    "middle": (82, 0, 101, 61),
    "ring": (82, 2, 101, 61),
    "pinky": (82, 7, 99, 60),
}
_ACROSS: _Thumb = (17, 1, -10, 37, 55)
"""The thumb over the middle phalanges of index and middle finger."""

GESTURES: Mapping[str, np.ndarray] = {
    "rest": np.zeros((15, 3)),
    "open": _gesture((-4, -4, 2, 1), (-4, 0, 2, 1), (-4, 3, 2, 1), (-4, 8, 2, 1), (-8, -12, 8, -2, -6)),
    "relaxed": _gesture((16, -4, 28, 14), (22, -1, 32, 17), (27, 3, 35, 19), (31, 7, 36, 19), (8, 2, -4, 12, 18)),
    "fist": _gesture(**_CURLED, thumb=_ACROSS),
    "point": _gesture(**(_CURLED | {"index": (3, -2, 5, 3)}), thumb=(18, -3, -10, 39, 54)),
    "pinch": _gesture((46, -3, 45, 33), (38, -1, 38, 20), (32, 0, 34, 18), (28, 2, 30, 16), (26, 4, -8, 18, 0)),
    "ok": _gesture((44, -3, 45, 36), (8, -2, 12, 7), (0, -2, 6, 4), (-6, -5, 6, 4), (25, 2, -5, 18, 0)),
    "spread": _gesture((-8, 10, 2, 0), (-8, 1, 2, 0), (-8, -8, 2, 0), (-8, -12, 3, 0), (-10, 14, 0, -6, -10)),
    "thumb_up": _gesture(**_CURLED, thumb=(-14, -12, 5, -8, -16)),
    "peace": _gesture((2, 9, 3, 2), (2, -7, 3, 2), (82, 2, 101, 61), (82, 7, 99, 60), (20, -7, -10, 44, 56)),
    "three": _gesture((-2, 7, 4, 2), (-2, 0, 4, 2), (-2, -6, 4, 2), (66, 12, 88, 52), (28, -12, -10, 37, 53)),
    "hook": _gesture((4, -5, 88, 52), (4, -1, 91, 54), (4, 4, 91, 54), (4, 10, 87, 52), (8, -6, 4, 10, 20)),
    "cup": _gesture((36, -7, 30, 18), (39, -1, 32, 19), (41, 5, 33, 19), (44, 11, 33, 19), (14, 12, -8, 8, 14)),
    "gun": _gesture(**(_CURLED | {"index": (0, -2, 3, 2)}), thumb=(-12, 4, 5, -8, -14)),
}
"""Named gestures of the right hand: (15, 3) axis-angle in radians. "rest" is the model's flat pose of all zeros."""

for _pose in GESTURES.values():
    _pose.flags.writeable = False


def gesture(name: str, side: Side = "right") -> np.ndarray:
    """(15, 3) axis-angle of a named gesture of either hand.

    Raises:
        PoseError: no gesture has that name.
    """
    if name not in GESTURES:
        raise PoseError(f"The gesture {name!r} is unknown.", f"Choose one of {', '.join(sorted(GESTURES))}.")
    return mirror_hand_pose(GESTURES[name]) if side == "left" else GESTURES[name].copy()


def sample_pose(rng: np.random.Generator) -> np.ndarray:
    """A natural pose of the right hand's fingers, within the limits and without fingers inside one another.

    Half of the poses are blends of two gestures, finger by finger; half bend the fingers at random, neighbours
    together and the last joint with the middle one, as tendons make it. Equal generators give equal poses.

    Args:
        rng: source of randomness; it advances by a number of draws that depends on the poses turned down.

    Returns:
        (15, 3) axis-angle in radians.
    """
    for _ in range(60):
        angles = _blend(rng) if rng.random() < 0.5 else _bend(rng)
        pose = joint_rotations(np.clip(angles, JOINT_RANGES[..., 0], JOINT_RANGES[..., 1]))
        if _is_plausible(pose):
            return pose
    return GESTURES["relaxed"].copy()


def _blend(rng: np.random.Generator) -> np.ndarray:
    """(15, 3) angles between two gestures, each finger on its own way, with a little looseness."""
    names = list(GESTURES)
    first, second = (GESTURES[names[i]] for i in rng.choice(len(names), size=2, replace=False))
    share = np.clip(rng.uniform(0.0, 1.0) + rng.normal(0.0, 0.2, size=5), 0.0, 1.0)
    pose = np.concatenate([slerp(first[3 * k : 3 * k + 3], second[3 * k : 3 * k + 3], share[k]) for k in range(5)])
    loose = np.array([0.06, 0.03, 0.0])
    angles = joint_angles(pose)
    angles[:, 0] += np.repeat(rng.normal(0.0, loose[0], size=5), 3)
    angles[0::3, 1] += rng.normal(0.0, loose[1], size=5)
    return angles


def _bend(rng: np.random.Generator) -> np.ndarray:
    """(15, 3) angles of fingers that bend at random but alike, and of a thumb anywhere between aside and opposed."""
    angles = np.zeros((15, 3))
    curl, spread = rng.beta(1.1, 1.3), rng.normal(0.0, 0.5)
    for name, position in {"index": 1.0, "middle": 0.0, "ring": -0.8, "pinky": -1.6}.items():
        row = 3 * FINGERS.index(name)
        own = np.clip(curl + rng.normal(0.0, 0.16) - 0.05 * position, 0.0, 1.0)
        first = np.radians(-8.0 + 86.0 * own) + rng.normal(0.0, 0.14)
        second = np.radians(2.0 + 92.0 * own) + rng.normal(0.0, 0.16)
        angles[row, 0] = first
        angles[row + 1, 0] = second
        angles[row + 2, 0] = 2.0 / 3.0 * second + rng.normal(0.0, 0.05)
        # Bent fingers close up: their ligaments are tight. At rest they stand apart already.
        together = -6.0 * position
        angles[row, 1] = np.radians((1.0 - own) * 6.0 * spread * position + own * together) + rng.normal(0.0, 0.03)
    opposed = rng.beta(1.3, 1.3)
    aside, across = np.array([-10.0, 4.0, 4.0]), np.array([26.0, 4.0, -9.0])
    angles[12] = np.radians(aside + (across - aside) * opposed) + rng.normal(0.0, 0.08, size=3)
    angles[13, 0] = np.radians(-6.0 + 38.0 * opposed) + rng.normal(0.0, 0.12)
    angles[14, 0] = np.radians(-8.0 + 50.0 * rng.beta(1.2, 1.4))
    return angles
