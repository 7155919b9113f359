"""What a process holds, taken again and again over a long run, and whether any of it grows. Linux tells; NumPy only."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .load import busy_seconds, own_seconds, process_seconds
from .machine import resident_mb, usable_cores

SIGNIFICANT = 0.01
"""Probability below which a rise is not owed to chance."""
FEWEST = 12
"""Samples below which nothing can be told."""
TOLERANCES = {"memory_mb": 8.0, "handles": 2.0, "threads": 2.0, "shared_blocks": 1.0, "temporary_files": 1.0}
"""What each may rise by over the run all the same: caches fill, and a sample falls into the middle of something."""
DELAY_TOLERANCE = 0.25
"""Part of its median that a delay may rise by: other work on the machine comes and goes."""
STILL = 0.3
"""Probability of chance above which the second half of a run is taken not to rise any more."""
BUSY = 0.1
"""Share of the processors that other programs may take: above it a delay by the clock tells of them."""


def take(pids: Iterable[int], delay_ms: float | None = None, temporary: Path | None = None) -> dict[str, float]:
    """What some processes hold together.

    Args:
        delay_ms: of what they do, to stand beside it.
        temporary: their own folder of temporary files.

    Returns:
        ``memory_mb``, ``handles`` (open files), ``threads``, ``shared_blocks`` (mapped blocks of the engine's shared
        memory), ``temporary_files``, ``delay_ms``; without what the system does not tell or was not given.
    """
    found: dict[str, float] = {}
    alive = [pid for pid in pids if Path(f"/proc/{pid}").is_dir()]
    if alive:
        found |= {
            "memory_mb": sum(resident_mb(pid) or 0.0 for pid in alive),
            "handles": float(sum(_count(f"/proc/{pid}/fd") for pid in alive)),
            "threads": float(sum(_count(f"/proc/{pid}/task") for pid in alive)),
            "shared_blocks": float(sum(map(_mapped, alive))),
        }
    if temporary is not None:
        found["temporary_files"] = float(_count(str(temporary)))
    if delay_ms is not None:
        found["delay_ms"] = delay_ms
    return found


@dataclass(frozen=True)
class Trend:
    """How a quantity went over a run.

    Attributes:
        first, last: medians of its first and last fifth.
        rise: of the line through all samples (Theil and Sen: the median of the slopes of all pairs), from end to end.
        chance: that as many pairs of samples rise without a trend (Mann and Kendall, one-sided).
        grows: whether the rise is no chance, more than is tolerated, and goes on in the second half of the run.
        fills: whether it rose as much, and does no more: something that is filled once.
        judged: whether it says something of the process at all.
    """

    first: float
    last: float
    rise: float
    chance: float
    grows: bool
    fills: bool = False
    judged: bool = True

    @property
    def verdict(self) -> str:
        """In a word."""
        if not self.judged:
            return "not judged: the machine was busy"
        return "GROWS" if self.grows else "filled once" if self.fills else "flat"


def trend(values: Sequence[float], tolerance: float) -> Trend:
    """Whether equally spaced samples rise; NaN samples are left out."""
    series = np.asarray(values, dtype=np.float64)
    series = series[np.isfinite(series)]
    count = len(series)
    fifth = max(count // 5, 1)
    first, last = (float(np.median(part)) if count else 0.0 for part in (series[:fifth], series[-fifth:]))
    if count < FEWEST:
        return Trend(first, last, 0.0, 1.0, False)
    rise, chance = _line(series)
    # Samples that jump between two levels have a slope without getting anywhere.
    risen = chance < SIGNIFICANT and min(rise, last - first) > tolerance
    later, by_chance = _line(series[count // 2 :])
    grows = risen and later > 0.5 * tolerance and by_chance < STILL
    return Trend(first, last, rise, chance, grows, fills=risen and not grows)


def _line(series: np.ndarray) -> tuple[float, float]:
    """The rise of the line through samples from end to end, and the chance of it without a trend."""
    early, late = np.triu_indices(len(series), 1)
    steps = series[late] - series[early]
    rise = float(np.median(steps / (late - early))) * (len(series) - 1)
    return rise, _chance(series, float(np.sign(steps).sum()))


def _chance(series: np.ndarray, score: float) -> float:
    """The one-sided probability of Mann and Kendall's score without a trend, ties counted."""
    count = len(series)
    _, ties = np.unique(series, return_counts=True)
    variance = (_thrice(count) - float(np.sum([_thrice(int(tie)) for tie in ties]))) / 18.0
    if variance <= 0.0:
        return 1.0
    return 0.5 * math.erfc((score - math.copysign(1.0, score)) / math.sqrt(2.0 * variance)) if score else 0.5


