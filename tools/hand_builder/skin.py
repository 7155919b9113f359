"""What skin is like at each point of the rest hand: heights of its folds, its pigments, nails and veins.

Everything is a function of the point, so textures and mesh vertices read the same skin and charts have no seams.
Millimetres and anatomical axes (distal, radial, dorsal) inside. No colours here: those follow from the pigments and an
identity (``livehand_core.hand.skin``).
"""

from __future__ import annotations

import numpy as np

from livehand_core.hand.limits import FINGERS
from livehand_core.hand.skin import PALM_FADES, PLANES

from . import creases, field
from .anatomy import FINGER_TABLE
from .nails import nail
from .noise import bell, ends, furrows, line, noise, octaves, step

_VEINS = (
    [(-34, -14), (0, -16), (22, -12), (44, -10), (62, -4), (80, -4)],
    [(22, -12), (40, -21), (58, -23), (76, -24)],
    [(-34, 16), (-4, 18), (20, 22), (42, 20), (60, 17), (80, 17)],
    [(42, 20), (52, 10), (60, 2), (72, 5)],
    [(20, 22), (36, 31), (48, 38)],
    [(0, -16), (12, -4), (30, 6), (44, 8), (52, 10)],
    [(58, -23), (66, -30), (72, -34)],
)
"""Back of the hand, (distal, radial) millimetres."""
_WRIST_VEINS = (
    [(-36, 10), (-20, 8), (-8, 12), (6, 16)],
    [(-36, -10), (-22, -6), (-10, -9), (2, -16)],
    [(-22, -6), (-12, 0), (2, 2)],
)
"""Palm side of the wrist, where skin is thin."""
_PALM_PLACES = (
    # (distal, radial), reach, blood: mounds under the fingers and heel are red, the hollow is pale
    ((76, 24), 9.0, 0.40),
    ((79, 5), 8.0, 0.40),
    ((75, -14), 8.0, 0.42),
    ((67, -32), 9.0, 0.45),
    ((30, 26), 15.0, 0.30),
    ((20, 14), 10.0, 0.22),
    ((32, -26), 15.0, 0.40),
    ((54, 2), 14.0, -0.26),
    ((-8, 0), 14.0, -0.25),
)


def skin(points: np.ndarray, normals: np.ndarray) -> dict[str, np.ndarray]:
    """The skin's ``PLANES`` at points of the rest hand.

    Args:
        points: (n, 3) metres, right hand.
        normals: (n, 3) outward, unit.

    Returns:
        For each name of ``PLANES`` (n,) in that plane's unit; and ``nail_height``, the part of ``fine`` that nails and
        their folds make, which is geometry, too, and ``nail_reach``, 1 where a nail grows beyond the finger.
    """
    p = np.stack([-points[:, 0], points[:, 2], points[:, 1]], axis=1) * 1e3
    layers = {name: np.zeros(len(p)) for name in (*PLANES, "nail_height", "nail_reach")}
    layers["blood"] += 1.0
    layers["melanin"] += 1.0
    distances = np.stack([field.finger_distance(points, name) for name in FINGERS])
    owner, nearest = distances.argmin(axis=0), distances.min(axis=0)
    on_palm = np.ones(len(p))
    for k, name in enumerate(FINGERS):
        mine = (owner == k) & (nearest < 2.5)
        if mine.any():
            on_palm[mine] *= 1.0 - _finger(points[mine], p[mine], name, layers, mine)
    _palm(p, normals, on_palm, distances[FINGERS.index("thumb")], layers)
    _everywhere(p, normals, layers)
    return layers


