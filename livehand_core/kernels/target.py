"""The processor that numba compiles for, and what it can do.

It is the host, unless NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name another: on a farm the least of its machines. What
the host can do beyond that is out of reach: the compiler fails, or crashes, at instructions that its target lacks.
"""

from __future__ import annotations

from numba.core.registry import cpu_target


def named_features(text: str) -> frozenset[str]:
    """The features that a list of LLVM's, such as ``"+avx2,-avx512f"``, switches on; a later word overrides."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    last = {word[1:]: word[0] == "+" for word in words}
    return frozenset(name for name, on in last.items() if on)


TRIPLE, CPU, FEATURES = cpu_target.target_context.codegen().magic_tuple()
"""System, name and features, by which numba tells compiled code apart."""

# A name alone, such as "znver4" with an empty list, may mean more; what is not listed is not relied upon.
_ABLE = named_features(FEATURES)

HAS_AVX512 = "avx512f" in _ABLE
"""Whether there are 32 registers of 16 lanes."""

HAS_INTEGER_DOT = {"avx512f", "avx512bw", "avx512vnni"} <= _ABLE
"""Whether it multiplies and adds pairs of int16 and fours of int8 in one instruction."""
