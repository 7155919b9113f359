"""The plain formulation on some frames of the animation: its time, how far apart the pictures are, the work counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from ..avatars.file import load_avatar
from ..errors import LiveHandError
from ..frames import FrameRequest
from ..hand.library import find_hand
from ..passes import RenderPasses
from .flops import FrameWork, frame_work
from .plain import PlainRenderer


@dataclass(frozen=True)
class Comparison:
    """n frames drawn by both.

    Attributes:
        plain_seconds, seconds: (n,) of the plain formulation and of the renderer.
        plain_stages: stage -> (n,) seconds of the plain formulation.
        work: of each frame, its hands added up.
        psnr: dB of the renderer's colour against the plain one's, over the pixels that either draws.
        largest_error: of any channel of any pixel.
    """

    plain_seconds: np.ndarray
    seconds: np.ndarray
    plain_stages: dict[str, np.ndarray]
    work: tuple[FrameWork, ...]
    psnr: float
    largest_error: float

    @property
    def ratio(self) -> float:
        """How many times the renderer is faster: the median over the frames."""
        return float(np.median(self.plain_seconds / self.seconds))

    @property
    def gflop(self) -> float:
        """10^9 operations of a frame, median."""
        return float(np.median([work.flop for work in self.work]) / 1e9)


def compare(
    render: Callable[[FrameRequest], RenderPasses], requests: Sequence[FrameRequest], device: str = "cpu"
) -> Comparison:
    """Draw each frame by ``render`` and by the plain formulation, one after the other.

    Args:
        render: the renderer that is measured, warm.
        requests: of hands of one avatar; the first is also drawn by the plain formulation beforehand, unmeasured. Both
            draw them at the image's own size, whatever the avatar was trained at.
        device: torch's name of the device that the plain formulation computes on.
    """
    requests = [replace(request, internal_scale=1.0) for request in requests]
    avatar = load_avatar(requests[0].hands[0].avatar)
    data = avatar.arrays().refined(find_hand(avatar.metadata.hand_model, avatar.metadata.side))
    plain = PlainRenderer(avatar, data, device)
    architecture = avatar.metadata.architecture
    for hand in requests[0].hands:
        plain.render(hand, requests[0].camera)
    slow, fast, work, error, largest = [], [], [], [], 0.0
    stages: dict[str, list[float]] = {}
    for request in requests:
        start = time.perf_counter()
        frames = [plain.render(hand, request.camera) for hand in request.hands]
        between = time.perf_counter()
        passes = render(request)
        slow.append(between - start)
        fast.append(time.perf_counter() - between)
        for name in frames[0].stage_seconds:
            stages.setdefault(name, []).append(sum(frame.stage_seconds[name] for frame in frames))
        counted = [frame_work(architecture, frame.valid, frame.transmittance) for frame in frames]
        work.append(_added(counted))
        if len(frames) == 1:
            difference = passes["rgba"] - frames[0].rgba
            drawn = (passes["rgba"][..., 3] > 0.0) | (frames[0].rgba[..., 3] > 0.0)
            error.append(float(np.square(difference[drawn, :3], dtype=np.float64).mean()) if drawn.any() else 0.0)
            largest = max(largest, float(np.abs(difference).max()))
    mean = float(np.mean(error)) if error else float("nan")
    psnr = float(-10.0 * np.log10(max(mean, 1e-12)))
    return Comparison(
        plain_seconds=np.array(slow),
        seconds=np.array(fast),
        plain_stages={name: np.array(values) for name, values in stages.items()},
        work=tuple(work),
        psnr=psnr,
        largest_error=largest if error else float("nan"),
    )


def _added(works: Sequence[FrameWork]) -> FrameWork:
    if not works:
        raise LiveHandError("A frame without hands cannot be compared.", "Give at least one hand.")
    return FrameWork(*(sum(column) for column in zip(*(astuple(work) for work in works), strict=True)))
