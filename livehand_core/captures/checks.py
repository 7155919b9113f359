"""What is wrong with a capture's images, found before training begins; called by training and evaluation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import CaptureError
from .capture import Capture, CaptureFrame, raise_problems
from .images import read_rgba8

SMALLEST_MASK = 250
"""Images whose mask has fewer pixels are skipped in training."""


def frame_problem(capture: Capture, frame: CaptureFrame) -> tuple[str, int]:
    """(one line that says why the frame's image cannot be used, empty when it can; number of pixels of its mask)."""
    path = capture.path(frame)
    if not path.is_file():
        return f"{frame.image}: the image is missing", 0
    try:
        image = read_rgba8(path)
    except CaptureError as error:
        return f"{frame.image}: {error.message}", 0
    expected = (frame.camera.height, frame.camera.width)
    if image.shape[:2] != expected:
        return (
            f"{frame.image}: the image is {image.shape[1]} x {image.shape[0]} pixels, "
            f"its camera says {expected[1]} x {expected[0]}"
        ), 0
    pixels = int(np.count_nonzero(image[..., 3] >= 128))
    return ("" if pixels else f"{frame.image}: the mask is empty"), pixels


def check_capture(capture: Capture, frames: Iterable[CaptureFrame] | None = None) -> list[int]:
    """Open the images of ``frames`` (all when None) and count the pixels of their masks.

    Raises:
        CaptureError: one error that lists every missing image, wrong size and empty mask.
    """
    found = [frame_problem(capture, frame) for frame in (capture.frames if frames is None else frames)]
    raise_problems(capture.folder, [problem for problem, _ in found if problem])
    return [pixels for _, pixels in found]
