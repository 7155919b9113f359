"""Calibrations that other programs wrote: JSON, OpenCV's YAML and XML, and ``.dat`` texts of K and R|t.

What a file names is read by the names' meaning; whether a matrix leads from the world to the camera or back, and in
which axes, is told by its name where that is plain, and settled by ``readings`` in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...captures.lens import Lens
from ...documents import Reader
from ...errors import CaptureError

FILE = Reader("The calibration", CaptureError, "Give K, distortion and R|t of each camera; see docs/data.md.")

SUFFIXES = (".json", ".yml", ".yaml", ".xml", ".dat", ".txt")

K_NAMES = ("k", "cameramatrix", "intrinsics", "intrinsic", "intrinsicmatrix", "mtx", "kmatrix", "cammat", "m1")
LENS_NAMES = (
    *("distortion", "distortioncoefficients", "dist", "distcoeffs", "distcoef", "distcoefs", "distortionparams"),
    *("d", "coeffs", "distortions"),
)
R_NAMES = ("r", "rotation", "rot", "rotationmatrix", "rmat")
RVEC_NAMES = ("rvec", "rotationvector", "rodrigues")
T_NAMES = ("t", "tvec", "translation", "trans", "translationvector", "tvecs")
TO_CAMERA = (
    *("worldtocamera", "world2camera", "world2cam", "worldtocam", "w2c", "extrinsics", "extrinsic", "rt"),
    *("extrinsicmatrix", "extrinsicsmatrix", "viewmatrix"),
)
FROM_CAMERA = ("cameratoworld", "camera2world", "cam2world", "camtoworld", "c2w", "campose", "camerapose")
UNSAID = ("matrix", "m", "transform", "pose", "transformation", "mat", "se3")
OPENGL = ("transformmatrix",)
SIZE_NAMES = ("imagesize", "size", "resolution", "imgsize", "imsize")
WIDTH_NAMES, HEIGHT_NAMES = ("width", "w", "imagewidth"), ("height", "h", "imageheight")
NAME_NAMES = ("name", "id", "camera", "cameraname", "cameraid", "serial", "label")


@dataclass(frozen=True)
class FoundCamera:
    """What a file tells of one camera.

    Attributes:
        name: as the file has it, or the file's own.
        intrinsics: (3, 3) K, a pixel's centre at (0, 0); None where it is not told.
        lens: distortion.
        matrix: (4, 4) of where it stands; None where it is not told.
        reading: what the matrix is by its name; empty where that says nothing.
        size: width and height of the images that were calibrated; None where it is not told.
        centre: where in its pixel a pixel's centre lies, 0 as OpenCV has it.
    """

    name: str
    intrinsics: np.ndarray | None = None
    lens: Lens = Lens()  # noqa: RUF009
    matrix: np.ndarray | None = None
    reading: str = ""
    size: tuple[int, int] | None = None
    centre: float = 0.0


def read_calibration(paths: Iterable[Path]) -> list[FoundCamera]:
    """The cameras of files, or of the files of a folder, in the order of the numbers in their names.

    Files that tell only K, and others that tell only R|t, are put together in their order.

    Raises:
        CaptureError: a file cannot be read, tells no camera, or parts do not go together.
    """
    files = [file for path in paths for file in _files(path)]
    found = [camera for file in files for camera in _read(file)]
    whole = [one for one in found if one.intrinsics is not None and one.matrix is not None]
    lenses = [one for one in found if one.intrinsics is not None and one.matrix is None]
    places = [one for one in found if one.intrinsics is None and one.matrix is not None]
    if not lenses and not places:
        return whole
    if not places and not whole:
        return lenses
    if whole or len(lenses) != len(places):
        raise CaptureError(
            f"{len(lenses)} files or entries tell only a lens and {len(places)} only a place; they do not pair up.",
            "Give one file of each kind for each camera, in the same order.",
        )
    return [
        replace(lens, matrix=place.matrix, reading=place.reading) for lens, place in zip(lenses, places, strict=True)
    ]


def assigned(found: list[FoundCamera], names: list[str]) -> list[FoundCamera]:
    """The camera of each video: of its name, or else in their order.

    Raises:
        CaptureError: there are more or fewer.
    """
    by_name = {camera.name: camera for camera in found}
    if set(names) <= by_name.keys():
        return [by_name[name] for name in names]
    if len(found) != len(names):
        raise CaptureError(
            f"The calibration tells of {', '.join(camera.name for camera in found)}; the videos are of "
            f"{', '.join(names)}.",
            "Give one camera for each video, in their order, or name the cameras as the videos.",
        )
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted((file for file in path.iterdir() if file.suffix.lower() in SUFFIXES), key=_natural)
    if not files:
        raise CaptureError(f"The folder {path} holds no calibration.", f"Give files of {', '.join(SUFFIXES)}.")
    return files


def _natural(file: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", file.name.lower()) if part]


def _read(file: Path) -> list[FoundCamera]:
    text = FILE.text(file)
    suffix = file.suffix.lower()
    try:
        if suffix == ".json" and "opencv-matrix" not in text:
            document = FILE.parse(text, file)
        elif suffix in (".json", ".yml", ".yaml", ".xml") or text.lstrip().startswith(("%YAML", "<?xml")):
            document = _file_storage(file, text)
        else:
            document = _sections(text)
        cameras = list(_cameras(document, file.stem))
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise FILE.damaged(file, str(error) or type(error).__name__) from error
    if not cameras:
        raise CaptureError(
            f"The calibration {file} tells of no camera: neither K nor R|t is found.",
            "Name them K (or camera_matrix), distortion, R and T (or rvec, tvec, or a 4 x 4 world_to_camera).",
        )
    return cameras


def _sections(text: str) -> dict[str, Any]:
    """A text of lines ``name:`` and rows of numbers. Of what stands twice the first counts."""
    parts: dict[str, list[list[float]]] = {}
    current: list[list[float]] = parts.setdefault("matrix", [])
    for line in (line.split("#")[0].strip() for line in text.splitlines()):
        if line.endswith(":"):
            name = line[:-1]
            current = [] if name in parts else parts.setdefault(name, [])
        elif line:
            current.append([float(word) for word in re.split(r"[\s,;]+", line) if word])
    return {name: rows for name, rows in parts.items() if rows}


def _file_storage(file: Path, text: str) -> Any:
    """A document of OpenCV's FileStorage, or plain YAML."""
    if "opencv-matrix" not in text and not text.lstrip().startswith(("%YAML:1.0", "<?xml")):
        return FILE.parse_yaml(text, file)
    import cv2

    storage = None
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        return _node(storage.root())
    except (cv2.error, SystemError) as error:
        # The binding turns some of its own errors into the second.
        reason = str(error.__cause__ or error).strip().splitlines()[-1][:80]
        raise ValueError(f"OpenCV cannot read it ({reason})") from error
    finally:
        if storage is not None:
            storage.release()


