"""The bench looks at the machine's load: other programs' share of the processors, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from livehand_core.benchmark.load import (
    Load,
    LoadWatch,
    busy_seconds,
    clock_seconds,
    linux_busy,
    own_seconds,
    process_seconds,
)
from livehand_core.benchmark.machine import usable_cores

STAT = """cpu  100 0 50 900 10 0 5 20 0 0
cpu0 60 1 30 400 5 2 3 10 7 7
cpu1 40 0 20 500 5 0 2 10 0 0
cpu10 9 9 9 9 9 9 9 9 9 9
intr 1 2 3
"""
SPIN = "import sys, time\nend = time.monotonic() + 30\nprint(flush=True)\nwhile time.monotonic() < end: pass"


def test_what_linux_tells_is_read_for_the_cores_that_are_ours() -> None:
    assert linux_busy(STAT, {0}, 100) == pytest.approx(1.06)
    assert linux_busy(STAT, {0, 1}, 100) == pytest.approx(1.78)
    assert linux_busy(STAT, {2}, 100) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:01.25", 1.25), (" 12:00\n", 720.0), ("1:02:03", 3723.0), ("2-01:00:00", 176400.0)]
)
def test_times_of_ps(text: str, seconds: float) -> None:
    assert clock_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("others", "said"), [(0.0, "load: "), (0.3, "30% of the processors meanwhile: the ratio")])
def test_time_that_is_not_ours_is_others(others: float, said: str) -> None:
    begun, seconds = time.perf_counter(), 0.2

    def busy() -> float:
        return 1000.0 + (time.perf_counter() - begun) * usable_cores() * (0.5 + others)

    def own(pids: Sequence[int]) -> float:
        assert pids == (7,)
        return (time.perf_counter() - begun) * usable_cores() * 0.5

    watch = LoadWatch(busy, own)
    with watch.during("comparison", 7):
        time.sleep(seconds)
    load = watch.load()
    assert load.others["comparison"] == pytest.approx(others, abs=0.02)
    assert said in "\n".join(load.lines())
    assert ("flatters" in "\n".join(load.lines())) == (others > 0.0)


def test_a_system_that_tells_nothing_is_no_idle_one() -> None:
    watch = LoadWatch(lambda: None, lambda pids: None)
    with watch.during("comparison"):
        pass
    assert watch.load().others == {}
    assert Load().lines() == ["load: unknown on this system"]


def test_long_times_are_warned_of_without_a_comparison() -> None:
    assert Load(0.5, {"frames": 0.2}).lines() == [
        "load: 0.50 in the minute before; other programs took 20% of the processors during the frames",
        "warning: other programs took 20% of the processors meanwhile: the times are too long; "
        "measure again on an idle machine",
    ]


@pytest.mark.skipif(busy_seconds() is None, reason="this system does not tell")
def test_another_program_is_noticed_and_a_helper_of_ours_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            taken = process_seconds(other.pid)
            stranger, helper = LoadWatch(), LoadWatch()
            with helper.during("frames", other.pid), stranger.during("frames"):
                time.sleep(1.5)
            spent = process_seconds(other.pid)
        finally:
            other.kill()
    assert taken is not None and spent is not None and spent > taken
    share = (spent - taken) / (1.5 * usable_cores())
    noticed = stranger.load().others["frames"]
    assert noticed > 0.7 * share > 0.0
    assert helper.load().others["frames"] == pytest.approx(noticed - share, abs=0.1)


def test_our_own_work_is_counted() -> None:
    before = own_seconds()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    after = own_seconds()
    assert before is not None and after is not None and after - before > 0.2
    assert own_seconds([2**22 + 1]) is None
