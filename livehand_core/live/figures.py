"""How the live window does: rate and delay as a whole and minute by minute, and what its processes hold.

What is kept does not grow with the frames: delays are counted by the millisecond, and each minute leaves one row.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmark.vitals import Watch
from ..files import atomic_path

WARM = 10
"""First frames that do not count, in which things are loaded."""
MINUTE = 60.0
_LONGEST_MS = 5000


@dataclass
class Counted:
    """Delays, by the whole millisecond."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(_LONGEST_MS + 1, np.int64))

    def add(self, seconds: float) -> None:
        """Another one."""
        self.counts[min(max(round(1e3 * seconds), 0), _LONGEST_MS)] += 1

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of 1 keeps within."""
        every = np.cumsum(self.counts)
        return float(np.searchsorted(every, max(share * every[-1], 1.0)))

    @property
    def count(self) -> int:
        """How many."""
        return int(self.counts.sum())


class Figures:
    """Of a window that shows frames.

    Args:
        path: JSON file that is written every minute and at the end; None for none.
        pids: gives the processes whose memory counts.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        path: Path | None = None,
        pids: Callable[[], Sequence[int]] = lambda: (os.getpid(),),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._pids, self._clock = path, pids, clock
        self._frames = 0
        self._all, self._minute = Counted(), Counted()
        self._first = self._last = self._minute_began = 0.0
        self._watch = Watch(settle=2.0 * MINUTE)
        self._minutes: list[dict[str, float]] = []

    def add(self, delay: float) -> None:
        """Another frame was shown now, so many seconds after its picture came."""
        self._frames += 1
        if self._frames <= WARM:
            return
        now = self._clock()
        if not self._all.count:
            self._first = self._minute_began = now
        elif now - self._minute_began >= MINUTE:
            self._end_minute(now)
        self._last = now
        self._all.add(delay)
        self._minute.add(delay)

    def summary(self) -> dict[str, float]:
        """Of all frames after the first ones."""
        if self._all.count < 2:
            return {"frames": float(self._frames)}
        return {
            "frames": float(self._frames),
            "frames_a_second": (self._all.count - 1) / (self._last - self._first),
            "delay_ms_median": self._all.percentile(0.5),
            "delay_ms_95": self._all.percentile(0.95),
        }

    def to_json(self) -> dict[str, Any]:
        """The summary, a row for each whole minute, and from a dozen minutes on whether anything grows."""
        trends = {name: asdict(told) for name, told in self._watch.trends().items()}
        return {**self.summary(), "minutes": self._minutes, "trends": trends}

    def write(self) -> None:
        """Write the file."""
        if self._path is not None:
            with atomic_path(self._path) as temporary:
                temporary.write_text(json.dumps(self.to_json(), indent=1), encoding="utf-8")

    def _end_minute(self, now: float) -> None:
        held = self._watch.sample(self._pids(), self._minute.percentile(0.5))
        rate = self._minute.count / (now - self._minute_began)
        self._minutes.append({**held, "delay_ms_95": self._minute.percentile(0.95), "frames_a_second": rate})
        self._minute, self._minute_began = Counted(), now
        self.write()
