"""Directions against the light, sixteen pixels at once: harmonics, clipped cosines and reflection lobes."""

from __future__ import annotations

import math

import numpy as np

from ..compiling import inlined
from ..simd.elementary import exponentials
from ..simd.lanes import fused, maximum, minimum, splat, square_root
from ..simd.memory import broadcast

COUNT = 16
"""Harmonics of a light: degree 3."""

_PI = math.pi
_ZERO, _ONE, _THREE, _FIVE = (np.float32(number) for number in (0.0, 1.0, 3.0, 5.0))
_S0, _S1, _S2 = (np.float32(math.sqrt(x / _PI)) for x in (1.0 / 4.0, 3.0 / 4.0, 15.0 / 4.0))
_S20, _S33, _S32 = (np.float32(math.sqrt(x / _PI)) for x in (5.0 / 16.0, 35.0 / 32.0, 105.0 / 4.0))
_S31, _S30, _S3H = (np.float32(math.sqrt(x / _PI)) for x in (21.0 / 32.0, 7.0 / 16.0, 105.0 / 16.0))
_HALF_S2 = np.float32(0.5 * _S2)
_SMALLEST = np.float32(1e-24)


@inlined
def dot(ax, ay, az, bx, by, bz):
    """Of sixteen pairs of vectors."""
    return fused(ax, bx, fused(ay, by, az * bz))


@inlined
def unit(x, y, z):
    """Sixteen vectors at length 1."""
    scale = splat(_ONE) / square_root(maximum(dot(x, y, z, x, y, z), _SMALLEST))
    return x * scale, y * scale, z * scale


@inlined
def basis(x, y, z):
    """The sixteen harmonics of sixteen unit vectors, as ``livehand_core.harmonics.basis``."""
    xx, yy, zz = x * x, y * y, z * z
    five = fused(zz, _FIVE, splat(-_ONE))
    difference = xx - yy
    return (
        splat(_S0), y * _S1, z * _S1, x * _S1,
        x * y * _S2, y * z * _S2, fused(zz, _THREE, splat(-_ONE)) * _S20, x * z * _S2, difference * _HALF_S2,
        y * fused(xx, _THREE, splat(_ZERO) - yy) * _S33, x * y * z * _S32, y * five * _S31,
        z * fused(zz, _FIVE, splat(-_THREE)) * _S30, x * five * _S31, z * difference * _S3H,
        x * fused(yy, -_THREE, xx) * _S33,
    )  # fmt: skip


@inlined
def summed(table, first, values, count):
    """max(sum of the first ``count`` harmonics times a colour channel's coefficients, 0).

    Args:
        table: flat float32, three channels a coefficient; first: of the channel's first.
        values: of :func:`basis`.
        count: a constant.
    """
    answer = values[0] * broadcast(table, first)
    for k in range(1, count):
        answer = fused(values[k], broadcast(table, first + 3 * k), answer)
    return maximum(answer, _ZERO)


@inlined
def wrapped_cosine(cosine, sine):
    """What of a round lamp's irradiance facing it reaches a surface; ``sine`` of its angular radius, float32."""
    between = minimum(maximum(cosine + sine, _ZERO), sine + sine)
    return fused(between * between, np.float32(0.25) / sine, maximum(cosine - sine, _ZERO))


@inlined
def lobe(cosine, sharpness, peak, most):
    """Density of a reflection lobe at a lamp, at most what the lamp's size lets it be; the latter three float32."""
    return minimum(exponentials((cosine - _ONE) * sharpness) * peak, most)
