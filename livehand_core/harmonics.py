"""Real spherical harmonics up to degree 3: basis, rotation, and what a kernel about an axis does to each degree.

Orthonormal over the sphere; coefficient l (l + 1) + m holds degree l and order m, so a function of directions is
(16,) numbers, or (16, 3) for a colour. NumPy, float64. Called by ``lights`` and ``panoramas``.

The convolution of a light with a kernel about an axis (Ramamoorthi and Hanrahan 2001) multiplies degree l by
2 pi times the integral of kernel(x) P_l(x) over x in [-1, 1]; those four numbers are called the kernel's zonal factors.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

DEGREE = 3
COUNT = (DEGREE + 1) ** 2

COSINE = np.array([math.pi, 2.0 * math.pi / 3.0, math.pi / 4.0, 0.0])
"""Zonal factors of max(cos, 0): radiance becomes irradiance."""

_ORDERS = np.array([2 * degree + 1 for degree in range(DEGREE + 1)])


def basis(directions: np.ndarray) -> np.ndarray:
    """(..., 3) unit directions -> (..., 16) values of the harmonics."""
    return np.stack(terms(*np.moveaxis(np.asarray(directions, dtype=np.float64), -1, 0)), axis=-1)


def terms(x: Any, y: Any, z: Any) -> list[Any]:
    """The sixteen values of unit directions, each of the shape of ``x``: arrays, or tensors with gradients."""
    pi = math.pi
    one, two = math.sqrt(3.0 / (4.0 * pi)), math.sqrt(15.0 / (4.0 * pi))
    return [
        0.0 * x + math.sqrt(1.0 / (4.0 * pi)),
        one * y,
        one * z,
        one * x,
        two * x * y,
        two * y * z,
        math.sqrt(5.0 / (16.0 * pi)) * (3.0 * z * z - 1.0),
        two * x * z,
        0.5 * two * (x * x - y * y),
        math.sqrt(35.0 / (32.0 * pi)) * y * (3.0 * x * x - y * y),
        math.sqrt(105.0 / (4.0 * pi)) * x * y * z,
        math.sqrt(21.0 / (32.0 * pi)) * y * (5.0 * z * z - 1.0),
        math.sqrt(7.0 / (16.0 * pi)) * z * (5.0 * z * z - 3.0),
        math.sqrt(21.0 / (32.0 * pi)) * x * (5.0 * z * z - 1.0),
        math.sqrt(105.0 / (16.0 * pi)) * z * (x * x - y * y),
        math.sqrt(35.0 / (32.0 * pi)) * x * (x * x - 3.0 * y * y),
    ]


def by_degree(factors: np.ndarray) -> np.ndarray:
    """(..., 4) numbers a degree -> (..., 16), each repeated for its orders."""
    return np.repeat(np.asarray(factors, dtype=np.float64), _ORDERS, axis=-1)


def rotation(matrix: np.ndarray) -> np.ndarray:
    """(16, 16) orthogonal matrix that turns coefficients as ``matrix`` (3, 3) turns directions.

    The rotated function at R w is the function at w. Each degree stays by itself, so as many directions as there are
    coefficients determine the matrix; these lie well spread, which keeps it exact to rounding.
    """
    directions, inverse = _spread()
    # f'(w) = f(R^T w) at every w: coefficients follow from the values.
    return inverse @ basis(directions @ np.asarray(matrix, dtype=np.float64))


def spread_directions(count: int) -> np.ndarray:
    """(count, 3) unit vectors evenly over the sphere, along Fibonacci's spiral."""
    z = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    turn = np.arange(count) * math.pi * (3.0 - math.sqrt(5.0))
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1)


def spread_axes() -> np.ndarray:
    """(16, 3) unit vectors which with their opposites lie evenly over the sphere: the corners and the middles of the
    faces of an icosahedron."""
    golden = 0.5 * (1.0 + math.sqrt(5.0))
    corners = [(0.0, 1.0, golden), (0.0, 1.0, -golden)]
    middles = [(0.0, golden, 1.0 / golden), (0.0, golden, -1.0 / golden)]
    turned = [np.roll(one, step) for one in corners + middles for step in range(3)]
    cube = [(1.0, 1.0, 1.0), (1.0, 1.0, -1.0), (1.0, -1.0, 1.0), (-1.0, 1.0, 1.0)]
    axes = np.array([*turned, *cube])
    return np.asarray(axes / np.linalg.norm(axes, axis=1, keepdims=True))


@cache
def _spread() -> tuple[np.ndarray, np.ndarray]:
    """64 directions, and the pseudo-inverse of the basis there."""
    directions = spread_directions(64)
    return directions, np.linalg.pinv(basis(directions))


def cap(cosine: float | np.ndarray) -> np.ndarray:
    """(..., 4) means of the Legendre polynomials over a cap: zonal factors of a uniform disc of total weight 1.

    Args:
        cosine: of the cap's half angle, (...); 1 is a point.
    """
    c = np.asarray(cosine, dtype=np.float64)
    # Integrals of P_l from c to 1 over (1 - c), divided out so that a point needs no limit.
    return np.stack(
        [
            np.ones_like(c),
            0.5 * (1.0 + c),
            0.5 * c * (1.0 + c),
            0.125 * (1.0 + c) * (5.0 * c * c - 1.0),
        ],
        axis=-1,
    )


def lobe(sharpness: float) -> np.ndarray:
    """(4,) zonal factors of the von Mises-Fisher density, proportional to exp(sharpness cos), of total weight 1."""
    factors = [1.0, mean_cosine(sharpness)]
    # The modified spherical Bessel functions' recurrence; upwards it is stable for sharpness above the degree.
    for degree in range(1, DEGREE):
        factors.append(factors[degree - 1] - (2 * degree + 1) / sharpness * factors[degree])
    return np.array(factors)


def mean_cosine(sharpness: float) -> float:
    """Mean cosine of the von Mises-Fisher density: coth(k) - 1 / k, of a sharpness above 0."""
    return 1.0 / math.tanh(sharpness) - 1.0 / sharpness


def sharpness_of(mean: np.ndarray) -> np.ndarray:
    """Inverse of :func:`mean_cosine`, elementwise, for means from 0.5 to below 1."""
    mean = np.asarray(mean, dtype=np.float64)
    # Banerjee's estimate, and two of Newton's steps; coth is 1 to rounding where the sharpness is large.
    k = mean * (3.0 - mean * mean) / (1.0 - mean * mean)
    for _ in range(2):
        coth = 1.0 / np.tanh(k)
        k = k - (coth - 1.0 / k - mean) / (1.0 - coth * coth + 1.0 / (k * k))
    return k
