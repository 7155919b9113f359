"""Word of kernels being compiled, for whoever shows it: a terminal, or the engine that passes it on. Needs no numba."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMPILING = "compiling the renderer for this processor, once after an installation"

EXPECTED = 42
"""About so many kernels does a first frame compile; a few fewer without integer arithmetic."""

Watcher = Callable[[int, int], None]
"""Called with the number of kernels that are compiled, and of about how many, whenever another one begins."""

_watchers: list[Watcher] = []
_begun = 0


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Have ``watcher`` called within the block, on the thread that compiles."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def announce() -> None:
    """Another kernel is about to be compiled; numba's lock lets one thread in at a time."""
    global _begun
    done, _begun = _begun, _begun + 1
    for watcher in tuple(_watchers):
        watcher(done, max(EXPECTED, _begun))


def describe(done: int, of: int) -> str:
    """One line for people."""
    return f"{COMPILING}: {done} of about {of} parts"
