"""Lanes from arrays and into arrays, of float32 or of the integers that stand for it. Inside numba functions.

Offsets are in elements of the array as if it were flat, and not negative; nothing checks them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .lanes import LANES, WIDTH, LanesType, in_all_lanes, intrinsic, same_in_all

FOUR = LanesType(4)

INT16_LIMIT = 16383
"""Largest stored int16 activation; with the weights' scale chosen by it, int32 sums cannot overflow."""

_LIMITS = {types.uint8: (0.0, 255.0), types.int16: (-float(INT16_LIMIT), float(INT16_LIMIT))}

_ROUNDER, _ROUNDER_BITS = 12582912.0, 0x4B400000
"""1.5 * 2**23, adding which leaves the nearest integer in a float32's low bits, and its own bits."""


def array_data(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    """Where an array argument of an intrinsic begins in memory."""
    return context.make_array(array_type)(context, builder, value).data


def _address(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Of an element: the first argument is the array, the second the offset."""
    position = context.cast(builder, args[1], sig.args[1], types.intp)
    return builder.gep(array_data(context, builder, sig.args[0], args[0]), [position])


def _load(context: Any, builder: Any, sig: Any, args: Any, kind: LanesType) -> Any:
    dtype = sig.args[0].dtype
    found = kind.vector if dtype == types.float32 else ir.VectorType(ir.IntType(dtype.bitwidth), kind.count)
    address = builder.bitcast(_address(context, builder, sig, args), found.as_pointer())
    value = builder.load(address, align=dtype.bitwidth // 8)
    return value if dtype == types.float32 else builder.sitofp(value, kind.vector)


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset : offset + 16] of float32, int32 or int16, as float32."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(context, builder, sig, args, LANES)

    return LANES(array, offset), generate


@intrinsic
def load_four(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset : offset + 4] of float32 or int32, as float32."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(context, builder, sig, args, FOUR)

    return FOUR(array, offset), generate


@intrinsic
def load_three_in_turn(typing_context: Any, array: Any, offset: Any) -> Any:
    """The three float32 numbers array[offset : offset + 3] over and over: sixteen lanes, the first one again last."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, three = _address(context, builder, sig, args), ir.Constant(FOUR.vector, ir.Undefined)
        for axis in range(3):
            value = builder.load(builder.gep(first, [ir.IntType(64)(axis)]))
            three = builder.insert_element(three, value, ir.IntType(32)(axis))
        order = ir.Constant(LANES.integers, [lane % 3 for lane in range(WIDTH)])
        return builder.shuffle_vector(three, ir.Constant(FOUR.vector, ir.Undefined), order)

    return LANES(array, offset), generate


@intrinsic(prefer_literal=True)
def load_column(typing_context: Any, array: Any, offset: Any, stride: Any) -> Any:
    """array[offset], array[offset + stride] and so on, sixteen of float32; the stride is a constant."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, value = _address(context, builder, sig, args), ir.Constant(LANES.vector, ir.Undefined)
        for lane in range(WIDTH):
            one = builder.load(builder.gep(first, [ir.IntType(64)(lane * stride.literal_value)]))
            value = builder.insert_element(value, one, ir.IntType(32)(lane))
        return value

    return LANES(array, offset, stride), generate


def _alternating(size: int, high: bool) -> list[int]:
    """Lanes of two vectors: of every four of each the lower or the higher two, in turns of ``size``."""
    order = []
    for first in range(2 * high, WIDTH, 4):
        one, other = [first, first + 1], [WIDTH + first, WIDTH + first + 1]
        order += [*one, *other] if size == 2 else [one[0], other[0], one[1], other[1]]
    return order


def _quarters(odd: bool) -> list[int]:
    """The even quarters of two vectors after each other, or the odd ones."""
    return [start + 4 * four + lane for start in (0, WIDTH) for four in (odd, odd + 2) for lane in range(4)]


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Sixteen LLVM vectors of the columns of sixteen rows: within fours by neighbours, then fours by quarters."""

    def pair(a: Any, b: Any, order: list[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(LANES.integers, order))

    fours: list[list[Any]] = []
    for first in range(0, WIDTH, 4):
        a, b, c, d = rows[first : first + 4]
        low, high = [], []
        for one, other in ((a, b), (c, d)):
            low.append(pair(one, other, _alternating(1, False)))
            high.append(pair(one, other, _alternating(1, True)))
        fours.append([pair(*both, _alternating(2, upper)) for both in (low, high) for upper in (False, True)])
    columns: list[Any] = [None] * WIDTH
    for step in range(4):
        a, b, c, d = (four[step] for four in fours)
        for odd in (False, True):
            left, right = pair(a, b, _quarters(odd)), pair(c, d, _quarters(odd))
            columns[4 * odd + step] = pair(left, right, _quarters(False))
            columns[8 + 4 * odd + step] = pair(left, right, _quarters(True))
    return columns


@intrinsic(prefer_literal=True)
def load_columns(typing_context: Any, array: Any, offset: Any, stride: Any) -> Any:
    """Sixteen of :func:`load_column`, of ``offset``, ``offset + 1`` and so on, for less than four; a tuple."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = _address(context, builder, sig, args)
        rows = []
        for lane in range(WIDTH):
            address = builder.gep(first, [ir.IntType(64)(lane * stride.literal_value)])
            rows.append(builder.load(builder.bitcast(address, LANES.vector.as_pointer()), align=4))
        return context.make_tuple(builder, sig.return_type, transposed(builder, rows))

    return types.UniTuple(LANES, WIDTH)(array, offset, stride), generate


@intrinsic
def gather(typing_context: Any, array: Any, offset: Any, places: Any) -> Any:
    """array[offset + place] of float32 at sixteen places, what they lie beyond a whole number left out."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = ir.VectorType(ir.IntType(64), WIDTH)
        first = builder.ptrtoint(_address(context, builder, sig, args), ir.IntType(64))
        start = builder.insert_element(ir.Constant(wide, ir.Undefined), first, ir.IntType(32)(0))
        start = builder.shuffle_vector(start, ir.Constant(wide, ir.Undefined), ir.Constant(LANES.integers, None))
        steps = builder.shl(builder.sext(builder.fptosi(args[2], LANES.integers), wide), ir.Constant(wide, [2] * WIDTH))
        pointers = ir.VectorType(ir.PointerType(), WIDTH)
        mask = ir.VectorType(ir.IntType(1), WIDTH)
        kind = ir.FunctionType(LANES.vector, [pointers, ir.IntType(32), mask, LANES.vector])
        # Each processor's own way: one instruction, or sixteen loads.
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.gather.v16f32.v16p0")
        given = builder.inttoptr(builder.add(start, steps), pointers), ir.IntType(32)(4)
        return builder.call(function, [*given, ir.Constant(mask, [1] * WIDTH), ir.Constant(LANES.vector, ir.Undefined)])

    return LANES(array, offset, places), generate


@intrinsic
def broadcast(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset] of float32 in all lanes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return in_all_lanes(builder, builder.load(_address(context, builder, sig, args)))

    return LANES(array, offset), generate


def _cut(builder: Any, dtype: Any, kind: LanesType, value: Any) -> Any:
    """Lanes cut to what an array's integers hold; the same for float32."""
    for bound, comparison in zip(_LIMITS.get(dtype, ()), (">", "<"), strict=False):
        limit = ir.Constant(kind.vector, [bound] * kind.count)
        value = builder.select(builder.fcmp_ordered(comparison, value, limit), value, limit)
    return value


def _store(context: Any, builder: Any, sig: Any, args: Any, value: Any) -> Any:
    """Round to the nearest integer where the array's are; the rounding addition leaves it in the low bits."""
    kind, dtype = sig.args[2], sig.args[0].dtype
    if dtype != types.float32:
        shifted = builder.fadd(value, ir.Constant(kind.vector, [_ROUNDER] * kind.count))
        integers = builder.sub(builder.bitcast(shifted, kind.integers), same_in_all(kind, _ROUNDER_BITS))
        value = builder.trunc(integers, ir.VectorType(ir.IntType(dtype.bitwidth), kind.count))
    address = builder.bitcast(_address(context, builder, sig, args), value.type.as_pointer())
    builder.store(value, address, align=dtype.bitwidth // 8)
    return context.get_dummy_value()


@intrinsic
def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """Store lanes from array[offset] on; where it holds integers, rounded to the nearest and cut to its range."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _store(context, builder, sig, args, _cut(builder, array.dtype, value, args[2]))

    return types.void(array, offset, value), generate


@intrinsic
def store_within(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """The same for lanes that are known to lie within the array's range."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _store(context, builder, sig, args, args[2])

    return types.void(array, offset, value), generate


@intrinsic
def holds_floats(typing_context: Any, array: Any) -> Any:
    """Whether an array is of float32: known when the kernel is compiled."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.IntType(1)(array.dtype == types.float32)

    return types.boolean(array), generate


@intrinsic
def add_at(typing_context: Any, array: Any, offset: Any, number: Any) -> Any:
    """array[offset] += number, both float32."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(context, builder, sig, args)
        builder.store(builder.fadd(builder.load(address), args[2]), address)
        return context.get_dummy_value()

    return types.void(array, offset, types.float32), generate


@intrinsic
def number_at(typing_context: Any, array: Any, offset: Any) -> Any:
    """array[offset] of float32."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig, args))

    return types.float32(array, offset), generate


@intrinsic
def put_number(typing_context: Any, array: Any, offset: Any, number: Any) -> Any:
    """array[offset] = number, rounded where the array holds integers; it lies within their range."""
    dtype = array.dtype

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, half = args[2], ir.FloatType()(0.5)
        if dtype != types.float32:
            kind = ir.IntType(dtype.bitwidth)
            if dtype.signed:
                half = builder.select(builder.fcmp_ordered("<", value, ir.FloatType()(0.0)), ir.FloatType()(-0.5), half)
                value = builder.fptosi(builder.fadd(value, half), kind)
            else:
                value = builder.fptoui(builder.fadd(value, half), kind)
        builder.store(value, _address(context, builder, sig, args))
        return context.get_dummy_value()

    return types.void(array, offset, types.float32), generate
