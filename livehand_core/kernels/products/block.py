"""Blocks of dot products: the one piece that matrix products and convolutions of the CPU renderer are made of.

A block is some rows of activations against 16, 32 or 64 columns of packed weights (:class:`packing.Shape`), summed over
taps. Its vectors are LLVM types of 16 lanes, so one source serves AVX-512, AVX2 and NEON; the kind of arithmetic
follows the arrays' dtype, and ``target.py`` says which kinds a target has:

==========  =========  =============================================  ================================
activations weights    one lane of an instruction                     where
==========  =========  =============================================  ================================
float32     float32    multiplies and adds (fused)                    everywhere
int16       int16      two products into int32 (vpmaddwd, vpdpwssd)   AVX2, AVX-512, AVX-VNNI
uint8       int8       four products into int32 (vpdpbusd, usdot)     AVX-VNNI, AVX-512 VNNI, Arm's i8mm
uint8       int8       the same of int8 and int8 (sdot)               Arm's dot product
==========  =========  =============================================  ================================
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..simd.lanes import WIDTH
from ..simd.memory import array_data
from ..target import Instructions, instructions
from .packing import FULL, GROUP, HALF, Shape

_INSTRUCTIONS = instructions()

_EACH_128 = 0x80808080 - (1 << 32)
"""Four bytes of 128 as an int32."""


def _block_intrinsic(shape: Shape) -> Any:
    """The intrinsic that sums one block; see ``dot_block``."""

    @intrinsic  # type: ignore[misc]
    def dot(
        typing_context: Any, sums: Any, rows: Any, row_offsets: Any, first: Any, tap_offsets: Any, weights: Any
    ) -> Any:
        kind = str(rows.dtype)
        signature = types.void(sums, rows, row_offsets, types.intp, tap_offsets, weights)

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            addresses = [
                array_data(context, builder, array_type, value)
                for array_type, value in zip((sums, rows, row_offsets), arguments[:3], strict=True)
            ]
            taps = context.make_array(tap_offsets)(context, builder, arguments[4])
            packed = array_data(context, builder, weights, arguments[5])
            _Block(builder, kind, shape).emit(*addresses, arguments[3], taps, packed)
            return context.get_dummy_value()

        return signature, generate

    return dot


dot_block = _block_intrinsic(FULL)
"""dot_block(sums, rows, row_offsets, first, tap_offsets, weights): sums[m, n] = sum over taps t and inputs k of
rows.flat[row_offsets[first + m] + tap_offsets[t] + k] * w[n, t, k].

sums: (FULL.rows, FULL.columns) int32 or float32, written. rows: activations of any shape, C-contiguous. row_offsets:
int64, where each row begins in ``rows``, in elements; FULL.rows from ``first`` on are used. tap_offsets: (taps + 1,)
int64 elements added for each tap; the last entry is the number of inputs a tap, a multiple of what a lane holds.
weights: one row of :func:`pack`'s answer for FULL blocks."""

dot_half_block = _block_intrinsic(HALF)
"""The same for HALF blocks: HALF.rows rows, sums (HALF.rows, HALF.columns)."""


@intrinsic  # type: ignore[misc]
def dot_listed_block(
    typing_context: Any, sums: Any, rows: Any, row_offsets: Any, first: Any, steps: Any, begin: Any, weights: Any
) -> Any:
    """As :data:`dot_block` with one tap, of whose 32-bit lanes only those listed from steps[begin] on are summed.

    Args:
        steps: int64 numbers of lanes, see :func:`active_lanes`, and a negative one behind them; all other lanes of all
            rows must hold zeros.
        begin: in elements of ``steps``.
    """
    kind = str(rows.dtype)
    signature = types.void(sums, rows, row_offsets, types.intp, steps, types.intp, weights)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        addresses = [
            array_data(context, builder, array_type, value)
            for array_type, value in zip((sums, rows, row_offsets), arguments[:3], strict=True)
        ]
        listed = array_data(context, builder, steps, arguments[4])
        packed = array_data(context, builder, weights, arguments[6])
        _Block(builder, kind, FULL).emit_listed(*addresses, arguments[3], listed, arguments[5], packed)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[misc]
