"""Which way the matrices of a calibration are meant: that in which the cameras agree on what they see.

A matrix leads from the world to the camera or back, in OpenCV's axes or OpenGL's. Of the wrong readings none has the
landmarks of all views meet in front of the cameras, so that a name is believed only where the pictures bear it out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...cameras import OPENGL_TO_OPENCV, Camera
from ...errors import CaptureError
from .calibration_file import FoundCamera
from .fitting import find_moments, why_not
from .geometry import ShotCamera
from .synchronise import find_offset
from .video import Video

READINGS = ("world to camera", "camera to world", "camera to world, OpenGL", "world to camera, OpenGL")

BETTER = 0.5
"""Another reading is taken for the named one where it is off by so much less."""

LEAST_SHARE = 0.6
"""Of the moments at which two cameras see the hand, on which they must agree."""

OFF = 0.02
"""Share of the hand's size by which landmarks may miss their epipolar lines; more and the cameras are others."""


def placed(found: FoundCamera, size: tuple[int, int], reading: str) -> ShotCamera:
    """A camera by one reading of its matrix.

    Args:
        size: width and height of the video.

    Raises:
        CaptureError: it was calibrated for images of another shape, or nobody tells its lens.
    """
    if found.intrinsics is None:
        raise CaptureError(f"The calibration of {found.name} does not tell its lens.", "Add K to it.")
    width, height = found.size or size
    k = found.intrinsics
    cx, cy = k[0, 2] + 0.5 - found.centre, k[1, 2] + 0.5 - found.centre
    if found.size is not None and abs(width * size[1] - height * size[0]) > max(width, height):
        raise CaptureError(
            f"{found.name} was calibrated with {width} x {height} pixels; its video has {size[0]} x {size[1]}.",
            "Film and calibrate in the same shape of image, or calibrate anew.",
        )
    if not (0.25 * width < cx < 0.75 * width and 0.25 * height < cy < 0.75 * height):
        raise CaptureError(
            f"The middle of {found.name}'s lens is at ({cx:.0f}, {cy:.0f}), and its video has {size[0]} x {size[1]} "
            "pixels: it was calibrated with images of another size.",
            "State the size of those images in the calibration: width and height.",
        )
    matrix = np.eye(4) if found.matrix is None else _camera_to_world(found.matrix, reading)
    camera = Camera(width, height, float(k[0, 0]), float(k[1, 1]), cx, cy, matrix)
    return ShotCamera(camera.resized(*size), found.lens)


def settle(
    found: Sequence[FoundCamera], videos: Sequence[Video], told: str = "", offsets: Sequence[float] | None = None
) -> tuple[list[ShotCamera], list[Video], list[str]]:
    """The cameras, the videos with their offsets, and notes for people.

    Args:
        found: what the calibration tells of the camera of each video.
        told: the reading that a person named; empty tries all.
        offsets: seconds at which each video begins; None finds them.

    Raises:
        CaptureError: no reading has the views agree.
    """
    sizes = [(video.width, video.height) for video in videos]
    named = told or next((one.reading for one in found if one.reading), "")
    results: dict[str, tuple[float, list[Video], list[str]]] = {}
    cameras = {}
    for reading in [told] if told else list(READINGS):
        cameras[reading] = [placed(one, size, reading) for one, size in zip(found, sizes, strict=True)]
        results[reading] = _judged(cameras[reading], videos, offsets)
    best = min(results, key=lambda reading: results[reading][0])
    if named in results and results[named][0] <= results[best][0] / BETTER:
        best = named
    off, synchronous, notes = results[best]
    shots = cameras[best]
    if not off < OFF:
        raise CaptureError(
            "The cameras' places do not fit the videos: "
            + (f"the landmarks of two views miss one another by {100.0 * off:.0f} % of the hand's size at best."
               if np.isfinite(off) else "the hand is never seen by two cameras at once, in front of both."),
            "Check that the calibration is of these cameras, in the order of the videos, and the offsets.",
        )  # fmt: skip
    if named and best != named:
        notes = [*notes, f"the calibration's matrices are read as {best}: as {named} the views do not agree"]
    return shots, synchronous, notes


def _judged(
    shots: Sequence[ShotCamera], videos: Sequence[Video], offsets: Sequence[float] | None
) -> tuple[float, list[Video], list[str]]:
    """How far two views disagree, in shares of the hand's size, infinite where it lies behind cameras."""
    notes: list[str] = []
    synchronous = [videos[0].shifted(0.0 if offsets is None else offsets[0])]
    for index in range(1, len(videos)):
        if offsets is not None:
            synchronous.append(videos[index].shifted(offsets[index]))
            continue
        known = list(zip(synchronous, shots, strict=False))
        offset = find_offset(known, (videos[index], shots[index]))
        if offset is None:
            return float("inf"), synchronous, notes
        if not offset.sure:
            notes.append(f"when {videos[index].name} began cannot be told: the hand hardly moves")
        synchronous.append(videos[index].shifted(offset.seconds))
    moments = [moment for moment in find_moments(synchronous, shots) if len(moment.seen) > 1]
    good = [moment.off for moment in moments if not why_not(moment)]
    return (float(np.median(good)) if len(good) > LEAST_SHARE * len(moments) else float("inf")), synchronous, notes


def _camera_to_world(matrix: np.ndarray, reading: str) -> np.ndarray:
    """(4, 4) in OpenCV's axes."""
    flip = OPENGL_TO_OPENCV if reading.endswith("OpenGL") else np.eye(4)
    if reading.startswith("camera to world"):
        return np.asarray(matrix @ flip)
    return np.asarray(np.linalg.inv(flip @ matrix))
