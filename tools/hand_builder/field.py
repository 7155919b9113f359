"""The rest hand as a signed distance field: fingers as tapered tubes, palm as blended cones and ellipsoids.

Distances are approximate (exact enough near the surface for meshing and projection). Metres outside; millimetres and
anatomical axes (distal, radial, dorsal) inside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from livehand_core.hand.limits import FINGERS, JOINT_AXES

from .anatomy import FINGER_TABLE, joints

WRIST_CUT = 0.034
"""x of the plane at which the wrist is opened, metres."""


def smooth_min(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """Polynomial smooth minimum; ``radius`` is the blend width in the unit of a and b."""
    h = np.clip(radius - np.abs(a - b), 0.0, None) / radius
    return np.minimum(a, b) - h * h * h * radius / 6.0


def round_cone(p: np.ndarray, a: tuple, b: tuple, ra: float, rb: float) -> np.ndarray:
    """(n,) distance to a capsule whose radius goes smoothly from ra at a to rb at b."""
    start, end = np.asarray(a, float), np.asarray(b, float)
    axis = end - start
    t = np.clip((p - start) @ axis / (axis @ axis), 0.0, 1.0)
    blend = t * t * (3.0 - 2.0 * t)
    return np.linalg.norm(p - start - t[:, None] * axis, axis=1) - (ra + (rb - ra) * blend)


def ellipsoid(p: np.ndarray, centre: tuple, radii: tuple, axes: np.ndarray | None = None) -> np.ndarray:
    """(n,) approximate distance to an ellipsoid; rows of ``axes`` are its directions."""
    q = p - np.asarray(centre, float)
    if axes is not None:
        q = q @ axes.T
    r = np.asarray(radii, float)
    k0 = np.linalg.norm(q / r, axis=1)
    k1 = np.linalg.norm(q / (r * r), axis=1)
    return k0 * (k0 - 1.0) / np.maximum(k1, 1e-9)


def _anatomical(v: np.ndarray) -> np.ndarray:
    return np.stack([-v[..., 0], v[..., 2], v[..., 1]], axis=-1)


# Along a finger, u = 0 at the knuckle, 1 and 2 at the next joints, 3 at the tip.
_U = np.array([-0.45, 0.0, 0.5, 0.8, 1.0, 1.25, 1.55, 1.85, 2.0, 2.25, 2.6, 3.0])
_WIDTH = np.array([7.6, 9.2, 9.3, 9.4, 9.65, 9.05, 8.55, 8.4, 8.45, 8.15, 7.8, 7.2])
_DORSAL = np.array([6.0, 8.2, 7.9, 8.1, 8.6, 7.5, 6.9, 6.9, 7.0, 6.3, 5.2, 4.4])
_PALMAR = np.array([5.5, 8.8, 9.8, 9.1, 8.5, 8.9, 8.7, 7.9, 7.5, 7.9, 7.4, 5.6])
_THUMB_U = np.array([0.7, 1.0, 1.3, 1.7, 2.0, 2.25, 2.6, 3.0])
_THUMB_WIDTH = np.array([8.6, 9.2, 8.7, 8.5, 9.1, 9.3, 8.9, 7.6])
_THUMB_DORSAL = np.array([7.8, 8.4, 7.7, 7.3, 7.6, 6.5, 5.3, 4.4])
_THUMB_PALMAR = np.array([9.0, 9.2, 8.9, 8.2, 7.8, 8.4, 7.9, 5.6])
_PROFILES = tuple(PchipInterpolator(_U, values) for values in (_WIDTH, _DORSAL, _PALMAR))
_THUMB_PROFILES = tuple(PchipInterpolator(_THUMB_U, values) for values in (_THUMB_WIDTH, _THUMB_DORSAL, _THUMB_PALMAR))


def finger_coordinates(points: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Where points lie along and around a finger.

    Returns:
        u (n,): 0 at the first joint, 1 and 2 at the next ones, 3 at the tip (piecewise linear);
        local (n, 3): millimetres along, dorsal and lateral (towards the flexion axis) from the distal bone's line.
    """
    k = FINGERS.index(name)
    spec = FINGER_TABLE[name]
    rest = joints()
    first = 3 * k + 1 if name != "thumb" else 3 * k + 2
    axes = JOINT_AXES[first - 1]
    local = (points - rest[first]) * 1e3 @ np.stack([axes[2], axes[1], axes[0]]).T
    if name == "thumb":
        knots, values = np.cumsum([0.0, *spec.lengths[1:]]), [1.0, 2.0, 3.0]
    else:
        knots, values = np.cumsum([0.0, *spec.lengths]), [0.0, 1.0, 2.0, 3.0]
    u = np.interp(local[:, 0], knots, values)
    before = local[:, 0] < 0.0
    u = np.where(before, values[0] + local[:, 0] / spec.lengths[0], u)
    return u, local


def finger_length(name: str) -> float:
    """Millimetres from the line's first joint (second one for the thumb) to the tip."""
    lengths = FINGER_TABLE[name].lengths
    return float(sum(lengths[1:] if name == "thumb" else lengths))


