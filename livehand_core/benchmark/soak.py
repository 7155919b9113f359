"""A long run through one engine process: does it grow, does it leak, how soon does a cancel free it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.client import EngineClient
from ..errors import RenderCancelled
from ..frames import FrameRequest
from .engine_run import measure_transport
from .machine import resident_mb
from .timing import time_frames
from .vitals import Trend, Watch

SETTLE = 50
"""Frames after which memory is looked at for the first time: caches and pools are full by then."""

SAMPLES = 200
"""Of what the engine holds, over the run."""

CANCELS = 10
CANCEL_AFTER = 0.1
"""Seconds of a large frame after which it is cancelled."""


@dataclass(frozen=True)
class SoakFigures:
    """What a long run showed.

    Attributes:
        frames: rendered in the process.
        rss_start_mb, rss_end_mb: memory after the first frames and after the last; None where unknown.
        growth_mb: the difference.
        leaked_blocks: shared memory that was left after the engine's end; None where it cannot be seen.
        fps: of the run, from first to last frame.
        transport_ms, transport_p95_ms: of a frame through an engine that draws nothing.
        cancel_told_ms: longest time from the cancel to the caller's answer.
        cancel_free_ms: longest time from the cancel to the engine's being free for the next frame.
        cancelled: large frames that were caught in the middle, of CANCELS.
        trends: of what the engine held and of the frames' time, by name; see ``vitals``.
    """

    frames: int
    rss_start_mb: float | None
    rss_end_mb: float | None
    growth_mb: float | None
    leaked_blocks: int | None
    fps: float
    transport_ms: float
    transport_p95_ms: float
    cancel_told_ms: float
    cancel_free_ms: float
    cancelled: int
    trends: dict[str, Trend]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def soak(
    requests: Sequence[FrameRequest],
    large: FrameRequest,
    frames: int,
    device: str = "auto",
    progress: Callable[[str], None] = lambda line: None,
) -> SoakFigures:
    """Render the animation over and over.

    Args:
        requests: the animation.
        large: a frame that takes several times CANCEL_AFTER, to be cancelled.
        frames: how many to render in all, more than SETTLE.
        progress: told a line now and then.
    """
    with EngineClient(sys.executable, device=device) as client:
        pid = client.start().pid
        for number in range(SETTLE):
            client.render(requests[number % len(requests)])
        start_mb, begun = resident_mb(pid), time.perf_counter()
        watch, times = Watch(), list[float]()
        every = max((frames - SETTLE) // SAMPLES, 1)
        for number in range(SETTLE, frames):
            asked = time.perf_counter()
            client.render(requests[number % len(requests)])
            times.append(1e3 * (time.perf_counter() - asked))
            if (number + 1) % every == 0:
                watch.sample([pid], float(np.median(times)))
                times.clear()
            if (number + 1) % 200 == 0:
                memory = resident_mb(pid)
                progress(f"frame {number + 1} of {frames}" + (f", {memory:.1f} MB" if memory else ""))
        seconds, end_mb = time.perf_counter() - begun, resident_mb(pid)
        told, free, caught = _cancel(client, large, requests[0])
        blocks = _blocks_of(pid)
    leaked = None if blocks is None else sum(block.exists() for block in blocks)
    transport = measure_transport(requests)
    return SoakFigures(
        frames=frames,
        rss_start_mb=start_mb,
        rss_end_mb=end_mb,
        growth_mb=None if start_mb is None or end_mb is None else end_mb - start_mb,
        leaked_blocks=leaked,
        fps=(frames - SETTLE) / seconds,
        transport_ms=transport.median_ms,
        transport_p95_ms=transport.p95_ms,
        cancel_told_ms=told,
        cancel_free_ms=free,
        cancelled=caught,
        trends=watch.trends(),
    )


def _cancel(client: EngineClient, large: FrameRequest, small: FrameRequest) -> tuple[float, float, int]:
    """Longest milliseconds until the caller is told and until the engine is free, and frames caught on the way."""
    usual = float(np.median(time_frames(client.render, [small] * 5, warm_up=1).seconds))
    client.render(large)
    told, free = [0.0], [0.0]
    for _ in range(CANCELS):
        end = time.perf_counter() + CANCEL_AFTER
        try:
            client.render(large, lambda end=end: time.perf_counter() >= end)  # type: ignore[misc]
        except RenderCancelled:
            told.append(1e3 * (time.perf_counter() - end))
            client.render(small)
            free.append(max(1e3 * (time.perf_counter() - end - usual), 0.0))
    return max(told), max(free), len(told) - 1


def _blocks_of(pid: int) -> list[Path] | None:
    """Shared memory that an engine has open; None where the system does not tell (not Linux)."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return None
    return [Path(f"/{line.partition('/')[2]}") for line in lines if "/lh_" in line]
