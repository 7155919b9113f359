"""What a run tells: lines on the console, ``metrics.jsonl``, and TensorBoard events where tensorboard is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"


class Journal:
    """Writes the numbers of a run as they come; ``close`` when done.

    Attributes:
        on_numbers: called with kind, step and values whenever numbers are stored.
    """

    def __init__(self, run: Path) -> None:
        self.on_numbers: Callable[[str, int, dict[str, float]], None] = lambda kind, step, values: None
        self._lines = (run / METRICS_FILE).open("a", encoding="utf-8")
        self._board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("tensorboard is not installed: numbers go to metrics.jsonl alone")
        else:
            self._board = SummaryWriter(str(run / "tensorboard"))

    def say(self, line: str) -> None:
        """Print a line with the time."""
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)

    def numbers(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Store named numbers of a step."""
        document = {"kind": kind, "step": step, **{key: round(value, 8) for key, value in values.items()}}
        self._lines.write(json.dumps(document) + "\n")
        self._lines.flush()
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{kind}/{key}", value, step)
        self.on_numbers(kind, step, values)

    def close(self) -> None:
        """Flush and close the files."""
        self._lines.close()
        if self._board is not None:
            self._board.close()
