"""What the foot's skin is like at each point of its surface: colour, height of its folds, roughness.

Everything is a function of the point, so charts have no seams. Millimetres and anatomical axes (forward, medial, up).
"""

from __future__ import annotations

import numpy as np
from hand_builder import creases
from hand_builder.noise import bell, ends, furrows, line, noise, octaves, step

from .shape import TOES, Toe, toe_coordinates, toe_distance

_CLEAR = np.array([0.86, 0.70, 0.58])
_MELANIN, _BLOOD, _VEIN = np.array([0.26, 0.47, 0.74]), np.array([0.085, 0.44, 0.41]), np.array([0.30, 0.10, 0.02])
_NAIL, _MOON, _FREE = np.array([0.70, 0.44, 0.38]), np.array([0.76, 0.57, 0.51]), np.array([0.76, 0.68, 0.55])
"""Linear reflectance without pigment, and optical depths of a unit of each pigment: Beer and Lambert's law."""

_VEINS = (
    # (forward, medial): the arch across the instep and what runs into it from the toes
    [(118, 34), (108, 20), (103, 4), (98, -14), (84, -30)],
    [(103, 4), (118, 2), (134, 0)],
    [(107, 18), (120, 16), (138, 15)],
    [(99, -12), (110, -16), (124, -18)],
    [(118, 34), (92, 36), (60, 30), (36, 26), (16, 30)],
    [(103, 4), (84, 6), (66, 12), (44, 14), (26, 22)],
    [(84, -30), (60, -30), (36, -28), (12, -32)],
    [(96, -8), (80, -12), (60, -10), (40, -14)],
)
_LEG_VEINS = (
    # (medial or lateral distance from the shin's edge along the skin, up)
    [(26, 70), (30, 96), (25, 130), (33, 165), (29, 222)],
    [(25, 130), (10, 150), (4, 190), (9, 222)],
    [(-34, 84), (-28, 120), (-36, 160), (-30, 222)],
)
_TENDONS = (
    [(30, 12), (70, 18), (132, 24)],
    [(34, 6), (76, 6), (136, 4)],
    [(34, 2), (74, -6), (130, -11)],
    [(32, -2), (70, -16), (120, -26)],
)


def skin(p: np.ndarray, normals: np.ndarray) -> dict[str, np.ndarray]:
    """At (n, 3) points with (n, 3) outward normals in anatomical axes: ``colour`` (n, 3) linear, ``height`` (n,)
    millimetres, ``roughness`` (n,)."""
    sole = step((-normals[:, 2] - 0.15) / 0.5) * step((40.0 - p[:, 2]) / 14.0)
    height, blood, melanin, vein = (np.zeros(len(p)) for _ in range(4))
    nail, moon, free = (np.zeros(len(p)) for _ in range(3))
    distances = np.stack([toe_distance(p, toe) for toe in TOES])
    owner, nearest = distances.argmin(axis=0), distances.min(axis=0)
    for number, toe in enumerate(TOES):
        mine = np.flatnonzero((owner == number) & (nearest < 6.0))
        _toe(p[mine], normals[mine], toe, number, mine, height, blood, melanin, nail, moon, free)
    _top(p, normals, sole, height, vein, blood)
    _sole(p, sole, height, blood)
    bare = 1.0 - nail
    blood = (
        1.0
        + blood
        + 0.30 * octaves(p, (30.0, 12.0), 2.0) * 0.35
        + (0.1 + 0.16 * sole) * octaves(p, (4.5, 2.0), 5.0) * 0.4
    )
    melanin = 1.0 + melanin + 0.12 * octaves(p, (16.0, 6.0), 6.0) + 0.10 * octaves(p, (2.6, 1.3), 7.0)
    freckles = np.clip(2.6 * noise(p, 2.0, 12.0) - 4.0, 0.0, 1.0) * (1.0 - sole) * step((p[:, 2] - 20.0) / 60.0)
    melanin = (melanin + 0.9 * freckles) * (1.0 - 0.78 * sole)
    depth = (
        0.62 * np.clip(melanin, 0.05, None)[:, None] * _MELANIN
        + 0.52 * np.clip(blood, 0.1, None)[:, None] * _BLOOD
        + np.clip(vein, 0.0, 1.0)[:, None] * _VEIN * 0.9
        + 0.35 * np.clip(-height, 0.0, 0.7)[:, None] * np.array([0.36, 0.9, 1.05])
    )
    colour = _CLEAR * np.exp(-depth)
    for share, plate in ((nail, _NAIL), (moon * nail, _MOON), (free * nail, _FREE)):
        colour += share[:, None] * (plate - colour)
    roughness = 0.46 + 0.10 * sole + 0.05 * noise(p, 3.0, 3.0) - 0.26 * nail
    grain = creases.back_web(p) * 1.1 * bare * (1.0 - sole)
    return {"colour": np.clip(colour, 0.0, 1.0), "height": height + grain, "roughness": np.clip(roughness, 0.15, 0.9)}


