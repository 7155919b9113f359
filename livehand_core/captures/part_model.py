"""The model that a capture of a part brings along, and its poses: ``model.npz`` and ``poses.npz`` of plain arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..documents import MEBIBYTE, Reader
from ..errors import CaptureError, HandModelError, PoseError
from ..files import write_arrays
from ..hand.data import ProxyModel
from ..hand.library import bring_part, find_model
from ..hand.part import part_arrays
from ..poses import HandPose, PoseSequence, Side
from .pose_file import POSES_READER, PoseTable

MODEL = "model.npz"
NAMES = "joint_names"
MODELS = Reader("The model of the capture", CaptureError, "Write the capture again.", limit=512 * MEBIBYTE)


def write_model(path: Path, name: str) -> None:
    """Write the part of that id.

    Raises:
        HandModelError: it is not known.
        LiveHandError: it cannot be written.
    """
    model = find_model(name, "right")
    write_arrays(path, part_arrays(model) | {NAMES: np.array(model.joint_names)})


def read_model(path: Path, name: str, licence: str) -> ProxyModel:
    """The part of that id.

    Raises:
        CaptureError: the file is not there, is damaged, or holds no such model.
    """
    table = MODELS.arrays(path)
    names = table.pop(NAMES, np.zeros(0))
    if names.dtype.kind != "U" or names.ndim != 1:
        raise MODELS.damaged(path, f"{NAMES} is not a list of names")
    try:
        return bring_part(name, table, names.tolist(), licence)
    except HandModelError as error:
        raise MODELS.damaged(path, error.message.rstrip(".")) from error


def read_part_poses(path: Path, model: ProxyModel) -> PoseTable:
    """The poses of a part: ``poses`` (n, 3 J), axis-angle, the root's first, ``trans`` (n, 3) and ``mocap_framerate``.

    Raises:
        CaptureError: the file is not there, is damaged, or holds poses of another number of joints.
    """
    table = POSES_READER.arrays(path)
    missing = [key for key in ("poses", "trans") if key not in table]
    if missing:
        raise POSES_READER.damaged(path, f"it has no {missing[0]}")
    poses, trans = table["poses"], table["trans"]
    count = 3 * model.joint_count
    if poses.ndim != 2 or poses.shape[1] != count or trans.shape != (len(poses), 3) or not len(poses):
        shapes = f"poses of the shape {poses.shape} and trans of {trans.shape}"
        raise CaptureError(
            f"{path} holds {shapes}; ({len(poses)}, {count}) and ({len(poses)}, 3) are needed for the "
            f"{model.joint_count} joints of {model.name!r}.",
            "Write it from poses of the capture's own model.",
        )
    side: Side = "left" if str(table.get("side", "right")) == "left" else "right"
    betas, answer, bad = np.zeros(10), [], {}
    for row, (angles, place) in enumerate(zip(poses.astype(np.float64), trans.astype(np.float64), strict=True)):
        try:
            answer.append(HandPose(angles[:3], angles[3:], betas, place, side))
        except PoseError as error:
            bad[row] = error.message.rstrip(".")
            answer.append(HandPose.rest(side, model.joint_count))
    fps = float(np.ravel(table.get("mocap_framerate", 30.0))[0])
    return PoseTable(PoseSequence(tuple(answer), fps if 0.0 < fps < 1e6 else 30.0), bad, ())
