"""What a process holds, taken again and again over a long run, and whether any of it grows. Linux tells; NumPy only."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .machine import resident_mb

SIGNIFICANT = 0.01
"""Probability below which a rise is not owed to chance."""
FEWEST = 12
"""Samples below which nothing can be told."""
TOLERANCES = {"memory_mb": 8.0, "handles": 2.0, "threads": 2.0, "shared_blocks": 1.0, "temporary_files": 1.0}
"""What each may rise by over the run all the same: caches fill, and a sample falls into the middle of something."""
DELAY_TOLERANCE = 0.25
"""Part of its median that a delay may rise by: other work on the machine comes and goes."""


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
        grows: whether the rise is no chance and more than is tolerated.
    """

    first: float
    last: float
    rise: float
    chance: float
    grows: bool


def trend(values: Sequence[float], tolerance: float) -> Trend:
    """Whether equally spaced samples rise; NaN samples are left out."""
    series = np.asarray(values, dtype=np.float64)
    series = series[np.isfinite(series)]
    count = len(series)
    fifth = max(count // 5, 1)
    first, last = (float(np.median(part)) if count else 0.0 for part in (series[:fifth], series[-fifth:]))
    if count < FEWEST:
        return Trend(first, last, 0.0, 1.0, False)
    early, late = np.triu_indices(count, 1)
    steps = series[late] - series[early]
    rise = float(np.median(steps / (late - early))) * (count - 1)
    chance = _chance(series, float(np.sign(steps).sum()))
    # Samples that jump between two levels have a slope without getting anywhere.
    grows = chance < SIGNIFICANT and min(rise, last - first) > tolerance
    return Trend(first, last, rise, chance, grows)


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

    def sample(
        self, pids: Iterable[int], delay_ms: float | None = None, temporary: Path | None = None
    ) -> dict[str, float]:
        """Take one, and give it; as :func:`take`."""
        found = {"seconds": time.monotonic() - self.began, **take(pids, delay_ms, temporary)}
        self.samples.append(found)
        return found

    def trends(self) -> dict[str, Trend]:
        """The trend of each quantity after settling."""
        judged = [sample for sample in self.samples if sample["seconds"] >= self.settle]
        names = dict.fromkeys(name for sample in judged for name in sample if name != "seconds")
        series = {name: [sample.get(name, math.nan) for sample in judged] for name in names}
        return {name: trend(values, _tolerance(name, values)) for name, values in series.items()}


def lines(trends: Mapping[str, Trend]) -> list[str]:
    """The trends for people."""
    return [
        f"{name:<16} {told.first:>9.1f} -> {told.last:>9.1f}   rise {told.rise:+9.2f}   "
        f"chance {told.chance:.3f}   {'GROWS' if told.grows else 'flat'}"
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
