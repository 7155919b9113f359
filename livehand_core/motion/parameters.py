"""Tables of MANO or body parameters: what ``.npz`` motion files and plain JSON ones hold, whichever names they use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import PoseError
from ..poses import BETA_COUNT, HandPose, PoseSequence, Side
from .convention import (
    FINGER_NUMBERS,
    Motion,
    ReadOptions,
    WriteOptions,
    decode_fingers,
    encode_fingers,
    into_world,
    up_rotation,
)
from .wrist import rest_wrists

_FULL = ("poses", "pose", "full_pose", "fullpose", "mano_pose")
_FINGERS = ("hand_pose", "finger_pose", "{side}_hand_pose", "{side}hand_pose")
_ORIENT = ("global_orient", "root_orient", "{side}_global_orient", "rot")
_BETAS = ("betas", "shape", "beta")
_TRANSLATION = ("trans", "transl", "translation", "{side}_transl")
_RATE = ("mocap_framerate", "mocap_frame_rate", "fps", "frame_rate")
_BODIES = {156: {"left": 66, "right": 111}, 165: {"left": 75, "right": 120}}
"""Width of a whole body's pose (SMPL+H, SMPL-X), and where each hand's 45 angles begin."""


def read_parameters(table: Mapping[str, Any], options: ReadOptions, name: str) -> Motion:
    """A motion from named arrays.

    Known are AMASS's keys (whole bodies give the fingers only), MANO's own (48 numbers a frame; 3 and n components;
    orientation and fingers apart), and what :func:`write_parameters` adds.

    Args:
        table: arrays by name.
        options: what the table does not tell.
        name: the file, for messages.

    Raises:
        PoseError: no poses, wrong shapes, or a hand model that is not there.
    """
    side = options.side or _side(table)
    fingers, orient = _rows(table, side, name)
    count = len(fingers)
    body = orient is None and not any(_find(table, (key,), side) is not None for key in _FINGERS)
    pca = options.pca if options.pca is not None else bool(_flag(table, "pca", fingers.shape[1] < FINGER_NUMBERS))
    # Components are told against the mean pose, angles against the flat hand, unless somebody says otherwise.
    flat = options.flat_mean if options.flat_mean is not None else bool(_flag(table, "flat_hand_mean", not pca))
    told = str(_flag(table, "model", ""))
    model = options.model or told or "mano"
    angles = decode_fingers(fingers, side, pca, flat, model)
    betas = np.zeros((count, BETA_COUNT)) if body else _betas(_find(table, _BETAS, side), count, name)
    found = None if body else _find(table, _TRANSLATION, side)
    trans = np.zeros((count, 3)) if found is None else _table(found, count, 3, name)
    has_wrist = orient is not None or found is not None
    orient = np.zeros((count, 3)) if orient is None else orient
    poses = [HandPose(*row, side=side) for row in zip(orient, angles, betas, trans, strict=True)]
    notes = ["The file holds a whole body: its fingers were read, the wrist stays."] if body else []
    if has_wrist:
        up = options.up or str(_flag(table, "up_axis", "z"))
        poses = into_world(poses, up, *rest_wrists(model, side, betas[0]))  # type: ignore[arg-type]
    rate = _find(table, _RATE, side)
    fps = options.fps or (float(np.asarray(rate)) if rate is not None else 30.0)
    if not (np.isfinite(fps) and fps > 0.0):
        raise PoseError(f"{name} has a frame rate of {fps:g}.", "Give the frames a second.")
    return Motion(PoseSequence(tuple(poses), fps), has_wrist, told, tuple(notes))


def write_parameters(sequence: PoseSequence, options: WriteOptions) -> dict[str, np.ndarray]:
    """A motion as named arrays: AMASS's keys, and what tells how to read them back.

    ``poses`` (n, 48) or (n, 3 + components), ``betas`` (n, 10), ``trans`` (n, 3), ``mocap_framerate``, ``side``,
    ``pca``, ``flat_hand_mean``, ``up_axis``, ``model``.

    Raises:
        PoseError: components or a mean pose of a hand model that is not there.
    """
    side = sequence.poses[0].side
    flat = options.components is None if options.flat_mean is None else options.flat_mean
    poses = out_of_world(sequence, options)
    angles = np.stack([pose.hand_pose.reshape(-1) for pose in poses])
    numbers = encode_fingers(angles, side, options.components, flat, options.model)
    return {
        "poses": np.concatenate([np.stack([pose.global_orient for pose in poses]), numbers], axis=1),
        "betas": np.stack([pose.betas for pose in poses]),
        "trans": np.stack([pose.transl for pose in poses]),
        "mocap_framerate": np.float64(sequence.fps),
        "side": np.array(side),
        "pca": np.array(options.components is not None),
        "flat_hand_mean": np.array(flat),
        "up_axis": np.array(options.up),
        "model": np.array(options.model),
    }


def out_of_world(sequence: PoseSequence, options: WriteOptions) -> list[HandPose]:
    """A motion in the world and from the wrist that the options name: the inverse of reading it."""
    first = sequence.poses[0]
    source, target = rest_wrists(options.model, first.side, first.betas)
    rotation, shift = up_rotation(options.up).T, target - source
    return [
        HandPose(pose.global_orient, pose.hand_pose, pose.betas, pose.transl + shift, pose.side).moved(
            rotation, np.zeros(3), source
        )
        for pose in sequence.poses
    ]


def _find(table: Mapping[str, Any], keys: tuple[str, ...], side: str) -> Any:
    for key in keys:
        value = table.get(key.format(side=side))
        if value is not None:
            return value
    return None


def _flag(table: Mapping[str, Any], key: str, default: Any) -> Any:
    value = table.get(key)
    return default if value is None else np.asarray(value).reshape(-1)[0]


def _side(table: Mapping[str, Any]) -> Side:
    told = str(_flag(table, "side", _flag(table, "hand_type", ""))).lower()
    if told not in ("left", "right"):
        right = _flag(table, "is_right", _flag(table, "is_rhand", True))
        told = "right" if right else "left"
    return "left" if told == "left" else "right"


def _rows(table: Mapping[str, Any], side: Side, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """(n, k) finger numbers, and (n, 3) orientations or None."""
    fingers = _find(table, _FINGERS, side)
    if fingers is not None:
        numbers = _table(fingers, None, None, name)
        orient = _find(table, _ORIENT, side)
        return numbers, None if orient is None else _table(orient, len(numbers), 3, name)
    both = table.get("pose_hand")
    if both is not None:
        numbers = _table(both, None, 2 * FINGER_NUMBERS, name)
        return np.split(numbers, 2, axis=1)[0 if side == "left" else 1], None
    full = _find(table, _FULL, side)
    if full is None:
        raise PoseError(
            f"{name} holds no hand poses (it has {', '.join(sorted(table)) or 'nothing'}).",
            "Give poses (n, 48), or hand_pose and global_orient.",
        )
    numbers = _table(full, None, None, name)
    width = numbers.shape[1]
    if width in _BODIES:
        first = _BODIES[width][side]
        return numbers[:, first : first + FINGER_NUMBERS], None
    if not 3 < width <= 3 + FINGER_NUMBERS:
        raise PoseError(
            f"{name} has poses of {width} numbers a frame.",
            "Hands have 48 (or 3 and the components), bodies with hands 156 or 165.",
        )
    return numbers[:, 3:], numbers[:, :3]


def _table(value: Any, rows: int | None, columns: int | None, name: str) -> np.ndarray:
    """(n, k) float64; joints by three are flattened, a single row is one frame."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PoseError(f"{name} holds something else than numbers ({error}).", "Give arrays of numbers.") from error
    array = array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), int(np.prod(array.shape[1:])))
    if rows is not None and len(array) == 1:
        array = np.broadcast_to(array, (rows, array.shape[1]))
    if array.size == 0 or (rows is not None and len(array) != rows) or (columns and array.shape[1] != columns):
        raise PoseError(
            f"{name} has an array of shape {array.shape} where ({rows or 'n'}, {columns or 'k'}) is needed.",
            "Check that all its arrays have one row a frame.",
        )
    return array


def _betas(value: Any, count: int, name: str) -> np.ndarray:
    """(n, 10); further coefficients are left out, missing ones are zero."""
    if value is None:
        return np.zeros((count, BETA_COUNT))
    found = _table(value, count, None, name)[:, :BETA_COUNT]
    return np.pad(found, ((0, 0), (0, BETA_COUNT - found.shape[1])))
