"""Arithmetic on vectors of 16 float32 lanes, written to LLVM: what the compiler's own vectoriser does not find.

A :class:`Vector` wraps an LLVM value and its builder, so that formulas in the intrinsics read as formulas.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16

FLOATS = ir.VectorType(ir.FloatType(), LANES)
INTEGERS = ir.VectorType(ir.IntType(32), LANES)

_ROUNDER = 12582912.0
"""1.5 * 2**23: adding and subtracting it rounds a float32 to the nearest integer."""

_ROUNDER_BITS = 0x4B400000
"""The bits of _ROUNDER as an integer."""

_HALF_PI = (1.5703125, 4.837512969970703e-4, 7.549789948768648e-8)
"""pi/2 in three parts whose products with small integers are exact (Cody and Waite)."""

_LN2 = (0.693359375, -2.12194440e-4)


class Vector:
    """Float32 or int32 lanes, 16 unless loaded otherwise; Python numbers mix in as the same number in every lane."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def load(cls, builder: Any, address: Any, kind: Any = FLOATS) -> Vector:
        """From memory of any alignment."""
        return cls(builder, builder.load(builder.bitcast(address, kind.as_pointer()), align=2))

    @classmethod
    def zero(cls, builder: Any) -> Vector:
        """16 float32 zeros."""
        return cls(builder, ir.Constant(FLOATS, None))

    @classmethod
    def spread(cls, builder: Any, value: Any) -> Vector:
        """One LLVM number in every lane."""
        kind = ir.VectorType(value.type, LANES)
        first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
        return cls(builder, builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(INTEGERS, None)))

    def store(self, address: Any) -> None:
        """To memory of any alignment."""
        target = self.builder.bitcast(address, self.value.type.as_pointer())
        self.builder.store(self.value, target, align=1)

    def _new(self, value: Any) -> Vector:
        return Vector(self.builder, value)

    def _other(self, other: Any) -> Any:
        if isinstance(other, Vector):
            return other.value
        return ir.Constant(self.value.type, [other] * self.value.type.count)

    def _lanes_of(self, element: Any) -> Any:
        return ir.VectorType(element, self.value.type.count)

    def __add__(self, other: Any) -> Vector:
        return self._new(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Any) -> Vector:
        return self._new(self.builder.fsub(self.value, self._other(other)))

    def __mul__(self, other: Any) -> Vector:
        return self._new(self.builder.fmul(self.value, self._other(other)))

    def __truediv__(self, other: Any) -> Vector:
        return self._new(self.builder.fdiv(self.value, self._other(other)))

    def __neg__(self) -> Vector:
        return self._new(self.builder.fneg(self.value))

    def times_plus(self, factor: Any, term: Any) -> Vector:
        """self * factor + term, rounded once."""
        kind = self.value.type
        name = f"llvm.fma.v{kind.count}f32"
        fused = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return self._new(self.builder.call(fused, [self.value, self._other(factor), self._other(term)]))

    def at_least(self, other: Any) -> Vector:
        """Lane by lane the larger."""
        value = self._other(other)
        return self._new(self.builder.select(self.builder.fcmp_ordered(">", self.value, value), self.value, value))

    def at_most(self, other: Any) -> Vector:
        """Lane by lane the smaller."""
        value = self._other(other)
        return self._new(self.builder.select(self.builder.fcmp_ordered("<", self.value, value), self.value, value))

    def rounded(self) -> Vector:
        """To the nearest integer; below 2**22 in size."""
        return (self + _ROUNDER) - _ROUNDER

    def to_integers(self) -> Vector:
        """int32 lanes, cut towards zero."""
        return self._new(self.builder.fptosi(self.value, self._lanes_of(ir.IntType(32))))

    def nearest_integers(self) -> Vector:
        """int32 lanes; of values below 2**22 in size. The rounding addition leaves the integer in the low bits."""
        kind = self._lanes_of(ir.IntType(32))
        shifted = self.builder.bitcast((self + _ROUNDER).value, kind)
        return self._new(self.builder.sub(shifted, ir.Constant(kind, [_ROUNDER_BITS] * kind.count)))

    def to_floats(self) -> Vector:
        """float32 lanes of int32 ones."""
        return self._new(self.builder.sitofp(self.value, self._lanes_of(ir.FloatType())))

    def narrowed(self, bits: int) -> Vector:
        """int32 lanes that fit, as integers of fewer bits."""
        return self._new(self.builder.trunc(self.value, self._lanes_of(ir.IntType(bits))))

    def total(self) -> Any:
        """The sum of the lanes, in any order: an LLVM number."""
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), FLOATS])
        add = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(add, [ir.Constant(ir.FloatType(), 0.0), self.value], fastmath=("reassoc",))


def exponential(x: Vector) -> Vector:
    """exp, to two units in the last place; arguments are cut to +-87."""
    builder = x.builder
    x = x.at_least(-87.0).at_most(87.0)
    n = (x * math.log2(math.e)).rounded()
    r = n.times_plus(-_LN2[1], n.times_plus(-_LN2[0], x))
    series = r * (1.0 / 720.0) + 1.0 / 120.0
    for coefficient in (1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0):
        series = series.times_plus(r, coefficient)
    exponent = builder.add(n.to_integers().value, ir.Constant(INTEGERS, [127] * LANES))
    power = builder.bitcast(builder.shl(exponent, ir.Constant(INTEGERS, [23] * LANES)), FLOATS)
    return series * Vector(builder, power)


def sine_cosine(x: Vector) -> tuple[Vector, Vector]:
    """sin and cos of angles below 1000 in size, to 2e-7."""
    builder = x.builder
    n = (x * (2.0 / math.pi)).rounded()
    r = x
    for part in _HALF_PI:
        r = n.times_plus(-part, r)
    s = r * r
    sine = s * (1.0 / 362880.0) - 1.0 / 5040.0
    sine = (sine.times_plus(s, 1.0 / 120.0).times_plus(s, -1.0 / 6.0) * s).times_plus(r, r)
    cosine = s * (1.0 / 40320.0) - 1.0 / 720.0
    cosine = cosine.times_plus(s, 1.0 / 24.0).times_plus(s, -0.5).times_plus(s, 1.0)
    quadrant = n.to_integers().value

    def bit(value: Any, mask: int) -> Any:
        masked = builder.and_(value, ir.Constant(INTEGERS, [mask] * LANES))
        return builder.icmp_signed("!=", masked, ir.Constant(INTEGERS, None))

    odd = bit(quadrant, 1)
    first = Vector(builder, builder.select(odd, cosine.value, sine.value))
    second = Vector(builder, builder.select(odd, sine.value, cosine.value))
    after = builder.add(quadrant, ir.Constant(INTEGERS, [1] * LANES))
    return (
        Vector(builder, builder.select(bit(quadrant, 2), (-first).value, first.value)),
        Vector(builder, builder.select(bit(after, 2), (-second).value, second.value)),
    )
