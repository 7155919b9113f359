"""Ctrl-C in long jobs: the first one is a wish to end cleanly, the second one ends at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit code of a command that was interrupted."""


@contextmanager
def interruptible(message: str = "") -> Iterator[Callable[[], bool]]:
    """Within the block SIGINT and SIGTERM only set what the yielded function answers; a second one raises.

    Args:
        message: printed when it is asked, e.g. ``"stopping after this step"``; empty for none.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        if message:
            print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)

    # The last one is Windows' own: Ctrl-Break.
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
