"""HanCo: eight cameras around one right hand, in front of a green screen.

rgb/{sequence:04}/cam{c}/{frame:08}.jpg      mask_hand/ the same, mask_fg/ with what is held
calib/{sequence:04}/{frame:08}.json          K and M (world to camera) of eight cameras
shape/{sequence:04}/{frame:08}.json          poses, shapes, global_t: MANO's
xyz/{sequence:04}/{frame:08}.json            21 joints, metres, world
meta.json                                    is_train, is_valid, has_fit, subject_id by sequence and frame
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..captures.images import upright_size
from ..errors import LiveHandError
from .conventions import JOINTS, DataSet
from .source import ANNOTATION, Choice, Instant, Notes, View, camera_to_world, pinhole, require_folder, wanted


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """The instants, sequence by sequence. Raises CaptureError where the folders are not there."""
    pictures = require_folder(folder, "rgb", "rgb_merged")
    meta = ANNOTATION.json(folder / "meta.json") if (folder / "meta.json").is_file() else {}
    for sequence in sorted(path for path in pictures.iterdir() if path.is_dir()):
        if not wanted(sequence.name, choice.sequences):
            continue
        for file in sorted((folder / "shape" / sequence.name).glob("*.json")):
            place = f"{sequence.name}/{file.stem}"
            if not _told(meta, "has_fit", sequence.name, file.stem, True):
                notes.skip(place, "meta.json says that it has no fit")
                continue
            if choice.split and _told(meta, "is_train", sequence.name, file.stem, True) != (choice.split == "train"):
                continue
            try:
                instant = _instant(folder, pictures, sequence.name, file, meta, row, choice, notes)
            except (LiveHandError, KeyError, TypeError, ValueError, IndexError) as error:
                notes.unusable(place, error)
                continue
            if instant.views:
                yield instant


def _instant(
    folder: Path, pictures: Path, sequence: str, file: Path, meta: Any, row: DataSet, choice: Choice, notes: Notes
) -> Instant:
    fit = ANNOTATION.json(file)
    pose = np.ravel(fit["poses"])
    hand = row.pose(pose[:3], pose[3:], fit["shapes"], fit["global_t"], "right")
    calibration = ANNOTATION.json(folder / "calib" / sequence / file.name)
    joints_file = folder / "xyz" / sequence / file.name
    joints = np.reshape(ANNOTATION.json(joints_file), (JOINTS, 3)) if joints_file.is_file() else None
    views = []
    for index, (k, m) in enumerate(zip(calibration["K"], calibration["M"], strict=True)):
        name = f"cam{index}"
        image = next(iter((pictures / sequence / name).glob(f"{file.stem}.*")), None)
        if not wanted(name, choice.cameras):
            continue
        if image is None:
            notes.skip(f"{sequence}/{name}/{file.stem}", "the image is not there")
            continue
        mask = next(iter((folder / "mask_hand" / sequence / name).glob(f"{file.stem}.*")), None)
        camera = pinhole(np.asarray(k), camera_to_world(np.asarray(m)), *upright_size(image))
        views.append(View(image, camera, name, mask=mask))
    subject = _told(meta, "subject_id", sequence, file.stem, 0)
    return Instant(f"{sequence}/{file.stem}", hand, tuple(views), f"subject{subject}", joints)


def _told(meta: Any, key: str, sequence: str, frame: str, otherwise: Any) -> Any:
    """What meta.json says of a frame: lists, or objects, by sequence and frame number."""
    try:
        rows = meta[key]
        row = rows[int(sequence)] if isinstance(rows, list) else rows[sequence]
        return row[int(frame)] if isinstance(row, list) else row
    except (KeyError, IndexError, TypeError, ValueError):
        return otherwise
