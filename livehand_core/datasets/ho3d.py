"""HO-3D: right hands that hold objects; each image's annotation is in its own camera's frame, in OpenGL axes.

{train,evaluation}/{sequence}/rgb/{frame:04}.{png,jpg}
{train,evaluation}/{sequence}/meta/{frame:04}.pkl    camMat, handPose 48, handBeta, handTrans, handJoints3D
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..cameras import OPENGL_TO_OPENCV
from ..captures.images import upright_size
from ..errors import CaptureError, LiveHandError
from ..hand.library import find_hand
from ..pickles import PickleError, read_pickle, to_array
from .conventions import JOINTS, DataSet
from .source import ANNOTATION, Choice, Instant, Notes, View, pinhole, require_folder, wanted

AXES = OPENGL_TO_OPENCV[:3, :3]

JOINT_ORDER = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
"""Where the usual 21 joints stand among the set's: MANO's 16, then the tips from thumb to little finger."""


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """One instant an image. Raises CaptureError where the folders are not there."""
    split = require_folder(folder, *([choice.split] if choice.split else ["train", "training", "evaluation"]))
    for sequence in sorted(path for path in split.iterdir() if (path / "meta").is_dir()):
        if not wanted(sequence.name, choice.sequences):
            continue
        for file in sorted((sequence / "meta").glob("*.pkl")):
            place = f"{sequence.name}/{file.stem}"
            image = next(
                (path for end in ("png", "jpg") if (path := sequence / "rgb" / f"{file.stem}.{end}").is_file()), None
            )
            if image is None:
                notes.skip(place, "the image is not there")
                continue
            try:
                instant = _instant(place, sequence.name, image, read_table(file), row)
            except (LiveHandError, KeyError, TypeError, ValueError) as error:
                notes.unusable(place, error)
                continue
            if instant is None:
                notes.skip(place, "it has no hand's pose")
                continue
            yield instant


def read_table(path: Path) -> Mapping[str, Any]:
    """The table of a pickle, read as data. Raises CaptureError."""
    try:
        table = read_pickle(ANNOTATION.read(path))
    except PickleError as error:
        raise CaptureError(f"The annotation {path} is refused: {error}.", "Download it again.") from error
    if not isinstance(table, Mapping):
        raise CaptureError(f"The annotation {path} is not a table.", "Download it again.")
    return table


def _instant(place: str, sequence: str, image: Path, table: Mapping[str, Any], row: DataSet) -> Instant | None:
    if table.get("handPose") is None:
        return None
    pose = np.ravel(to_array(table["handPose"])).astype(np.float64)
    betas, transl = to_array(table["handBeta"]), to_array(table["handTrans"])
    hand = row.pose(pose[:3], pose[3:48], betas, transl, "right")
    wrist = find_hand(row.hand_model, "right").rest_joints(hand.betas)[0]
    joints = None
    if table.get("handJoints3D") is not None:
        told = np.asarray(to_array(table["handJoints3D"]), dtype=np.float64).reshape(-1, 3)
        joints = told[list(JOINT_ORDER)] @ AXES.T if len(told) == JOINTS else None
    camera = pinhole(to_array(table["camMat"]), np.eye(4), *upright_size(image))
    moved = hand.moved(AXES, np.zeros(3), wrist)
    # The sequence's last digit is the camera; all of one take show one person.
    return Instant(place, moved, (View(image, camera, f"cam{sequence[-1]}"),), sequence.rstrip("0123456789"), joints)
