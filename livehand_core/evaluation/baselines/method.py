"""A baseline: something that is trained on a capture's frames and draws others. Needs torch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ...captures.capture import Capture, CaptureFrame
from ...errors import TrainingError
from ...files import ARCHIVE_ERRORS, atomic_path
from ...hand.data import ProxyModel
from ...hand.skinning import pose_vertices

SAVED_EVERY = 20.0
"""Seconds of training between two checkpoints."""

State = dict[str, Any]


class Baseline:
    """What all have in common. A subclass trains in steps, small ones so that a stop is soon heeded.

    Args:
        capture: where frames, poses and pictures are.
        frames: those that it may be trained on.
        data: the capture's hand model.
        seed: of all that is drawn.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, capture: Capture, frames: tuple[CaptureFrame, ...], data: ProxyModel, seed: int) -> None:
        self.capture, self.frames, self.data = capture, frames, data
        self.random = np.random.default_rng(seed)
        self._vertices = lru_cache(maxsize=64)(self._posed)
        torch.manual_seed(seed)

    def step(self, progress: float) -> bool:
        """Learn a little; ``progress`` is the part of the time that is gone, 0 to 1. False when nothing is left."""
        raise NotImplementedError

    def draw(self, frame: CaptureFrame) -> np.ndarray:
        """(H, W, 4) float32 display-referred sRGB of a frame, premultiplied by opacity."""
        raise NotImplementedError

    def state(self) -> State:
        """All that has been learnt, as tensors and plain numbers."""
        raise NotImplementedError

    def load(self, state: State) -> None:
        """Inverse of :meth:`state`."""
        raise NotImplementedError

    def vertices(self, frame: CaptureFrame) -> np.ndarray:
        """(V, 3) float32 the proxy in a frame's pose, world space."""
        return self._vertices(frame.pose)

    def _posed(self, pose: int) -> np.ndarray:
        return pose_vertices(self.data, self.capture.poses.poses[pose]).astype(np.float32)


def train(
    baseline: Baseline,
    path: Path,
    minutes: float,
    stopped: Callable[[], bool],
    progress: Callable[[int, int, str], None],
) -> float | None:
    """Train for so many minutes of the processor's cores, going on from a checkpoint.

    The clock is that of training with ``clock = "processor"``: the time that the cores worked, over their number, so
    that a busy machine takes nothing from it.

    Args:
        path: of the checkpoint; written on the way and at the end.
        stopped: asked after every step.
        progress: told after every step.

    Returns:
        Minutes trained; None when it was stopped before its time.

    Raises:
        TrainingError: a checkpoint that is damaged or of another form.
    """
    cores, budget = os.cpu_count() or 1, 60.0 * minutes
    seconds = _load(baseline, path)
    last, saved = time.process_time() / cores, seconds
    going = True
    while going and seconds < budget:
        if stopped():
            _save(baseline, path, seconds)
            return None
        going = baseline.step(seconds / budget)
        now = time.process_time() / cores
        seconds, last = seconds + now - last, now
        progress(min(round(seconds), round(budget)), max(round(budget), 1), f"training {baseline.title}")
        if seconds - saved > SAVED_EVERY:
            _save(baseline, path, seconds)
            saved = seconds
    _save(baseline, path, seconds)
    return seconds / 60.0


def _save(baseline: Baseline, path: Path, seconds: float) -> None:
    with atomic_path(path) as temporary:
        torch.save({"seconds": seconds, "state": baseline.state()}, temporary)


def _load(baseline: Baseline, path: Path) -> float:
    """Seconds trained before; 0 without a checkpoint."""
    if not path.is_file():
        return 0.0
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        baseline.load(stored["state"])
        return float(stored["seconds"])
    except ARCHIVE_ERRORS as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"The checkpoint {path} cannot be used ({reason}).", "Delete it, and begin again."
        ) from error