def _toe(
    p: np.ndarray,
    normals: np.ndarray,
    toe: Toe,
    number: int,
    mine: np.ndarray,
    height: np.ndarray,
    blood: np.ndarray,
    melanin: np.ndarray,
    nail: np.ndarray,
    moon: np.ndarray,
    free: np.ndarray,
) -> None:
    """One toe's nail, knuckles, creases and colour, added to the layers at ``mine``."""
    along, side, up = toe_coordinates(p, toe)
    tip, size, seed = along - toe.length, toe.widths[-1] / 7.5, 1.0 + number
    above, below = step((up + 1.0) / 3.0), step((-up + 1.0) / 3.0)
    on = step((along - 0.42 * toe.length + 4.0) / 8.0)
    half, long = toe.nail[0], toe.nail[1]
    q = np.clip(np.abs(side) / half, 0.0, 1.0)
    back, front = -long + 2.2 + 1.9 * size * (1.0 - np.sqrt(1.0 - 0.98 * q**2.6)), 2.6 - 2.0 * size * q**2.8
    edge = np.minimum(np.minimum(half - np.abs(side), tip - back), front - tip)
    edge = np.where(up > 0.0, edge, -9.0)
    plate = step((edge + 0.2) / 0.5)
    rim = bell(edge + 0.5, 0.6) * step((front - tip + 0.6) / 1.6) * above
    nail[mine] = plate
    moon[mine] = step((2.2 * size - (tip - back)) / 0.8) * step((0.66 - q) / 0.2)
    free[mine] = step((1.1 * size + 0.3 * np.sin(3.0 * side / half) - (front - tip)) / 0.35)
    height[mine] += 0.22 * plate - 0.42 * rim + 0.30 * bell(edge + 1.6, 1.0) * above
    height[mine] += 0.02 * np.cos(2.0 * np.pi * side / (0.7 * size)) * plate
    blood[mine] += on * (0.55 * step((tip + 18.0 * size) / 14.0) + 0.5 * rim)
    melanin[mine] += 0.25 * on * above * bell(tip + 0.45 * toe.length, 6.0)
    for k, where in enumerate((0.50,) if number == 0 else (0.40, 0.72)):
        offset = along - where * toe.length
        reach = (8.5 if number == 0 else 5.0) * size**0.3
        height[mine] += 1.2 * above * on * creases.knuckle_folds(offset, side, reach, 1.5, seed + 0.5 * k)
        blood[mine] += 0.45 * above * on * bell(offset, reach) * (1.0 - plate)
        arc = np.arctan2(side, -up) * toe.widths[-1]
        strands = ((0.8, 0.5, 0.5), (-1.8, 0.25, 0.4))
        height[mine] += below * on * creases.flexion_creases(offset, arc, strands, seed + 0.1 * k)


