"""What a long run on the processor holds: freed memory, which the C library should neither give back after every
operation, a tenth of a run's time, nor keep for hours; and oneDNN's compiled convolutions, one for each tile's size."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8

_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Variables of oneDNN, and of what torch keeps of it."""
_CONVOLUTIONS = "64"
"""That each keeps; by themselves 1024, and since tiles have many sizes a run grows by 0.3 GB until they are full."""


def keep_freed_memory() -> None:
    """Let glibc hold on to freed blocks of up to 32 MiB; nothing happens with another C library.

    To be called before torch computes: bounds what oneDNN keeps, too, unless the user has.
    """
    for name in _CACHES:
        os.environ.setdefault(name, _CONVOLUTIONS)
    library = _glibc()
    if library is None:
        return
    for option, value in (
        (_MMAP_THRESHOLD, 32 << 20),
        (_TRIM_THRESHOLD, (1 << 31) - 1),
        (_TOP_PAD, 64 << 20),
        (_ARENA_MAX, 1),
    ):
        library.mallopt(option, value)


def give_back_freed_memory() -> None:
    """Have glibc give all that is freed back to the system at once, what lies between blocks in use included."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is one that takes such wishes."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
