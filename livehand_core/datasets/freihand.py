"""FreiHAND: single images of right hands, each in its own camera's frame.

training/rgb/{id:08}.jpg     four versions of 32560: background replaced at id + 32560 k
training/mask/{id:08}.jpg    of the first version, in front of a green screen
training_{K,mano,xyz}.json   61 numbers: pose 48, shape 10, uv of the root 2, scale 1
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..captures.images import upright_size
from ..errors import CaptureError, LiveHandError
from ..hand.library import find_hand
from .conventions import JOINTS, DataSet
from .source import ANNOTATION, Choice, Instant, Notes, View, pinhole, wanted

UNIQUE = 32560
"""Annotations of the training set; images beyond show the same hands before other backgrounds."""


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """One instant an annotation, of one image: the first version there is.

    Raises:
        CaptureError: an annotation file is not there, or their lengths differ.
    """
    split = {"": "training", "train": "training", "test": "evaluation", "val": "evaluation"}.get(
        choice.split, choice.split
    )
    intrinsics, fits, joints = (ANNOTATION.json(folder / f"{split}_{kind}.json") for kind in ("K", "mano", "xyz"))
    if not len(intrinsics) == len(fits) == len(joints):
        raise CaptureError(
            f"{split}_K.json, _mano and _xyz have {len(intrinsics)}, {len(fits)} and {len(joints)} entries.",
            "Download all three of one release.",
        )
    if not wanted("cam0", choice.cameras):
        return
    for index, (k, fit, points) in enumerate(zip(intrinsics, fits, joints, strict=True)):
        place = f"{split}/{index:08d}"
        image = next(
            (path for version in range(4) if (path := _file(folder / split, "rgb", index + version * UNIQUE))), None
        )
        if image is None:
            notes.skip(place, "the image is not there")
            continue
        try:
            numbers = np.asarray(fit, dtype=np.float64).reshape(-1)[:61]
            joint = np.asarray(points, dtype=np.float64).reshape(JOINTS, 3)
            # The fits place no wrist but by the image; the joints are their own, and the first is the wrist.
            wrist = find_hand(row.hand_model, "right").rest_joints(numbers[48:58])[0]
            hand = row.pose(numbers[:3], numbers[3:48], numbers[48:58], joint[0] - wrist, "right")
            camera = pinhole(np.asarray(k), np.eye(4), *upright_size(image))
        except (LiveHandError, ValueError, TypeError) as error:
            notes.unusable(place, error)
            continue
        mask = _file(folder / split, "mask", index) if int(image.stem) < UNIQUE else None
        # Whose hand it is nobody tells.
        yield Instant(place, hand, (View(image, camera, "cam0", mask=mask),), "", joint)


def _file(folder: Path, kind: str, index: int) -> Path | None:
    return next((path for end in ("jpg", "png") if (path := folder / kind / f"{index:08d}.{end}").is_file()), None)
