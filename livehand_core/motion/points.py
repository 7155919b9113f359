"""Motions as points in space: joints and finger tips by frame, from whatever program, onto the hand's own joints.

How a source's bones lie at rest does not matter: what counts is where the joints are. Each bone takes the direction
that it has in the source and the length that it has in the hand, and the angles are fitted to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import PoseError
from ..hand.builtin import MODEL_ID
from ..hand.library import find_hand
from ..poses import HandPose, PoseSequence, Side, interpolate
from ..tracking.fit import Deviations, PointProblem, fit
from ..tracking.skeleton import Placement, Skeleton, palm_length
from .convention import Motion, ReadOptions, UpAxis, into_world
from .keys import has_role, plain, side_named
from .wrist import rest_wrists

POINT_NAMES = (
    "wrist",
    *(f"{finger}{part}" for finger in ("thumb", "index", "middle", "ring", "pinky") for part in ("1", "2", "3", "tip")),
)
"""The 21 points, in the order of MediaPipe's landmarks."""

OPENXR = (1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 20, 22, 23, 24, 25)
"""Which of OpenXR's 26 hand joints (XR_EXT_hand_tracking) each of the 21 points is: the palm and the fingers'
metacarpals are left out."""

_EXACT = Deviations(world=0.004, usual=3.0, tendon=1.0, last=1.0)
_ROLES = ("landmarks", "worldlandmarks", "handworldlandmarks", "handlandmarks", "joints", "points", "keypoints", "xyz",
          "handjoints", "jointpositions", "positions", "keypoints3d", "joints3d", "points3d")  # fmt: skip


@dataclass(frozen=True)
class PointMotion:
    """Joints and tips by frame.

    Attributes:
        points: (n, 21, 3) in the order of ``POINT_NAMES``; NaN where one is not known. Any unit.
        fps: frames a second.
        side: which hand.
        up: the axis of its world that points up.
    """

    points: np.ndarray
    fps: float
    side: Side
    up: UpAxis


def pose_points(motion: PointMotion, name: str) -> tuple[PoseSequence, list[str]]:
    """The motion on the built-in hand's joints, in its own world, sized so that the palm is that hand's.

    Args:
        name: of the file, for messages.

    Returns:
        The motion; and notes for people.

    Raises:
        PoseError: the wrist or the knuckles are not known in any frame, or all points are one.
    """
    skeleton = Skeleton(find_hand(MODEL_ID, motion.side), networks=False)
    palms = np.array([palm_length(points) for points in motion.points])
    sound = np.isfinite(palms) & (palms > 0.0)
    if not sound.any():
        raise PoseError(
            f"{name} has no frame with the wrist and the four knuckles.", "Check which bones or points are the hand's."
        )
    scale = skeleton.palm_length / float(np.median(palms[sound]))
    lengths = _bone_lengths(skeleton)
    poses: list[HandPose | None] = []
    last: Placement | None = None
    for points, good in zip(motion.points, sound, strict=True):
        if not good:
            poses.append(None)
            last = None
            continue
        target = _with_lengths(points * scale, lengths)
        problem = PointProblem(skeleton, target, None if last is None else last.angles, _EXACT)
        last = fit(problem, last, 30, 1e-5).placement
        poses.append(skeleton.pose(last))
    lost = len(poses) - int(sound.sum())
    notes = [f"{lost} frames without the hand were filled in."] if lost else []
    return PoseSequence(tuple(_filled(poses)), motion.fps), notes


def read_points(motion: PointMotion, options: ReadOptions, name: str) -> Motion:
    """The motion in a z-up world.

    Raises:
        PoseError: see :func:`pose_points`.
    """
    motion = replace(motion, fps=options.fps or motion.fps, up=options.up or motion.up)
    sequence, notes = pose_points(motion, name)
    first = sequence.poses[0]
    poses = into_world(list(sequence.poses), motion.up, *rest_wrists(MODEL_ID, first.side, first.betas))
    return Motion(PoseSequence(tuple(poses), sequence.fps), True, "", tuple(notes))