def active_lanes(typing_context: Any, rows: Any, row_offsets: Any, first: Any, lane: Any) -> Any:
    """Bits of those of sixteen 32-bit lanes that are not zero in all of FULL.rows rows, as an int64.

    Args:
        rows, row_offsets, first: as for :data:`dot_block`.
        lane: number of the first of the sixteen in its row.
    """
    group = GROUP[str(rows.dtype)]
    signature = types.int64(rows, row_offsets, types.intp, types.intp)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        data, offsets = (
            array_data(context, builder, array, value)
            for array, value in ((rows, arguments[0]), (row_offsets, arguments[1]))
        )
        index, bits = ir.IntType(64), ir.VectorType(ir.IntType(32), WIDTH)
        shift = builder.mul(arguments[3], index(group))
        total = ir.Constant(bits, None)
        for m in range(FULL.rows):
            start = builder.load(builder.gep(offsets, [builder.add(arguments[2], index(m))]))
            address = builder.gep(data, [builder.add(start, shift)])
            values = builder.load(builder.bitcast(address, bits.as_pointer()), align=4 // group)
            total = builder.or_(total, values)
        mask = builder.bitcast(builder.icmp_signed("!=", total, ir.Constant(bits, None)), ir.IntType(WIDTH))
        return builder.zext(mask, index)

    return signature, generate


class _Block:
    """Writes the LLVM code of one block.

    Where instructions multiply signed bytes only, activations are taken less 128, and 128 times the weights' sum is
    added at the end: it is found beside the block's rows, as one row more.
    """

    def __init__(self, builder: Any, kind: str, shape: Shape, known: Instructions = _INSTRUCTIONS) -> None:
        self.builder, self.kind, self.shape, self.instructions = builder, kind, shape, known
        self.shifted = kind == "uint8" and known.signed
        self.index = ir.IntType(64)
        lane = ir.FloatType() if kind == "float32" else ir.IntType(32)
        self.lane, self.vector = lane, ir.VectorType(lane, WIDTH)
        self.zero = ir.Constant(self.vector, None)

    def emit(self, sums: Any, rows: Any, row_offsets: Any, first: Any, taps: Any, weights: Any) -> None:
        builder, index = self.builder, self.index
        count = builder.sub(builder.extract_value(taps.shape, 0), index(1))
        inputs = builder.load(builder.gep(taps.data, [count]))
        steps = builder.sdiv(inputs, index(GROUP[self.kind]))
        starts, totals = self._starts(row_offsets, first), self._totals()
        position = cgutils.alloca_once_value(builder, index(0))
        with cgutils.for_range(builder, count) as tap:
            lanes = self._lanes(rows, starts, builder.load(builder.gep(taps.data, [tap.index])))
            with cgutils.for_range(builder, steps) as step:
                at = builder.load(position)
                self._add(totals, lanes, step.index, weights, at)
                builder.store(builder.add(at, index(1)), position)
        self._write(totals, sums)

    def emit_listed(
        self, sums: Any, rows: Any, row_offsets: Any, first: Any, listed: Any, begin: Any, weights: Any
    ) -> None:
        builder, index = self.builder, self.index
        totals, lanes = self._totals(), self._lanes(rows, self._starts(row_offsets, first), index(0))
        place = cgutils.alloca_once_value(builder, begin)
        # A loop whose length nobody knows is not unrolled: two steps at once need more registers than there are.
        look, add, done = (builder.append_basic_block(name) for name in ("look", "add", "done"))
        builder.branch(look)
        builder.position_at_end(look)
        at = builder.load(place)
        step = builder.load(builder.gep(listed, [at]))
        builder.cbranch(builder.icmp_signed(">=", step, index(0)), add, done)
        builder.position_at_end(add)
        self._add(totals, lanes, step, weights, step)
        builder.store(builder.add(at, index(1)), place)
        builder.branch(look)
        builder.position_at_end(done)
        self._write(totals, sums)

    def _starts(self, row_offsets: Any, first: Any) -> list[Any]:
        builder = self.builder
        rows = range(self.shape.rows)
        return [builder.load(builder.gep(row_offsets, [builder.add(first, self.index(m))])) for m in rows]

    def _lanes(self, rows: Any, starts: list[Any], shift: Any) -> list[Any]:
        """Where each row's 32-bit lanes begin."""
        builder = self.builder
        places = [builder.gep(rows, [builder.add(start, shift)]) for start in starts]
        return [builder.bitcast(place, self.lane.as_pointer()) for place in places]

    def _totals(self) -> list[Any]:
        rows = self.shape.rows + self.shifted
        return [cgutils.alloca_once_value(self.builder, self.zero) for _ in range(rows * self.shape.panels)]

    def _add(self, totals: list[Any], lanes: list[Any], step: Any, weights: Any, row: Any) -> None:
        """Add the products of one lane of each row with one row of packed weights."""
        builder, panel_count, group = self.builder, self.shape.panels, GROUP[self.kind]
        vectors = builder.bitcast(weights, self.vector.as_pointer())
        at = builder.mul(row, self.index(panel_count))

        def spread(place: Any) -> Any:
            value = builder.load(builder.gep(place, [step]), align=4 // group)
            return self._spread(builder.xor(value, self.lane(_EACH_128)) if self.shifted else value)

        def panel(n: int) -> Any:
            return builder.load(builder.gep(vectors, [builder.add(at, self.index(n))]), align=4)

        def add(slot: int, value: Any, one: Any) -> None:
            builder.store(self._multiply_add(builder.load(totals[slot]), value, one), totals[slot])

        if self.shifted:
            lowest = self._spread(self.lane(_EACH_128))
            for n in range(panel_count):
                add(self.shape.rows * panel_count + n, lowest, panel(n))
        # Either order is right. For each shape the other one takes more registers than there are: half the speed.
        if panel_count > 2:
            values = [spread(place) for place in lanes]
            for n in range(panel_count):
                one = panel(n)
                for m, value in enumerate(values):
                    add(m * panel_count + n, value, one)
        else:
            panels = [panel(n) for n in range(panel_count)]
            for m, place in enumerate(lanes):
                value = spread(place)
                for n, one in enumerate(panels):
                    add(m * panel_count + n, value, one)

    def _write(self, totals: list[Any], sums: Any) -> None:
        builder, slots = self.builder, self.shape.rows * self.shape.panels
        out = builder.bitcast(sums, self.vector.as_pointer())
        values = [builder.load(total) for total in totals]
        for slot, value in enumerate(values[:slots]):
            if self.shifted:
                value = builder.sub(value, values[slots + slot % self.shape.panels])
            builder.store(value, builder.gep(out, [self.index(slot)]), align=4)

    def _spread(self, value: Any) -> Any:
        builder = self.builder
        first = builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), None)
        return builder.shuffle_vector(first, ir.Constant(self.vector, ir.Undefined), mask)

    def _multiply_add(self, total: Any, spread: Any, panel: Any) -> Any:
        builder = self.builder
        if self.kind == "float32":
            operation = self._function(f"llvm.fma.v{WIDTH}f32", self.vector, [self.vector] * 3)
            return builder.call(operation, [spread, panel, total])
        lanes = self.instructions.lanes
        parts = []
        for first in range(0, WIDTH, lanes):
            sums, left, right = (self._part(vector, first, lanes) for vector in (total, spread, panel))
            parts.append(self._multiply_add_register(sums, left, right))
        return self._joined(parts)

    def _multiply_add_register(self, total: Any, spread: Any, panel: Any) -> Any:
        """One register's integer products added to its sums."""
        builder, known, group = self.builder, self.instructions, GROUP[self.kind]
        lanes = known.lanes
        packed = ir.VectorType(ir.IntType(32 // group), lanes * group)
        if self.kind == "int16" and not known.accumulates:
            operation = self._function(known.int16, total.type, [packed, packed])
            return builder.add(total, builder.call(operation, [builder.bitcast(x, packed) for x in (spread, panel)]))
        name = known.int16 if self.kind == "int16" else known.uint8
        if name.startswith("llvm.x86.") and llvmlite.binding.llvm_version_info[0] < 22:
            packed = total.type
        operation = self._function(name, total.type, [total.type, packed, packed])
        return builder.call(operation, [total, *(builder.bitcast(x, packed) for x in (spread, panel))])

    def _function(self, name: str, answer: Any, arguments: list[Any]) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(answer, arguments), name)

    def _part(self, vector: Any, first: int, lanes: int) -> Any:
        """Some neighbouring lanes of a vector."""
        if lanes == WIDTH:
            return vector
        mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(first, first + lanes)))
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)

    def _joined(self, parts: list[Any]) -> Any:
        """The vectors one behind the other."""
        while len(parts) > 1:
            lanes = list(range(2 * parts[0].type.count))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
            parts = [self.builder.shuffle_vector(*pair, mask) for pair in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]
