"""What the engine process adds: its start, its memory, and the way of a frame through pipe and shared memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..engine.client import EngineClient
from ..frames import FrameRequest
from .machine import peak_resident_mb, resident_mb
from .null_backend import ARGUMENTS
from .timing import Timings, time_frames


@dataclass(frozen=True)
class EngineFigures:
    """Of one engine process.

    Attributes:
        first_frame_s: from nothing to the first image: start of the process, imports, avatar, frame.
        second_start_s: the same of a second process, with the system's file caches and compiled kernels in place.
        timings: of frames asked for through the client; the stage ``transport`` is what the renderer does not
            account for.
        rss_mb, rss_peak_mb: memory of the process after the animation, and the most it held; None where unknown.
    """

    first_frame_s: float
    second_start_s: float
    timings: Timings
    rss_mb: float | None
    rss_peak_mb: float | None


@contextmanager
def started_engine(request: FrameRequest, device: str = "auto") -> Iterator[tuple[EngineClient, tuple[float, float]]]:
    """The second of two engines started on this interpreter, and the seconds that each took to its first frame.

    Raises:
        LiveHandError: the engine cannot start or render.
    """
    with EngineClient(sys.executable, device=device) as client:
        first = _first_frame(client, request)
    with EngineClient(sys.executable, device=device) as client:
        yield client, (first, _first_frame(client, request))


def engine_figures(client: EngineClient, starts: tuple[float, float], timings: Timings) -> EngineFigures:
    """What is told of an engine that has drawn the animation, with its memory as it is now."""
    pid = client.start().pid
    return EngineFigures(*starts, timings.with_rest("transport"), resident_mb(pid), peak_resident_mb(pid))


def measure_transport(requests: Sequence[FrameRequest]) -> Timings:
    """Times of the same frames through an engine that draws nothing."""
    with EngineClient(sys.executable, arguments=ARGUMENTS) as client:
        return time_frames(client.render, requests)


def _first_frame(client: EngineClient, request: FrameRequest) -> float:
    start = time.perf_counter()
    client.render(request)
    return time.perf_counter() - start
