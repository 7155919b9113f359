"""A capture as seen from outside: how far it is, whether the Blender that makes it lives, and how to stop it.

Small files in the capture's folder tell, so whoever looks need not have started it. Standard library only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from ..documents import Reader
from ..errors import CaptureError
from ..files import atomic_path
from ..processes import held, is_running, is_young, write_order
from ..records import build

STATUS_FILE = "capture.json"
STATUS = Reader("The status of the capture", CaptureError, "Delete it: the pictures are other files.", limit=1 << 16)

State = Literal["starting", "going", "done", "stopped", "failed", "interrupted"]


@dataclass(frozen=True)
class CaptureStatus:
    """What a capture says of itself.

    Attributes:
        state: ``"interrupted"`` is never written: it is what a capture has become whose process died.
        made: pictures that are there; ``planned``: how many there will be, 0 before that is known.
        message: one line for people: an error, or what is being done.
        pid: of the Blender that makes it.
        updated: time of writing, seconds since the epoch.
    """

    state: State
    made: int = 0
    planned: int = 0
    message: str = ""
    pid: int = 0
    updated: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether a process works on it."""
        return self.state in ("starting", "going")

    @property
    def progress(self) -> float:
        """Part that is done, 0 to 1."""
        return min(max(self.made / max(self.planned, 1), 0.0), 1.0)

    def line(self) -> str:
        """How it stands, for people."""
        counted = f"Picture {self.made} of {self.planned}" if self.planned else ""
        return counted if self.state == "going" and counted else self.message or counted or self.state


def write_status(folder: Path, status: CaptureStatus) -> None:
    """Write the status with the time of now. Raises LiveHandError when the folder cannot be written."""
    with atomic_path(folder / STATUS_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(replace(status, updated=time.time()))), encoding="utf-8")


def read_status(folder: Path) -> CaptureStatus:
    """How a capture stands; one whose process has died without a word is ``"interrupted"``.

    Raises:
        CaptureError: the folder holds no status, or one that is damaged.
    """
    path = folder / STATUS_FILE
    document = STATUS.json(path)
    try:
        status = build(CaptureStatus, document, unknown="pass")
    except ValueError as error:
        raise STATUS.damaged(path, error) from error
    fresh = status.state == "starting" and is_young(status.updated)
    if status.alive and not fresh and not is_running(folder):
        return replace(status, state="interrupted", message="Its Blender has ended unexpectedly.")
    return status


def stop(folder: Path) -> None:
    """Ask the capture's process to end after its picture.

    Raises:
        CaptureError: no process works on it.
        LiveHandError: the folder cannot be written.
    """
    status = read_status(folder)
    if not status.alive:
        raise CaptureError(f"No capture goes on in {folder} (it is {status.state}).", "Capture again to go on with it.")
    write_order(folder, "stop")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the capture's lock within the block.

    Raises:
        CaptureError: another process holds it.
        LiveHandError: the folder cannot be written.
    """
    with held(folder, taken(folder)):
        yield


def taken(folder: Path) -> CaptureError:
    """What to raise where another process captures."""
    return CaptureError(f"Another Blender captures into {folder}.", "Wait for it, stop it, or choose another folder.")
