"""What is wrong with a capture, found before training or evaluation begins; ``livehand check`` calls it, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike
from typing import NamedTuple

import numpy as np

from ..cameras import Camera
from ..errors import CaptureError, HandModelError
from ..hand.library import find_hand
from ..hand.skinning import pose_vertices
from .capture import Capture, CaptureFrame, Problem, Split, raise_problems, scan_capture
from .images import open_rgba

SMALLEST_MASK = 250
"""Images whose mask has fewer pixels are skipped in training."""

SOLID = 128
"""Alpha of 8 bits from which a pixel belongs to the mask."""

THREADS_A_CORE = 2
"""Decoding releases the interpreter's lock; some threads wait for the disk."""

_Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


@dataclass(frozen=True)
class Inspection:
    """A capture that was looked at.

    Attributes:
        capture: without what cannot be used.
        mask_pixels: number of pixels of each frame's mask, in the order of ``capture.frames``.
        problems: what is wrong with what was left out, poses and frames first, then images.
    """

    capture: Capture
    mask_pixels: tuple[int, ...]
    problems: tuple[Problem, ...]


def inspect_capture(
    folder: str | PathLike[str],
    skip_bad: bool = False,
    splits: Collection[Split] | None = None,
    told: Callable[[int, int], None] = lambda done, count: None,
) -> Inspection:
    """Read a capture and look at its poses, cameras and images.

    Args:
        folder: of the capture.
        skip_bad: leave out what cannot be used in place of raising.
        splits: keep and look at the images of these splits only; None for all.
        told: called with images looked at and images to look at.

    Raises:
        CaptureError: the folder holds no capture; or one error that lists all that cannot be used; or nothing can.
    """
    found = find_problems(folder, splits, told)
    if not skip_bad:
        raise_problems(found.capture.folder, found.problems)
    if found.problems and not found.capture.frames:
        raise CaptureError(
            f"None of the images of {folder} can be used, the first because of {found.problems[0]}.",
            "'livehand check' lists what is wrong with each.",
        )
    return found


def find_problems(
    folder: str | PathLike[str],
    splits: Collection[Split] | None = None,
    told: Callable[[int, int], None] = lambda done, count: None,
) -> Inspection:
    """As :func:`inspect_capture`, raising only where the folder holds no capture at all."""
    capture, problems = scan_capture(folder)
    frames = [frame for frame in capture.frames if splits is None or capture.split(frame) in splits]
    sound, pixels, bad = [], [], list(problems)
    for frame, (reason, count) in zip(frames, _look_at(capture, frames, told), strict=True):
        if reason:
            bad.append(Problem(frame.image, reason))
        else:
            sound.append(frame)
            pixels.append(count)
    return Inspection(replace(capture, frames=tuple(sound)), tuple(pixels), tuple(bad))


def check_capture(capture: Capture, frames: Iterable[CaptureFrame] | None = None) -> list[int]:
    """Look at the images of ``frames`` (all when None) and count the pixels of their masks.

    Raises:
        CaptureError: one error that lists every image that cannot be used.
    """
    chosen = list(capture.frames if frames is None else frames)
    found = _look_at(capture, chosen)
    problems = [Problem(frame.image, reason) for frame, (reason, _) in zip(chosen, found, strict=True) if reason]
    raise_problems(capture.folder, problems)
    return [pixels for _, pixels in found]


def _look_at(
    capture: Capture,
    frames: list[CaptureFrame],
    told: Callable[[int, int], None] = lambda done, count: None,
) -> list[tuple[str, int]]:
    """Of each frame: why it cannot be used, empty when it can, and the number of pixels of its mask."""
    views = _views(capture, frames)
    threads = THREADS_A_CORE * (os.cpu_count() or 1)
    answers = []
    with ThreadPoolExecutor(threads, thread_name_prefix="livehand-check") as pool:
        for answer in pool.map(lambda frame, view: _frame_problem(capture, frame, view), frames, views):
            answers.append(answer)
            told(len(answers), len(frames))
    return answers


class _View(NamedTuple):
    """What a frame's camera sees of the posed hand model.

    Attributes:
        problem: why it does not see it; empty when it does.
        box: around it in pixels; None where the hand model is not known.
    """

    problem: str = ""
    box: _Box | None = None


def _frame_problem(capture: Capture, frame: CaptureFrame, view: _View) -> tuple[str, int]:
    """What is wrong with a frame, cheapest first: camera and pose, the file's header, then its pixels."""
    if view.problem:
        return view.problem, 0
    path = capture.path(frame)
    if not path.is_file():
        return "the image is missing", 0
    wanted = (frame.camera.width, frame.camera.height)
    try:
        with open_rgba(path) as image:
            if image.size != wanted:
                size = f"{image.width} x {image.height} pixels, its camera says {wanted[0]} x {wanted[1]}"
                return f"the image is {size}", 0
            alpha = image.getchannel("A")
    except CaptureError as error:
        return error.message.rstrip("."), 0
    pixels = sum(alpha.histogram()[SOLID:])
    mask = alpha.point([0] * SOLID + [255] * (256 - SOLID)).getbbox()
    if mask is None:
        return "the mask is empty", 0
    if view.box is not None and _apart(mask, view.box):
        return "the mask lies elsewhere than pose and camera put the hand", pixels
    return "", pixels


def _views(capture: Capture, frames: list[CaptureFrame]) -> list[_View]:
    try:
        data = find_hand(capture.hand_model, capture.poses.poses[0].side)
    except HandModelError:
        # Whoever needs the model says what is missing; all else can be checked without it.
        return [_View()] * len(frames)
    posed: dict[int, np.ndarray] = {}
    for frame in frames:
        if frame.pose not in posed:
            posed[frame.pose] = pose_vertices(data, capture.hand(frame))
    return [_view(frame.camera, posed[frame.pose]) for frame in frames]


def _view(camera: Camera, vertices: np.ndarray) -> _View:
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels, depth = camera.project(vertices)
    if depth.max() <= 0.0:
        return _View("the hand lies behind the camera")
    if depth.min() <= 0.0:
        return _View("the camera stands within the hand: part of it lies behind the camera")
    (x0, y0), (x1, y1) = pixels.min(axis=0), pixels.max(axis=0)
    box = (float(x0), float(y0), float(x1), float(y1))
    if _apart(box, (0.0, 0.0, camera.width, camera.height)):
        return _View("the hand is not in view")
    return _View(box=box)


def _apart(a: _Box, b: _Box) -> bool:
    """Whether two boxes have nothing in common."""
    return a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
