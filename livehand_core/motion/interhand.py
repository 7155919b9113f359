"""InterHand2.6M's MANO annotations (``InterHand2.6M_*_MANO_NeuralAnnot.json``), read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import PoseError
from ..poses import HandPose, PoseSequence, Side, interpolate
from .convention import Motion, ReadOptions, UpAxis, WriteOptions, decode_fingers, encode_fingers, into_world
from .wrist import rest_wrists
from .writing import out_of_world

NUMBERED_AT = 30.0
"""Frames a second that the data set's frame numbers count."""

USUAL_UP: UpAxis = "-y"
"""The data set's world is that of a camera: y points down."""

BETAS_OF = "mano"
"""Id of the hand model that the data set's shapes belong to."""

_LONGEST_GAP = 1.0
"""Seconds without annotation that are bridged; longer ones part two takes, and are left out."""


def is_interhand(document: Any) -> bool:
    """Whether a JSON document has the shape {capture: {frame: {"right": ..., "left": ...}}}."""
    frames = next(iter(document.values()), None) if isinstance(document, Mapping) else None
    entry = next(iter(frames.values()), None) if isinstance(frames, Mapping) else None
    return isinstance(entry, Mapping) and ("right" in entry or "left" in entry or "world_coord" in entry)


def read_interhand(document: Mapping[str, Any], options: ReadOptions, name: str) -> Motion:
    """One hand's motion in one capture.

    Frames without annotation are bridged by interpolation up to a second; longer gaps are closed. The shape is the mean
    over the frames, since the data set fits it anew in each.

    Raises:
        PoseError: the capture or the hand is not there, joint positions in place of poses, or a damaged entry.
    """
    capture = options.capture if options.capture is not None else next(iter(document))
    if capture not in document:
        raise PoseError(f"{name} has no capture {capture!r}.", f"It has {', '.join(map(str, document))}.")
    frames = document[capture]
    side = options.side or _side_there(frames, options.prefer or "right")
    try:
        entries = {int(number): entry[side] for number, entry in frames.items() if entry.get(side)}
        numbers = sorted(entries)
        pose = np.array([entries[number]["pose"] for number in numbers], dtype=np.float64).reshape(len(numbers), 48)
        shape = np.array([entries[number]["shape"] for number in numbers], dtype=np.float64).reshape(len(numbers), 10)
        trans = np.array([entries[number]["trans"] for number in numbers], dtype=np.float64).reshape(len(numbers), 3)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PoseError(
            f"{name} holds no MANO poses in capture {capture!r} ({error}).",
            "Give InterHand2.6M_*_MANO_NeuralAnnot.json; joint positions alone are not enough.",
        ) from error
    if not numbers:
        raise PoseError(f"{name} has no {side} hand in capture {capture!r}.", "Choose the other hand, or a capture.")
    model = options.model or "mano"
    flat = False if options.flat_mean is None else options.flat_mean
    angles = decode_fingers(pose[:, 3:], side, bool(options.pca), flat, model)
    betas = shape.mean(axis=0)
    poses = [HandPose(p, a, betas, t, side) for p, a, t in zip(pose[:, :3], angles, trans, strict=True)]
    poses = into_world(poses, options.up or USUAL_UP, *rest_wrists(model, side, betas))
    # Numbers need not be evenly spaced (0 3 6 8 11 14): their common step keeps every pose at its time.
    step = int(np.gcd.reduce(np.diff(numbers))) if len(numbers) > 1 else 1
    fps = options.fps or NUMBERED_AT / step
    filled, bridged, closed = _bridge(poses, [(number - numbers[0]) // step for number in numbers], fps)
    notes = [f"{bridged} frames without annotation were interpolated."] if bridged else []
    notes += [f"{closed} longer gaps were closed."] if closed else []
    if len(document) > 1 and options.capture is None:
        notes.append(f"Capture {capture!r} was read, of {', '.join(map(str, document))}.")
    return Motion(PoseSequence(tuple(filled), fps), True, BETAS_OF, tuple(notes))


def write_interhand(sequences: Sequence[PoseSequence], options: WriteOptions) -> dict[str, Any]:
    """One or both hands as the data set's annotation; the other hand is null. Inverse of :func:`read_interhand`.

    Raises:
        PoseError: two sequences of one side, or a mean pose of a hand model that is not there.
    """
    sides = [sequence.poses[0].side for sequence in sequences]
    if len(set(sides)) != len(sides):
        raise PoseError(f"Two {sides[0]} hands do not fit into one InterHand2.6M file.", "Export them one by one.")
    count = max(len(sequence.poses) for sequence in sequences)
    entries: list[dict[str, Any]] = [{"right": None, "left": None} for _ in range(count)]
    flat = False if options.flat_mean is None else options.flat_mean
    for sequence, side in zip(sequences, sides, strict=True):
        for entry, pose in zip(entries, out_of_world(sequence, options, USUAL_UP), strict=False):
            fingers = encode_fingers(pose.hand_pose.reshape(1, -1), side, None, flat, options.model)[0]
            entry[side] = {
                "pose": [*pose.global_orient.tolist(), *fingers.tolist()],
                "shape": pose.betas.tolist(),
                "trans": pose.transl.tolist(),
            }
    step = max(1, round(NUMBERED_AT / sequences[0].fps))
    return {options.capture: {str(options.first_frame + step * i): entry for i, entry in enumerate(entries)}}


def _side_there(frames: Any, preferred: Side) -> Side:
    """The preferred hand if it is annotated anywhere, else the other one."""
    entries = frames.values() if isinstance(frames, Mapping) else ()
    there = any(isinstance(entry, Mapping) and entry.get(preferred) for entry in entries)
    other: Side = "left" if preferred == "right" else "right"
    return preferred if there else other


def _bridge(poses: list[HandPose], places: list[int], fps: float) -> tuple[list[HandPose], int, int]:
    """Poses at every place, the number that were interpolated, and of gaps that were closed."""
    filled, bridged, closed = [poses[0]], 0, 0
    for before, after, gap in zip(poses, poses[1:], np.diff(places), strict=False):
        if gap > max(2.0, _LONGEST_GAP * fps):
            closed += 1
        else:
            filled += [interpolate(before, after, i / gap) for i in range(1, gap)]
            bridged += int(gap) - 1
        filled.append(after)
    return filled, bridged, closed
