"""Seconds of frames and of their stages, and what is said of them: median and 95th percentile. NumPy only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..frames import FrameRequest
from ..passes import RenderPasses

WARM_UP = 3
"""Frames drawn before any is measured: they load the avatar, compile, and fill the caches."""

TURN = 12
"""Frames that each of several draws before it is the next one's turn."""

OPAQUE = 0.5
"""Opacity from which a pixel counts as covered by the hand."""


@dataclass(frozen=True)
class Timings:
    """n measured frames.

    Attributes:
        seconds: (n,) from the call to the images in hand.
        stages: name -> (n,) seconds as the renderer tells them.
        coverage: (n,) part of the image that hands cover, 0 to 1; NaN for frames without an ``rgba`` pass.
    """

    seconds: np.ndarray
    stages: dict[str, np.ndarray]
    coverage: np.ndarray

    @property
    def fps_median(self) -> float:
        """Frames a second at the median time of a frame."""
        return float(1.0 / np.median(self.seconds))

    @property
    def median_ms(self) -> float:
        return float(1e3 * np.median(self.seconds))

    @property
    def p95_ms(self) -> float:
        return float(1e3 * np.percentile(self.seconds, 95))

    def stages_ms(self, percentile: float = 50.0) -> dict[str, float]:
        """Stage -> that percentile of its milliseconds over the frames."""
        return {name: float(1e3 * np.percentile(values, percentile)) for name, values in self.stages.items()}

    def with_rest(self, name: str) -> Timings:
        """With one more stage that holds what no other stage accounts for."""
        rest = self.seconds - sum(self.stages.values(), np.zeros_like(self.seconds))
        return Timings(self.seconds, {**self.stages, name: np.maximum(rest, 0.0)}, self.coverage)


def time_frames(
    render: Callable[[FrameRequest], RenderPasses], requests: Sequence[FrameRequest], warm_up: int = WARM_UP
) -> Timings:
    """Render the frames one after the other and take their times.

    Args:
        render: a renderer's or an engine client's method.
        requests: at least one.
        warm_up: frames rendered first and not measured, spread over the animation.
    """
    return time_in_turns([render], requests, warm_up)[0]


def time_in_turns(
    renders: Sequence[Callable[[FrameRequest], RenderPasses]], requests: Sequence[FrameRequest], warm_up: int = WARM_UP
) -> list[Timings]:
    """Times of the same frames drawn by several, TURN frames each in turn.

    A processor's clock moves by a third within a minute: taken one after the other, two equals would differ by that.

    Args:
        renders: as for :func:`time_frames`.
        requests, warm_up: as there, for each of them.

    Returns:
        One for each of ``renders``.
    """
    for render in renders:
        for number in np.linspace(0, len(requests) - 1, warm_up).astype(int):
            render(requests[number])
    taken: list[list[_Frame]] = [[] for _ in renders]
    for first in range(0, len(requests), TURN):
        for render, frames in zip(renders, taken, strict=True):
            frames += [_frame(render, request) for request in requests[first : first + TURN]]
    return [_timings(frames) for frames in taken]


class _Frame(NamedTuple):
    """Seconds, seconds by stage, coverage of one frame."""

    seconds: float
    stages: Mapping[str, float]
    coverage: float


def _frame(render: Callable[[FrameRequest], RenderPasses], request: FrameRequest) -> _Frame:
    start = time.perf_counter()
    passes = render(request)
    seconds = time.perf_counter() - start
    rgba = passes.images.get("rgba")
    coverage = float("nan") if rgba is None else float((rgba[..., 3] > OPAQUE).mean())
    return _Frame(seconds, passes.stage_seconds, coverage)


def _timings(frames: Sequence[_Frame]) -> Timings:
    seconds, stages, coverage = zip(*frames, strict=True)
    names = list(dict.fromkeys(name for frame in stages for name in frame))
    table = {name: np.array([frame.get(name, 0.0) for frame in stages]) for name in names}
    return Timings(np.array(seconds), table, np.array(coverage))
