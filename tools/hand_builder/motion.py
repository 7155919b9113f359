"""How flesh moves with the joints: the maps of ``livehand_core.hand.flesh`` over the detail mesh's vertices.

Millimetres and anatomical axes (distal, radial, dorsal) inside.
"""

from __future__ import annotations

import numpy as np

from livehand_core.hand.flesh import MOVES, Flesh
from livehand_core.hand.limits import FINGERS

from . import field
from .anatomy import FINGER_TABLE
from .noise import bell, ends, line, step

_TENDONS = {
    "index": ([(4, 5), (45, 14), (89, 27), (100, 29)], 0.95),
    "middle": ([(2, 2), (45, 5), (92, 6), (104, 6)], 1.05),
    "ring": ([(2, -1), (45, -7), (86, -14), (98, -16)], 0.95),
    "pinky": ([(2, -5), (42, -17), (77, -32), (87, -35)], 0.80),
    "thumb": ([(-8, 20), (14, 30), (36, 44), (56, 52)], 1.10),
}
"""Extensors on the back of the hand, (distal, radial), and height."""
_WRIST_TENDONS = ([(-32, 2), (-16, 3), (0, 5)], [(-32, 8), (-14, 10), (2, 14)])
END_ROUNDING = 7.0
"""Millimetres over which the wrist's end is rounded."""


def rounded_end(points: np.ndarray) -> np.ndarray:
    """(n,) metres, negative: how far the skin near the wrist's cut goes inwards so that it ends in a quarter circle."""
    before = np.clip((field.WRIST_CUT - points[:, 0]) * 1e3, 0.0, END_ROUNDING)
    over = END_ROUNDING - before
    return -1e-3 * (END_ROUNDING - np.sqrt(END_ROUNDING**2 - np.minimum(over, END_ROUNDING) ** 2)) * 0.9


def flesh(points: np.ndarray, normals: np.ndarray, still: np.ndarray, veins: np.ndarray, nails: np.ndarray) -> Flesh:
    """All maps at (n, 3) rest points in metres with (n, 3) normals; ``still``, ``veins``, ``nails`` as in Flesh."""
    p = np.stack([-points[:, 0], points[:, 2], points[:, 1]], axis=1) * 1e3
    moves = {name: np.zeros(len(p)) for name in MOVES}
    regions = np.zeros((15, len(p)))
    distances = np.stack([field.finger_distance(points, name) for name in FINGERS])
    owner, nearest = distances.argmin(axis=0), distances.min(axis=0)
    over = step((normals[:, 1] + 0.05) / 0.5)
    under = step((0.25 - normals[:, 1]) / 0.5)
    on_finger = np.zeros(len(p))
    for k, name in enumerate(FINGERS):
        mine = (owner == k) & (nearest < 2.5)
        on_finger[mine] = _finger(points[mine], name, moves, regions, mine)
    palm = 1.0 - on_finger
    flat = p[:, :2]
    for name, (knots, height) in _TENDONS.items():
        distance, t = line(flat, knots)
        # Towards the knuckle it broadens and sinks in: an end that stood up would catch the light.
        rise = 1.25 * height * step(4.0 * t) * step(2.0 * (1.0 - t))
        moves[f"tendon_{name}"] += over * rise * bell(distance, 2.1 + 1.6 * t)
    for name in FINGERS[:4]:
        k = FINGERS.index(name)
        knuckle = np.array(FINGER_TABLE[name].knuckle)
        away = (flat - knuckle[:2] + np.array([2.0, 0.0])) / np.array([1.25, 1.0])
        radius = np.linalg.norm(away, axis=1)
        moves[f"head_{name}"] += over * (0.9 * bell(radius, 6.0) - 0.35 * bell(radius - 10.0, 3.6))
        # The knuckle's fold acts on its own back and, in the palm, down to the great lines.
        back = over * bell(np.linalg.norm(flat - knuckle[:2], axis=1), 11.0)
        below = under * palm * step((p[:, 0] - 40.0) / 20.0) * bell(flat[:, 1] - knuckle[1], 13.0)
        regions[3 * k] = np.maximum(regions[3 * k], np.maximum(back, below))
    thumb_base = bell(np.linalg.norm(flat - np.array([44.0, 18.0]), axis=1), 24.0)
    regions[12] = np.maximum(regions[12], palm * under * thumb_base)
    moves["thenar"] += under * 2.0 * bell(np.linalg.norm(flat - np.array([38.0, 28.0]), axis=1), 14.0)
    moves["hypothenar"] += under * 1.1 * bell(np.linalg.norm(flat - np.array([36.0, -30.0]), axis=1), 13.0)
    for knots in _WRIST_TENDONS:
        distance, t = line(flat, knots)
        moves["wrist_tendon"] += under * 0.9 * ends(t, 4.0) * bell(distance, 2.2)
    return Flesh(
        still, veins, {name: values * 1e-3 for name, values in moves.items()}, np.clip(regions, 0.0, 1.0), nails
    )


def _finger(
    points: np.ndarray, name: str, moves: dict[str, np.ndarray], regions: np.ndarray, mine: np.ndarray
) -> np.ndarray:
    """Add one finger's maps; (m,) how much of it is finger."""
    u, local = field.finger_coordinates(points, name)
    along, up, side = local.T
    scale = FINGER_TABLE[name].thickness
    thumb = name == "thumb"
    share = step((u - (1.3 if thumb else 0.45) + 0.25) / 0.3)
    angle = np.arctan2(side, up)
    belly = step((np.abs(angle) - 1.40) / 0.6)
    back = step((1.2 - np.abs(angle)) / 0.5)
    marks = np.cumsum([0.0, *FINGER_TABLE[name].lengths[1 if thumb else 0 :]])
    k = 3 * FINGERS.index(name)
    if thumb:
        middle, last = 0.0, marks[1]
        pads = {"first_pad": -14.0, "second_pad": 0.5 * marks[1]}
        joint_rows = {k + 1: middle, k + 2: last}
    else:
        middle, last = marks[1], marks[2]
        pads = {"first_pad": 0.62 * marks[1], "second_pad": 0.5 * (marks[1] + marks[2])}
        joint_rows = {k + 1: middle, k + 2: last}
        base = share * belly * bell(along - 0.5 * marks[1], 8.0)
        regions[k, mine] = np.maximum(regions[k, mine], base)
    for row, centre in joint_rows.items():
        regions[row, mine] = np.maximum(regions[row, mine], bell(along - centre, 11.0 * scale))
    # A bent finger's flesh is pushed out of the fold into the middle of the segments beside it.
    for pad, centre in pads.items():
        bulge = belly * bell(along - centre, 6.5 * scale)
        crease = belly * bell(along - (middle if pad == "first_pad" else last), 1.8)
        moves[f"{pad}_{name}"][mine] += share * scale * (1.15 * bulge - 0.75 * crease)
    # Spare skin stands up over the stretched middle joint.
    where = last if thumb else middle
    moves[f"knuckle_{name}"][mine] += share * back * 0.42 * scale * bell(along - where, 5.5) * bell(side, 6.5)
    return share
