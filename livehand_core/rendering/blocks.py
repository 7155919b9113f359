"""Work in blocks that become smaller when memory runs out."""

from __future__ import annotations

from collections.abc import Callable

SMALLEST = 256
"""Items below which a block is not halved any more."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ended; torch has a class of its own for it, which exists only once torch is there."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def in_blocks(count: int, size: int, work: Callable[[int, int], object], say: Callable[[str], object]) -> None:
    """work(start, stop) over [0, count), ``size`` at once; half as many when memory runs out, down to SMALLEST.

    Args:
        count: items.
        size: items at once, to begin with.
        work: may be called again for items whose call failed.
        say: takes a line for the user when blocks became smaller.

    Raises:
        MemoryError, torch.OutOfMemoryError: the smallest block does not fit either.
    """
    wanted, start = size, 0
    while start < count:
        stop = min(start + size, count)
        try:
            work(start, stop)
        except Exception as error:
            if not is_out_of_memory(error) or stop - start <= SMALLEST:
                raise
            size = max((stop - start) // 2, SMALLEST)
            continue
        start = stop
    if size != wanted:
        say(f"Memory ran out at {min(wanted, count)} rays at once; drawn {size} at a time.")
