"""A process that is known by the folder it works in: its lock, and what it is told, for whoever started it or not.

Training runs and captures outlive the program that started them; small files in the folder are how they are found,
watched and steered. Standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from .documents import Reader
from .errors import LiveHandError
from .files import atomic_path, remove_leftovers, try_lock, unwritable

ORDER_FILE = "order.txt"
LOCK_FILE = "run.lock"
ORDER = Reader("The order", limit=1 << 10)

START_SECONDS = 120.0
"""How long a process may be starting before it has taken the lock: importing torch is slow on a busy machine."""

Order = Literal["go", "pause", "stop"]


def is_running(folder: Path) -> bool:
    """Whether some process holds the folder's lock. The system gives a lock back however its holder ends."""
    path = folder / LOCK_FILE
    if not path.is_file():
        return False
    try:
        with path.open("rb+") as stream:
            return not try_lock(stream, shared=True)
    except OSError:
        return False


def is_young(written: float) -> bool:
    """Whether a status of that time was just written; one of the future was written before the clock was set back."""
    return abs(time.time() - written) < START_SECONDS


@contextmanager
def held(folder: Path, busy: LiveHandError) -> Iterator[None]:
    """Hold the folder's lock within the block, so that only one process works there.

    What earlier holders left half-written is removed.

    Args:
        busy: raised where another process holds it.

    Raises:
        LiveHandError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK_FILE).open("ab+")
    except OSError as error:
        raise unwritable(error, folder) from error
    with stream:
        for _ in range(10):
            if try_lock(stream, shared=False):
                break
            # Someone who only looks holds it for a moment.
            time.sleep(0.05)
        else:
            raise busy
        remove_leftovers(folder, ORDER_FILE)
        yield


def write_order(folder: Path, order: Order) -> None:
    """Tell the folder's process what to do after its current step. Raises LiveHandError when that cannot be written."""
    with atomic_path(folder / ORDER_FILE) as temporary:
        temporary.write_text(order, encoding="utf-8")


def read_order(folder: Path) -> Order:
    """What the folder's process is asked to do; ``"go"`` when nothing was said."""
    try:
        text = ORDER.text(folder / ORDER_FILE).strip()
    except LiveHandError:
        return "go"
    return text if text in ("pause", "stop") else "go"  # type: ignore[return-value]


def clear_order(folder: Path) -> None:
    """Forget an order that was given to an earlier process. Raises LiveHandError when the folder cannot be written."""
    try:
        (folder / ORDER_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(error, folder / ORDER_FILE) from error
