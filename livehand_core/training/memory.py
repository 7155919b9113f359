"""Keeping the C library from giving memory back after every operation, which costs a CPU run a tenth of its time."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8


def keep_freed_memory() -> None:
    """Let glibc hold on to freed blocks of up to 32 MiB; nothing happens with another C library."""
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    for option, value in (
        (_MMAP_THRESHOLD, 32 << 20),
        (_TRIM_THRESHOLD, (1 << 31) - 1),
        (_TOP_PAD, 64 << 20),
        (_ARENA_MAX, 1),
    ):
        library.mallopt(option, value)