def _finger(
    points: np.ndarray, p: np.ndarray, name: str, layers: dict[str, np.ndarray], mine: np.ndarray
) -> np.ndarray:
    """Add one finger's skin to the layers; (m,) how much of it is finger, 0 on the palm."""
    u, local = field.finger_coordinates(points, name)
    along, up, side = local.T
    scale = FINGER_TABLE[name].thickness
    thumb = name == "thumb"
    share = step((u - (1.3 if thumb else 0.45) + 0.25) / 0.3)
    angle = np.arctan2(side, up)
    arc = (np.arctan2(side, -up)) * 8.3 * scale
    belly = step((np.abs(angle) - 1.40) / 0.5)
    back = step((1.35 - np.abs(angle)) / 0.5)
    tip = along - field.finger_length(name)
    lengths = FINGER_TABLE[name].lengths
    seed = 1.0 + FINGERS.index(name)
    marks = np.cumsum([0.0, *lengths[1 if thumb else 0 :]])
    bends = {1: 0.0, 2: marks[1]} if thumb else {1: marks[1], 2: marks[2]}

    palmar, dorsal = np.zeros(len(u)), np.zeros(len(u))
    blood, melanin = np.zeros(len(u)), np.zeros(len(u))
    if not thumb:
        base = along - 0.50 * lengths[0]
        palmar += creases.flexion_creases(base, arc, ((0.0, 0.42, 0.40), (-2.4, 0.24, 0.34)), seed + 0.3)
    for part, centre in bends.items():
        offset = along - centre
        major = part == 1
        strands = ((1.3, 0.40, 0.40), (-1.5, 0.36, 0.38)) if major else ((0.6, 0.42, 0.40), (-1.7, 0.14, 0.30))
        palmar += creases.flexion_creases(offset, arc, strands, seed + 0.1 * part)
        reach = (9.6 if major else 5.6) * scale
        dorsal += creases.knuckle_folds(offset + 0.6, side, reach, 1.35 if major else 1.05, seed + 0.5 * part) * (
            1.0 if major else 0.7
        )
        oval = np.clip(1.0 - (offset / (1.15 * reach)) ** 2 - (side / (9.0 * scale)) ** 2, 0.0, 1.0)
        blood += (0.50 if major else 0.32) * back * oval
        melanin += (0.42 if major else 0.18) * back * oval
        blood -= 0.16 * belly * bell(offset, 3.0)
    # Pads: the finger tips are the reddest, each segment's middle a little.
    pad = belly * step((tip + 22.0 * scale) / 15.0)
    blood += 0.55 * pad * (0.75 + 0.25 * step((tip + 9.0) / 6.0))
    blood += 0.30 * belly * bell(along - 0.5 * (marks[-2] + marks[-3]), 6.5)
    blood += 0.35 * step((tip + 22.0) / 16.0)
    # Between joints the back is smoother, with fine cross lines.
    here = np.stack([along, arc, np.full_like(arc, 6.1 * seed)], axis=1)
    cross = furrows(here, (1.1, 4.5, 1.0), 11.0, 0.16)
    length = furrows(here, (6.0, 1.5, 1.0), 12.0, 0.13) * np.clip(noise(here, (5.0, 4.0, 1.0), 1.0) + 0.2, 0, 1)
    loops = furrows(here, (0.75, 1.2, 1.0), 13.0, 0.35)

    plate = nail(tip, side, up, name)
    bare = 1.0 - plate.plate
    blood += 0.28 * plate.rim
    layers["fine"][mine] += share * (
        0.5 * plate.height
        + plate.ridges
        - bare * back * 0.085 * cross
        - belly * (0.055 * cross + 0.07 * length + 0.018 * loops * step((tip + 22.0) / 6.0))
    )
    layers["nail_height"][mine] += share * plate.height
    layers["nail_reach"][mine] = plate.reach
    layers["dorsal"][mine] += share * back * bare * dorsal
    layers["palmar"][mine] += share * belly * palmar
    layers["blood"][mine] += share * blood
    layers["melanin"][mine] += share * (melanin - 0.1 * plate.cuticle)
    layers["palm"][mine] += share * belly
    layers["nail"][mine] = plate.plate
    layers["free"][mine] = plate.free
    layers["moon"][mine] = plate.moon
    layers["cuticle"][mine] = share * plate.cuticle
    return share


