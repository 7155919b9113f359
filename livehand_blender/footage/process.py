"""``livehand footage`` and ``livehand dataset`` as processes, without bpy: what they are told, their progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livehand_core.captures.capture import TRANSFORMS
from livehand_core.datasets.source import LEFT_OUT, read_left_out
from livehand_core.errors import CaptureError

from ..environment.lines import run_core

if TYPE_CHECKING:
    from ..background import Task

LOG, OVERLAYS, REPORT = "preparation.log", "overlays.png", "report.html"
"""In the capture's folder."""

PARTS = {
    "looking at": (0.02, 0.30),
    "looking for the board": (0.30, 0.34),
    "fitting": (0.34, 0.44),
    "taking frames": (0.44, 0.48),
    "finding the shape": (0.48, 0.60),
    "cutting out": (0.60, 1.0),
    "reading": (0.0, 0.0),
    "preparing": (0.0, 1.0),
}
"""How the text of a step begins -> the part of all work that it is; steps of several videos share theirs."""


@dataclass(frozen=True)
class Preparation:
    """What is prepared.

    Attributes:
        words: of the command line, without the folder's and --machine.
        folder: of the capture.
        python: finds the interpreter.
    """

    words: Sequence[str]
    folder: Path
    python: Callable[[], Path]


@dataclass(frozen=True)
class Prepared:
    """What came out.

    Attributes:
        folder: of the capture.
        left_out: why images and moments were left out, and how many of them for each reason, the most first.
        lines: what the command found.
    """

    folder: Path
    left_out: Mapping[str, int]
    lines: tuple[str, ...]


def prepare(wish: Preparation, task: Task[Prepared]) -> Prepared:
    """Run the process; one that was cancelled goes on the next time.

    Raises:
        EngineError: there is no Python with what it needs.
        LiveHandError: the process failed; the message is its own.
        TaskCancelled: the task was cancelled.
    """
    task.tell(0.0, "Starting Python")
    python = wish.python()
    found: list[str] = []

    def tell(told: dict[str, Any]) -> None:
        if "found" in told:
            found.append(str(told["found"]))
        else:
            _tell(told, task)

    run_core(python, [*wish.words, "--machine"], task, tell, wish.folder / LOG)
    if not (wish.folder / TRANSFORMS).is_file():
        raise CaptureError(f"{wish.folder} has no capture in it.", f"{wish.folder / LOG} tells what was done.")
    counts = Counter(entry.reason for entry in read_left_out(wish.folder / LEFT_OUT))
    return Prepared(wish.folder, dict(counts.most_common()), tuple(found))


def _tell(told: dict[str, Any], task: Task[Prepared]) -> None:
    text = str(told["text"])
    first, last = next((part for name, part in PARTS.items() if text.startswith(name)), (0.0, 1.0))
    share = first + (last - first) * told["done"] / max(told["of"], 1)
    # A second video is looked at after the first: what is shown never goes back.
    count = "" if told["of"] else f": {told['done']}"
    task.tell(max(share, task.progress), text[:1].upper() + text[1:] + count)
