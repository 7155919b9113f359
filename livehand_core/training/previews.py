"""Previews of a run: truth, render and difference side by side, and what they measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..avatars import Avatar
from ..captures.capture import Capture, CaptureFrame
from ..captures.images import mask_box, write_image
from ..evaluation.evaluate import SPLITS, identity_of, render_frame
from ..evaluation.metrics import measure
from ..evaluation.pictures import DIFFERENCE_GAIN
from ..hand.data import ProxyModel
from ..rendering import Renderer
from .control import PREVIEW_FILE

CELL = 256
"""Side in pixels of one of the four pictures of the summary."""


def preview_frames(capture: Capture, names: Sequence[str], each: int = 2) -> list[CaptureFrame]:
    """A few frames of every split, the same ones at every preview.

    Args:
        names: of the identities that are trained; of several, each is seen once a split.
        each: frames a split of a single identity.
    """
    chosen = []
    for split in SPLITS:
        for name in names:
            frames = [frame for frame in capture.frames_of(split) if frame.identity == name]
            count = min(each if len(names) == 1 else 1, len(frames))
            chosen += [frames[(2 * index + 1) * len(frames) // (2 * count)] for index in range(count)]
    return chosen


def write_preview(
    path: Path, avatar: Avatar, capture: Capture, frames: list[CaptureFrame], data: ProxyModel, device: str
) -> dict[str, float]:
    """Write one PNG with a row a frame and return the mean metrics, ``"SPLIT/PROTOCOL/METRIC"`` -> value.

    The three columns are the truth, the avatar, and their absolute difference times four, over black. ``preview.png``
    in the run's folder, the parent of ``path``'s, becomes a square summary: truth and avatar, of a training image above
    and of the most difficult held-out one below.
    """
    renderer = Renderer(device, {(data.name, data.side): data}, {"preview": avatar})
    rows: list[np.ndarray] = []
    found: dict[str, list[float]] = {}
    pairs: dict[str, np.ndarray] = {}
    for frame in frames:
        truth = capture.image(frame)
        identity = identity_of(frame, avatar.metadata)
        image = render_frame(renderer, "preview", capture, frame, identity)["rgba"]
        difference = DIFFERENCE_GAIN * np.abs(image[..., :3] - truth[..., :3])
        rows.append(np.concatenate([truth[..., :3], image[..., :3], difference], axis=1))
        split = capture.split(frame)
        if split not in pairs:
            pairs[split] = np.concatenate([_around_hand(picture, truth[..., 3]) for picture in (truth, image)], axis=1)
        for key, value in measure(image, truth).items():
            found.setdefault(f"{split}/{key}", []).append(value)
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_image(path, np.concatenate(padded, axis=0))
    shown = [pairs[split] for split in ("train", "pose", "camera", "both") if split in pairs]
    write_image(path.parent.parent / PREVIEW_FILE, np.concatenate([shown[0], shown[-1]], axis=0))
    return {key: float(np.mean(values)) for key, values in found.items()}


def _around_hand(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(CELL, CELL, 3) of the square around the hand's mask, over black."""
    from PIL import Image

    x0, y0, x1, y1 = mask_box(mask >= 0.5)
    half = 0.55 * max(x1 - x0, y1 - y0, 8)
    middle = (0.5 * (x0 + x1), 0.5 * (y0 + y1))
    box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    pixels = np.rint(np.clip(image[..., :3], 0.0, 1.0) * 255.0).astype(np.uint8)
    # What lies outside the image is black.
    square = Image.fromarray(pixels).crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]
    return np.asarray(square.resize((CELL, CELL), Image.Resampling.LANCZOS), dtype=np.float32) / 255.0