def _node(node: Any) -> Any:
    if node.isMap():
        matrix = node.mat() if {"rows", "data"} <= set(node.keys()) else None
        return matrix if matrix is not None else {key: _node(node.getNode(key)) for key in node.keys()}  # noqa: SIM118
    if node.isSeq():
        return [_node(node.at(index)) for index in range(node.size())]
    return node.string() if node.isString() else node.real()


def _plain(key: object) -> str:
    """``camera_matrix``, ``cameraMatrix`` and ``Camera Matrix`` are one name."""
    return re.sub(r"[^a-z0-9]", "", str(key).lower())


def _cameras(document: Any, name: str) -> Iterator[FoundCamera]:
    """The cameras of a document: itself, or those of lists and objects in it, whatever they are called."""
    if isinstance(document, Mapping):
        own = _camera({_plain(key): value for key, value in document.items()}, name)
        if own is not None:
            yield own
            return
        parts: Iterable[tuple[Any, Any]] = document.items()
    elif isinstance(document, list):
        parts = enumerate(document)
    else:
        return
    for key, value in parts:
        if isinstance(value, Mapping | list):
            label = str(key) if isinstance(document, Mapping) else f"{name} {key}"
            yield from _cameras(value, label)


def _camera(told: Mapping[str, Any], name: str) -> FoundCamera | None:
    """What an object tells of a camera; None where it tells neither lens nor place."""
    if isinstance(told.get("camera"), Mapping) and "cameratoworld" in {_plain(key) for key in told["camera"]}:
        # Our own cameras.json: a camera, and its lens beside it.
        return replace(_own(told), name=_name(told, name))
    matrix, reading = _placed(told)
    intrinsics = _intrinsics(told)
    if matrix is None and intrinsics is None:
        return None
    return FoundCamera(_name(told, name), intrinsics, _lens(told), matrix, reading, _size(told))


def _own(told: Mapping[str, Any]) -> FoundCamera:
    from ...cameras import Camera

    camera = Camera.from_json(dict(told["camera"]))
    radial, tangential = told.get("radial", ()), told.get("tangential", (0.0, 0.0))
    lens = Lens(tuple(map(float, radial)), (float(tangential[0]), float(tangential[1])), bool(told.get("fisheye")))
    size = (camera.width, camera.height)
    return FoundCamera("", camera.intrinsics, lens, camera.camera_to_world, "camera to world", size, 0.5)


def _name(told: Mapping[str, Any], otherwise: str) -> str:
    return next((str(told[key]) for key in NAME_NAMES if isinstance(told.get(key), str | int)), otherwise)


def _placed(told: Mapping[str, Any]) -> tuple[np.ndarray | None, str]:
    for names, reading in ((TO_CAMERA, "world to camera"), (FROM_CAMERA, "camera to world"),
                           (OPENGL, "camera to world, OpenGL"), (UNSAID, "")):  # fmt: skip
        value = _first(told, names)
        if value is not None:
            return (_camera_rt(value) if isinstance(value, Mapping) else _square(value)), reading
    return _camera_rt(told), "world to camera"


