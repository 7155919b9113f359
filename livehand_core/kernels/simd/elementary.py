"""Exponentials, sines and cosines of one number and of sixteen; the processor's time counter."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..compiling import inlined
from .lanes import (
    exponent,
    fused,
    mantissa,
    maximum,
    minimum,
    negative,
    power_of_two,
    product,
    rounded,
    where_bit,
    where_less,
)

_LOG2E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ROUNDER = np.float32(12582912.0)
"""1.5 * 2**23: adding and subtracting it rounds a float32 to the nearest integer."""
_ONE = np.float32(1.0)
_EXP_LIMIT = np.float32(87.0)
_E2, _E3, _E4, _E5, _E6 = (np.float32(1.0 / n) for n in (2.0, 6.0, 24.0, 120.0, 720.0))

_ROOT_2, _HALF = np.float32(np.sqrt(2.0)), np.float32(0.5)
_LOGARITHM = tuple(
    np.float32(value)
    for value in (
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
)  # fmt: skip
"""Of log(1 + x) = x - x^2/2 + x^3 p(x) for x in [sqrt(1/2) - 1, sqrt(2) - 1], highest power first (Moshier, Cephes)."""

_TWO_OVER_PI = np.float32(2.0 / np.pi)
_HALF_PI_1, _HALF_PI_2, _HALF_PI_3 = (np.float32(x) for x in (1.5703125, 4.837512969970703e-4, 7.549789948768648e-8))
"""pi/2 in three parts whose products with small integers are exact (Cody and Waite)."""
_S3, _S5, _S7, _S9 = (np.float32(value) for value in (-1.0 / 6.0, 1.0 / 120.0, -1.0 / 5040.0, 1.0 / 362880.0))
_C2, _C4, _C6, _C8 = (np.float32(value) for value in (-0.5, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40320.0))


@intrinsic  # type: ignore[misc]
def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 that has these 32 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic  # type: ignore[misc]
def cycles(typing_context: Any) -> Any:
    """The processor's time counter, to divide a call's wall time between its stages."""

    def generate(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        counter = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, counter, "llvm.readcyclecounter"), [])

    return types.int64(), generate


@njit(inline="always")
def exponential(x):
    """exp of a float32, to two units in the last place; arguments are cut to +-87."""
    x = min(max(x, -_EXP_LIMIT), _EXP_LIMIT)
    n = (x * _LOG2E + _ROUNDER) - _ROUNDER
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    series = _ONE + r * (_ONE + r * (_E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * _E6)))))
    return series * _float_of_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


@inlined
def exponentials(x: Any) -> Any:
    """exp of sixteen numbers, to two units in the last place; arguments are cut to +-87."""
    x = minimum(maximum(x, -_EXP_LIMIT), _EXP_LIMIT)
    n = rounded(x * _LOG2E)
    r = fused(n, -_LN2_LOW, fused(n, -_LN2_HIGH, x))
    series = fused(product(r, _E6) + _E5, r, _E4)
    series = fused(fused(fused(fused(series, r, _E3), r, _E2), r, _ONE), r, _ONE)
    return product(series, power_of_two(n))


@inlined
def logarithms(x: Any) -> Any:
    """Natural logarithms of sixteen positive numbers that are not denormal, to two units in the last place."""
    m, e = mantissa(x), exponent(x)
    e, m = where_less(m, _ROOT_2, e, e + _ONE), where_less(m, _ROOT_2, m, m * _HALF)
    m = m - _ONE
    series = fused(m, _LOGARITHM[0], _LOGARITHM[1])
    for k in range(2, 9):
        series = fused(series, m, _LOGARITHM[k])
    square = product(m, m)
    rest = fused(product(series, square), m, fused(e, _LN2_LOW, product(square, -_HALF)))
    return fused(e, _LN2_HIGH, m + rest)


@inlined
def powers(x: Any, power: Any) -> Any:
    """x to a power of sixteen positive numbers that are not denormal."""
    return exponentials(logarithms(x) * power)


@inlined
def sines_cosines(x: Any) -> tuple[Any, Any]:
    """sin and cos of sixteen angles below 1000 in size, to 2e-7."""
    n = rounded(x * _TWO_OVER_PI)
    r = fused(n, -_HALF_PI_3, fused(n, -_HALF_PI_2, fused(n, -_HALF_PI_1, x)))
    s = r * r
    sine = fused(fused(product(s, _S9) + _S7, s, _S5), s, _S3)
    sine = fused(product(sine, s), r, r)
    cosine = fused(product(s, _C8) + _C6, s, _C4)
    cosine = fused(fused(cosine, s, _C2), s, _ONE)
    first, second = where_bit(n, 1, cosine, sine), where_bit(n, 1, sine, cosine)
    return where_bit(n, 2, negative(first), first), where_bit(n + _ONE, 2, negative(second), second)
