"""Sixteen float32 numbers at once, as a value that compiled loops can hold in a register.

LLVM's own vectoriser gives up on loops with as many branches as a point-triangle test has. Here such a loop is written
once for sixteen points; every processor gets it in the widest registers that it has. For use inside numba functions.
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

_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)


class LanesType(types.Type):
    """numba's type of sixteen float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{WIDTH}")


LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, _VECTOR)


def _is_operand(value: Any) -> bool:
    return isinstance(value, LanesType | types.Number | types.Literal)


def _as_vector(context: Any, builder: Any, value: Any, value_type: Any) -> Any:
    """The value itself, or a number in all lanes."""
    if isinstance(value_type, LanesType):
        return value
    number = context.cast(builder, value, value_type, types.float32)
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), None)
    return builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), zeros)


def _define_operator(function: Callable[..., Any], instruction: str) -> None:
    """Let ``function`` take lanes, or lanes and a number. Products and sums may fuse: that only makes them exacter."""

    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if any(isinstance(value, LanesType) for value in args) and all(map(_is_operand, args)):
                return signature(LANES, *args)
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = (_as_vector(context, builder, *pair) for pair in zip(args, sig.args, strict=True))
        return getattr(builder, instruction)(first, second, flags=("contract",))

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


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset : offset + 16] of a flat float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        position = context.cast(builder, args[1], sig.args[1], types.intp)
        answer = builder.load(_pointer(context, builder, sig.args[0], args[0], position))
        answer.align = 4
        return answer

    return LANES(array, offset), generate


@intrinsic
def spread(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset] of a flat float32 array in all lanes; unlike an index, an offset may not be negative."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        position = context.cast(builder, args[1], sig.args[1], types.intp)
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return _as_vector(context, builder, builder.load(builder.gep(data, [position])), types.float32)

    return LANES(array, offset), generate


@intrinsic
def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """array[offset : offset + 16] = value, for a flat float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        position = context.cast(builder, args[1], sig.args[1], types.intp)
        builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], position)).align = 4
        return context.get_dummy_value()

    return types.void(array, offset, value), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """A number in all lanes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _as_vector(context, builder, args[0], sig.args[0])

    return LANES(number), generate


def _operands(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    return [_as_vector(context, builder, *pair) for pair in zip(args, sig.args, strict=True)]


@intrinsic
def minimum(typing_context: Any, a: Any, b: Any) -> Any:
    """The smaller of two, lane by lane; the second where one is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("<", first, second), first, second)

    return LANES(a, b), generate


@intrinsic
def maximum(typing_context: Any, a: Any, b: Any) -> Any:
    """The larger of two, lane by lane; the second where one is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered(">", first, second), first, second)

    return LANES(a, b), generate


@intrinsic
def where_less(typing_context: Any, a: Any, b: Any, chosen: Any, other: Any) -> Any:
    """``chosen`` where a < b, else ``other``, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second, yes, no = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("<", first, second), yes, no)

    return LANES(a, b, chosen, other), generate


@intrinsic
def where_equal(typing_context: Any, a: Any, b: Any, chosen: Any, other: Any) -> Any:
    """``chosen`` where a == b, else ``other``, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second, yes, no = _operands(context, builder, sig, args)
        return builder.select(builder.fcmp_ordered("==", first, second), yes, no)

    return LANES(a, b, chosen, other), generate


@intrinsic
def any_less(typing_context: Any, a: Any, b: Any) -> Any:
    """Whether a < b in any lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        bits = builder.bitcast(builder.fcmp_ordered("<", first, second), ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(WIDTH), 0))

    return types.boolean(a, b), generate


@intrinsic
def bits_less(typing_context: Any, a: Any, b: Any) -> Any:
    """int64 whose bit i says whether a < b in lane i."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        bits = builder.bitcast(builder.fcmp_ordered("<", first, second), ir.IntType(WIDTH))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(a, b), generate


@intrinsic
def bits_equal(typing_context: Any, a: Any, b: Any) -> Any:
    """int64 whose bit i says whether a == b in lane i."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second = _operands(context, builder, sig, args)
        bits = builder.bitcast(builder.fcmp_ordered("==", first, second), ir.IntType(WIDTH))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(a, b), generate


@intrinsic
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """Place of the lowest bit of an int64 that is not 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def largest(typing_context: Any, a: Any) -> Any:
    """The largest of the sixteen, as float32; any of them when one is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, half = args[0], WIDTH // 2
        while half:
            order = [(lane + half) % WIDTH for lane in range(WIDTH)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), order)
            other = builder.shuffle_vector(value, ir.Constant(_VECTOR, ir.Undefined), mask)
            value = builder.select(builder.fcmp_ordered(">", value, other), value, other)
            half //= 2
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(a), generate


def _call(builder: Any, name: str, args: Any) -> Any:
    function_type = ir.FunctionType(_VECTOR, [_VECTOR])
    function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.v{WIDTH}f32")
    return builder.call(function, args)


@intrinsic
def square_root(typing_context: Any, a: Any) -> Any:
    """The square root, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "sqrt", args)

    return LANES(a), generate


@intrinsic
def magnitude(typing_context: Any, a: Any) -> Any:
    """The absolute value, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "fabs", args)

    return LANES(a), generate
