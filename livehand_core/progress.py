"""How far a long command is: one line on a terminal that is written over, now and then a line in a log."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import ClassVar, TextIO

REDRAW_SECONDS = 0.1
LOG_SECONDS = 10.0
MACHINE_LINE = "LIVEHAND "
"""What a line for programs begins with; JSON follows."""


class Progress:
    """Tells a person, or a program, how far the work is and what time is left.

    Args:
        unit: what is counted, in the plural.
        machine: write ``LIVEHAND {"done": .., "of": .., "text": ..}`` lines on stdout for a program that reads them,
            and ``LIVEHAND {"found": ..}`` of what came out.
        stream: where people read; stderr by default.
    """

    _open: ClassVar[Progress | None] = None
    """Whose line the terminal shows unfinished; another's is written over it, and then it is that one's to end."""

    def __init__(self, unit: str, machine: bool = False, stream: TextIO | None = None) -> None:
        self._unit, self._machine = unit, machine
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._text, self._began, self._told, self._start = "", 0.0, 0.0, 0
        self._counted: tuple[float, int] | None = None

    def __call__(self, done: int, of: int, text: str = "") -> None:
        """``done`` of ``of`` units, 0 where nobody knows of how many; the estimate begins anew when ``text``, what is
        being done, changes."""
        now = time.monotonic()
        if text != self._text or not self._began:
            self._text, self._began, self._told, self._start = text, now, 0.0, done
            self._counted = None
        elif self._counted is None and done > self._start:
            # The first unit loads and compiles things: it says nothing of the others.
            self._counted = now, done
        last = 0 < of <= done
        pause = REDRAW_SECONDS if self._terminal or self._machine else LOG_SECONDS
        if now - self._told < pause and not last:
            return
        self._told = now
        if self._machine:
            print(MACHINE_LINE + json.dumps({"done": done, "of": of, "text": text}), flush=True)
            return
        count = f"{done} of {of}" if of else f"{done}"
        line = f"{text + ': ' if text else ''}{count} {self._unit}{self._estimate(done, of, now) if of else ''}"
        if self._terminal:
            self._stream.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
            Progress._open = None if last else self
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def found(self, line: str) -> None:
        """Tell a figure of what came out, on stdout."""
        print(MACHINE_LINE + json.dumps({"found": line}) if self._machine else line, flush=True)

    def close(self) -> None:
        """End the line that is being written over, so that what follows begins a new one."""
        if Progress._open is self:
            self._stream.write("\n")
            Progress._open = None

    def _estimate(self, done: int, of: int, now: float) -> str:
        if done >= of:
            spent = now - self._began
            return f", {duration(spent)}" if spent >= 1.0 else ""
        if self._counted is None or done <= self._counted[1]:
            return ""
        each = (now - self._counted[0]) / (done - self._counted[1])
        pace = f"{each:.2f} s each, " if each >= 0.01 else ""
        return f", {pace}{duration(each * (of - done))} left"


@dataclass
class Pace:
    """How long the rest will take.

    Attributes:
        of: frames to render; ``done``: of them.
        first_done: when the first was, which also starts the engine and so tells nothing of the others.
    """

    of: int
    done: int = 0
    first_done: float = 0.0

    def count(self, seconds: float) -> str:
        """Another frame is done, in that time; what is left."""
        self.done += 1
        self.first_done = self.first_done or time.monotonic()
        pace = seconds if self.done == 1 else (time.monotonic() - self.first_done) / (self.done - 1)
        return clock(pace * (self.of - self.done))


def clock(seconds: float) -> str:
    """``75`` -> ``1:15``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def duration(seconds: float) -> str:
    """A time span for people: ``"45 s"``, ``"12 min"``, ``"2 h 05 min"``."""
    seconds = max(seconds, 0.0)
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
