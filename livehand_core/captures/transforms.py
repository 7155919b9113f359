"""``transforms.json`` as nerfstudio, instant-ngp, NeRF's Blender scripts and their converters write it.

What they leave out is filled in as they mean it; what would be misread raises ``Misread`` with the reason. ``capture``
calls it for the document's world and for each frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..cameras import OPENGL_TO_OPENCV, Camera
from ..errors import CaptureError
from .images import SUFFIXES, upright_size
from .lens import Lens

RADIAL = ("k1", "k2", "k3", "k4", "k5", "k6")
TANGENTIAL = ("p1", "p2")
FOCAL = {"x": ("fl_x", "camera_angle_x", "x_fov"), "y": ("fl_y", "camera_angle_y", "y_fov")}
LENS_KEYS = frozenset(
    {"cx", "cy", "w", "h", "camera_model", "is_fisheye", *RADIAL, *TANGENTIAL, *FOCAL["x"], *FOCAL["y"]}
)
FRAME_KEYS = LENS_KEYS | {
    "file_path",
    "mask_path",
    "transform_matrix",
    "camera",
    "pose",
    "identity",
    "light",
    "exposure",
}
DOCUMENT_KEYS = LENS_KEYS | {"frames", "livehand", "applied_transform", "applied_scale"}

IDLE_KEYS = frozenset({"aabb_scale", "scale", "offset", "sharpness", "colmap_im_id", "n_frames", "rotation", "time"})
"""What others write that says nothing about images or cameras: it is passed over without a word."""

FOREIGN_KEYS = {
    **dict.fromkeys(("from_na", "from_mitsuba"), "the axes are not those of nerfstudio"),
    **dict.fromkeys(("latlong", "equirectangular", "orthographic"), "this projection is not supported"),
    **dict.fromkeys((f"ftheta_p{number}" for number in range(5)), "f-theta lenses are not supported"),
    **dict.fromkeys(("b1", "b2", "sx1", "sy1", "omega", "k7", "k8"), "this lens distortion is not supported"),
    **dict.fromkeys(
        ("distortion", "distortion_params", "distortion_coefficients", "dist_coeffs", "distortions"),
        "lens distortion is read from k1 to k6, p1 and p2",
    ),
    "rolling_shutter": "rolling shutters are not supported",
}
"""What would change the picture and is not followed, and why; zero and false are no change."""

PINHOLES = {"PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE"}
BROWN = {"OPENCV", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV"}
FISHEYES = {"OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "FISHEYE"}

ROUNDED = 5e-3
"""How far from a rotation the digits of a matrix may be, by rounding."""

FARTHEST = 1e9
"""Of the numbers of a matrix: no camera stands there, in whatever unit."""

CONTRADICTION = 0.01
"""Of a focal length that is given twice."""


class Misread(ValueError):
    """What cannot be meant, as a reason without a full stop."""


@dataclass(frozen=True)
class World:
    """What was done to all cameras after the poses were known: nerfstudio's applied_transform and applied_scale.

    Attributes:
        transform: (4, 4) from the original world to that of the file.
        scale: by which positions were multiplied then.
    """

    transform: np.ndarray
    scale: float

    def original(self, camera_to_world: np.ndarray) -> np.ndarray:
        """A (4, 4) camera-to-world matrix of the file in the original world."""
        matrix = camera_to_world.copy()
        matrix[:3, 3] /= self.scale
        matrix = np.linalg.inv(self.transform) @ matrix
        matrix[:3, :3] /= np.cbrt(np.linalg.det(matrix[:3, :3]))
        return matrix


def find_document(place: Path) -> tuple[Path, Path]:
    """The folder of a capture and its document, of which either may be given.

    Raises:
        CaptureError: a folder that has several documents, as NeRF's Blender scenes have.
    """
    if place.suffix.lower() == ".json" and not place.is_dir():
        return place.parent, place
    document = place / "transforms.json"
    others = sorted(path.name for path in place.glob("transforms_*.json")) if place.is_dir() else []
    if others and not document.exists():
        raise CaptureError(
            f"{place} has no transforms.json, but {', '.join(others)}.",
            "Put their frames into one transforms.json; its part 'livehand' tells what is held out.",
        )
    return place, document


def read_world(document: Mapping[str, Any]) -> World:
    """What has to be undone. Raises Misread when it is no similarity, and FOREIGN_KEYS are refused, too."""
    _refuse_foreign(document)
    matrix = np.eye(4)
    if document.get("applied_transform") is not None:
        matrix = _affine(document["applied_transform"], "applied_transform")
        turn = matrix[:3, :3]
        size = np.cbrt(np.linalg.det(turn))
        if size <= 0.0 or np.abs(turn @ turn.T / size**2 - np.eye(3)).max() > ROUNDED:
            raise Misread("applied_transform mirrors, shears or flattens the world")
    scale = number(document, "applied_scale", 1.0)
    if scale <= 0.0:
        raise Misread(f"applied_scale is {scale:g}")
    return World(matrix, scale)


def read_camera(
    entry: Mapping[str, Any], document: Mapping[str, Any], world: World, image: Path
) -> tuple[Camera, Lens]:
    """The camera of a frame; what stands once for all frames is looked for in the document.

    Args:
        image: of which the size is taken where w and h are not given.

    Raises:
        Misread: what the frame says cannot be meant or is not supported.
        CameraError: no camera is like that.
        CaptureError: the image is needed for its size and cannot be read.
    """
    _refuse_foreign(entry)
    both = {**document, **{key: value for key, value in entry.items() if value is not None}}
    width, height = _size(both, image)
    fx = _focal("x", width, entry, document)
    if fx is None:
        raise Misread("lacks 'fl_x' or 'camera_angle_x'")
    fy = _focal("y", height, entry, document) or fx
    cx, cy = number(both, "cx", 0.5 * width), number(both, "cy", 0.5 * height)
    matrix = world.original(read_matrix(entry.get("transform_matrix")))
    return Camera(width, height, fx, fy, cx, cy, matrix @ OPENGL_TO_OPENCV), read_lens(both)


def read_matrix(value: Any) -> np.ndarray:
    """(4, 4) camera-to-world matrix in OpenGL axes; a last row may be left out, rounded digits are made a rotation.

    Raises:
        Misread: it is something else.
    """
    if value is None:
        raise Misread("lacks 'transform_matrix'")
    matrix = _affine(value, "transform_matrix")
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > ROUNDED:
        raise Misread("the camera's transform is scaled or sheared")
    if np.linalg.det(turn) < 0.0:
        raise Misread("the camera's transform mirrors (its determinant is -1)")
    u, _, v = np.linalg.svd(turn)
    matrix[:3, :3] = u @ v
    return matrix


def read_lens(entry: Mapping[str, Any]) -> Lens:
    """The lens of a frame from its own keys and the document's. Raises Misread when it is not supported."""
    model = entry.get("camera_model")
    name = "OPENCV" if model is None else str(model).upper()
    if name not in PINHOLES | BROWN | FISHEYES:
        raise Misread(f"the camera model {model!r} is not supported: undistort the images to a pinhole camera first")
    fisheye = name in FISHEYES or truth(entry.get("is_fisheye"), "is_fisheye")
    radial = tuple(number(entry, key, 0.0) for key in RADIAL)
    if fisheye and (radial[4] or radial[5]):
        raise Misread("a fisheye lens has no k5 and k6")
    if not fisheye and radial[3] and name != "FULL_OPENCV" and not {"k5", "k6"} & entry.keys():
        raise Misread("k4 means something else from program to program: say camera_model FULL_OPENCV or OPENCV_FISHEYE")
    p1, p2 = (number(entry, key, 0.0) for key in TANGENTIAL)
    return Lens(radial[: 4 if fisheye else 6], (p1, p2), fisheye)


