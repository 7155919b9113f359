"""Sixteen float32 numbers at once, as a value that compiled loops can hold in a register.

LLVM's own vectoriser gives up on loops with as many branches as a point-triangle test has. Here such a loop is written
once for sixteen points; every processor gets it in the widest registers that it has. For use inside numba functions.
Values of other widths, such as the four channels of a texel, take the same operations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

WIDTH_BITS = 4
WIDTH = 1 << WIDTH_BITS

# Untyped: to a type checker these functions would take numba's arguments and not the caller's.
intrinsic: Any = extending.intrinsic

_INTEGER = ir.IntType(32)

_ROUNDER = 12582912.0
"""1.5 * 2**23: adding and subtracting it rounds a float32 to the nearest integer."""


class LanesType(types.Type):
    """numba's type of some float32 numbers side by side."""

    def __init__(self, count: int = WIDTH) -> None:
        super().__init__(name=f"Lanes{count}")
        self.count = count
        self.vector = ir.VectorType(ir.FloatType(), count)
        self.integers = ir.VectorType(_INTEGER, count)


LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, frontend_type.vector)


def _is_operand(value: Any) -> bool:
    return isinstance(value, LanesType | types.Number | types.Literal)


def lanes_among(kinds: Any) -> LanesType:
    """The type of the lanes among an operation's arguments."""
    return next((kind for kind in kinds if isinstance(kind, LanesType)), LANES)


def in_all_lanes(builder: Any, number: Any, kind: LanesType = LANES) -> Any:
    """An LLVM float in all lanes."""
    empty = ir.Constant(kind.vector, ir.Undefined)
    single = builder.insert_element(empty, number, _INTEGER(0))
    return builder.shuffle_vector(single, empty, ir.Constant(kind.integers, None))


def same_in_all(kind: LanesType, number: int) -> Any:
    """A constant integer in all lanes."""
    return ir.Constant(kind.integers, [number] * kind.count)


def _operands(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    """Vectors; numbers in all lanes of one."""
    kind = lanes_among(sig.args)

    def as_vector(value: Any, value_type: Any) -> Any:
        if isinstance(value_type, LanesType):
            return value
        return in_all_lanes(builder, context.cast(builder, value, value_type, types.float32), kind)

    return [as_vector(*pair) for pair in zip(args, sig.args, strict=True)]


def _define_operator(function: Callable[..., Any], instruction: str) -> None:
    """Let ``function`` take lanes, or lanes and a number. Products and sums may fuse: that only makes them exacter."""

    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if any(isinstance(value, LanesType) for value in args) and all(map(_is_operand, args)):
                return signature(lanes_among(args), *args)
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*_operands(context, builder, sig, args), flags=("contract",))

    infer_global(function)(_Template)
    for operands in ((LanesType, LanesType), (LanesType, types.Number), (types.Number, LanesType)):
        lower_builtin(function, *operands)(lower)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_function, _instruction)


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """A number in all of sixteen lanes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _operands(context, builder, sig, args)[0]

    return LANES(number), generate


def _call(builder: Any, kind: LanesType, name: str, args: Any) -> Any:
    function_type = ir.FunctionType(kind.vector, [kind.vector] * len(args))
    function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.v{kind.count}f32")
    return builder.call(function, args)


@intrinsic
def fused(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, lane by lane, rounded once on every processor."""
    kind = lanes_among((a, b, c))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, kind, "fma", _operands(context, builder, sig, args))

    return kind(a, b, c), generate


@intrinsic
def product(typing_context: Any, a: Any, b: Any) -> Any:
    """a * b, lane by lane, rounded before anything is added to it on every processor."""
    kind = lanes_among((a, b))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fmul(*_operands(context, builder, sig, args))

    return kind(a, b), generate


@intrinsic
def negative(typing_context: Any, a: Any) -> Any:
    """-a, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fneg(args[0])

    return a(a), generate


@intrinsic
def rounded(typing_context: Any, a: Any) -> Any:
    """The nearest integer, lane by lane; of numbers below 2**22 in size."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rounder = ir.Constant(a.vector, [_ROUNDER] * a.count)
        return builder.fsub(builder.fadd(args[0], rounder), rounder)

    return a(a), generate


@intrinsic
def minimum(typing_context: Any, a: Any, b: Any) -> Any:
    """The smaller of two, lane by lane; the second where one is not a number."""
    kind = lanes_among((a, b))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("<", first, second), first, second)

    return kind(a, b), generate


@intrinsic
def maximum(typing_context: Any, a: Any, b: Any) -> Any:
    """The larger of two, lane by lane; the second where one is not a number."""
    kind = lanes_among((a, b))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered(">", first, second), first, second)

    return kind(a, b), generate


