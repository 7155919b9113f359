"""What skin looks like at each point of the rest hand: height of nails, creases, tendons and veins, and colour.

Everything is a function of the point, so textures and mesh vertices read the same skin and charts have no seams.
Millimetres and anatomical axes (distal, radial, dorsal) inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from livehand_core.hand.limits import FINGERS

from . import field
from .anatomy import FINGER_TABLE


@dataclass(frozen=True)
class Skin:
    """Per point: ``relief`` and ``fine`` heights (n,) millimetres (for geometry and for shading), ``nail`` (n,) 0 to 1,
    ``colour`` (n, 3) sRGB."""

    relief: np.ndarray
    fine: np.ndarray
    nail: np.ndarray
    colour: np.ndarray


def _bell(x: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((x / width) ** 2))


def _step(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


_LATTICE = np.random.default_rng(20).uniform(-1.0, 1.0, size=(32, 32, 32))


def noise(points: np.ndarray, size: float, shift: float = 0.0) -> np.ndarray:
    """(n,) smooth noise in about [-1, 1]; ``size`` is the feature size in the points' unit."""
    return map_coordinates(_LATTICE, (points / size + shift).T, order=3, mode="grid-wrap")


def _line(points: np.ndarray, knots: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Distance (n,) to a spline through 2-D knots, and position along it (0 to 1) of the nearest point."""
    knot = np.array(knots)
    t = np.linspace(0.0, 1.0, len(knot))
    fine = np.linspace(0.0, 1.0, 200)
    distance, nearest = cKDTree(CubicSpline(t, knot)(fine)).query(points)
    return distance, fine[nearest]


_PALM_LINES = (
    # knots (distal, radial), depth, width
    ([(67, -44), (70, -28), (73, -12), (80, 4), (92, 14)], 0.38, 0.8),
    ([(75, 40), (70, 24), (62, 6), (54, -14), (47, -28)], 0.36, 0.8),
    ([(76, 40), (70, 22), (56, 8), (36, 2), (14, 4)], 0.42, 0.9),
    ([(24, -3), (44, -3), (64, -2), (80, 2)], 0.12, 0.6),
)
_TENDONS = (
    ([(8, 5), (45, 13), (88, 27)], 0.45),
    ([(6, 2), (45, 5), (91, 6)], 0.5),
    ([(6, -1), (45, -6), (85, -14)], 0.45),
    ([(6, -5), (42, -16), (76, -31)], 0.4),
)
_VEINS = (
    [(-30, -14), (0, -16), (22, -12), (44, -10), (62, -4), (78, -4)],
    [(22, -12), (40, -21), (58, -23), (74, -24)],
    [(-30, 16), (-4, 18), (20, 22), (42, 20), (60, 17), (78, 17)],
    [(42, 20), (52, 10), (60, 2), (72, 5)],
    [(20, 22), (36, 31), (48, 38)],
)


def _nail(along: np.ndarray, side: np.ndarray, up: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """Nail of one finger. ``along`` is measured from the tip (negative inwards)."""
    scale = FINGER_TABLE[name].thickness
    half = (5.7 if name != "thumb" else 6.5) * scale
    length = (11.4 if name != "thumb" else 12.6) * scale
    q = np.clip(np.abs(side) / half, 0.0, 1.0)
    back = -length + 3.2 * scale * (1.0 - np.sqrt(1.0 - 0.98 * q**2.6))
    front = -0.7 - 2.3 * scale * q**2.4
    edge = np.minimum(np.minimum(half - np.abs(side), along - back), front - along)
    edge = np.where(up > 0.0, edge, -9.0)
    open_end = _step((front - along + 0.3) / 1.6)
    return {
        "edge": edge,
        "plate": _step((edge + 0.15) / 0.5),
        "fold": open_end,
        "white": _step((1.15 * scale + 0.25 - (front - along)) / 0.35) * (edge > -0.1),
        "moon": _step((3.0 * scale - (along - back)) / 0.8) * _step((0.62 - q) / 0.2),
    }


def skin(points: np.ndarray, normals: np.ndarray) -> Skin:
    """The skin at (n, 3) rest points in metres with (n, 3) outward normals, right hand."""
    p = np.stack([-points[:, 0], points[:, 2], points[:, 1]], axis=1) * 1e3
    count = len(p)
    relief, fine, nail = np.zeros(count), np.zeros(count), np.zeros(count)
    white, moon = np.zeros(count), np.zeros(count)
    red, dark, palmar = np.zeros(count), np.zeros(count), np.zeros(count)
    distances = np.stack([field.finger_distance(points, name) for name in FINGERS])
    owner, nearest = distances.argmin(axis=0), distances.min(axis=0)
    wobble = noise(p, 4.0)
    on_palm = np.ones(count)
    for k, name in enumerate(FINGERS):
        mine = (owner == k) & (nearest < 2.5)
        u, local = field.finger_coordinates(points[mine], name)
        along, up, side = local.T
        scale = FINGER_TABLE[name].thickness
        begin = 0.45 if name != "thumb" else 1.3
        finger = _step((u - begin + 0.25) / 0.3)
        on_palm[mine] *= 1.0 - finger
        angle = np.arctan2(side, up)
        belly = _step((np.abs(angle) - 1.45) / 0.45)
        back = _step((1.2 - np.abs(angle)) / 0.5)
        tip = along - field.finger_length(name)
        wave = wobble[mine]
        lengths = FINGER_TABLE[name].lengths
        height, rub, crease = np.zeros(len(u)), np.zeros(len(u)), np.zeros(len(u))
        first = 1 if name == "thumb" else 0
        marks = np.cumsum([0.0, *lengths[first:]])
        joints_here = {1: 0.0, 2: marks[1]} if name == "thumb" else {1: marks[1], 2: marks[2]}
        if name != "thumb":
            base = along - 0.50 * lengths[0] - 0.5 * wave
            crease += 0.50 * belly * (_bell(base, 0.7) + 0.45 * _bell(base + 2.3, 0.6))
        for part, centre in joints_here.items():
            offset = along - centre
            bend = offset - 0.25 * wave + 0.010 * side**2
            pair = 1.5 if part == 1 else 0.9
            crease += belly * (0.50 * _bell(bend + pair, 0.65) + (0.42 if part == 1 else 0.2) * _bell(bend - pair, 0.6))
            # Skin to spare over the knuckle: an oval of cross wrinkles.
            reach = (6.2 if part == 1 else 3.6) * scale
            oval = np.clip(1.0 - (offset / reach) ** 2 - (side / (7.5 * scale)) ** 2, 0.0, 1.0)
            phase = offset * (1.0 + 0.014 * side**2) / (1.55 if part == 1 else 1.35) + 0.55 * wave
            ripple = 0.5 + 0.5 * np.cos(2.0 * np.pi * phase)
            rub += back * oval * (ripple**2.0 - 0.35) * (0.30 if part == 1 else 0.17)
            red[mine] += 0.75 * back * oval
            dark[mine] += 0.35 * back * oval * (1.0 - ripple)
        plate = _nail(tip, side, up, name)
        height += 0.16 * plate["plate"] - 0.30 * plate["fold"] * _bell(plate["edge"] + 0.35, 0.42) * (up > 0)
        height += 0.20 * plate["fold"] * _bell(plate["edge"] + 1.35, 0.75) * (up > 0)
        nail[mine] = plate["plate"]
        white[mine], moon[mine] = plate["white"], plate["moon"]
        dark[mine] += 0.34 * _bell(plate["edge"] + 0.25, 0.35) * (up > 0)
        red[mine] += 0.5 * _bell(plate["edge"] + 1.4, 1.4) * (up > 0) + 0.95 * belly * _step((tip + 17.0 * scale) / 9.0)
        red[mine] += 0.35 * belly * finger * _bell(along - 0.75 * lengths[first], 6.0)
        relief[mine] += height * finger
        fine[mine] += (height + rub - crease) * finger
        dark[mine] += 0.55 * crease * finger
        palmar[mine] += belly * finger
    # Palm.
    flat = p[:, :2]
    under = _step((0.25 - normals[:, 1]) / 0.5) * on_palm
    over = _step((normals[:, 1] + 0.05) / 0.5) * on_palm
    palmar += under * _step((p[:, 0] + 26.0 + 5.0 * noise(p, 9.0, 2.5)) / 48.0)
    bent = flat + 0.8 * np.stack([noise(p, 5.0, 3.3), noise(p, 5.0, 7.7)], axis=1)
    thumb_far = _step((distances[FINGERS.index("thumb")] - 1.0) / 4.0)
    for knots, depth, width in _PALM_LINES:
        distance, t = _line(bent, knots)
        fade = np.clip(6.0 * np.minimum(t, 1.0 - t), 0.0, 1.0)
        line = under * thumb_far * fade * _bell(distance, width)
        fine -= depth * line
        dark += 0.62 * depth * line
        relief -= 0.3 * depth * under * thumb_far * fade * _bell(distance, 2.2)
    for where, depth in ((-3.0, 0.22), (4.5, 0.16)):
        ring = (p[:, 0] - where - 0.9 * wobble - 0.004 * p[:, 1] ** 2) * 1.0
        line = _step((-normals[:, 1] - 0.1) / 0.6) * _bell(ring, 0.8)
        fine -= depth * line
        dark += 0.7 * depth * line
    for knots, height_mm in _TENDONS:
        distance, t = _line(flat, knots)
        fade = np.clip(4.0 * np.minimum(t, 1.25 * (1.0 - t)), 0.0, 1.0)
        bump = over * fade * _bell(distance, 2.3) * height_mm
        relief += bump
    veins = np.zeros(count)
    winding = flat + 2.2 * np.stack([noise(p, 9.0, 1.1), noise(p, 9.0, 5.5)], axis=1)
    for knots in _VEINS:
        distance, t = _line(winding, knots)
        fade = np.clip(5.0 * np.minimum(t, 1.0 - t), 0.0, 1.0)
        veins = np.maximum(veins, over * fade * _bell(distance, 1.5))
    relief += 0.32 * veins
    for name in ("index", "middle", "ring", "pinky"):
        knuckle = np.array(FINGER_TABLE[name].knuckle)
        around = np.linalg.norm((p[:, :2] - knuckle[:2]) / np.array([1.15, 1.0]), axis=1)
        head = over * _bell(around, 7.5)
        red += 0.6 * head
        ripple = 0.5 + 0.5 * np.cos(2.0 * np.pi * (p[:, 0] - knuckle[0] + 0.5 * wobble) / 1.9)
        fine += 0.10 * head * (ripple - 0.5)
    # Lines of the skin itself: finer than a texel, so only their coarse grain is kept.
    fine += 0.035 * noise(p, 0.9, 2.0) + 0.05 * noise(p, 2.2, 9.0) * (1.0 - nail)
    return Skin(relief, fine, nail, _colour(p, palmar, red, dark, veins, nail, white, moon))


def _colour(
    p: np.ndarray,
    palmar: np.ndarray,
    red: np.ndarray,
    dark: np.ndarray,
    veins: np.ndarray,
    nail: np.ndarray,
    white: np.ndarray,
    moon: np.ndarray,
) -> np.ndarray:
    def mix(base: np.ndarray, other: tuple[float, float, float], share: np.ndarray) -> np.ndarray:
        return base + (np.array(other) - base) * np.clip(share, 0.0, 1.0)[:, None]

    colour = np.tile(np.array([0.800, 0.600, 0.490]), (len(p), 1))
    colour = mix(colour, (0.885, 0.690, 0.605), palmar)
    blotch = 0.5 * noise(p, 11.0, 4.0) + 0.35 * noise(p, 5.0, 8.0) + 0.25 * noise(p, 2.1, 6.0)
    colour = mix(colour, (0.850, 0.530, 0.460), 0.42 * red + 0.16 * np.clip(blotch, 0.0, 1.0) * (0.4 + palmar))
    colour = mix(colour, (0.660, 0.560, 0.500), 0.26 * veins)
    colour *= 1.0 + 0.035 * blotch[:, None] + 0.02 * noise(p, 0.8, 1.0)[:, None]
    freckle = np.clip(noise(p, 3.4, 12.0) - 0.62, 0.0, 1.0) * (1.0 - np.clip(palmar, 0.0, 1.0))
    colour = mix(colour, (0.62, 0.42, 0.31), 0.45 * freckle)
    colour = mix(colour, (0.640, 0.370, 0.300), 0.72 * np.clip(dark, 0.0, 1.0))
    plate = np.tile(np.array([0.850, 0.610, 0.550]), (len(p), 1))
    plate = mix(plate, (0.885, 0.710, 0.660), moon)
    plate = mix(plate, (0.895, 0.815, 0.740), 0.85 * white)
    return np.clip(colour + (plate - colour) * nail[:, None], 0.0, 1.0)
