"""Previews of a run: truth, render and difference side by side, and what they measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..avatars import Avatar
from ..captures.capture import Capture, CaptureFrame
from ..captures.images import write_image
from ..evaluation.evaluate import SPLITS, render_frame
from ..evaluation.metrics import measure
from ..hand.data import HandData
from ..rendering import Renderer

DIFFERENCE_GAIN = 4.0


def preview_frames(capture: Capture, each: int = 2) -> list[CaptureFrame]:
    """A few frames of every split, the same ones at every preview."""
    chosen = []
    for split in SPLITS:
        frames = capture.frames_of(split)
        count = min(each, len(frames))
        chosen += [frames[(2 * index + 1) * len(frames) // (2 * count)] for index in range(count)]
    return chosen


def write_preview(
    path: Path, avatar: Avatar, capture: Capture, frames: list[CaptureFrame], data: HandData, device: str
) -> dict[str, float]:
    """Write one PNG with a row a frame and return the mean metrics, ``"SPLIT/PROTOCOL/METRIC"`` -> value.

    The three columns are the truth, the avatar, and their absolute difference times four, over black.
    """
    renderer = Renderer(device, {(data.name, data.side): data}, {"preview": avatar})
    rows: list[np.ndarray] = []
    found: dict[str, list[float]] = {}
    for frame in frames:
        truth = capture.image(frame)
        image = render_frame(renderer, "preview", capture, frame)["rgba"]
        difference = DIFFERENCE_GAIN * np.abs(image[..., :3] - truth[..., :3])
        rows.append(np.concatenate([truth[..., :3], image[..., :3], difference], axis=1))
        for key, value in measure(image, truth).items():
            found.setdefault(f"{capture.split(frame)}/{key}", []).append(value)
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_image(path, np.concatenate(padded, axis=0))
    return {key: float(np.mean(values)) for key, values in found.items()}
