"""Smooth noise, lines and steps that the skin is put together from. All lengths in the unit of the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates, spline_filter
from scipy.spatial import cKDTree

_LATTICE = spline_filter(
    np.random.default_rng(20).uniform(-1.0, 1.0, size=(32, 32, 32)), order=3, mode="grid-wrap", output=np.float32
)
_LEVEL = 1.9
"""Brings the spline through uniform values to a deviation of 0.9."""


def noise(points: np.ndarray, size: float | Sequence[float], shift: float = 0.0) -> np.ndarray:
    """(n,) smooth noise of mean 0 and deviation 0.9 over (n, 3) points.

    Args:
        size: of a feature, one length or one for each axis: longer along an axis draws the noise out.
        shift: another one gives an independent noise.
    """
    where = (points / np.asarray(size, dtype=np.float64) + 7.31 * shift).T
    return _LEVEL * map_coordinates(_LATTICE, where, order=3, mode="grid-wrap", prefilter=False)


def furrows(points: np.ndarray, size: float | Sequence[float], shift: float = 0.0, sharp: float = 0.16) -> np.ndarray:
    """(n,) 1 in the middle of wandering lines (where noise changes sign), 0 between them."""
    return np.exp(-((noise(points, size, shift) / sharp) ** 2))


def octaves(points: np.ndarray, sizes: Sequence[float], shift: float = 0.0) -> np.ndarray:
    """(n,) noise of several sizes, each as strong as the others, of deviation 1.5."""
    return sum(noise(points, size, shift + 0.37 * k) for k, size in enumerate(sizes)) / np.sqrt(0.35 * len(sizes))


def bell(x: np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """exp(-(x / width)^2)."""
    return np.exp(-((x / width) ** 2))


def step(x: np.ndarray) -> np.ndarray:
    """Smoothly from 0 at x = 0 to 1 at x = 1."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def line(points: np.ndarray, knots: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance (n,) to a spline through 2-D knots (positive to its left) and position along it, 0 to 1."""
    knot = np.array(knots, dtype=np.float64)
    t = np.linspace(0.0, 1.0, len(knot))
    fine = np.linspace(0.0, 1.0, 240)
    spline = CubicSpline(t, knot)
    curve, slope = spline(fine), spline(fine, 1)
    distance, nearest = cKDTree(curve).query(points)
    away = points - curve[nearest]
    left = slope[nearest, 0] * away[:, 1] - slope[nearest, 1] * away[:, 0]
    return np.where(left < 0.0, -distance, distance), fine[nearest]


def ends(t: np.ndarray, rate: float = 6.0) -> np.ndarray:
    """(n,) 1 along a line, fading to 0 at both ends."""
    return step(rate * np.minimum(t, 1.0 - t))