def lens_to_json(lens: Lens) -> dict[str, Any]:
    """The keys of a frame from which :func:`read_lens` reads the same lens."""
    if lens.is_straight:
        return {}
    names = zip((*RADIAL[: len(lens.radial)], *TANGENTIAL), (*lens.radial, *lens.tangential), strict=True)
    return {"camera_model": "OPENCV_FISHEYE" if lens.fisheye else "FULL_OPENCV", **dict(names)}


def find_picture(folder: Path, path: Any, key: str) -> str:
    """The path of a picture relative to the folder (or absolute), as it lies on the disk, "/" between its parts.

    Backslashes are separators, a suffix may be left out, and capitals may differ where that leaves one file. A
    picture that is not there keeps its name: to miss it is the check's business.

    Raises:
        Misread: no text, or several files are meant.
    """
    if path is None:
        raise Misread(f"lacks {key!r}")
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise Misread(f"{key} is {path!r}, which is not a path")
    names = dict.fromkeys(str(PurePosixPath(text)) for text in (path, path.replace("\\", "/")))
    name = list(names)[-1]
    try:
        there = [name for name in names if (folder / name).is_file()]
        longer = [name + suffix for suffix in SUFFIXES if (folder / (name + suffix)).is_file()]
    except OSError as error:
        raise Misread(f"{key} cannot be looked for ({error.strerror})") from error
    if there:
        return there[0]
    found = longer or _like(folder, name)
    if len(found) > 1:
        raise Misread(f"{key} {path!r} may mean {' or '.join(found)}")
    return found[0] if found else name


