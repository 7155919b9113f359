"""Whether something grows over a long run: noise and caches are flat, leaks are found however slow they are."""

from __future__ import annotations

import math
import os
import sys
import time

import numpy as np
import pytest

from livehand_core.benchmark.vitals import Watch, lines, take, trend


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_flat_and_a_slow_leak_in_it_is_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = 300.0 + 20.0 * random.standard_normal(200)
    assert not trend(noise, 8.0).grows
    leak = trend(noise + np.linspace(0.0, 40.0, 200), 8.0)
    assert leak.grows and 20.0 < leak.rise < 60.0


def test_what_falls_rises_once_or_hardly_at_all_is_flat() -> None:
    assert not trend(np.linspace(50.0, 0.0, 100), 1.0).grows
    assert not trend([7.0] * 100, 1.0).grows and trend([7.0] * 100, 1.0).chance == 1.0
    assert not trend([7.0] * 95 + [9.0] * 5, 1.0).grows
    assert not trend(np.linspace(100.0, 101.0, 100), 8.0).grows
    # One handle in fifty samples.
    assert trend([20.0 + number // 50 for number in range(400)], 2.0).grows
    assert not trend([1.0, 2.0, 3.0], 0.1).grows and trend([], 0.1).rise == 0.0
    assert trend([*np.linspace(0.0, 90.0, 50), math.nan], 8.0).grows


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_handles_that_a_process_does_not_give_back_are_found() -> None:
    held = []
    watch = Watch()
    try:
        for _ in range(30):
            held.append(os.open(os.devnull, os.O_RDONLY))
            sample = watch.sample([os.getpid()], 5.0)
    finally:
        for descriptor in held:
            os.close(descriptor)
    assert sample["memory_mb"] > 10.0 and sample["threads"] >= 1.0 and sample["shared_blocks"] >= 0.0
    trends = watch.trends()
    assert trends["handles"].grows and not trends["delay_ms"].grows
    assert trends["handles"].rise == pytest.approx(29.0)
    assert any("GROWS" in line for line in lines(trends))


def test_the_first_minutes_are_not_judged() -> None:
    watch = Watch(settle=50.0)
    watch.samples = [{"seconds": float(n), "memory_mb": min(n, 45) * 10.0} for n in range(100)]
    assert not watch.trends()["memory_mb"].grows
    watch.settle = 0.0
    seen = watch.trends()["memory_mb"]
    assert seen.fills and not seen.grows and seen.verdict == "filled once"


@pytest.mark.parametrize("seed", range(10))
def test_what_is_filled_once_is_told_from_what_grows(seed: int) -> None:
    """Pictures that are read once; a cache; a leak under such; one that a large filling hides."""
    times, random = np.arange(200), np.random.default_rng(seed)
    noise = 3.0 * random.standard_normal(200)
    for filling in (np.minimum(2.0 * times, 120.0), 150.0 * (1.0 - np.exp(-times / 15.0))):
        seen = trend(400.0 + filling + noise, 8.0)
        assert seen.fills and not seen.grows
        leaking = trend(400.0 + filling + 0.2 * times + noise, 8.0)
        assert leaking.grows and not leaking.fills
    assert not trend(400.0 + noise, 8.0).fills


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_delay_on_a_busy_machine_is_not_judged_and_the_processors_time_is() -> None:
    watch = Watch()
    for number in range(40):
        busy = {"delay_ms": 10.0 + number, "processor_ms": 5.0, "others": 0.6}
        watch.samples.append({"seconds": float(number), **busy})
    seen = watch.trends()
    assert not seen["delay_ms"].grows and "busy" in seen["delay_ms"].verdict and "others" not in seen
    assert seen["processor_ms"].verdict == "flat"
    for sample in watch.samples:
        sample |= {"others": 0.02, "processor_ms": sample["delay_ms"]}
    assert watch.trends()["delay_ms"].grows and watch.trends()["processor_ms"].grows
    watch = Watch()
    for number in range(3):
        watch.sample([os.getpid()], done=10.0 * number)
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    assert 3.0 < watch.samples[-1]["processor_ms"] < 30.0 and 0.0 <= watch.samples[-1]["others"] <= 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_processes_that_have_ended_hold_nothing() -> None:
    assert take([1 << 30]) == {}