def finger_distance(points: np.ndarray, name: str) -> np.ndarray:
    """(n,) millimetres to a finger's tube (thumb: from its second joint on)."""
    spec = FINGER_TABLE[name]
    u, local = finger_coordinates(points, name)
    thumb = name == "thumb"
    profiles = _THUMB_PROFILES if thumb else _PROFILES
    uc = np.clip(u, (_THUMB_U if thumb else _U)[0], 3.0)
    width, dorsal, palmar = (profile(uc) * spec.thickness for profile in profiles)
    along, up, side = local.T
    # Flesh hangs below the bone: the section's centre is a little palmar of the joint line.
    up = up + 0.6
    height = np.where(up > 0.0, dorsal, palmar)
    cap = (8.5 if not thumb else 9.5) * spec.thickness
    start = finger_length(name) - cap
    over = np.clip((along - start) / cap, 0.0, None)
    low = -0.45 * spec.lengths[0] if not thumb else -0.3 * spec.lengths[1]
    under = np.clip((low - along) / 8.0, 0.0, None)
    power = 2.25
    section = (np.abs(side / width) ** power + np.abs(up / height) ** power) ** (1.0 / power)
    radial = np.sqrt(section**2 + over**2.2 + under**2)
    return (radial - 1.0) * np.minimum(width, height) * 0.95


def palm_distance(points: np.ndarray) -> np.ndarray:
    """(n,) millimetres to palm, thumb base and wrist."""
    p = _anatomical(points) * 1e3
    d = round_cone(p, (12, 14, 0), (87, 26, -2.2), 12.5, 11.0)
    d = smooth_min(d, round_cone(p, (12, 5, 2), (90, 6, -0.5), 13.5, 11.3), 12.0)
    d = smooth_min(d, round_cone(p, (12, -5, 1.5), (84, -14, -1.5), 13.5, 11.0), 12.0)
    d = smooth_min(d, round_cone(p, (10, -13, 0), (75.5, -31.0, -4.5), 12.5, 9.8), 12.0)
    # Heel of the hand and wrist.
    end = np.clip((p[:, 0] + 8.0) / 46.0, 0.0, None)
    wrist = np.sqrt((p[:, 1] / 27.5) ** 2 + ((p[:, 2] + 1.0) / 18.5) ** 2 + end**2)
    d = smooth_min(d, (wrist - 1.0) * 18.5, 20.0)
    # Thenar: the thumb's metacarpal and its muscle; hypothenar: the edge of the hand.
    d = smooth_min(d, round_cone(p, (18, 19, -8), (53, 48, -21.5), 14.0, 10.3), 14.0)
    d = smooth_min(d, ellipsoid(p, (36, 23, -13.5), (25, 14.5, 12.5), _THENAR_AXES), 12.0)
    d = smooth_min(d, round_cone(p, (19, -17, -8), (58, -28.5, -7.0), 13.2, 10.5), 14.0)
    # Skin between thumb and index finger.
    d = smooth_min(d, round_cone(p, (66, 25, -6), (50, 44, -19), 7.5, 7.5), 14.0)
    d = smooth_min(d, round_cone(p, (50, 25, -5), (42, 38, -14), 8.0, 9.0), 14.0)
    # Hollow of the palm.
    hollow = ellipsoid(p, (56, -1, -29.0), (27, 15, 17.5))
    return -smooth_min(-d, hollow, 12.0)


def _thenar_axes() -> np.ndarray:
    along = np.array([0.74, 0.60, -0.30])
    along /= np.linalg.norm(along)
    up = np.array([0.0, 0.0, 1.0]) - along * along[2]
    up /= np.linalg.norm(up)
    return np.stack([along, np.cross(up, along), up])


_THENAR_AXES = _thenar_axes()


def web_distance(points: np.ndarray) -> np.ndarray:
    """(n,) millimetres to the skin between neighbouring fingers."""
    p = _anatomical(points) * 1e3
    order = ("index", "middle", "ring", "pinky")
    result = np.full(len(p), np.inf)
    for near, far, reach in zip(order, order[1:], (15.5, 15.5, 14.0), strict=False):
        ends = []
        for name in (near, far):
            k = FINGERS.index(name)
            start = _anatomical(joints()[3 * k + 1]) * 1e3
            along = _anatomical(JOINT_AXES[3 * k, 2])
            ends.append(tuple(start + along * reach + np.array([0.0, 0.0, -2.5])))
        result = np.minimum(result, round_cone(p, ends[0], ends[1], 5.6, 5.6))
    return result


def hand_distance(points: np.ndarray) -> np.ndarray:
    """(n,) metres, negative inside, for (n, 3) metres in the rest frame. The wrist goes on beyond the cut."""
    points = np.asarray(points, dtype=np.float64)
    fingers = np.full(len(points), np.inf)
    for name in ("index", "middle", "ring", "pinky"):
        fingers = np.minimum(fingers, finger_distance(points, name))
    base = smooth_min(palm_distance(points), web_distance(points), 9.0)
    result = smooth_min(base, fingers, 10.0)
    result = smooth_min(result, finger_distance(points, "thumb"), 11.0)
    p = _anatomical(points) * 1e3
    for k, name in enumerate(FINGERS):
        if name == "thumb":
            continue
        head = _anatomical(joints()[3 * k + 1]) * 1e3 + np.array([-1.0, 0.0, 2.6])
        result = smooth_min(result, ellipsoid(p, tuple(head), (9.5, 6.8, 9.0)), 8.0)
    return result * 1e-3


def gradient(
    points: np.ndarray, distance: Callable[[np.ndarray], np.ndarray] = hand_distance, step: float = 2e-4
) -> np.ndarray:
    """(n, 3) unit outward directions of a field by central differences."""
    g = np.stack([distance(points + step * e) - distance(points - step * e) for e in np.eye(3)], axis=1)
    return g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-12)


def project(points: np.ndarray, steps: int = 4) -> np.ndarray:
    """(n, 3) points moved onto the surface along the field's gradient."""
    points = np.array(points, dtype=np.float64)
    for _ in range(steps):
        points -= gradient(points) * hand_distance(points)[:, None]
    return points