def _top(
    p: np.ndarray, normals: np.ndarray, sole: np.ndarray, height: np.ndarray, vein: np.ndarray, blood: np.ndarray
) -> None:
    """Veins and tendons of the instep and the leg, folds before and behind the ankle, red heel and ankle bones."""
    upper = step((normals[:, 2] - 0.05) / 0.4) * step((112.0 - p[:, 2]) / 26.0) * (1.0 - sole)
    bent = p[:, :2] + 1.6 * np.stack([noise(p, 14.0, 3.3), noise(p, 14.0, 7.7)], axis=1)
    for knots in _VEINS:
        distance, t = line(bent, knots)
        here = ends(t, 5.0) * upper * (0.75 + 0.3 * noise(p, 22.0, 9.1))
        vein += 0.75 * here * bell(distance, 2.1)
        height += 0.75 * here * bell(distance, 1.9)
    for knots in _TENDONS:
        distance, t = line(p[:, :2], knots)
        height += 0.8 * ends(t, 3.0) * upper * bell(distance, 3.2)
    leg = step((p[:, 2] - 72.0) / 24.0) * step((216.0 - p[:, 2]) / 10.0)
    flat = np.stack([np.arctan2(p[:, 1], p[:, 0] + 10.0) * 38.0, p[:, 2]], axis=1)
    flat += 2.2 * np.stack([noise(p, 18.0, 13.3), noise(p, 18.0, 17.7)], axis=1)
    for knots in _LEG_VEINS:
        distance, t = line(flat, knots)
        here = ends(t, 6.0) * leg * (0.7 + 0.35 * noise(p, 26.0, 19.1))
        vein += 0.6 * here * bell(distance, 2.4)
        height += 0.5 * here * bell(distance, 2.2)
    bend = p[:, 2] - 86.0 - 0.55 * (p[:, 0] - 30.0) - 1.5 * noise(p, (40.0, 12.0, 40.0), 1.0)
    before = step((p[:, 0] - 10.0) / 14.0) * step((34.0 - np.abs(p[:, 1])) / 14.0)
    for where, deep in ((-3.0, 0.55), (5.0, 0.35), (-11.0, 0.25)):
        height -= deep * before * bell(bend - where, 0.9) * np.clip(0.8 + 0.5 * noise(p, (9, 14, 9), where), 0.1, 1.3)
    behind = step((-p[:, 0] - 26.0) / 10.0)
    for where, deep in ((56.0, 0.5), (63.0, 0.35), (49.0, 0.3), (71.0, 0.22)):
        run = p[:, 2] - where - 1.2 * noise(p, (9.0, 9.0, 40.0), 0.1 * where)
        height -= deep * behind * bell(run, 0.8)
    blood += 0.9 * step((-p[:, 0] - 18.0) / 26.0) * step((48.0 - p[:, 2]) / 26.0)
    blood += 0.4 * bell(np.linalg.norm(p - np.array([4.0, 34.0, 84.0]), axis=1), 13.0)
    blood += 0.4 * bell(np.linalg.norm(p - np.array([-9.0, -34.0, 70.0]), axis=1), 13.0)
    blood += 0.5 * step((p[:, 0] - 100.0) / 60.0) * (1.0 - sole)
    height -= 0.16 * (1.0 - sole) * furrows(p, (9.0, 3.0, 6.0), 3.0, 0.14) * np.clip(noise(p, 9.0, 4.0), 0.0, 1.0)


def _sole(p: np.ndarray, sole: np.ndarray, height: np.ndarray, blood: np.ndarray) -> None:
    """The sole: red where it stands, pale in the arch, long folds along it and across the ball."""
    flat = p[:, :2]
    for (forward, medial), reach, much in (
        ((-24, 0), 26.0, 0.75),
        ((122, 26), 19.0, 0.8),
        ((118, 4), 17.0, 0.5),
        ((104, -30), 18.0, 0.65),
        ((50, -34), 22.0, 0.45),
        ((56, 14), 32.0, -0.45),
    ):
        blood += much * sole * bell(np.linalg.norm(flat - np.array([forward, medial]), axis=1), reach)
    bent = flat + np.stack([2.0 * noise(p, 16.0, 3.3), 2.0 * noise(p, 16.0, 7.7)], axis=1)
    for knots, deep in (
        ([(12, 8), (50, 4), (90, 2), (112, -2)], 0.6),
        ([(20, 20), (52, 18), (84, 16)], 0.45),
        ([(138, 36), (136, 16), (128, -8), (114, -30)], 0.55),
        ([(100, 30), (92, 8), (84, -14)], 0.35),
        ([(70, 26), (66, 6), (60, -20)], 0.3),
    ):
        distance, t = line(bent, knots)
        height -= deep * sole * ends(t, 5.0) * (0.6 * bell(distance, 0.8) + 0.4 * bell(distance, 2.4))
    web = furrows(p, (7.0, 2.2, 5.0), 1.0, 0.14) * np.clip(noise(p, 7.0, 2.0) + 0.4, 0.0, 1.0)
    across = furrows(p, (2.2, 7.0, 5.0), 3.0, 0.14) * np.clip(noise(p, 8.0, 5.0) + 0.3, 0.0, 1.0)
    height -= sole * (0.2 * web + 0.18 * across + 0.06 * furrows(p, 1.4, 6.0, 0.3))