@intrinsic
def where_less(typing_context: Any, a: Any, b: Any, chosen: Any, other: Any) -> Any:
    """``chosen`` where a < b, else ``other``, lane by lane."""
    kind = lanes_among((a, b, chosen, other))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second, yes, no = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("<", first, second), yes, no)

    return kind(a, b, chosen, other), generate


@intrinsic
def where_equal(typing_context: Any, a: Any, b: Any, chosen: Any, other: Any) -> Any:
    """``chosen`` where a == b, else ``other``, lane by lane."""
    kind = lanes_among((a, b, chosen, other))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second, yes, no = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("==", first, second), yes, no)

    return kind(a, b, chosen, other), generate


@intrinsic(prefer_literal=True)
def where_bit(typing_context: Any, number: Any, mask: Any, chosen: Any, other: Any) -> Any:
    """``chosen`` where the integers in ``number`` have a bit of the constant ``mask``, else ``other``, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.and_(builder.fptosi(args[0], number.integers), same_in_all(number, mask.literal_value))
        return builder.select(builder.icmp_signed("!=", bits, same_in_all(number, 0)), args[2], args[3])

    return number(number, mask, chosen, other), generate


def _comparison_bits(context: Any, builder: Any, sig: Any, args: Any, comparison: str) -> Any:
    """The outcome of each lane as one bit of an integer."""
    compared = builder.fcmp_ordered(comparison, *_operands(context, builder, sig, args))
    return builder.bitcast(compared, ir.IntType(lanes_among(sig.args).count))


@intrinsic
def any_less(typing_context: Any, a: Any, b: Any) -> Any:
    """Whether a < b in any lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = _comparison_bits(context, builder, sig, args, "<")
        return builder.icmp_unsigned("!=", bits, bits.type(0))

    return types.boolean(a, b), generate


@intrinsic
def bits_less(typing_context: Any, a: Any, b: Any) -> Any:
    """int64 whose bit i says whether a < b in lane i."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(_comparison_bits(context, builder, sig, args, "<"), ir.IntType(64))

    return types.int64(a, b), generate


@intrinsic
def bits_equal(typing_context: Any, a: Any, b: Any) -> Any:
    """int64 whose bit i says whether a == b in lane i."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(_comparison_bits(context, builder, sig, args, "=="), ir.IntType(64))

    return types.int64(a, b), generate


@intrinsic
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """Place of the lowest bit of an int64 that is not 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def largest(typing_context: Any, a: Any) -> Any:
    """The largest of the lanes, as float32; any of them when one is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, half = args[0], a.count // 2
        while half:
            order = [(lane + half) % a.count for lane in range(a.count)]
            other = builder.shuffle_vector(value, ir.Constant(a.vector, ir.Undefined), ir.Constant(a.integers, order))
            value = builder.select(builder.fcmp_ordered(">", value, other), value, other)
            half //= 2
        return builder.extract_element(value, _INTEGER(0))

    return types.float32(a), generate


@intrinsic
def total(typing_context: Any, a: Any) -> Any:
    """The sum of the lanes, in any order, as float32."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), a.vector])
        add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{a.count}f32")
        return builder.call(add, [ir.FloatType()(0.0), args[0]], fastmath=("reassoc",))

    return types.float32(a), generate


@intrinsic
def square_root(typing_context: Any, a: Any) -> Any:
    """The square root, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, a, "sqrt", args)

    return a(a), generate


@intrinsic
def floored(typing_context: Any, a: Any) -> Any:
    """The next integer below, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, a, "floor", args)

    return a(a), generate


@intrinsic
def absolute(typing_context: Any, a: Any) -> Any:
    """The absolute value, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, a, "fabs", args)

    return a(a), generate


@intrinsic
def power_of_two(typing_context: Any, number: Any) -> Any:
    """2 to the integers in ``number``, from -126 to 127, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        exponent = builder.add(builder.fptosi(args[0], number.integers), same_in_all(number, 127))
        return builder.bitcast(builder.shl(exponent, same_in_all(number, 23)), number.vector)

    return number(number), generate


def _bits(builder: Any, value: Any, kind: LanesType) -> Any:
    return builder.bitcast(value, kind.integers)


@intrinsic
def exponent(typing_context: Any, a: Any) -> Any:
    """The integer e of a = m 2^e with m in [1, 2), lane by lane; of positive numbers that are not denormal."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        shifted = builder.lshr(_bits(builder, args[0], a), same_in_all(a, 23))
        return builder.sitofp(builder.sub(shifted, same_in_all(a, 127)), a.vector)

    return a(a), generate


@intrinsic
def mantissa(typing_context: Any, a: Any) -> Any:
    """The m in [1, 2) of a = m 2^e, lane by lane; of positive numbers that are not denormal."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kept = builder.and_(_bits(builder, args[0], a), same_in_all(a, 0x007FFFFF))
        return builder.bitcast(builder.or_(kept, same_in_all(a, 0x3F800000)), a.vector)

    return a(a), generate