def _thrice(count: int) -> float:
    return count * (count - 1.0) * (2.0 * count + 5.0)


@dataclass
class Watch:
    """Samples of a long run.

    Args:
        settle: seconds from the start whose samples are not judged: caches and pools fill.
    """

    settle: float = 0.0
    began: float = field(default_factory=time.monotonic)
    samples: list[dict[str, float]] = field(default_factory=list)
    _before: tuple[float, ...] | None = None
    """The clock, the processes' and others' seconds of the processor, the pieces of work at the sample before."""

    def sample(
        self,
        pids: Iterable[int],
        delay_ms: float | None = None,
        temporary: Path | None = None,
        done: float | None = None,
    ) -> dict[str, float]:
        """Take one, and give it; as :func:`take`.

        Args:
            done: pieces of work so far; gives ``processor_ms`` of one, and ``others``, the share of the processors
                that other programs had, both since the sample before.
        """
        known = list(pids)
        found = {"seconds": time.monotonic() - self.began, **take(known, delay_ms, temporary)}
        if done is not None:
            found |= self._work(known, done)
        self.samples.append(found)
        return found

    def _work(self, pids: Sequence[int], done: float) -> dict[str, float]:
        spent = [process_seconds(pid) for pid in pids]
        own, busy = own_seconds(pids), busy_seconds()
        if own is None or busy is None:
            return {}
        now = (time.monotonic(), sum(one or 0.0 for one in spent), done, busy - own)
        before, self._before = self._before, now
        if before is None or now[2] <= before[2] or now[0] <= before[0]:
            return {}
        elapsed, seconds, pieces, others = (new - old for new, old in zip(now, before, strict=True))
        return {"processor_ms": 1e3 * seconds / pieces, "others": max(others, 0.0) / (elapsed * usable_cores())}

    def trends(self) -> dict[str, Trend]:
        """The trend of each quantity after settling."""
        judged = [sample for sample in self.samples if sample["seconds"] >= self.settle]
        names = dict.fromkeys(name for sample in judged for name in sample if name not in ("seconds", "others"))
        series = {name: [sample.get(name, math.nan) for sample in judged] for name in names}
        found = {name: trend(values, _tolerance(name, values)) for name, values in series.items()}
        if "delay_ms" in found and float(np.median([sample.get("others", 0.0) for sample in judged])) > BUSY:
            found["delay_ms"] = replace(found["delay_ms"], grows=False, fills=False, judged=False)
        return found


def lines(trends: Mapping[str, Trend]) -> list[str]:
    """The trends for people."""
    return [
        f"{name:<16} {told.first:>9.1f} -> {told.last:>9.1f}   rise {told.rise:+9.2f}   "
        f"chance {told.chance:.3f}   {told.verdict}"
        for name, told in trends.items()
    ]


def _tolerance(name: str, values: Sequence[float]) -> float:
    return TOLERANCES[name] if name in TOLERANCES else DELAY_TOLERANCE * float(np.nanmedian(values))


def _count(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _mapped(pid: int) -> int:
    try:
        return sum("/lh_" in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())
    except OSError:
        return 0
