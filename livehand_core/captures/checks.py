"""What is wrong with a capture, found before training or evaluation begins; ``livehand check`` calls it, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cameras import Camera
from ..errors import CaptureError, HandModelError
from ..hand.data import ProxyModel
from ..hand.library import find_model
from ..hand.skinning import pose_vertices
from .capture import Capture, CaptureFrame, Problem, Split, raise_problems, scan_capture
from .contacts import tells_contact
from .diagnosis import PICTURES, View, lens_is_gone, likely_cause
from .images import open_rgba, premultiply, upright_size
from .lens import NO_LENS
from .light_part import Brightness, brightness_of_hand, unusual_brightness
from .silhouettes import SOLID, Box, mask_bounds, overlap

if TYPE_CHECKING:
    from PIL.Image import Image

SMALLEST_MASK = 250
"""Images whose mask has fewer pixels are skipped in training."""

COMPARED_MASK = 100
"""Pixels from which a mask has a shape that can be compared."""

LEAST_OVERLAP = 0.4
"""Of a mask with the silhouette of the posed hand; rough fits of real hands overlap by more than 0.6."""

USUAL_OVERLAP = 0.9
"""From which on masks and poses go together without a doubt."""

UNUSUAL = 0.8
"""An image is looked at closer when it overlaps by less than this part of what is usual in its capture."""

SAMPLE = 12
"""Images on which mistakes are tried."""

LOOKED_CLOSER = 24
"""Most single images for which a cause is looked for."""

THREADS_A_CORE = 2
"""Decoding releases the interpreter's lock; some threads wait for the disk."""


@dataclass(frozen=True)
class Inspection:
    """A capture that was looked at.

    Attributes:
        capture: without what cannot be used.
        mask_pixels: number of pixels of each frame's mask, in the order of ``capture.frames``.
        problems: what is wrong with what was left out, poses and frames first, then images.
        overlap: of masks and posed hands, median of the frames looked at; None where the hand model is not known.
    """

    capture: Capture
    mask_pixels: tuple[int, ...]
    problems: tuple[Problem, ...]
    overlap: float | None = None


