"""The processor that numba compiles for, and the vector instructions that the kernels use of it.

It is the host, unless NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name another: on a farm the least of its machines. What
the host can do beyond that is out of reach: the compiler fails, or crashes, at instructions that its target lacks.
LIVEHAND_INSTRUCTIONS chooses among the sets that the target has.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from numba.core.registry import cpu_target

from ..devices import INSTRUCTIONS_VARIABLE
from ..errors import DeviceError

TRIPLE, CPU, FEATURES = cpu_target.target_context.codegen().magic_tuple()
"""System, name and features, by which numba tells compiled code apart."""

_AVX2 = frozenset({"avx", "avx2", "fma"})
_AVX512 = frozenset({*_AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl"})


class Instructions(NamedTuple):
    """A set of vector instructions, as the kernels use it.

    Attributes:
        name: for people, and for LIVEHAND_INSTRUCTIONS.
        lanes: of 32 bits that a register holds.
        int16: LLVM's function that multiplies pairs of int16 and adds the two products; empty for none.
        accumulates: whether it adds to a sum as well.
        uint8: LLVM's function that multiplies fours of uint8 and int8 and adds to a sum; empty for none.
        signed: whether that function takes int8 and int8 instead.
    """

    name: str
    lanes: int
    int16: str = ""
    accumulates: bool = False
    uint8: str = ""
    signed: bool = False


_VNNI_512 = Instructions("avx512-vnni", 16, "llvm.x86.avx512.vpdpwssd.512", True, "llvm.x86.avx512.vpdpbusd.512")
_VNNI_256 = Instructions("avx-vnni", 8, "llvm.x86.avx512.vpdpwssd.256", True, "llvm.x86.avx512.vpdpbusd.256")
_I8MM = Instructions("neon-i8mm", 4, uint8="llvm.aarch64.neon.usdot.v4i32.v16i8")
_DOT = Instructions("neon-dot", 4, uint8="llvm.aarch64.neon.sdot.v4i32.v16i8", signed=True)
_PLAIN = Instructions("plain", 4)

_NEEDS: tuple[tuple[frozenset[str], Instructions], ...] = (
    (frozenset({*_AVX512, "avx512vnni"}), _VNNI_512),
    # LLVM has one name for the 256-bit forms of AVX-VNNI and of AVX-512 VNNI.
    (frozenset({*_AVX2, "avxvnni"}), _VNNI_256),
    (frozenset({*_AVX512, "avx512vnni"}), _VNNI_256),
    (_AVX512, Instructions("avx512", 16, "llvm.x86.avx512.pmaddw.d.512")),
    (_AVX2, Instructions("avx2", 8, "llvm.x86.avx2.pmadd.wd")),
    # Pairs of int16 take Arm as long as float32: it has no instruction that multiplies and adds them in one.
    (frozenset({"neon", "i8mm"}), _I8MM),
    (frozenset({"neon", "dotprod"}), _DOT),
    (frozenset(), _PLAIN),
)
"""Features that a set needs, the best set first."""


def named_features(text: str) -> frozenset[str]:
    """The features that a list of LLVM's, such as ``"+avx2,-avx512f"``, switches on; a later word overrides."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    last = {word[1:]: word[0] == "+" for word in words}
    return frozenset(name for name, on in last.items() if on)


def available(features: frozenset[str]) -> list[Instructions]:
    """The sets that a target with these features has, the best first."""
    return list(dict.fromkeys(known for needs, known in _NEEDS if needs <= features))


def choose(features: frozenset[str], wanted: str = "") -> Instructions:
    """The best set for a target with these features, or the one that is wanted.

    Raises:
        DeviceError: the target does not have the one that is wanted.
    """
    there = available(features)
    chosen = next((known for known in there if wanted.lower() in ("", known.name)), None)
    if chosen is None:
        names = ", ".join(known.name for known in there)
        raise DeviceError(
            f"This processor does not have the instructions {wanted!r}.",
            f"Set {INSTRUCTIONS_VARIABLE} to one of {names}.",
        )
    return chosen


@cache
def instructions() -> Instructions:
    """The set of this process.

    A target's name alone, such as "znver4" with an empty list, may mean more; what is not listed is not relied upon.

    Raises:
        DeviceError: LIVEHAND_INSTRUCTIONS names one that the target does not have.
    """
    return choose(named_features(FEATURES), os.environ.get(INSTRUCTIONS_VARIABLE, ""))
