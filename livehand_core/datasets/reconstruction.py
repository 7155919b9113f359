"""Own cameras: a COLMAP or nerfstudio reconstruction, with the hand's parameters and perhaps masks beside it.

    transforms.json, or sparse/0/cameras.bin and images.bin
    images/                as the reconstruction names them
    masks/                 the same names with .png, where there are any; white is the hand
    poses.npz              the hand, in the reconstruction's own world and unit: metres

One pose is a hand that keeps still while a camera moves. Several poses are told apart by the last number in an image's
name: the folder or the rest of the name is then the camera's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..cameras import Camera
from ..captures.lens import Lens
from ..captures.pose_file import POSES_READER, read_pose_file
from ..captures.transforms import Misread, find_picture, read_camera, read_world
from ..errors import CameraError, CaptureError
from ..hand.library import MANO
from .colmap import find_model, read_model
from .source import ANNOTATION, Choice, Instant, Notes, View, wanted


@dataclass(frozen=True)
class Image:
    """An image of a reconstruction, and its mask where one is told."""

    path: Path
    camera: Camera
    lens: Lens
    mask: Path | None


def hand_model_of(poses: Path) -> str:
    """Whose parameters a file of hand poses holds: what it says, or MANO's."""
    arrays = POSES_READER.arrays(poses)
    return str(arrays["model"].reshape(-1)[0]) if "model" in arrays and arrays["model"].size else MANO


def read_cameras(folder: Path, poses: Path, choice: Choice, notes: Notes) -> Iterator[Instant]:
    """The instants of a reconstruction.

    Args:
        poses: file of the hand's parameters.

    Raises:
        CaptureError: there is no reconstruction, no poses, or nobody tells which image shows which pose.
    """
    table = read_pose_file(poses, hand_model_of(poses))
    images = _images(folder, notes)
    hands = table.poses.poses
    by_time = _by_time(images) if len(hands) > 1 else {0: [(image.path.stem, image) for image in images]}
    if len(hands) > 1 and len(by_time) != len(hands):
        raise CaptureError(
            f"There are {len(hands)} hand poses and {len(by_time)} different numbers in the images' names.",
            "Give one pose a number, as cam0/0001.png and so on have them, or one pose for a hand that keeps still.",
        )
    for row, (time, shots) in enumerate(sorted(by_time.items())):
        name = f"pose{time:05d}"
        if row in table.bad:
            notes.skip(name, table.bad[row])
            continue
        if hands[row].side != choice.side:
            notes.skip(name, f"it is a {hands[row].side} hand")
            continue
        views = tuple(
            View(image.path, image.camera, camera, image.lens, image.mask)
            for camera, image in shots
            if wanted(camera, choice.cameras)
        )
        if views:
            yield Instant(name, hands[row], views)


def _by_time(images: list[Image]) -> dict[int, list[tuple[str, Image]]]:
    """Number of an instant -> the images of it, each with its camera's name."""
    found: dict[int, list[tuple[str, Image]]] = defaultdict(list)
    for image in images:
        numbers = list(re.finditer(r"\d+", image.path.stem))
        if not numbers:
            continue
        last = numbers[-1]
        rest = (image.path.stem[: last.start()] + image.path.stem[last.end() :]).strip("_-. ")
        found[int(last.group())].append((rest or image.path.parent.name, image))
    return found


def _images(folder: Path, notes: Notes) -> list[Image]:
    if (folder / "transforms.json").is_file():
        return list(_nerfstudio(folder, notes))
    model = find_model(folder)
    if model is None:
        raise CaptureError(
            f"There is no transforms.json and no sparse/0/cameras.bin in {folder}.",
            "Give the folder of a nerfstudio data set or of a COLMAP project.",
        )
    images = []
    for shot in read_model(model):
        path = folder / "images" / shot.name
        if not path.is_file():
            notes.skip(path, "the image is not there")
            continue
        images.append(Image(path, shot.camera, shot.lens, _mask(folder, shot.name)))
    return images


def _nerfstudio(folder: Path, notes: Notes) -> Iterator[Image]:
    document = ANNOTATION.json(folder / "transforms.json")
    if not isinstance(document, dict) or not isinstance(document.get("frames"), list):
        raise CaptureError(f"{folder / 'transforms.json'} has no list of frames.", "Export it from nerfstudio again.")
    try:
        world = read_world(document)
    except Misread as error:
        raise CaptureError(f"{folder / 'transforms.json'} cannot be right: {error}.", "Export it again.") from error
    for count, entry in enumerate(document["frames"]):
        try:
            name = find_picture(folder, entry.get("file_path"), "file_path")
            told = find_picture(folder, entry["mask_path"], "mask_path") if entry.get("mask_path") else ""
            camera, lens = read_camera(entry, document, world, folder / name)
        except (Misread, CameraError, CaptureError, AttributeError) as error:
            notes.skip(f"frame {count}", str(error).rstrip("."))
            continue
        if not (folder / name).is_file():
            notes.skip(folder / name, "the image is not there")
            continue
        yield Image(folder / name, camera, lens, folder / told if told else _mask(folder, name))


def _mask(folder: Path, name: str) -> Path | None:
    """The mask of an image: its own name, with or without the suffix, and ``.png``."""
    base = folder / "masks" / Path(name.removeprefix("images/"))
    places = (base.with_suffix(".png"), base.with_name(base.name + ".png"), base)
    return next((place for place in places if place.is_file()), None)