def inspect_capture(
    folder: str | PathLike[str],
    skip_bad: bool = False,
    splits: Collection[Split] | None = None,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Inspection:
    """Read a capture and look at its poses, cameras and images.

    Args:
        folder: of the capture.
        skip_bad: leave out what cannot be used in place of raising.
        splits: keep and look at the images of these splits only; None for all.
        progress: called with images looked at and images to look at.

    Raises:
        CaptureError: the folder holds no capture; or one error that lists all that cannot be used; or nothing can.
    """
    found = find_problems(folder, splits, progress)
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
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Inspection:
    """As :func:`inspect_capture`, raising only where the folder holds no capture at all."""
    capture, problems = scan_capture(folder)
    frames = [frame for frame in capture.frames if splits is None or capture.split(frame) in splits]
    looks = _look_at(capture, frames, progress)
    whole, looks = _compared(capture, frames, looks)
    looks = _lit(looks)
    sound = [(frame, look.pixels) for frame, look in zip(frames, looks, strict=True) if not (look.reason or whole)]
    bad = [Problem(frame.image, look.reason) for frame, look in zip(frames, looks, strict=True) if look.reason]
    known = [look.overlap for look in looks if look.overlap is not None]
    found = (*problems, *([Problem("all images", whole)] if whole else []), *bad)
    kept, pixels = tuple(frame for frame, _ in sound), tuple(count for _, count in sound)
    return Inspection(replace(capture, frames=kept), pixels, found, float(np.median(known)) if known else None)


def check_one_light(capture: Capture, frames: Sequence[CaptureFrame]) -> None:
    """Raises CaptureError when frames to train on were taken in several lights or exposures: an avatar that brings its
    own light along would learn a mixture of them."""
    lights, exposures = {frame.light for frame in frames}, {frame.exposure for frame in frames}
    if len(lights) < 2 and len(exposures) < 2:
        return
    several = f"{len(lights)} lights" if len(lights) > 1 else f"{len(exposures)} exposures"
    raise CaptureError(
        f"The pictures of {capture.folder} to train on were taken in {several}; an avatar that brings its light along "
        "is trained in one.",
        "Train with light=scene_light, or on a capture of one light, made without Many Lights.",
    )


class _Look(NamedTuple):
    """What was found of an image.

    Attributes:
        reason: why it cannot be used; empty when it can.
        pixels: of its mask.
        overlap: of mask and posed hand; None where they were not compared.
        brightness: of the hand for the light that is given; None where none is.
    """

    reason: str = ""
    pixels: int = 0
    overlap: float | None = None
    brightness: Brightness | None = None


def _look_at(
    capture: Capture,
    frames: list[CaptureFrame],
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> list[_Look]:
    """What is to be said of each frame by itself."""
    views = _views(capture, frames)
    threads = THREADS_A_CORE * (os.cpu_count() or 1)
    answers = []
    with ThreadPoolExecutor(threads, thread_name_prefix="livehand-check") as pool:
        for answer in pool.map(lambda frame, view: _look(capture, frame, view), frames, views):
            answers.append(answer)
            progress(len(answers), len(frames))
    return answers


def _compared(capture: Capture, frames: Sequence[CaptureFrame], looks: list[_Look]) -> tuple[str, list[_Look]]:
    """What is wrong with the capture as a whole, and the frames' looks after they were compared with one another.

    Images that fit much worse than the others, or not at all, are bad; the likely cause is named where one is found.
    """
    known = [number for number, look in enumerate(looks) if look.overlap is not None]
    # Beside other hands, and behind things, a mask is not that of the hand alone.
    known = [number for number in known if not tells_contact(capture.path(frames[number]))]
    if not known:
        return "", looks
    overlaps = np.array([looks[number].overlap for number in known], dtype=float)
    usual = float(np.median(overlaps))
    whole = _lens_problem(capture, [frames[number] for number in known])
    if not whole and overlaps.mean() < USUAL_OVERLAP:
        whole = _whole_problem(capture, [frames[number] for number in known], overlaps)
    if whole:
        return whole, looks
    answer, closer = list(looks), LOOKED_CLOSER
    for number, value in zip(known, overlaps.tolist(), strict=True):
        if looks[number].reason or value >= max(UNUSUAL * usual, LEAST_OVERLAP):
            continue
        cause = ""
        if closer > 0:
            closer -= 1
            cause, _ = likely_cause([_seen(capture, frames[number])], value, PICTURES)
        if cause or value < max(LEAST_OVERLAP, 0.6 * usual):
            reason = f"mask and posed hand overlap by {value:.2f} only"
            answer[number] = looks[number]._replace(reason=f"{reason}: probably {cause}" if cause else reason)
    return "", answer


def _lit(looks: list[_Look]) -> list[_Look]:
    """The looks after hands were held against their lights."""
    wrong = unusual_brightness([look.brightness for look in looks])
    return [
        look if look.reason or place not in wrong else look._replace(reason=wrong[place])
        for place, look in enumerate(looks)
    ]


def _whole_problem(capture: Capture, frames: Sequence[CaptureFrame], overlaps: np.ndarray) -> str:
    """The likely cause why most frames do not fit; empty where none is found."""
    chosen = _sample(len(frames))
    overlap = float(overlaps[chosen].mean())
    cause, without = likely_cause([_seen(capture, frames[number]) for number in chosen], overlap)
    if not cause:
        return ""
    few = np.count_nonzero(overlaps < USUAL_OVERLAP)
    return (
        f"masks and posed hands overlap by {overlap:.2f} ({few} of {len(frames)} images by less than "
        f"{USUAL_OVERLAP:g}), and by {without:.2f} if {cause}"
    )


def _lens_problem(capture: Capture, frames: Sequence[CaptureFrame]) -> str:
    """Why a lens is not believed: the images fit better as they are. Empty where there is none, or it fits."""
    bent = [frame for frame in frames if not frame.lens.is_straight]
    if not bent:
        return ""
    chosen = [bent[number] for number in _sample(len(bent))]
    found = lens_is_gone(
        [_seen(capture, frame) for frame in chosen],
        [_seen(capture, replace(frame, lens=NO_LENS)) for frame in chosen],
    )
    if found is None:
        return ""
    return (
        f"a distorting lens is given, yet masks and posed hands overlap by {found[0]:.3f} after it is undone and by "
        f"{found[1]:.3f} before: the images seem to be undistorted already; leave out camera_model and k1, k2 ..."
    )


def _sample(count: int) -> list[int]:
    """Numbers of some of ``count`` things, evenly chosen."""
    some = min(count, SAMPLE)
    return [number * count // some for number in range(some)]


def _seen(capture: Capture, frame: CaptureFrame) -> View:
    """A frame with its mask, ready for trying what may be wrong."""
    pose, poses = capture.hand(frame), capture.poses.poses
    others = tuple(poses[number] for number in (frame.pose - 1, frame.pose + 1) if 0 <= number < len(poses))
    return View(_mask(capture, frame), frame.camera, pose, find_model(capture.hand_model, pose.side), others)


def _mask(capture: Capture, frame: CaptureFrame) -> Image:
    """8 bit grey, as a camera without distortion would have seen it. Raises CaptureError."""
    return _mask_of(open_rgba(capture.path(frame), capture.mask_path(frame)), frame)


def _mask_of(rgba: Image, frame: CaptureFrame) -> Image:
    if frame.lens.is_straight:
        return rgba.getchannel("A")
    from PIL import Image as library

    alpha = frame.lens.undistorted(premultiply(np.asarray(rgba))[..., 3:], frame.camera)
    return library.fromarray(np.rint(255.0 * alpha[..., 0]).astype(np.uint8))


class _View(NamedTuple):
    """What a frame's camera sees of the posed hand model.

    Attributes:
        problem: why it does not see it; empty when it does.
        vertices: (V, 3) of the posed hand; None where the hand model is not known.
        data: the hand model.
    """

    problem: str = ""
    vertices: np.ndarray | None = None
    data: ProxyModel | None = None


def _look(capture: Capture, frame: CaptureFrame, view: _View) -> _Look:
    """What is wrong with a frame, cheapest first: the file's header, its pixels, then camera and pose against them."""
    path = capture.path(frame)
    if not path.is_file():
        return _Look("the image is missing")
    wanted = (frame.camera.width, frame.camera.height)
    try:
        size = upright_size(path)
        if size != wanted:
            return _Look(f"the image is {size[0]} x {size[1]} pixels, its camera says {wanted[0]} x {wanted[1]}")
        rgba = open_rgba(path, capture.mask_path(frame))
        mask = _mask_of(rgba, frame)
    except CaptureError as error:
        return _Look(error.message.rstrip("."))
    pixels = sum(mask.histogram()[SOLID:])
    reason = _mask_problem(mask, pixels, view)
    if view.vertices is None or view.data is None:
        return _Look(reason or view.problem, pixels)
    if reason:
        return _Look(reason, pixels)
    value = 0.0 if view.problem else overlap(mask, view.vertices, view.data.faces, frame.camera)
    if value == 0.0:
        reason = view.problem or "the mask lies elsewhere than pose and camera put the hand"
    compared = value if pixels >= COMPARED_MASK or value == 0.0 else None
    return _Look(reason, pixels, compared, _brightness(capture, frame, rgba, view.vertices.mean(axis=0)))


def _brightness(capture: Capture, frame: CaptureFrame, rgba: Image, middle: np.ndarray) -> Brightness | None:
    """How bright the hand is for its light; None where the light is not given."""
    light = capture.light(frame)
    if light is None:
        return None
    # Every eighth pixel of each row and column tells it, at a sixtieth of the time.
    pixels = np.asarray(rgba.resize((max(rgba.width // 8, 1), max(rgba.height // 8, 1)), 0), dtype=np.float32) / 255.0
    hand = pixels[pixels[..., 3] > 0.99][:, :3]
    eye = frame.camera.camera_to_world[:3, 3]
    return brightness_of_hand(hand, light.light, middle, eye, frame.exposure)


def _mask_problem(mask: Image, pixels: int, view: _View) -> str:
    """What is wrong with a mask by itself."""
    if mask_bounds(mask) is None:
        brightest = mask.getextrema()[1]
        low = f"; its highest value is {brightest} of 255, as in masks of 0 and 1" if brightest else ""
        return view.problem or f"the mask is empty{low}"
    if pixels == mask.width * mask.height:
        return "the mask is full: no pixel is transparent"
    return ""


def _views(capture: Capture, frames: list[CaptureFrame]) -> list[_View]:
    try:
        data = find_model(capture.hand_model, capture.poses.poses[0].side)
    except HandModelError:
        # Whoever needs the model says what is missing; all else can be checked without it.
        return [_View()] * len(frames)
    posed: dict[int, np.ndarray] = {}
    for frame in frames:
        if frame.pose not in posed:
            posed[frame.pose] = pose_vertices(data, capture.hand(frame))
    return [_View(_unseen(frame.camera, posed[frame.pose]), posed[frame.pose], data) for frame in frames]


def _unseen(camera: Camera, vertices: np.ndarray) -> str:
    """Why a camera does not see the posed hand; empty when it does."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pixels, depth = camera.project(vertices)
    if depth.max() <= 0.0:
        return "the hand lies behind the camera"
    if depth.min() <= 0.0:
        return "the camera stands within the hand: part of it lies behind the camera"
    box: Box = (*pixels.min(axis=0), *pixels.max(axis=0))
    if box[0] >= camera.width or box[2] <= 0.0 or box[1] >= camera.height or box[3] <= 0.0:
        return "the hand is not in view"
    return ""