def _palm(
    p: np.ndarray, normals: np.ndarray, on_palm: np.ndarray, thumb: np.ndarray, layers: dict[str, np.ndarray]
) -> None:
    """Add palm, back of the hand and wrist to the layers."""
    flat = p[:, :2]
    under = step((0.25 - normals[:, 1]) / 0.5) * on_palm
    over = step((normals[:, 1] + 0.05) / 0.5) * on_palm
    clear = step((thumb - 1.0) / 4.0)
    inner = step((p[:, 0] + 6.0 + 4.0 * noise(p, 9.0, 2.5)) / 14.0)
    end = step((p[:, 0] + 31.0) / 8.0)
    layers["palm"] += under * (0.92 * inner + 0.08) * step((p[:, 0] + 20.0) / 26.0)
    layers["palmar"] += under * clear * creases.palm_lines(p)
    layers["palmar"] += step((-normals[:, 1] - 0.05) / 0.5) * end * creases.wrist_creases(p)
    layers["fine"] += end * (under * inner * creases.palm_web(p) + (over + under * (1.0 - inner)) * creases.back_web(p))
    for (distal, radial), reach, amount in _PALM_PLACES:
        around = np.linalg.norm(flat - np.array([distal, radial]), axis=1)
        layers["blood"] += under * amount * bell(around, reach)
    for lines, side, width, strength in ((_VEINS, over, 1.9, 0.9), (_WRIST_VEINS, under, 1.2, 0.75)):
        winding = flat + 1.8 * np.stack([noise(p, 11.0, 1.1), noise(p, 11.0, 5.5)], axis=1)
        for knots in lines:
            distance, t = line(winding, knots)
            full = 0.65 + 0.35 * noise(p, 14.0, 6.0)
            vein = strength * side * end * full * ends(t, 5.0) * bell(distance, width)
            layers["vein"] = np.maximum(layers["vein"], vein)
    for name in ("index", "middle", "ring", "pinky"):
        knuckle = np.array(FINGER_TABLE[name].knuckle)
        away = (flat - knuckle[:2]) / np.array([1.15, 1.0])
        head = over * bell(np.linalg.norm(away, axis=1), 7.5)
        layers["blood"] += 0.55 * head
        layers["melanin"] += 0.25 * head
        folds = creases.knuckle_folds(flat[:, 0] - knuckle[0], flat[:, 1] - knuckle[1], 10.0, 1.5, 20.0 + knuckle[1])
        layers["dorsal"] += 0.45 * over * folds


def _everywhere(p: np.ndarray, normals: np.ndarray, layers: dict[str, np.ndarray]) -> None:
    """Mottling: blood in patches of all sizes, pigment in freckles; stronger blotches on the palm, freckles behind."""
    palm = np.clip(layers["palm"], 0.0, 1.0)
    bare = 1.0 - layers["nail"]
    patches = octaves(p, (16.0, 8.0, 4.0), 4.0)
    speckle = octaves(p, (2.4, 1.2), 9.0)
    layers["blood"] *= 1.0 + bare * (0.085 * patches + (0.022 + 0.045 * palm) * speckle)
    pigment = 0.07 * octaves(p, (13.0, 6.0), 6.0) + 0.07 * octaves(p, (2.1, 1.0))
    layers["melanin"] *= 1.0 + bare * (1.0 - palm) * pigment
    layers["melanin"] *= 1.0 - PALM_FADES * palm
    layers["melanin"] += 0.12 * step((-p[:, 0] - 2.0) / 24.0) * (1.0 - palm)
    freckles = np.clip(2.6 * noise(p, 3.1, 12.0) - 1.62, 0.0, 1.0)
    freckles = freckles + 0.8 * np.clip(2.6 * noise(p, 1.7, 13.0) - 1.8, 0.0, 1.0)
    sunned = step((normals[:, 1] + 0.1) / 0.6)
    layers["spots"] += np.clip(freckles, 0.0, 1.0) * (1.0 - palm) * bare * (0.35 + 0.65 * sunned)
    uneven = noise(p, 5.5, 21.0) + 0.35 * noise(p, 1.6, 22.0) + 0.5 * noise(p, 24.0, 23.0)
    layers["age"] += step(2.2 * (uneven - 1.75)) * (1.0 - palm) * bare * sunned
    layers["fine"] += bare * 0.012 * noise(p, 0.55, 2.0)
    # Where the wrist ends everything runs out into even skin.
    there = step((p[:, 0] + 33.5) / 7.0)
    for name in ("blood", "melanin"):
        layers[name] = 1.0 + there * (layers[name] - 1.0)
    for name in ("fine", "palmar", "spots", "age", "vein", "palm"):
        layers[name] *= there
