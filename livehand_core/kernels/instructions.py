"""Which vector instructions the kernels are written with: the best of the target that numba compiles for.

That target is the host, unless NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name another, as farms do whose machines share a
cache. LIVEHAND_INSTRUCTIONS chooses among those that the target has.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

import llvmlite.binding
from numba.core import config

from ..errors import DeviceError

INSTRUCTIONS_VARIABLE = "LIVEHAND_INSTRUCTIONS"

_AVX2 = frozenset({"avx", "avx2", "fma"})
_AVX512 = frozenset({*_AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl"})

_LEVELS = {"x86-64-v3": _AVX2, "x86-64-v4": _AVX512}
"""What the names of processor levels stand for; of other names only what NUMBA_CPU_FEATURES says is used."""


class Instructions(NamedTuple):
    """A set of vector instructions, as the kernels use it.

    Attributes:
        name: for people, and for LIVEHAND_INSTRUCTIONS.
        lanes: of 32 bits that a register holds.
        int16: LLVM's function that multiplies pairs of int16 and adds the two products; empty for none.
        accumulates: whether it adds to a sum as well.
        uint8: LLVM's function that multiplies fours of uint8 and int8 and adds to a sum; empty for none.
    """

    name: str
    lanes: int
    int16: str = ""
    accumulates: bool = False
    uint8: str = ""


_VNNI_512 = Instructions("avx512-vnni", 16, "llvm.x86.avx512.vpdpwssd.512", True, "llvm.x86.avx512.vpdpbusd.512")
_VNNI_256 = Instructions("avx-vnni", 8, "llvm.x86.avx512.vpdpwssd.256", True, "llvm.x86.avx512.vpdpbusd.256")
_PLAIN = Instructions("plain", 4)

_NEEDS = (
    (frozenset({*_AVX512, "avx512vnni"}), _VNNI_512),
    # LLVM has one name for the 256-bit forms of AVX-VNNI and of AVX-512 VNNI.
    (frozenset({*_AVX2, "avxvnni"}), _VNNI_256),
    (frozenset({*_AVX512, "avx512vnni"}), _VNNI_256),
    (_AVX512, Instructions("avx512", 16, "llvm.x86.avx512.pmaddw.d.512")),
    (_AVX2, Instructions("avx2", 8, "llvm.x86.avx2.pmadd.wd")),
    (frozenset(), _PLAIN),
)
"""Features that a set needs, the best set first."""


def target_features() -> frozenset[str]:
    """The features of numba's target, by LLVM's names."""
    if config.CPU_FEATURES is None:
        return frozenset(name for name, there in llvmlite.binding.get_host_cpu_features().items() if there)
    features = set(_LEVELS.get(str(config.CPU_NAME).lower(), ()))
    for word in str(config.CPU_FEATURES).split(","):
        if word.startswith("+"):
            features.add(word[1:])
        elif word.startswith("-"):
            features.discard(word[1:])
    return frozenset(features)


def choose(features: frozenset[str], wanted: str = "") -> Instructions:
    """The best set for a target with these features, or the one that is wanted.

    Raises:
        DeviceError: the target does not have the one that is wanted.
    """
    there = [known for needs, known in _NEEDS if needs <= features]
    chosen = next((known for known in there if wanted.lower() in ("", known.name)), None)
    if chosen is None:
        names = ", ".join(dict.fromkeys(known.name for known in there))
        raise DeviceError(
            f"This processor does not have the instructions {wanted!r}.",
            f"Set {INSTRUCTIONS_VARIABLE} to one of {names}.",
        )
    return chosen


@cache
def instructions() -> Instructions:
    """The set of this process.

    Raises:
        DeviceError: LIVEHAND_INSTRUCTIONS names one that the target does not have.
    """
    return choose(target_features(), os.environ.get(INSTRUCTIONS_VARIABLE, ""))
