"""Rates and delays of the live window: counted, by the minute, without growing with the frames."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from livehand_core.live.figures import WARM, Figures


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def feed(figures: Figures, clock: Clock, count: int, delay: float, gap: float = 0.05) -> None:
    for _ in range(count):
        clock.now += gap
        figures.add(delay)


def test_the_first_frames_do_not_count() -> None:
    clock = Clock()
    figures = Figures(clock=clock)
    assert figures.summary() == {"frames": 0.0}
    feed(figures, clock, WARM, 4.0)
    feed(figures, clock, 20, 0.1)
    summary = figures.summary()
    assert summary["frames"] == WARM + 20 and summary["delay_ms_median"] == summary["delay_ms_95"] == 100.0
    assert summary["frames_a_second"] == pytest.approx(20.0)


def test_percentiles_are_those_of_the_delays() -> None:
    clock = Clock()
    figures = Figures(clock=clock)
    feed(figures, clock, WARM, 0.0)
    for number in range(100):
        feed(figures, clock, 1, 0.001 * number)
    summary = figures.summary()
    assert summary["delay_ms_median"] == pytest.approx(49.5, abs=1.0)
    assert summary["delay_ms_95"] == pytest.approx(94.5, abs=1.0)
    feed(figures, clock, 1, 60.0)
    assert figures.summary()["delay_ms_95"] < 100.0


def test_each_minute_leaves_a_row_and_a_delay_that_grows_is_told(tmp_path: Path) -> None:
    path, clock = tmp_path / "figures.json", Clock()
    steady, growing = Figures(path, lambda: [os.getpid()], clock), Figures(None, list, clock)
    for figures, rise in ((steady, 0.0), (growing, 0.005)):
        # Of samples the time of taking counts, which the clock here does not move: none is taken for settling.
        figures._watch.settle = 0.0
        feed(figures, clock, WARM, 1.0)
        for minute in range(16):
            feed(figures, clock, 600, 0.08 + rise * minute, 0.1)
    told = json.loads(path.read_text())
    assert len(told["minutes"]) == 15
    row = told["minutes"][-1]
    assert row["frames_a_second"] == pytest.approx(10.0, rel=0.01) and row["delay_ms"] == 80.0
    assert row["memory_mb"] > 1.0 and not told["trends"]["delay_ms"]["grows"]
    assert growing.to_json()["trends"]["delay_ms"]["grows"]
