"""Takes of the live window: the motion, and the window's pictures as a video or as PNG files for other programs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import LiveHandError
from ..motion import WriteOptions, write_motion
from ..poses import HandPose, Side
from ..tracking.takes import resampled, world_sequence
from .stage import Shown

MOTION_FPS, VIDEO_FPS = 30.0, 25.0
_WAITING = 60
"""Pictures that may wait to be written; a disk that is slower than that loses some."""


class Recording:
    """One take.

    Args:
        folder: that files go to.
        model: hand model of the poses.
        video: whether the pictures are recorded as well.
    """

    def __init__(self, folder: Path, model: str, video: bool) -> None:
        self._model = model
        self._began = time.monotonic()
        self._samples: dict[Side, list[tuple[float, HandPose]]] = {"right": [], "left": []}
        number = 1
        while any(folder.glob(f"take_{number:03d}*")):
            number += 1
        self.base = folder / f"take_{number:03d}"
        self._pictures: queue.Queue[np.ndarray | None] = queue.Queue()
        self._error: LiveHandError | None = None
        self._writer = threading.Thread(target=self._write, daemon=True) if video else None
        self._slot = 0
        if self._writer is not None:
            self._writer.start()

    def add(self, shown: Shown) -> None:
        """A frame of the window."""
        moment = shown.followed.came - self._began
        for hand in shown.followed.tracked.hands:
            self._samples[hand.pose.side].append((moment, hand.pose))
        if self._writer is None:
            return
        # A constant rate: a late frame fills the slots that it comes late for.
        slot = int((time.monotonic() - self._began) * VIDEO_FPS)
        for _ in range(self._slot, slot + 1):
            if self._pictures.qsize() < _WAITING:
                self._pictures.put(shown.picture)
        self._slot = slot + 1

    def finish(self) -> list[Path]:
        """Write the motion and end the video; the files.

        Raises:
            PoseError: no hand was seen.
            LiveHandError: a file cannot be written.
        """
        paths = []
        if self._writer is not None:
            self._pictures.put(None)
            self._writer.join()
            if self._error is not None:
                raise self._error
            if self._slot:
                paths.append(self.base.with_suffix(".mp4"))
        hands = {side: samples for side, samples in self._samples.items() if samples}
        if not hands:
            resampled([], MOTION_FPS)
        for side, samples in hands.items():
            path = self.base.with_name(f"{self.base.name}.{side}.npz")
            sequence = world_sequence(resampled(samples, MOTION_FPS), self._model)
            write_motion(path, [sequence], WriteOptions(up="z", model=self._model))
            paths.append(path)
        return paths

    def _write(self) -> None:
        from ..views.film import write_video

        def frames() -> Iterator[np.ndarray]:
            size: tuple[int, ...] | None = None
            while (picture := self._pictures.get()) is not None:
                size = size or picture.shape
                # The view may change from beside to over in the middle of a take.
                yield picture if picture.shape == size else _fitted(picture, size)

        first = frames()
        try:
            head = next(first, None)
            if head is not None:
                write_video(self.base.with_suffix(".mp4"), _chain(head, first), VIDEO_FPS)
        except LiveHandError as error:
            self._error = error


def _chain(head: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield head
    yield from rest


def _fitted(picture: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A picture in the middle of a canvas of another size, cut where it is larger."""
    canvas = np.zeros(size, np.uint8)
    height, width = min(size[0], picture.shape[0]), min(size[1], picture.shape[1])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = picture[:height, :width]
    return canvas
