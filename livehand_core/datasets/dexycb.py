"""DexYCB: eight cameras, one hand that grasps.

    {date-subject-NN}/{sequence}/meta.yml               serials, extrinsics, mano_calib, mano_sides, num_frames
    {date-subject-NN}/{sequence}/{serial}/color_{frame:06}.jpg, labels_{frame:06}.npz
    calibration/intrinsics/{serial}_{w}x{h}.yml
    calibration/extrinsics_{name}/extrinsics.yml        camera to master
    calibration/mano_{name}/mano.yml                    betas

``pose_m`` has 3 + 45 principal components + 3 numbers in the frame of the camera that the file lies under.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LiveHandError
from ..hand.library import find_hand
from ..poses import HandPose, Side
from .conventions import JOINTS, DataSet
from .source import ANNOTATION, Choice, Instant, Labels, Notes, View, pinhole, require_folder, wanted

HAND_LABEL = 255


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """The instants, subject by subject. Raises CaptureError where the calibration is not there."""
    require_folder(folder, "calibration")
    for subject in sorted(path for path in folder.iterdir() if path.is_dir() and "subject" in path.name):
        if not wanted(subject.name, choice.subjects):
            continue
        for sequence in sorted(path for path in subject.iterdir() if path.is_dir()):
            if not wanted(sequence.name, choice.sequences):
                continue
            place = f"{subject.name}/{sequence.name}"
            try:
                yield from _sequence(folder, subject.name, sequence, row, choice, notes)
            except (LiveHandError, KeyError, TypeError, ValueError) as error:
                notes.unusable(place, error)


def _sequence(
    folder: Path, subject: str, sequence: Path, row: DataSet, choice: Choice, notes: Notes
) -> Iterator[Instant]:
    meta = ANNOTATION.yaml(sequence / "meta.yml")
    sides = [str(side) for side in meta["mano_sides"]]
    if choice.side not in sides:
        notes.skip(f"{subject}/{sequence.name}", f"it shows the {' and '.join(sides) or 'no'} hand")
        return
    calibration = folder / "calibration"
    shape = ANNOTATION.yaml(calibration / f"mano_{meta['mano_calib'][sides.index(choice.side)]}" / "mano.yml")["betas"]
    rows = ANNOTATION.yaml(calibration / f"extrinsics_{meta['extrinsics']}" / "extrinsics.yml")["extrinsics"]
    cameras = {}
    for serial in map(str, meta["serials"]):
        if not wanted(serial, choice.cameras):
            continue
        matrix = np.eye(4)
        matrix[:3] = np.reshape(rows[serial], (3, 4))
        file = next(iter(sorted((calibration / "intrinsics").glob(f"{serial}_*.yml"))), None)
        if file is None:
            notes.skip(f"{subject}/{sequence.name}/{serial}", "its intrinsics are not there")
            continue
        size = file.stem.partition("_")[2].split("x")
        k = ANNOTATION.yaml(file)["color"]
        intrinsics = np.array([[k["fx"], 0.0, k["ppx"]], [0.0, k["fy"], k["ppy"]], [0.0, 0.0, 1.0]])
        cameras[serial] = pinhole(intrinsics, matrix, int(size[0]), int(size[1]))
    for frame in range(int(meta["num_frames"])):
        instant = _instant(subject, sequence, frame, cameras, shape, row, choice.side, notes)
        if instant is not None:
            yield instant


def _instant(
    subject: str, sequence: Path, frame: int, cameras: Any, shape: Any, row: DataSet, side: Side, notes: Notes
) -> Instant | None:
    views, hand, joints = [], None, None
    for serial, camera in cameras.items():
        image = sequence / serial / f"color_{frame:06d}.jpg"
        labels = sequence / serial / f"labels_{frame:06d}.npz"
        if not image.is_file() or not labels.is_file():
            notes.skip(image, "the image or its labels are not there")
            continue
        if hand is None:
            told = ANNOTATION.arrays(labels)
            hand = _hand(np.ravel(told["pose_m"]), shape, row, side, camera.camera_to_world)
            joint = np.reshape(told["joint_3d"], (JOINTS, 3)).astype(np.float64)
            if (joint != -1.0).all():
                joints = joint @ camera.camera_to_world[:3, :3].T + camera.camera_to_world[:3, 3]
        views.append(View(image, camera, serial, mask=Labels(labels, "seg", HAND_LABEL)))
    place = f"{subject}/{sequence.name}/{frame:06d}"
    if hand is None:
        notes.skip(place, "the hand is not there yet, or no longer")
        return None
    return Instant(place, hand, tuple(views), subject.rpartition("-")[2] or subject, joints)


def _hand(numbers: np.ndarray, shape: Any, row: DataSet, side: Side, matrix: np.ndarray) -> HandPose | None:
    """The pose in the master camera's frame; all zero means that there is no hand."""
    if not numbers.any():
        return None
    pose = row.pose(numbers[:3], numbers[3:48], shape, numbers[48:51], side)
    wrist = find_hand(row.hand_model, side).rest_joints(pose.betas)[0]
    return pose.moved(matrix[:3, :3], matrix[:3, 3], wrist)