def points_in(document: Any, options: ReadOptions, name: str = "") -> PointMotion | None:
    """Landmarks or joints in a document of another program; None where it holds none.

    Known are MediaPipe's 21 landmarks and OpenXR's 26 joints: an array (n, 21 or 26, 3 or more), a list of frames of
    such lists or of ``{x, y, z}``, alone or under a key such as ``landmarks`` or ``joints``, with ``fps`` and a side
    beside it; and FreeMoCap's ``..._right_hand_3d_xyz.npy``, whose name tells the side.
    """
    table = document if isinstance(document, Mapping) else {"points": document}
    if any(has_role(table, role) for role in ("full", "fingers", "both")):
        # Joints beside poses are what those make of a hand.
        return None
    named = next((side for side in ("left", "right") if side in plain(name)), None)
    found = _array_in(table, options.side or named or options.prefer)  # type: ignore[arg-type]
    if found is None:
        return None
    points, side, key = found
    fps = next((float(np.asarray(value)) for name, value in table.items() if plain(name) in ("fps", "framerate")), 30.0)
    if points.shape[1] == 26:
        return PointMotion(points[:, OPENXR, :3], fps, side, "y")
    # MediaPipe's own are in a camera's axes; FreeMoCap's array, which has no keys, in a room's, with z up.
    return PointMotion(points[..., :3], fps, side, "-y" if key else "z")


def _array_in(table: Mapping[str, Any], wanted: Side | None) -> tuple[np.ndarray, Side, bool] | None:
    sides = (side_named(value) for key, value in table.items() if plain(key) in ("hand", "side", "handedness"))
    told = next(sides, None)
    best = None
    for key, value in table.items():
        word, side = plain(key), told
        for other in ("right", "left"):
            if word.startswith(other):
                word, side = word.removeprefix(other), other  # type: ignore[assignment]
        if isinstance(value, Mapping) and side is not None and not word.removeprefix("hand"):
            inner = _array_in({"side": side, **value}, wanted)
        else:
            array = _points_array(value) if word in _ROLES or word.removeprefix("hand") in _ROLES else None
            inner = None if array is None else (array, side or wanted or "right", not isinstance(value, np.ndarray))
        if inner is not None and (best is None or inner[1] == wanted):
            best = inner
    return best


def _points_array(value: Any) -> np.ndarray | None:
    """(n, 21 or 26, 3 or more) float64, from arrays, lists of lists, or lists of ``{x, y, z}``."""
    try:
        array = np.array(_plain_points(value), dtype=np.float64)
    except (TypeError, ValueError):
        return None
    array = array[None] if array.ndim == 2 else array
    return array if array.ndim == 3 and array.shape[1] in (21, 26) and 3 <= array.shape[2] <= 9 else None


def _plain_points(value: Any) -> Any:
    if isinstance(value, Mapping):
        if {"x", "y", "z"} <= set(value):
            return [np.nan if value[axis] is None else value[axis] for axis in "xyz"]
        return _plain_points(next((inner for key, inner in value.items() if plain(key) in _ROLES), None))
    if isinstance(value, list | tuple):
        parts = [_plain_points(item) for item in value]
        shape = next((np.shape(part) for part in parts if part is not None), None)
        # A frame without the hand is a gap.
        return [np.full(shape, np.nan) if part is None and shape else part for part in parts]
    return value


def _bone_lengths(skeleton: Skeleton) -> np.ndarray:
    """(21,) metres from the point before each to it."""
    flat = skeleton.posed(Placement(np.eye(3), np.zeros(3), np.clip(0.0, skeleton.low, skeleton.high))).points
    before = [0, *(0 if part == 0 else 4 * finger + part for finger in range(5) for part in range(4))]
    return np.asarray(np.linalg.norm(flat - flat[before], axis=1))


def _with_lengths(points: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Fingers with the source's directions and the hand's lengths, from the source's knuckles on."""
    target = points.copy()
    for first in (1, 5, 9, 13, 17):
        for point in range(first + 1, first + 4):
            bone = points[point] - points[point - 1]
            long = np.linalg.norm(bone)
            target[point] = target[point - 1] + (bone / long * lengths[point] if long > 0.0 else np.nan)
    return target


def _filled(poses: list[HandPose | None]) -> list[HandPose]:
    """Frames without a pose take those around them."""
    known = [index for index, pose in enumerate(poses) if pose is not None]
    answer = []
    for index in range(len(poses)):
        after = next((k for k in known if k >= index), known[-1])
        before = next((k for k in reversed(known) if k <= index), known[0])
        first, second = poses[before], poses[after]
        assert first is not None and second is not None
        share = (index - before) / (after - before) if after > before else 0.0
        answer.append(interpolate(first, second, share))
    return answer
