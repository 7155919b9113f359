"""InterHand2.6M: 5 and 30 frames a second, all splits, both layouts of its annotations.

images/{split}/Capture{n}/{sequence}/cam{id}/image{frame}.jpg
annotations/[{all,human_annot,machine_annot}/]{split}/InterHand2.6M_{split}_{data,camera,joint_3d,MANO_NeuralAnnot}.json
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..cameras import Camera
from ..errors import CameraError, CaptureError, PoseError
from ..poses import HandPose, Side
from .conventions import JOINTS, DataSet
from .source import ANNOTATION, Choice, Instant, Notes, View, camera_to_world, reason_of, wanted

WRIST_FIRST = (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
"""Where the usual 21 joints stand among the set's, which begin with the thumb's tip and end with the wrist."""

SPLITS = ("train", "test", "val")
LAYOUTS = ("", "all/", "machine_annot/", "human_annot/")
ROOTS = ("", "InterHand2.6M_5fps_batch1/", "InterHand2.6M_30fps_batch1/", "5fps/", "30fps/")

METRES = 1e-3
"""In a unit of cameras and joints."""

NOT_SEEN = 1.0
"""All three coordinates of a joint that was not annotated, in older releases."""


def read_instants(folder: Path, row: DataSet, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """The instants of one hand, capture by capture, by frame number.

    Raises:
        CaptureError: annotations or images are not there, or are of another form.
    """
    there = [name for name in SPLITS if any(_find(folder, name, kind) for kind in KINDS)]
    split = choice.split or (there or SPLITS)[0]
    if there and split not in there:
        raise CaptureError(
            f"{folder} has no annotations of the split {split!r}.", f"Choose --split {' or '.join(there)}."
        )
    data, cameras, joints, fits = (_annotation(folder, split, kind) for kind in KINDS)
    images = _images(folder, split)
    try:
        taken = _by_instant(data, choice, notes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(folder, error) from error
    for (capture, frame), entries in sorted(taken.items()):
        name = f"Capture{capture}/{entries[0]['seq_name']}/{frame:06d}"
        sequences = {entry["seq_name"] for entry in entries}
        if len(sequences) > 1:
            notes.skip(name, "two sequences have this frame number, and the fits do not say whose they are")
            continue
        try:
            pair = fits[str(capture)].get(str(frame)) or {}
            hand = _hand(pair, row, choice.side)
            if hand is None:
                notes.skip(name, f"there is no fit of the {choice.side} hand")
                continue
            other: Side = "left" if choice.side == "right" else "right"
            second = _hand(pair, row, other) if entries[0]["hand_type"] == "interacting" else None
            seen = _joints(joints, capture, frame, choice.side)
            views = tuple(_views(entries, cameras[str(capture)], images, choice, notes))
        except (KeyError, TypeError, ValueError, AttributeError, PoseError) as error:
            notes.unusable(name, error)
            continue
        if views:
            identity = f"subject{entries[0]['subject']}"
            yield Instant(name, hand, views, identity, seen, () if second is None else (second,))


KINDS = ("data", "camera", "joint_3d", "MANO_NeuralAnnot")


def _find(folder: Path, split: str, kind: str) -> Path | None:
    file = f"InterHand2.6M_{split}_{kind}.json"
    roots = (folder / "annotations", *(folder / root / "annotations" for root in ROOTS[1:]), folder)
    places = (root / layout / part / file for root in roots for layout in LAYOUTS for part in (split, ""))
    return next((path for path in places if path.is_file()), None)


def _annotation(folder: Path, split: str, kind: str) -> Any:
    path = _find(folder, split, kind)
    if path is None:
        raise CaptureError(
            f"InterHand2.6M_{split}_{kind}.json is not below {folder / 'annotations'}.",
            "MANO_NeuralAnnot is a download of its own (the data set's page, NeuralAnnot)."
            if kind == KINDS[3]
            else "Give the folder that holds annotations/ and images/.",
        )
    document = ANNOTATION.json(path)
    if not isinstance(document, Mapping):
        raise _foreign(path, TypeError("it is no object"))
    return document


def _foreign(path: Path, error: Exception) -> CaptureError:
    return CaptureError(
        f"The annotations in {path} are not those of a known InterHand2.6M release ({reason_of(error)}).",
        "Give the data set's own files.",
    )


def _images(folder: Path, split: str) -> Path:
    places = [folder / root / "images" / split for root in ROOTS] + [folder / split]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise CaptureError(f"There is no folder {places[0]}.", "Unpack the images beside annotations/.")
    return found


def _by_instant(data: Any, choice: Choice, notes: Notes) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """(capture, frame) -> the images, with the hand type that their annotation tells."""
    kinds = {entry["image_id"]: entry for entry in data["annotations"]}
    found: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for image in data["images"]:
        if not (
            wanted(str(image["capture"]), tuple(name.removeprefix("Capture") for name in choice.captures))
            and wanted(str(image["subject"]), choice.subjects)
            and wanted(str(image["seq_name"]), choice.sequences)
            and wanted(str(image["camera"]), tuple(name.removeprefix("cam") for name in choice.cameras))
        ):
            continue
        kind = kinds.get(image["id"], {}).get("hand_type", "")
        if kind == choice.side or (kind == "interacting" and choice.interacting):
            found[int(image["capture"]), int(image["frame_idx"])].append({**image, "hand_type": kind})
        elif kind == "interacting":
            notes.skip(image["file_name"], "both hands are seen (--interacting takes it)")
        else:
            notes.skip(image["file_name"], f"it shows {f'a {kind} hand' if kind else 'no annotated hand'}")
    return found


def _hand(pair: Mapping[str, Any], row: DataSet, side: Side) -> HandPose | None:
    fit = pair.get(side)
    if not fit:
        return None
    pose = np.asarray(fit["pose"], dtype=np.float64).reshape(48)
    if not pose.any():
        return None
    return row.pose(pose[:3], pose[3:], fit["shape"], fit["trans"], side)


def _joints(document: Any, capture: int, frame: int, side: Side) -> np.ndarray | None:
    """(21, 3) metres, NaN where they were not annotated; both releases' forms."""
    entry = document.get(str(capture), {}).get(str(frame))
    if entry is None:
        return None
    place = np.asarray(entry["world_coord"] if isinstance(entry, Mapping) else entry, dtype=np.float64).reshape(-1, 3)
    valid = ~(place == NOT_SEEN).all(axis=1)
    if isinstance(entry, Mapping) and "joint_valid" in entry:
        valid &= np.asarray(entry["joint_valid"], dtype=np.float64).reshape(-1) > 0.5
    first = 0 if side == "right" else JOINTS
    own = slice(first, first + JOINTS)
    joints: np.ndarray = np.where(valid[own, None], place[own] * METRES, np.nan)[list(WRIST_FIRST)]
    return joints if np.isfinite(joints).any() else None


def _views(
    entries: list[dict[str, Any]], cameras: Mapping[str, Any], images: Path, choice: Choice, notes: Notes
) -> Iterator[View]:
    for entry in sorted(entries, key=lambda entry: str(entry["camera"])):
        name = str(entry["camera"])
        file = images / entry["file_name"]
        try:
            turn = np.asarray(cameras["camrot"][name], dtype=np.float64).reshape(3, 3)
            centre = np.asarray(cameras["campos"][name], dtype=np.float64).reshape(3)
            focal, point = cameras["focal"][name], cameras["princpt"][name]
            matrix = camera_to_world(np.concatenate([turn, -(turn @ centre)[:, None]], axis=1), METRES)
            camera = Camera(
                int(entry["width"]), int(entry["height"]), float(focal[0]), float(focal[1]), float(point[0]),
                float(point[1]), matrix,
            )  # fmt: skip
        except (KeyError, ValueError, CameraError) as error:
            notes.skip(file, f"the calibration does not tell its camera ({reason_of(error)})")
            continue
        yield View(file, camera, f"cam{name.removeprefix('cam')}")
