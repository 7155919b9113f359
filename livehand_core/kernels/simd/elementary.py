"""Scalar helpers of the kernels: a cheap exponential, the processor's time counter."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_LOG2E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ROUNDER = np.float32(12582912.0)
"""1.5 * 2**23: adding and subtracting it rounds a float32 to the nearest integer."""
_ONE = np.float32(1.0)
_EXP_LIMIT = np.float32(87.0)
_E2, _E3, _E4, _E5, _E6 = (np.float32(1.0 / n) for n in (2.0, 6.0, 24.0, 120.0, 720.0))


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


@intrinsic  # type: ignore[misc]
def round_like(typing_context: Any, value: Any, like: Any) -> Any:
    """``value`` as the array's dtype stores it: as it is for float32, else rounded; within uint8's range for uint8."""
    target = like.dtype

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if target == types.float32:
            return arguments[0]
        if not target.signed:
            return builder.fptoui(builder.fadd(arguments[0], ir.FloatType()(0.5)), ir.IntType(target.bitwidth))
        half = builder.select(
            builder.fcmp_ordered("<", arguments[0], ir.FloatType()(0.0)), ir.FloatType()(-0.5), ir.FloatType()(0.5)
        )
        return builder.fptosi(builder.fadd(arguments[0], half), ir.IntType(target.bitwidth))

    return target(types.float32, like), generate
