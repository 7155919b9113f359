"""COLMAP's sparse models, ``cameras`` and ``images`` as ``.bin`` or ``.txt``: lenses and where images were taken.

World to camera, OpenCV axes, the first pixel's centre at (0.5, 0.5), in the model's own unit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cameras import Camera
from ..captures.lens import Lens
from ..documents import MEBIBYTE, Reader
from ..errors import CaptureError, naming
from .source import camera_to_world

MODEL = Reader("The reconstruction", CaptureError, "Export it from COLMAP again.", limit=4096 * MEBIBYTE)

MODELS = {
    "SIMPLE_PINHOLE": (0, 3),
    "PINHOLE": (1, 4),
    "SIMPLE_RADIAL": (2, 4),
    "RADIAL": (3, 5),
    "OPENCV": (4, 8),
    "OPENCV_FISHEYE": (5, 8),
    "FULL_OPENCV": (6, 12),
}
"""Camera model -> its number in binary files, and the count of its parameters."""

COUNTS = {number: (name, count) for name, (number, count) in MODELS.items()}


@dataclass(frozen=True)
class Shot:
    """An image of a reconstruction: its name, camera and lens."""

    name: str
    camera: Camera
    lens: Lens


def find_model(folder: Path) -> Path | None:
    """The folder of the sparse model in a COLMAP project; None where there is none."""
    places = (folder / below for below in ("sparse/0", "sparse", "colmap/sparse/0", "dense/sparse", "."))
    return next(
        (place for place in places if any((place / f"cameras.{end}").is_file() for end in ("bin", "txt"))), None
    )


def read_model(folder: Path) -> list[Shot]:
    """The images of a sparse model, by name.

    Raises:
        CaptureError: a file is not there or damaged, or a camera model is unknown.
    """
    binary = (folder / "cameras.bin").is_file()
    cameras_file, images_file = (folder / f"{kind}.{'bin' if binary else 'txt'}" for kind in ("cameras", "images"))
    try:
        cameras = dict(_binary_cameras(cameras_file) if binary else _text_cameras(cameras_file))
        placed = list(_binary_images(images_file) if binary else _text_images(images_file))
        with naming(cameras_file):
            shots = [Shot(name, *_camera(*cameras[camera], matrix)) for name, camera, matrix in placed]
    except (struct.error, ValueError, LookupError, OverflowError) as error:
        raise MODEL.damaged(images_file, f"{type(error).__name__}: {error}") from error
    return sorted(shots, key=lambda shot: shot.name)


Parameters = tuple[str, int, int, tuple[float, ...]]
"""Camera model, width, height, parameters."""


def _binary_cameras(path: Path) -> Iterator[tuple[int, Parameters]]:
    content = MODEL.read(path)
    (count,) = struct.unpack_from("<Q", content, 0)
    place = 8
    for _ in range(count):
        number, model, width, height = struct.unpack_from("<iiQQ", content, place)
        if model not in COUNTS:
            raise CaptureError(f"{path} has a camera of the model {model}, which is unknown.", _OTHER_MODEL)
        name, size = COUNTS[model]
        yield number, (name, width, height, struct.unpack_from(f"<{size}d", content, place + 24))
        place += 24 + 8 * size


def _binary_images(path: Path) -> Iterator[tuple[str, int, np.ndarray]]:
    content = MODEL.read(path)
    (count,) = struct.unpack_from("<Q", content, 0)
    place = 8
    for _ in range(count):
        numbers = struct.unpack_from("<i7di", content, place)
        end = content.index(b"\0", place + 64)
        name = content[place + 64 : end].decode("utf-8")
        (points,) = struct.unpack_from("<Q", content, end + 1)
        place = end + 9 + 24 * points
        yield name, numbers[8], _matrix(numbers[1:5], numbers[5:8])


def _text_cameras(path: Path) -> Iterator[tuple[int, Parameters]]:
    for line in _lines(path):
        number, model, width, height, *rest = line.split()
        if model not in MODELS:
            raise CaptureError(f"{path} has a camera of the model {model}, which is unknown.", _OTHER_MODEL)
        yield int(number), (model, int(width), int(height), tuple(map(float, rest)))


def _text_images(path: Path) -> Iterator[tuple[str, int, np.ndarray]]:
    lines = [line for line in MODEL.text(path).splitlines() if not line.startswith("#")]
    # Every second line lists the image's points and may be empty.
    for line in lines[::2]:
        if line.strip():
            _, qw, qx, qy, qz, tx, ty, tz, camera, name = line.split(maxsplit=9)
            turn = (float(qw), float(qx), float(qy), float(qz))
            yield name, int(camera), _matrix(turn, (float(tx), float(ty), float(tz)))


_OTHER_MODEL = f"Undistort the images with COLMAP, or choose one of {', '.join(MODELS)}."


def _lines(path: Path) -> Iterator[str]:
    return (line for line in MODEL.text(path).splitlines() if line.strip() and not line.startswith("#"))


def _matrix(quaternion: tuple[float, ...], translation: tuple[float, ...]) -> np.ndarray:
    """(4, 4) camera to world of COLMAP's quaternion (w first) and translation."""
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return camera_to_world(np.concatenate([turn, np.reshape(translation, (3, 1))], axis=1))


def _camera(model: str, width: int, height: int, told: tuple[float, ...], matrix: np.ndarray) -> tuple[Camera, Lens]:
    single = model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
    fx, fy, cx, cy = (told[0], *told[:3]) if single else told[:4]
    rest = told[3:] if single else told[4:]
    if model in ("OPENCV", "FULL_OPENCV"):
        radial, tangential = (*rest[:2], *rest[4:]), (rest[2], rest[3])
    else:
        radial, tangential = tuple(rest), (0.0, 0.0)
    return Camera(width, height, fx, fy, cx, cy, matrix), Lens(radial, tangential, model == "OPENCV_FISHEYE")
