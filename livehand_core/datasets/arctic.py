"""ARCTIC: two hands and an object before eight fixed cameras.

    raw_seqs/{subject}/{sequence}.mano.npy      per hand: rot, pose 45, trans, shape, fitting_err
    images/{subject}/{sequence}/{view}/{image:05}.jpg
    meta/misc.json                              by subject: world2cam, intris_mat, image_size, ioi_offset

View 0 is the camera on the head, whose lens and place change by frame; it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..captures.images import upright_size
from ..errors import CaptureError, LiveHandError
from ..pickles import PickleError, read_object_array, to_array
from ..poses import HandPose, Side
from .conventions import DataSet
from .source import ANNOTATION, Choice, Instant, Notes, View, camera_to_world, pinhole, require_folder, wanted


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """The instants, subject by subject. Raises CaptureError where the folders are not there."""
    takes = require_folder(folder, "raw_seqs", "data/raw_seqs")
    base = takes.parent
    cameras = ANNOTATION.json(require_folder(base, "meta/misc.json"))
    for subject in sorted(path for path in takes.iterdir() if path.is_dir()):
        if not wanted(subject.name, choice.subjects) or subject.name not in cameras:
            continue
        for file in sorted(subject.glob("*.mano.npy")):
            sequence = file.name.removesuffix(".mano.npy")
            if not wanted(sequence, choice.sequences):
                continue
            try:
                yield from _sequence(base, subject.name, sequence, file, cameras[subject.name], row, choice, notes)
            except (LiveHandError, KeyError, TypeError, ValueError) as error:
                notes.unusable(f"{subject.name}/{sequence}", error)


def _sequence(
    base: Path, subject: str, sequence: str, file: Path, rig: Any, data_set: DataSet, choice: Choice, notes: Notes
) -> Iterator[Instant]:
    table = _table(file)
    other: Side = "left" if choice.side == "right" else "right"
    own, second = _poses(table[choice.side], data_set, choice.side), _poses(table[other], data_set, other)
    matrices, intrinsics = np.asarray(rig["world2cam"]), np.asarray(rig["intris_mat"])
    folders = {
        index + 1: base / "images" / subject / sequence / str(index + 1)
        for index in range(len(matrices))
        if wanted(str(index + 1), tuple(name.removeprefix("cam") for name in choice.cameras))
    }
    notes.skip(f"{subject}/{sequence}/0", "the camera on the head, which moves")
    for row, hand in enumerate(own):
        number = row + int(rig["ioi_offset"])
        views = []
        for view, place in folders.items():
            image = place / f"{number:05d}.jpg"
            if not image.is_file():
                notes.skip(image, "the image is not there")
                continue
            size = upright_size(image)
            views.append(
                View(image, pinhole(intrinsics[view - 1], camera_to_world(matrices[view - 1]), *size), f"cam{view}")
            )
        if views:
            yield Instant(f"{subject}/{sequence}/{number:05d}", hand, tuple(views), subject, None, (second[row],))


def _table(path: Path) -> Mapping[str, Any]:
    try:
        content = read_object_array(ANNOTATION.read(path))
    except PickleError as error:
        raise CaptureError(f"The annotation {path} is refused: {error}.", "Download it again.") from error
    table = content.item() if isinstance(content, np.ndarray) and content.size == 1 else content
    if not isinstance(table, Mapping) or not {"right", "left"} <= set(table):
        raise CaptureError(f"The annotation {path} holds no right and left hand.", "Download it again.")
    return table


def _poses(fit: Mapping[str, Any], row: DataSet, side: Side) -> list[HandPose]:
    orient, fingers, transl = (np.asarray(to_array(fit[key]), dtype=np.float64) for key in ("rot", "pose", "trans"))
    betas = np.ravel(to_array(fit["shape"]))[:10]
    return [row.pose(*numbers, side) for numbers in zip(orient, fingers, [betas] * len(orient), transl, strict=True)]
