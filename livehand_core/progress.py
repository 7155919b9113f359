"""How far a long command is: one line on a terminal that is written over, now and then a line in a log."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

from .training.control import duration

REDRAW_SECONDS = 0.1
LOG_SECONDS = 10.0


class Progress:
    """Tells a person, or a program, how far the work is and what time is left.

    Args:
        unit: what is counted, in the plural.
        machine: write ``LIVEHAND {"done": .., "of": .., "text": ..}`` lines on stdout for a program that reads them.
        stream: where people read; stderr by default.
    """

    def __init__(self, unit: str, machine: bool = False, stream: TextIO | None = None) -> None:
        self._unit, self._machine = unit, machine
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._text, self._began, self._first, self._told = "", 0.0, 0, 0.0
        self._open = False

    def __call__(self, done: int, of: int, text: str = "") -> None:
        """``done`` of ``of`` units; the estimate begins anew when ``text``, what is being done, changes."""
        now = time.monotonic()
        if text != self._text or not self._began:
            self._text, self._began, self._first, self._told = text, now, done, 0.0
        last = done >= of
        pause = REDRAW_SECONDS if self._terminal or self._machine else LOG_SECONDS
        if now - self._told < pause and not last:
            return
        self._told = now
        if self._machine:
            print("LIVEHAND " + json.dumps({"done": done, "of": of, "text": text}), flush=True)
            return
        line = f"{text + ': ' if text else ''}{done} of {of} {self._unit}{self._estimate(done, of, now)}"
        if self._terminal:
            self._stream.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
            self._open = not last
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line that is being written over, so that what follows begins a new one."""
        if self._open:
            self._stream.write("\n")
            self._open = False

    def _estimate(self, done: int, of: int, now: float) -> str:
        gained, spent = done - self._first, now - self._began
        if gained <= 0:
            return ""
        if done >= of:
            return f", {duration(spent)}" if spent >= 1.0 else ""
        each = spent / gained
        pace = f"{each:.2f} s each, " if each >= 0.01 else ""
        return f", {pace}{duration(each * (of - done))} left"
