"""``livehand track`` as a process, without bpy: what it is told, its progress, its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livehand_core.cameras import Camera
from livehand_core.poses import PoseSequence, Side
from livehand_core.tracking.values import TrackingOptions

from ..environment.lines import run_core

if TYPE_CHECKING:
    from ..background import Task

_PARTS = {"looking": (0.02, 0.75, "Looking for the hand"), "fitting": (0.75, 1.0, "Fitting the hand")}


@dataclass(frozen=True)
class Wish:
    """What is tracked.

    Attributes:
        path: of the video.
        side, model: of the rig, which the filmed hand is taken to be of.
        options: of the tracker; its hands do not count.
        shape: whether the hand's proportions are found.
        python: finds the interpreter.
    """

    path: Path
    side: Side
    model: str
    options: TrackingOptions
    shape: bool
    python: Callable[[], Path]


@dataclass(frozen=True)
class Film:
    """What was found.

    Attributes:
        path: of the video.
        sequence: poses in a z-up world with the camera at its origin, looking along y; one a frame of the video.
        camera: of the video, at the origin of its own axes.
        seen: number of frames in which the hand was seen.
        mirror: whether the video is shown flipped.
        shape: whether the betas are the hand's own.
    """

    path: Path
    sequence: PoseSequence
    camera: Camera
    seen: int
    mirror: bool
    shape: bool


def track(wish: Wish, out: Path, task: Task[Film]) -> Film:
    """Run the process.

    Raises:
        EngineError: there is no Python with what tracking needs.
        LiveHandError: the process failed; the message is its own.
        TaskCancelled: the task was cancelled.
    """
    from livehand_core.motion import read_motion
    from livehand_core.tracking.takes import read_notes

    task.tell(0.0, "Starting Python")
    python = wish.python()
    options = wish.options
    words = ["track", str(wish.path), "-o", str(out), "--machine", "--hands", wish.side, "--model", wish.model]
    words += ["--smoothing", f"{options.smoothing:g}", "--fov", f"{options.fov:g}", "--detail", options.detail]
    words += [*(["--mirror"] if options.mirror else []), *([] if wish.shape else ["--keep-shape"])]
    run_core(python, words, task, lambda told: _tell(told, task))
    sequence, notes = read_motion(out).sequence, read_notes(out)
    return Film(wish.path, sequence, notes.camera, int(np.count_nonzero(notes.confidence)), options.mirror, wish.shape)


def _tell(told: dict[str, Any], task: Task[Film]) -> None:
    first, last, text = _PARTS[told["text"]]
    task.tell(first + (last - first) * told["done"] / max(told["of"], 1), text)
