"""What a run tells: lines on the console, ``metrics.jsonl``, and TensorBoard events where tensorboard is installed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files import unwritable

METRICS_FILE = "metrics.jsonl"
BOARD_ERRORS = (OSError, RuntimeError, ValueError)
"""What TensorBoard's writer raises, on the thread that writes and on others, when its folder is gone or full."""


def _ends_in_a_line(path: Path) -> bool:
    """Whether a file's last line was cut short, by a process that was killed or a disk that was full."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        if not stream.tell():
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


class Journal:
    """Writes the numbers of a run as they come; ``close`` when done.

    Attributes:
        on_numbers: called with kind, step and values whenever numbers are stored.
    """

    def __init__(self, run: Path) -> None:
        self.on_numbers: Callable[[str, int, dict[str, float]], None] = lambda kind, step, values: None
        self._path = run / METRICS_FILE
        try:
            cut = _ends_in_a_line(self._path)
            self._lines = self._path.open("a", encoding="utf-8")
            if cut:
                self._lines.write("\n")
        except OSError as error:
            raise unwritable(error, self._path) from error
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("tensorboard is not installed: numbers go to metrics.jsonl alone")
        else:
            try:
                self._board = SummaryWriter(str(run / "tensorboard"))
            except OSError as error:
                raise unwritable(error, run / "tensorboard") from error

    def say(self, line: str) -> None:
        """Print a line with the time."""
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)

    def numbers(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Store named numbers of a step."""
        document = {"kind": kind, "step": step, **{key: round(value, 8) for key, value in values.items()}}
        try:
            self._lines.write(json.dumps(document) + "\n")
            self._lines.flush()
        except OSError as error:
            raise unwritable(error, self._path) from error
        self._to_board(kind, step, values)
        self.on_numbers(kind, step, values)

    def close(self) -> None:
        """Flush and close the files."""
        with suppress(OSError):
            self._lines.close()
        if self._board is not None:
            with suppress(*BOARD_ERRORS):
                self._board.close()

    def _to_board(self, kind: str, step: int, values: dict[str, float]) -> None:
        """The numbers for TensorBoard, which is not worth the run: what it cannot write is told once."""
        if self._board is None:
            return
        try:
            for key, value in values.items():
                self._board.add_scalar(f"{kind}/{key}", value, step)
        except BOARD_ERRORS as error:
            self.say(f"TensorBoard gets no more numbers ({error})")
            self._board = None
