"""Rendering the frames of a capture with an avatar and measuring them; called by the command and by training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ..captures.capture import Capture, CaptureFrame, Split
from ..frames import FrameRequest, HandInstance
from ..passes import RenderPasses
from ..rendering import Renderer
from .metrics import PROTOCOLS, measure

SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class SplitReport:
    """Metrics over the frames of one split.

    Attributes:
        frames: how many were measured.
        mean, lowest: ``"PROTOCOL/METRIC"`` -> value.
        seconds: rendering time a frame.
    """

    frames: int
    mean: dict[str, float]
    lowest: dict[str, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dict(vars(self))


def render_frame(renderer: Renderer, avatar: str, capture: Capture, frame: CaptureFrame) -> RenderPasses:
    """The avatar in the frame's pose, seen by the frame's camera."""
    return renderer.render(FrameRequest(frame.camera, (HandInstance(capture.hand(frame), avatar),)))


def evaluate_frames(
    renderer: Renderer,
    avatar: str,
    capture: Capture,
    frames: Iterable[CaptureFrame],
    progress: Callable[[], None] = lambda: None,
) -> SplitReport:
    """Measure the frames (one or more); ``progress`` is called after each.

    Raises:
        LiveHandError: an image cannot be read, or an avatar or hand model does not fit.
    """
    rows, seconds = [], 0.0
    for frame in frames:
        start = time.perf_counter()
        passes = render_frame(renderer, avatar, capture, frame)
        seconds += time.perf_counter() - start
        rows.append(measure(passes["rgba"], capture.image(frame)))
        progress()
    return SplitReport(
        frames=len(rows),
        mean={key: float(np.mean([row[key] for row in rows])) for key in rows[0]},
        lowest={key: float(np.min([row[key] for row in rows])) for key in rows[0]},
        seconds=seconds / len(rows),
    )


def table(reports: dict[str, SplitReport]) -> str:
    """The means as lines of text."""
    keys = [f"{protocol}/{metric}" for protocol in PROTOCOLS for metric in ("psnr", "ssim")]
    lines = [f"{'split':8s} {'frames':>6s} " + " ".join(f"{key:>16s}" for key in keys) + f" {'s a frame':>10s}"]
    for name, report in reports.items():
        values = " ".join(f"{report.mean[key]:16.4f}" for key in keys)
        lines.append(f"{name:8s} {report.frames:6d} {values} {report.seconds:10.3f}")
    return "\n".join(lines)
