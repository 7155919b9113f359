"""The published code's own preparation of InterHand2.6M.

frame{n:05}/images/{camera}.png      RGBA, the principal point in the middle
frame{n:05}/mesh/MANO_params.pkl     pose 1 x 48, shape 1 x 10, trans 1 x 3, hand_type
calib.yml                            OpenCV FileStorage: intrinsic-{camera}, extrinsic-{camera} (camera to world)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..captures.images import upright_size
from ..errors import CaptureError, LiveHandError
from ..pickles import to_array
from .conventions import DataSet
from .ho3d import read_table
from .source import Choice, Instant, Notes, View, pinhole, wanted


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """The instants by frame number. Raises CaptureError where ``calib.yml`` is not there or has no cameras."""
    calibration = next((path for path in (folder, *folder.parents[:2]) if (path / "calib.yml").is_file()), None)
    if calibration is None:
        raise CaptureError(f"There is no {folder / 'calib.yml'}.", "Give the folder that holds frame00000 and so on.")
    cameras = read_calibration(calibration / "calib.yml")
    for place in sorted(path for path in folder.iterdir() if re.fullmatch(r"frame\d+", path.name)):
        try:
            table = read_table(place / "mesh" / "MANO_params.pkl")
            told = str(table.get("hand_type", "right"))
            if told != choice.side:
                notes.skip(place.name, f"it shows a {told} hand")
                continue
            pose = np.ravel(to_array(table["pose"]))
            hand = row.pose(pose[:3], pose[3:48], to_array(table["shape"]), to_array(table["trans"]), choice.side)
        except (LiveHandError, KeyError, TypeError, ValueError) as error:
            notes.unusable(place.name, error)
            continue
        views = tuple(_views(place, cameras, choice, notes))
        if views:
            yield Instant(place.name, hand, views, "")


def _views(place: Path, cameras: Mapping[str, Any], choice: Choice, notes: Notes) -> Iterator[View]:
    for name, (k, matrix) in cameras.items():
        if not wanted(name, choice.cameras):
            continue
        image = place / "images" / f"{name}.png"
        if not image.is_file():
            notes.skip(image, "the image is not there")
            continue
        # The images carry the masks that were made for them.
        yield View(image, pinhole(k, matrix, *upright_size(image)), f"cam{int(name):03d}", mask=image)


def read_calibration(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Camera -> K (3, 3) and camera to world (4, 4), metres.

    Raises:
        CaptureError: it is no such file, or has no cameras.
    """
    import cv2

    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        names = [name.removeprefix("intrinsic-") for name in storage.root().keys() if name.startswith("intrinsic-")]  # noqa: SIM118
        found = {}
        for name in sorted(names, key=lambda name: (len(name), name)):
            intrinsics, extrinsics = (storage.getNode(f"{kind}-{name}").mat() for kind in ("intrinsic", "extrinsic"))
            matrix = np.eye(4)
            matrix[:3] = extrinsics[:3]
            found[name] = (np.asarray(intrinsics), matrix)
        storage.release()
    except (cv2.error, TypeError, ValueError, SystemError) as error:
        raise CaptureError(
            f"{path} is not a calibration of OpenCV's FileStorage ({error}).", "Copy it again."
        ) from error
    if not found:
        raise CaptureError(f"{path} has no cameras (intrinsic-0, extrinsic-0 and so on).", "Copy it again.")
    return found
