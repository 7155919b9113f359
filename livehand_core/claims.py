"""Who makes a file that several programs are to make only once: claims beside it, on any disk that they share.

A claim is a small file beside the target whose name ends in a number; it is made so that only one program can make it.
Its maker touches it while it works. One whose maker is gone counts for nothing: the next number is claimed, again by
one program only. Standard library only; called by the batch renderer.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .documents import Reader
from .errors import LiveHandError
from .files import unwritable
from .records import build

TOUCH_SECONDS = 10.0
STALE_SECONDS = 120.0
"""How long a claim counts that was not touched: its maker, on another machine, is dead or hangs."""

CLAIM = Reader("The claim", limit=1 << 16)


@dataclass(frozen=True)
class Holder:
    """Who claims a file.

    Attributes:
        host: the machine's name; ``space``: the process ids that ``pid`` is one of, where containers have their own.
        began: when it was claimed, seconds since the epoch.
    """

    host: str
    space: str
    pid: int
    began: float

    @classmethod
    def this(cls) -> Holder:
        """This process, now."""
        return cls(socket.gethostname(), _process_space(), os.getpid(), time.time())

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended: told of processes of this machine only."""
        here = Holder.this()
        return (self.host, self.space) == (here.host, here.space) and not _lives(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


UNKNOWN = Holder("another machine", "", 0, 0.0)
"""Who holds a claim that bears no name yet."""


@contextmanager
def claimed(target: Path) -> Iterator[Holder | None]:
    """Claim a file for the block: yields None when it is this program's, else who holds it.

    Raises:
        LiveHandError: the folder cannot be written.
    """
    number, holder = _newest(target)
    if holder is not None:
        yield holder
        return
    own = _path(target, number + 1)
    if not _make(own):
        # Another was quicker.
        yield _read(own) or UNKNOWN
        return
    ended = threading.Event()
    toucher = threading.Thread(target=_touch, args=(own, ended), name="livehand-claim", daemon=True)
    toucher.start()
    try:
        yield None
    finally:
        ended.set()
        toucher.join()
        # The last one last: as long as it is there, nobody takes a dead one before it for the newest.
        for old in sorted(_numbers(target)):
            if old <= number + 1:
                with suppress(OSError):
                    _path(target, old).unlink()


def _newest(target: Path) -> tuple[int, Holder | None]:
    """The highest number of a claim on the target, 0 without one, and who holds it if it counts."""
    number = max(_numbers(target), default=0)
    if not number:
        return 0, None
    path = _path(target, number)
    holder = _read(path)
    # One without a name is being written just now, or was left by a maker that died in that moment.
    counts = TOUCH_SECONDS if holder is None else STALE_SECONDS
    if (holder is not None and holder.gone) or _age(path) >= counts:
        return number, None
    return number, holder or UNKNOWN


def _path(target: Path, number: int) -> Path:
    return target.with_name(f".{target.name}.claim{number}")


def _numbers(target: Path) -> list[int]:
    pattern = re.compile(re.escape(f".{target.name}.claim") + r"(\d{1,9})")
    try:
        names = os.listdir(target.parent)
    except OSError:
        return []
    return [int(match[1]) for match in map(pattern.fullmatch, names) if match is not None]


def _make(path: Path) -> bool:
    """Make a claim; False when it is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error, path.parent) from error
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(Holder.this())))
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(error, path.parent) from error
    return True


def _read(path: Path) -> Holder | None:
    try:
        return build(Holder, CLAIM.json(path))
    except (LiveHandError, ValueError):
        return None


def disk_time(folder: Path) -> float:
    """Now, by the clock of the disk that a folder lies on, which may not be this machine's; the folder is made.

    Raises:
        LiveHandError: the folder cannot be written.
    """
    probe = folder / f".{secrets.token_hex(8)}.now"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with probe.open("x"):
            return probe.stat().st_mtime
    except OSError as error:
        raise unwritable(error, folder) from error
    finally:
        with suppress(OSError):
            probe.unlink()


def _age(path: Path) -> float:
    """Seconds since a claim was touched.

    One that was touched in the future is older than a clock that was set back. It counts as touched now: a maker that
    lives goes on touching it, and the claim of a dead one ages from here.
    """
    try:
        age = disk_time(path.parent) - path.stat().st_mtime
        if age < -TOUCH_SECONDS:
            os.utime(path)
        return max(age, 0.0)
    except OSError:
        return 0.0


def _touch(path: Path, ended: threading.Event) -> None:
    while not ended.wait(TOUCH_SECONDS):
        with suppress(OSError):
            os.utime(path)


def _lives(pid: int) -> bool:
    if os.name == "nt":
        # os.kill would end it there; the claim's age tells.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _process_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