def unused_keys(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Keys that nobody reads: where, the key, and the known key that it may be a slip of, or nothing."""
    yield from _unused("transforms.json", document, DOCUMENT_KEYS)
    seen: set[str] = set()
    for entry in document["frames"]:
        for found in _unused("frames", entry, FRAME_KEYS) if isinstance(entry, dict) else ():
            if found[1] not in seen:
                seen.add(found[1])
                yield found


def like(name: str, known: Iterable[str]) -> str:
    """The known name that ``name`` may be a slip of; empty where it is like none."""
    return next(iter(get_close_matches(name.lower(), sorted(known), 1, 0.8)), "")


def number(entry: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """A number of a document; null is as good as left out. Raises Misread when it is none, or missing."""
    value = entry.get(key)
    if value is None:
        if default is None:
            raise Misread(f"lacks {key!r}")
        return default
    try:
        found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise Misread(f"{key} is {value!r}, which is not a finite number")
    return found


def whole(entry: Mapping[str, Any], key: str) -> int:
    """A whole number of a document. Raises Misread when it is none, or missing."""
    found = number(entry, key)
    if found != int(found):
        raise Misread(f"{key} is {entry[key]!r}, which is not a whole number")
    return int(found)


def truth(value: Any, key: str) -> bool:
    """True or false; null is false, and so is 0. Raises Misread when it is neither."""
    if value in (None, True, False):
        return bool(value)
    raise Misread(f"{key} is {value!r}, which is neither true nor false")


def text(entry: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A name or a sentence; whole numbers are names, too. Raises Misread when it is neither, or missing."""
    value = entry.get(key, default)
    if value is None:
        raise Misread(f"lacks {key!r}")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Misread(f"{key} is {value!r}, which is not text")
    return str(value)


def _affine(value: Any, key: str) -> np.ndarray:
    """(4, 4) of 3 x 4 or 4 x 4 numbers that move points."""
    try:
        matrix = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Misread(f"{key} holds something else than rows of numbers") from error
    if matrix.shape not in ((3, 4), (4, 4)):
        raise Misread(f"{key} has the shape {matrix.shape}; (4, 4) or (3, 4) is needed")
    if not np.isfinite(matrix).all():
        raise Misread(f"{key} holds values that are not finite")
    if np.abs(matrix).max() > FARTHEST:
        raise Misread(f"{key} holds values beyond {FARTHEST:g}")
    if matrix.shape == (3, 4):
        return np.vstack([matrix, [0.0, 0.0, 0.0, 1.0]])
    if np.abs(matrix[3] - [0.0, 0.0, 0.0, 1.0]).max() > 1e-6:
        turned = np.abs(matrix[:, 3] - [0.0, 0.0, 0.0, 1.0]).max() <= 1e-6
        cause = ": the matrix is transposed" if turned else ""
        raise Misread(f"the last row of {key} is {' '.join(f'{x:g}' for x in matrix[3])}, not 0 0 0 1{cause}")
    return matrix


def _size(entry: Mapping[str, Any], image: Path) -> tuple[int, int]:
    known = [entry.get(key) is not None for key in ("w", "h")]
    if all(known):
        return whole(entry, "w"), whole(entry, "h")
    if not image.is_file():
        raise Misread("the image is missing, whose size is needed since w and h are not given")
    found = upright_size(image)
    return whole(entry, "w") if known[0] else found[0], whole(entry, "h") if known[1] else found[1]


def _focal(axis: str, side: int, entry: Mapping[str, Any], document: Mapping[str, Any]) -> float | None:
    """The focal length of an axis in pixels, from the frame or else from the document; None where neither tells."""
    for source in (entry, document):
        found = {}
        for key in FOCAL[axis]:
            if source.get(key) is not None:
                value = number(source, key)
                found[key] = value if key.startswith("fl_") else _focal_of_angle(key, value, side)
        if found:
            lengths = list(found.values())
            if max(lengths) > (1.0 + CONTRADICTION) * min(lengths):
                listed = ", ".join(f"{key} {length:.1f} pixels" for key, length in found.items())
                raise Misread(f"two focal lengths are given: {listed}")
            return lengths[0]
    return None


def _focal_of_angle(key: str, angle: float, side: int) -> float:
    angle = math.radians(angle) if key.endswith("_fov") else angle
    if not 0.0 < angle < math.pi:
        raise Misread(f"{key} is an angle of {math.degrees(angle):g} degrees")
    return 0.5 * side / math.tan(0.5 * angle)


def _refuse_foreign(entry: Mapping[str, Any]) -> None:
    for key in FOREIGN_KEYS.keys() & entry.keys():
        if np.any(np.asarray(entry[key], dtype=object)):
            raise Misread(f"{key} is given: {FOREIGN_KEYS[key]}")
    if "transform_matrix_start" in entry and entry["transform_matrix_start"] != entry.get("transform_matrix_end"):
        raise Misread("the camera moves while it exposes (transform_matrix_start), which is not supported")


def _unused(where: str, entry: Mapping[str, Any], known: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    for key in entry.keys() - known - IDLE_KEYS - FOREIGN_KEYS.keys():
        yield where, key, like(key, known)


def _like(folder: Path, name: str) -> list[str]:
    """Files of that name in other capitals."""
    path = folder / name
    try:
        there = [entry.name for entry in path.parent.iterdir() if entry.name.lower() == path.name.lower()]
    except (OSError, ValueError):
        return []
    return [str(PurePosixPath(name).with_name(entry)) for entry in there if (path.parent / entry).is_file()]
