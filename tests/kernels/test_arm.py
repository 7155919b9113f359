"""Blocks of integer products on Arm: the instructions that come out, and the sums, which an emulator finds."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from livehand_core.kernels.products.block import _Block
from livehand_core.kernels.products.packing import full_shape, pack
from livehand_core.kernels.target import _NEEDS, Instructions, choose

TRIPLE = "aarch64-unknown-linux-gnu"
SETS = {known.name: (needs, known) for needs, known in _NEEDS if known.name.startswith("neon")}
INDEX, BYTE = ir.IntType(64), ir.IntType(8)
EMULATOR = shutil.which("qemu-aarch64-static")
ASSEMBLER, LINKER = shutil.which("aarch64-linux-gnu-as"), shutil.which("aarch64-linux-gnu-ld")

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()


class Taps(NamedTuple):
    """What the block takes of numba's array of taps."""

    shape: Any
    data: Any


@contextmanager
def function(module: ir.Module, name: str, arguments: int) -> Iterator[tuple[ir.IRBuilder, Any]]:
    """A void function of so many pointers."""
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), [BYTE.as_pointer()] * arguments), name)
    builder = ir.IRBuilder(made.append_basic_block("entry"))
    yield builder, made.args
    builder.ret_void()


def blocks(known: Instructions, kind: str = "uint8") -> ir.Module:
    """A block summed over taps, and one over listed lanes, as the kernels have them."""
    module = ir.Module("blocks")
    module.triple = TRIPLE
    with function(module, "over_taps", 5) as (builder, (sums, rows, offsets, taps, weights)):
        at, offset = (builder.bitcast(each, INDEX.as_pointer()) for each in (taps, offsets))
        # Two taps, and the number of inputs behind them.
        shape = ir.Constant(ir.ArrayType(INDEX, 1), [3])
        _Block(builder, kind, full_shape(known), known).emit(sums, rows, offset, INDEX(0), Taps(shape, at), weights)
    with function(module, "over_list", 5) as (builder, (sums, rows, offsets, listed, weights)):
        lanes, offset = (builder.bitcast(each, INDEX.as_pointer()) for each in (listed, offsets))
        _Block(builder, kind, full_shape(known), known).emit_listed(
            sums, rows, offset, INDEX(0), lanes, INDEX(0), weights
        )
    return module


def machine(features: frozenset[str]) -> llvm.TargetMachine:
    try:
        target = llvm.Target.from_triple(TRIPLE)
    except RuntimeError:
        pytest.skip("this llvmlite writes no code for Arm")
    return target.create_target_machine(features=",".join(f"+{name}" for name in sorted(features)), opt=3)


def optimised(module: ir.Module, target: llvm.TargetMachine) -> llvm.ModuleRef:
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    llvm.create_pass_builder(target, options).getModulePassManager().run(
        parsed, llvm.create_pass_builder(target, options)
    )
    return parsed


@pytest.mark.parametrize(("name", "instruction"), [("neon-dot", "sdot"), ("neon-i8mm", "usdot")])
def test_bytes_become_the_instruction_for_dot_products(name: str, instruction: str) -> None:
    needs, known = SETS[name]
    target = machine(needs)
    text = target.emit_assembly(optimised(blocks(known), target))
    for part in ("over_taps", "over_list"):
        body = text[text.index(f"{part}:") :].partition(".Lfunc_end")[0]
        count = len(re.findall(rf"^\s+{instruction}\b", body, re.MULTILINE))
        # All rows of sixteen columns; what activations are less by is one row more.
        assert count >= 4 * (full_shape(known).rows + known.signed), body
        assert not re.search(r"^\s+bl\b", body, re.MULTILINE), "everything is done in place"
        assert not re.search(r"^\s+(smov|umov|mul|madd)\b", body, re.MULTILINE), "nothing lane by lane"
        loop = max(re.split(r"^\.LBB", body, flags=re.MULTILINE), key=lambda block: block.count(f"\t{instruction}\t"))
        assert "[sp" not in loop[: loop.rindex(instruction)], "all sums stay in registers"


def test_arm_gets_the_best_instructions_that_it_has() -> None:
    base = {"neon", "fp-armv8"}
    assert choose(frozenset(base)).name == "plain"
    assert choose(frozenset({*base, "dotprod"})).name == "neon-dot"
    assert choose(frozenset({*base, "dotprod", "i8mm"})).name == "neon-i8mm"
    assert choose(frozenset({*base, "dotprod", "i8mm"}), "neon-dot").name == "neon-dot"


def program(inputs: dict[str, np.ndarray], part: str, sums: int) -> str:
    """A start that runs a part on constants, writes its sums to the standard output, and ends, by calls of Linux."""
    names = ["sums", *inputs]
    held = [f".bss\n.balign 64\nsums: .skip {4 * sums}\n.data"]
    held += [f".balign 64\n{name}: .byte {','.join(map(str, each.tobytes()))}" for name, each in inputs.items()]
    given = [f"adrp x{k}, {name}\nadd x{k}, x{k}, :lo12:{name}" for k, name in enumerate(names)]
    write = ["mov x0, #1", "adrp x1, sums", "add x1, x1, :lo12:sums", f"mov x2, #{4 * sums}", "mov x8, #64", "svc #0"]
    end = ["mov x0, #0", "mov x8, #93", "svc #0"]
    return "\n".join([*held, ".text", ".globl _start", "_start:", *given, f"bl {part}", *write, *end, ""])


@pytest.mark.skipif(
    not (EMULATOR and ASSEMBLER and LINKER),
    reason="runs under an emulator: Debian's qemu-user-static and binutils-aarch64-linux-gnu",
)
@pytest.mark.parametrize("part", ["over_taps", "over_list"])
@pytest.mark.parametrize("name", list(SETS))
def test_the_sums_are_right_under_an_emulator(tmp_path: Path, name: str, part: str) -> None:
    assert EMULATOR and ASSEMBLER and LINKER
    needs, known = SETS[name]
    shape = full_shape(known)
    rng = np.random.default_rng(0)
    rows, taps = rng.integers(0, 256, (2 * shape.rows, 20)).astype(np.uint8), 2 if part == "over_taps" else 1
    weights = rng.integers(-128, 128, (shape.columns, taps, 20))
    at = np.arange(shape.rows, dtype=np.int64) * 20
    listed = np.array([0, 1, 2, 3, 4, -1], np.int64)
    inputs = {
        "rows": rows,
        "offsets": at,
        "list": np.array([0, shape.rows * 20, 20], np.int64) if taps == 2 else listed,
        "weights": pack(weights, np.uint8, shape)[0],
    }
    target = machine(needs)
    text = target.emit_assembly(optimised(blocks(known), target)) + program(inputs, part, shape.rows * shape.columns)
    (tmp_path / "blocks.s").write_text(text)
    assemble = [ASSEMBLER, "-march=armv8.6-a+i8mm+dotprod", "-o", "blocks.o", "blocks.s"]
    subprocess.run(assemble, cwd=tmp_path, check=True, timeout=60)
    subprocess.run([LINKER, "-static", "-o", "blocks", "blocks.o"], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run([EMULATOR, "-cpu", "max", "./blocks"], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = np.frombuffer(done.stdout, np.int32).reshape(shape.rows, shape.columns)
    parts = [rows[: shape.rows], rows[shape.rows :]][:taps]
    wanted = sum(each.astype(np.int64) @ weights[:, tap].T for tap, each in enumerate(parts))
    np.testing.assert_array_equal(found, wanted)
