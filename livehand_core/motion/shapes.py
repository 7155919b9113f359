"""Poses by the shapes in which tools write them: angles or matrices, a frame or many, with or without the wrist."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import PoseError
from ..rotations import matrix_to_axis_angle

FINGERS = 45
BODIES = {156: {"left": 66, "right": 111}, 165: {"left": 75, "right": 120}}
"""Width of a whole body's pose (SMPL+H, SMPL-X), and where each hand's 45 angles begin."""

_JOINTS = (15, 16, 52, 55)
_OTHER_FORMS = {4: "quaternions", 6: "rotations of six numbers"}
_MATRIX_ERROR = 0.02
_FARTHEST = 50.0


class Parts(NamedTuple):
    """What one array of poses holds.

    Attributes:
        fingers: (n, k) angles or components.
        orient, trans: (n, 3), betas: (n, 10), each None where the array has none.
    """

    fingers: np.ndarray
    orient: np.ndarray | None = None
    betas: np.ndarray | None = None
    trans: np.ndarray | None = None


def numbers(value: Any, name: str, key: str) -> np.ndarray:
    """A value as float64 numbers. Raises PoseError when it holds something else."""
    try:
        value = whole_rows(value)
        if np.iscomplexobj(value):
            raise TypeError("complex numbers")
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PoseError(
            f"{name} holds something other than numbers in {key} ({error}).", "Give arrays of numbers."
        ) from error
    return array


def whole_rows(value: Any) -> Any:
    """A list whose rows that are None, as trackers write where they lost the hand, are rows of NaN."""
    if not isinstance(value, list) or all(row is not None for row in value):
        return value
    shapes = {np.shape(row) for row in value if row is not None}
    missing = np.full(shapes.pop(), np.nan) if len(shapes) == 1 else None
    return [missing if row is None else row for row in value]


def rotation_rows(value: Any, name: str, key: str) -> np.ndarray:
    """(n, k) numbers a frame: rotation matrices become axis-angle, joints by three lie in a row, one frame is a row.

    Raises:
        PoseError: quaternions, six numbers a rotation, matrices that are no rotations, or another shape.
    """
    array = numbers(value, name, key)
    if array.ndim >= 2 and array.shape[-1] in _OTHER_FORMS and array.shape[-2] in _JOINTS:
        raise PoseError(
            f"{name} holds {_OTHER_FORMS[array.shape[-1]]} in {key}, of the shape {array.shape}.",
            "Write axis-angle rotations (three numbers a joint) or rotation matrices.",
        )
    if array.ndim >= 2 and array.shape[-2:] == (3, 3) and (array.ndim > 3 or _are_rotations(array)):
        if not _are_rotations(array):
            raise PoseError(f"{name} holds matrices in {key} that are not rotations.", "Export it again.")
        array = matrix_to_axis_angle(array)
        # (n, 3) of a single joint's matrices, (..., J, 3) of several.
        if array.ndim == 1:
            array = array[None]
    if array.ndim >= 2 and array.shape[-1] == 3 and array.shape[-2] in (1, *_JOINTS):
        array = array.reshape(*array.shape[:-2], -1)
    return array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)


def _are_rotations(array: np.ndarray) -> bool:
    if not np.isfinite(array).all():
        array = array[np.isfinite(array).all(axis=(-2, -1))]
    product = array @ np.swapaxes(array, -1, -2)
    return bool(np.abs(product - np.eye(3)).max(initial=0.0) < _MATRIX_ERROR and (np.linalg.det(array) > 0.0).all())


def split_pose(rows: np.ndarray, has_orient: bool, side: str, name: str, key: str) -> Parts:
    """The parts of an array of whole poses, by its numbers a frame.

    Args:
        rows: (n, k).
        has_orient: whether the wrist's orientation lies in an array of its own.

    Raises:
        PoseError: a width that no hand has.
    """
    width = rows.shape[1]
    if width in BODIES:
        first = BODIES[width][side]
        return Parts(rows[:, first : first + FINGERS])
    if has_orient and width == FINGERS + 3 and not np.nan_to_num(rows[:, :3]).any():
        return Parts(rows[:, 3:])
    if width == FINGERS or (has_orient and width < FINGERS):
        return Parts(rows)
    if 3 < width <= FINGERS + 3:
        return Parts(rows[:, 3:], rows[:, :3])
    if width == FINGERS + 6:
        return Parts(rows[:, 3:48], rows[:, :3], None, rows[:, 48:])
    if width == 61:
        # FreiHAND: pose, shape, then place and scale in its picture, which are no place in the world.
        return Parts(rows[:, 3:48], rows[:, :3], rows[:, 48:58])
    raise PoseError(
        f"{name} has {key} of {width} numbers a frame.",
        "Hands have 48 (or 3 and the components), 45 without the wrist, 51 with a translation; bodies 156 or 165.",
    )


def frames_of(value: np.ndarray, count: int, width: int, name: str, key: str) -> np.ndarray:
    """(n, width) numbers, one row for each frame or one for all. Raises PoseError for another shape."""
    array = value.reshape(-1, width) if value.size and value.size % width == 0 else value.reshape(1, -1)
    if array.shape[1] == width and len(array) in (1, count):
        return np.broadcast_to(array, (count, width))
    raise PoseError(
        f"{name} has {key} of the shape {value.shape} where ({count}, {width}) is needed.",
        "Check that all its arrays have one row a frame.",
    )


def check_units(angles: np.ndarray, trans: np.ndarray, name: str) -> None:
    """Raises PoseError for angles that are degrees, and translations that are millimetres, by their size."""
    most = _largest(angles)
    if most > 2.0 * np.pi:
        raise PoseError(
            f"{name} bends a joint by {most:.0f} radians; its angles seem to be degrees.", "Export radians."
        )
    farthest = _largest(trans)
    if farthest > _FARTHEST:
        raise PoseError(
            f"{name} places the hand {farthest:.0f} metres away; its translations seem to be millimetres.",
            "Export metres.",
        )


def _largest(array: np.ndarray) -> float:
    """The largest size of a finite number; others are gaps, not units."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
