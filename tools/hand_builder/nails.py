"""Finger nails: where the plate is, its half moon and free edge, the folds around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import FINGER_TABLE
from .noise import bell, step


@dataclass(frozen=True)
class Nail:
    """Per point of one finger, (n,) each: ``plate``, ``free`` (edge beyond the flesh), ``moon``, ``cuticle`` and
    ``rim`` (flushed skin around) from 0 to 1, ``reach`` 1 at the free edge and 0 where the flesh holds the plate;
    ``height`` of the surface and ``ridges`` on the plate in millimetres."""

    plate: np.ndarray
    free: np.ndarray
    moon: np.ndarray
    cuticle: np.ndarray
    rim: np.ndarray
    height: np.ndarray
    ridges: np.ndarray
    reach: np.ndarray


def nail(tip: np.ndarray, side: np.ndarray, up: np.ndarray, name: str) -> Nail:
    """The nail of a finger.

    Args:
        tip: (n,) millimetres along the finger from its tip, negative inwards.
        side, up: (n,) millimetres across and out of the back.
        name: of the finger.
    """
    scale = FINGER_TABLE[name].thickness
    half = (5.7 if name != "thumb" else 6.6) * scale
    length = (11.6 if name != "thumb" else 12.8) * scale
    q = np.clip(np.abs(side) / half, 0.0, 1.0)
    back = -length + 3.4 * scale * (1.0 - np.sqrt(1.0 - 0.98 * q**2.4))
    front = -0.35 - 2.3 * scale * q**2.6
    edge = np.minimum(np.minimum(half - np.abs(side), tip - back), front - tip)
    edge = np.where(up > 0.0, edge, -9.0)
    above = step(up / 2.5)
    inner = step((front - tip + 0.3) / 1.8)  # 0 at the free edge: no fold of skin there
    plate = step((edge + 0.12) / 0.34)
    margin = front - tip
    free = step((1.15 * scale + 0.28 * np.sin(3.1 * side / half) - margin) / 0.3) * (edge > -0.1)
    moon = step((3.1 * scale - (tip - back)) / 0.7) * step((0.62 - q) / 0.22)
    fold = bell(edge + 1.0, 0.75) * inner
    height = (
        0.10 * plate
        - 0.15 * inner * bell(edge + 0.22, 0.40) * above
        + 0.24 * fold * above
        + 0.30 * step((1.3 - margin) / 1.4) * (edge > 0.0)
    )
    ridges = 0.012 * np.cos(2.0 * np.pi * side / (0.62 * scale) + 1.3 * np.sin(side / 1.7)) * plate
    return Nail(
        plate,
        free,
        moon,
        bell(edge + 0.28, 0.30) * inner * above,
        bell(edge + 1.6, 1.5) * above,
        height,
        ridges,
        step((edge + 0.3) / 0.3) * step((1.9 * scale - margin) / (1.5 * scale)),
    )
