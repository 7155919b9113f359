"""Small films of our own hand for the tracker's tests: one picture, moved about.

``hand.jpg`` is a right hand that Cycles rendered from the built-in hand (CC0-1.0); ``hand.json`` tells its pose.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

FOLDER = Path(__file__).resolve().parent
GREY = (165, 160, 150)


def hand_picture() -> np.ndarray:
    """(512, 334, 3) uint8 RGB of a right hand."""
    picture = cv2.imread(str(FOLDER / "hand.jpg"))
    return np.ascontiguousarray(picture[..., ::-1])


def placed(x: float = 0.0, y: float = 0.0, turn: float = 0.0, scale: float = 0.7, size: tuple[int, int] = (480, 360),
           picture: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    """The hand in a picture of (width, height), ``x`` and ``y`` pixels off its middle, turned by degrees."""
    source = hand_picture() if picture is None else picture
    matrix = cv2.getRotationMatrix2D((source.shape[1] / 2, source.shape[0] / 2), turn, scale)
    matrix[:, 2] += (size[0] / 2 + x - source.shape[1] / 2, size[1] / 2 + y - source.shape[0] / 2)
    return np.asarray(cv2.warpAffine(source, matrix, size, borderValue=GREY))


def empty(size: tuple[int, int] = (480, 360)) -> np.ndarray:
    """A wall."""
    return np.full((size[1], size[0], 3), GREY, np.uint8)


def moving(count: int, path: Callable[[int], tuple[float, float, float]] | None = None) -> list[np.ndarray]:
    """A film of the hand that goes to the right and turns a little."""
    path = path or (lambda i: (2.0 * i - count, 0.5 * i, 0.5 * i))
    return [placed(*path(i)) for i in range(count)]


def write_film(path: Path, frames: Sequence[np.ndarray], fps: float = 30.0, *options: str) -> Path:
    """Write a video with ffmpeg, ``options`` before the name of the file."""
    height, width = frames[0].shape[:2]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += [
        "-s",
        f"{width}x{height}",
        "-r",
        f"{fps:g}",
        "-i",
        "-",
        "-an",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
    ]
    command += ["-pix_fmt", "yuv444p", *options, str(path)]
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)
    return path


def copy_film(source: Path, target: Path, turned: int) -> Path:
    """The same video with the note that it is to be shown turned."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-display_rotation", str(turned)]
    subprocess.run([*command, "-i", str(source), "-c", "copy", str(target)], check=True)
    return target
