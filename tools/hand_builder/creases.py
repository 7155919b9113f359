"""Folds of the skin at joints: groups of fine, irregular furrows. Heights in millimetres, downwards negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .noise import bell, ends, furrows, line, noise, step

Strand = tuple[float, float, float]
"""Where a furrow runs beside its joint, how deep it is and how wide, millimetres."""


def flexion_creases(offset: np.ndarray, arc: np.ndarray, strands: Sequence[Strand], seed: float) -> np.ndarray:
    """(n,) height of the creases across the palm side of a finger.

    Args:
        offset: (n,) millimetres along the finger from the joint.
        arc: (n,) millimetres around the finger from the middle of its palm side.
        strands: of this joint.
        seed: another one for each joint.
    """
    here = np.stack([offset, arc, np.full_like(arc, 3.7 * seed)], axis=1)
    wander = 0.55 * noise(here, (60.0, 5.0, 1.0), 0.1) + 0.22 * noise(here, (4.0, 1.8, 1.0), 0.6)
    height = np.zeros_like(arc)
    for number, (centre, depth, width) in enumerate(strands):
        run = offset - centre - wander * (1.0 - 0.4 * number) + 0.012 * arc**2 * np.sign(centre or 1.0)
        run = run + 0.35 * noise(here, (50.0, 3.2, 1.0), 2.0 + number)
        strength = np.clip(0.85 + 0.42 * noise(here, (40.0, 3.6, 1.0), 4.0 + number), 0.15, 1.3)
        height -= depth * strength * (0.62 * bell(run, width) + 0.38 * bell(run, 3.6 * width))
    reach = max(abs(centre) for centre, *_ in strands) + 2.6
    minor = furrows(here, (0.85, 5.5, 1.0), 5.0, 0.2) * np.clip(noise(here, (2.5, 3.5, 1.0), 6.0) + 0.3, 0.0, 1.0)
    return height - 0.055 * minor * bell(offset, reach)


def knuckle_folds(offset: np.ndarray, side: np.ndarray, reach: float, size: float, seed: float) -> np.ndarray:
    """(n,) height of the spare skin over a knuckle: curved cross folds with a web of fine ones between.

    Args:
        offset, side: (n,) millimetres along and across the finger from the knuckle's middle.
        reach: half the length of the wrinkled oval, millimetres.
        size: distance from one fold to the next, millimetres.
        seed: another one for each joint.
    """
    here = np.stack([offset, side, np.full_like(side, 5.3 * seed)], axis=1)
    oval = np.clip(1.0 - (offset / reach) ** 2 - (side / (1.15 * reach + 1.5)) ** 2, 0.0, 1.0)
    bowed = offset * (1.0 + 0.011 * side**2) + 0.45 * noise(here, (6.0, 3.0, 1.0), 1.0)
    bowed = bowed + 0.16 * noise(here, (1.8, 1.3, 1.0), 1.7)
    drawn = np.stack([bowed, side, here[:, 2]], axis=1)
    main = furrows(drawn, (size, 6.5, 1.0), 2.0, 0.26) * np.clip(0.75 + 0.6 * noise(here, 3.0, 3.0), 0.1, 1.2)
    web = furrows(drawn, (0.55 * size, 2.8, 1.0), 4.0, 0.22)
    cross = furrows(here, (3.2, 1.1, 1.0), 5.0, 0.2)
    swell = 0.5 * noise(drawn, (1.5 * size, 7.0, 1.0), 7.0)
    return oval**0.8 * (0.22 * swell - 0.46 * main - 0.17 * web - 0.06 * cross)


_PALM_LINES: tuple[tuple[list[tuple[float, float]], float, float], ...] = (
    # knots (distal, radial), depth, width: heart, head, life; then what is fine
    ([(66, -44), (69, -30), (72, -14), (78, 2), (88, 13)], 0.40, 0.42),
    ([(75, 40), (70, 25), (63, 8), (55, -12), (46, -28)], 0.36, 0.42),
    ([(76, 40), (71, 24), (57, 9), (38, 1), (14, 3)], 0.44, 0.46),
    ([(22, -6), (44, -6), (62, -5), (78, -2)], 0.13, 0.34),
    ([(92, 27), (86, 20), (82, 8), (84, -4)], 0.10, 0.30),
    ([(84, -18), (80, -26), (72, -33)], 0.12, 0.30),
    ([(60, -44), (62, -36), (66, -26)], 0.14, 0.30),
    ([(50, 16), (44, 10), (34, 12)], 0.12, 0.30),
    ([(68, 34), (60, 27), (52, 24)], 0.13, 0.30),
    ([(40, -38), (44, -26), (46, -16)], 0.10, 0.30),
    ([(30, -35), (36, -24), (40, -12)], 0.08, 0.28),
    ([(64, 14), (70, 2), (72, -8)], 0.09, 0.28),
    ([(82, 34), (80, 26), (75, 17)], 0.10, 0.28),
    ([(36, 30), (44, 22), (50, 12)], 0.09, 0.30),
    ([(28, 28), (34, 18), (38, 8)], 0.09, 0.30),
)


def palm_lines(p: np.ndarray) -> np.ndarray:
    """(n,) height of the lines of the palm at (n, 3) anatomical millimetres (to be kept to the palm side)."""
    flat = p[:, :2]
    bent = flat + np.stack(
        [0.9 * noise(p, 7.0, 3.3) + 0.35 * noise(p, 2.2, 3.9), 0.9 * noise(p, 7.0, 7.7) + 0.35 * noise(p, 2.2, 8.2)],
        axis=1,
    )
    height = np.zeros(len(p))
    for number, (knots, depth, width) in enumerate(_PALM_LINES):
        distance, t = line(bent, knots)
        along = np.stack([t * 60.0, np.zeros_like(t), np.full_like(t, 2.9 * number)], axis=1)
        strength = np.clip(0.85 + 0.45 * noise(along, (5.0, 1.0, 1.0), 1.0), 0.2, 1.3)
        height -= (
            (depth if number < 3 else 1.6 * depth)
            * strength
            * ends(t, 5.0)
            * (0.62 * bell(distance, width) + 0.30 * bell(distance, 4.0 * width))
        )
        if number < 3:
            # A second strand comes and goes beside each of the three great lines.
            beside = distance - 1.1 * np.sin(5.0 * t + number) - 0.5
            comes = np.clip(1.5 * noise(along, (7.0, 1.0, 1.0), 2.0), 0.0, 1.0)
            height -= 0.45 * depth * comes * ends(t, 5.0) * bell(beside, 0.34)
    return height


def palm_web(p: np.ndarray) -> np.ndarray:
    """(n,) height of the fine furrows that cross the palm everywhere, anatomical millimetres."""
    turn = 0.6 * noise(p, 22.0, 4.0)
    c, s = np.cos(turn), np.sin(turn)
    near = np.stack([c * p[:, 0] + s * p[:, 1], -s * p[:, 0] + c * p[:, 1], p[:, 2]], axis=1)
    first = furrows(near, (6.0, 1.9, 4.0), 1.0, 0.14) * np.clip(noise(p, 6.0, 2.0) + 0.35, 0.0, 1.0)
    second = furrows(near, (1.9, 6.5, 4.0), 3.0, 0.14) * np.clip(noise(p, 7.0, 5.0) + 0.30, 0.0, 1.0)
    grain = furrows(p, (1.1, 1.3, 1.2), 6.0, 0.3)
    return -0.125 * first - 0.105 * second - 0.03 * grain


def back_web(p: np.ndarray) -> np.ndarray:
    """(n,) height of the small diamonds of the back of the hand, anatomical millimetres."""
    a = np.stack([0.82 * p[:, 0] + 0.57 * p[:, 1], 0.82 * p[:, 1] - 0.57 * p[:, 0], p[:, 2]], axis=1)
    b = np.stack([0.82 * p[:, 0] - 0.57 * p[:, 1], 0.82 * p[:, 1] + 0.57 * p[:, 0], p[:, 2]], axis=1)
    lines = np.maximum(furrows(a, (1.0, 3.2, 1.6), 1.0, 0.24), furrows(b, (1.0, 3.2, 1.6), 2.0, 0.24))
    across = furrows(p, (2.2, 8.0, 6.0), 3.0, 0.15) * np.clip(noise(p, 9.0, 4.0) + 0.1, 0.0, 1.0)
    return -0.075 * lines - 0.075 * across + 0.025 * noise(p, 0.7, 5.0) + 0.055 * noise(p, 2.6, 6.0)


def wrist_creases(p: np.ndarray) -> np.ndarray:
    """(n,) height of the bracelets at the wrist's palm side, anatomical millimetres."""
    height = np.zeros(len(p))
    for number, (where, depth) in enumerate(((-2.5, 0.26), (4.0, 0.20), (-9.0, 0.07))):
        run = p[:, 0] - where - 0.0045 * p[:, 1] ** 2 - 0.9 * noise(p, (50.0, 6.0, 50.0), 1.0 + number)
        run = run - 0.3 * noise(p, (3.0, 2.0, 9.0), 2.0 + number)
        strength = np.clip(0.8 + 0.5 * noise(p, (40.0, 5.0, 40.0), 3.0 + number), 0.1, 1.3)
        height -= depth * strength * (0.6 * bell(run, 0.42) + 0.4 * bell(run, 1.6))
    return height * step((30.0 - np.abs(p[:, 1])) / 10.0)
