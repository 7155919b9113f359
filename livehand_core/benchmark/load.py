"""What other programs did to the processors while a benchmark ran. Standard library only.

Under load the plain formulation suffers more than the renderer, whose working set is smaller: a ratio that was measured
on a busy machine flatters.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .machine import usable_cores

NOTICEABLE = 0.05
"""Share of the processors from which other programs are warned of."""


@dataclass(frozen=True)
class Load:
    """How busy the machine was.

    Attributes:
        average_before: processes that wanted a processor, mean over the minute before the run; None on Windows.
        others: part of the run -> share of the processors' time, 0 to 1, that other programs took; without the parts
            of which the system tells nothing.
    """

    average_before: float | None = None
    others: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What a person is told."""
        before = [] if self.average_before is None else [f"{self.average_before:.2f} in the minute before"]
        shares = ", ".join(f"{share:.0%} of the processors during the {part}" for part, share in self.others.items())
        during = [f"other programs took {shares}"] if shares else []
        lines = [f"load: {'; '.join([*before, *during]) or 'unknown on this system'}"]
        worst = max(self.others.values(), default=0.0)
        if worst >= NOTICEABLE:
            flatters = self.others.get("comparison", 0.0) >= NOTICEABLE
            lines.append(
                f"warning: other programs took {worst:.0%} of the processors meanwhile: "
                + ("the ratio flatters" if flatters else "the times are too long")
                + "; measure again on an idle machine"
            )
        return lines


class LoadWatch:
    """Looks at the load around the parts of a run.

    Args:
        busy, own: in place of :func:`busy_seconds` and :func:`own_seconds`.
    """

    def __init__(
        self,
        busy: Callable[[], float | None] | None = None,
        own: Callable[[Sequence[int]], float | None] | None = None,
    ) -> None:
        self._busy, self._own = busy or busy_seconds, own or own_seconds
        self._average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self._others: dict[str, float] = {}

    @contextmanager
    def during(self, part: str, *pids: int) -> Iterator[None]:
        """Look while the body runs.

        Args:
            part: of the run, as messages call it.
            pids: of processes that work for the benchmark and live on after the body.
        """
        before = self._busy(), self._own(pids), time.perf_counter()
        yield
        after = self._busy(), self._own(pids), time.perf_counter()
        busy, own, seconds = (
            None if old is None or new is None else new - old for old, new in zip(before, after, strict=True)
        )
        if busy is not None and own is not None and seconds:
            share = (busy - own) / (seconds * usable_cores())
            self._others[part] = min(max(share, 0.0), 1.0)

    def load(self) -> Load:
        """What was seen so far."""
        return Load(self._average, dict(self._others))


def own_seconds(pids: Sequence[int] = ()) -> float | None:
    """Processor time of this process, of its children that have ended, and of some that live; None where unknown."""
    times = os.times()
    others = [process_seconds(pid) for pid in pids]
    known = [seconds for seconds in others if seconds is not None]
    if len(known) < len(others):
        return None
    return time.process_time() + times.children_user + times.children_system + sum(known)


def busy_seconds() -> float | None:
    """Time that the processors which this process may use have worked since the system's start; None where unknown.

    What a virtual machine's host gave to others counts as well.
    """
    if sys.platform == "win32":
        return _windows_busy()
    if sys.platform == "darwin":
        return _mac_busy()
    try:
        return linux_busy(Path("/proc/stat").read_text(), os.sched_getaffinity(0), os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError):
        return None


def linux_busy(text: str, cores: set[int], ticks: int) -> float | None:
    """Seconds of ``/proc/stat`` in which some cores were neither idle nor waiting for a disk."""
    total, found = 0, False
    for line in text.splitlines():
        name, *words = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            # Guests are part of user and nice already.
            user, nice, system, _idle, _wait, *rest = map(int, words[:8])
            total, found = total + user + nice + system + sum(rest), True
    return total / ticks if found else None


def process_seconds(pid: int) -> float | None:
    """Processor time of another process; None where the system does not tell, or it is gone."""
    if sys.platform == "win32":
        return _windows_process(pid)
    try:
        # The name, which may hold anything, ends with the last bracket.
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return _ps_seconds(pid) if sys.platform == "darwin" else None


def _ps_seconds(pid: int) -> float | None:
    command = ["ps", "-o", "time=", "-p", str(pid)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return clock_seconds(answer)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def clock_seconds(text: str) -> float:
    """Seconds of a time as ``ps`` writes it: ``[[days-]hours:]minutes:seconds``. Raises ValueError."""
    days, _, clock = text.strip().rpartition("-")
    seconds = 0.0
    for word in clock.split(":"):
        seconds = 60.0 * seconds + float(word)
    return 86400.0 * int(days or 0) + seconds


def _mac_busy() -> float | None:
    """Of all processors, by Mach's ``host_statistics``: ticks of user, system, idle, nice."""
    try:
        library = ctypes.CDLL(None)
        ticks, count = (ctypes.c_uint * 4)(), ctypes.c_uint(4)
        library.mach_host_self.restype = ctypes.c_uint
        if library.host_statistics(ctypes.c_uint(library.mach_host_self()), 3, ticks, ctypes.byref(count)) != 0:
            return None
        return (ticks[0] + ticks[1] + ticks[3]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return None


def _windows_busy() -> float | None:
    """Of all processors: kernel's time, which holds the idle one, and users'."""
    times = (ctypes.c_uint64 * 3)()
    places = [ctypes.byref(times, 8 * number) for number in range(3)]
    if not _kernel32().GetSystemTimes(*places):
        return None
    idle, kernel, user = times
    return 1e-7 * (kernel + user - idle)


def _windows_process(pid: int) -> float | None:
    library = _kernel32()
    library.OpenProcess.restype = ctypes.c_void_p
    # The right to ask for times and little else.
    handle = ctypes.c_void_p(library.OpenProcess(0x1000, False, pid))
    if not handle:
        return None
    times = (ctypes.c_uint64 * 4)()
    try:
        places = [ctypes.byref(times, 8 * number) for number in range(4)]
        found = library.GetProcessTimes(handle, *places)
    finally:
        library.CloseHandle(handle)
    return 1e-7 * (times[2] + times[3]) if found else None


def _kernel32() -> Any:
    return ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