def _camera_rt(told: Mapping[Any, Any]) -> np.ndarray | None:
    """(4, 4) of a rotation (matrix or vector) and a translation; a vector alone is none."""
    plain = {_plain(key): value for key, value in told.items()}
    turn, vector, shift = _first(plain, R_NAMES), _first(plain, RVEC_NAMES), _first(plain, T_NAMES)
    if shift is None and turn is not None and np.size(turn) in (12, 16):
        return _square(turn)
    if shift is not None and turn is None and vector is None and np.size(shift) in (12, 16):
        return _square(shift)
    if shift is None or (turn is None and vector is None):
        return None
    matrix = np.eye(4)
    numbers = np.asarray(vector if turn is None else turn, dtype=np.float64)
    if numbers.size == 3:
        from ...rotations import axis_angle_to_matrix

        matrix[:3, :3] = axis_angle_to_matrix(numbers.reshape(3))
    elif numbers.size == 9:
        matrix[:3, :3] = numbers.reshape(3, 3)
    else:
        raise ValueError(f"a rotation has {numbers.size} numbers")
    moved = np.asarray(shift, dtype=np.float64).reshape(-1)
    if moved.size != 3:
        raise ValueError(f"a translation has {moved.size} numbers")
    matrix[:3, 3] = moved
    return _rigid(matrix)


def _square(value: Any) -> np.ndarray:
    numbers = np.asarray(value, dtype=np.float64)
    if numbers.size not in (12, 16):
        raise ValueError(f"a camera's matrix has {numbers.size} numbers, not 12 or 16")
    matrix = np.eye(4)
    rows = numbers.reshape(-1, 4)
    if len(rows) == 4 and np.abs(rows[:3, 3]).max() < 1e-12 < np.abs(rows[3, :3]).max():
        # Transposed, as row vectors have it.
        rows = rows.T
    matrix[: len(rows)] = rows
    return _rigid(matrix)


def _rigid(matrix: np.ndarray) -> np.ndarray:
    if not np.isfinite(matrix).all():
        raise ValueError("a camera's matrix holds values that are not finite")
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 5e-3 or np.linalg.det(turn) < 0.0:
        raise ValueError("a camera's rotation is scaled, sheared or mirrored")
    u, _, v = np.linalg.svd(turn)
    answer = matrix.copy()
    answer[:3, :3] = u @ v
    return answer


def _intrinsics(told: Mapping[str, Any]) -> np.ndarray | None:
    value = _first(told, K_NAMES)
    if isinstance(value, Mapping):
        return _intrinsics({_plain(key): part for key, part in value.items()})
    if value is None:
        names = (("fx", "flx"), ("fy", "fly"), ("cx", "ppx"), ("cy", "ppy"))
        numbers = [_first(told, pair) for pair in names]
        if any(number is None for number in (numbers[0], *numbers[2:])):
            return None
        fx, fy, cx, cy = (float(numbers[0] if number is None else number) for number in numbers)
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    k = np.asarray(value, dtype=np.float64)
    if k.size == 4:
        fx, fy, cx, cy = k.reshape(-1)
        k = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    if k.size != 9:
        raise ValueError(f"K has {k.size} numbers, not 9")
    k = k.reshape(3, 3)
    k = k.T if np.abs(k[:2, 2]).max() == 0.0 < np.abs(k[2, :2]).max() else k
    if not np.isfinite(k).all() or min(k[0, 0], k[1, 1]) <= 0.0 or abs(k[2, 2] - 1.0) > 1e-6:
        raise ValueError("K is no matrix of focal lengths and a principal point")
    return k


def _lens(told: Mapping[str, Any]) -> Lens:
    value = _first(told, LENS_NAMES)
    if isinstance(value, Mapping):
        told = {_plain(key): part for key, part in value.items()}
        value = None
    fisheye = "fisheye" in str(told.get("model", told.get("cameramodel", told.get("distortionmodel", "")))).lower()
    fisheye = fisheye or bool(told.get("fisheye")) or bool(told.get("isfisheye"))
    if value is None:
        numbers = [float(told.get(key, 0.0)) for key in ("k1", "k2", "k3", "k4", "k5", "k6")]
        return Lens(tuple(numbers), (float(told.get("p1", 0.0)), float(told.get("p2", 0.0))), fisheye)
    k = [float(number) for number in np.asarray(value, dtype=np.float64).reshape(-1)]
    if fisheye:
        return Lens(tuple(k[:4]), fisheye=True)
    if any(abs(number) > 0.0 for number in k[8:]):
        raise ValueError("thin prism or tilted sensors are not supported: the distortion has more than 8 numbers")
    k = (k + [0.0] * 8)[:8]
    return Lens((k[0], k[1], *k[4:]), (k[2], k[3]))


def _size(told: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = _first(told, WIDTH_NAMES), _first(told, HEIGHT_NAMES)
    if width is not None and height is not None:
        return int(width), int(height)
    pair = _first(told, SIZE_NAMES)
    if pair is None or np.size(pair) != 2:
        return None
    first, second = (int(number) for number in np.ravel(pair))
    return first, second


def _first(told: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((told[name] for name in names if told.get(name) is not None), None)
