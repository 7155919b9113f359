"""A capture in memory and on disk: ``transforms.json`` as nerfstudio and instant-ngp read it, ``poses.npz``, images.

The hand's wrist frame is fixed to the world in captures made here, but any pose and camera may be stored.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ..cameras import OPENGL_TO_OPENCV, Camera
from ..documents import Reader
from ..errors import CameraError, CaptureError
from ..files import atomic_path
from ..hand.part import is_part
from ..poses import HandPose, PoseSequence
from .images import read_image
from .lens import NO_LENS, Lens
from .light_part import CaptureLight, exposure_of_frame, held_out_lights, light_of_frame, read_lights
from .own_part import FORMAT_VERSION, held_out, own_part, unread
from .part_model import MODEL, read_model, read_part_poses, write_model
from .pose_file import PoseTable, read_pose_file
from .transforms import (
    Misread,
    World,
    find_document,
    find_picture,
    lens_to_json,
    read_camera,
    read_world,
    text,
    whole,
)

TRANSFORMS = "transforms.json"
POSES = "poses.npz"

Split = Literal["train", "camera", "pose", "both", "light", "relight"]
"""What is new about a frame: nothing, its camera, its pose, or both; its light, or all three of them. Only ``"train"``
is ever trained on."""

CAPTURE = Reader("The capture's document", CaptureError, "Write the capture again.", allow_nan=True)


@dataclass(frozen=True)
class CaptureFrame:
    """One image.

    Attributes:
        image: path of the image, relative to the capture's folder.
        camera: the view, OpenCV axes, pixel centres at +0.5.
        camera_name: which camera of the rig it is.
        pose: index into the capture's poses.
        identity: whose hand it is, by name; empty where a capture knows only one.
        mask: path of the mask, where it is not the image's alpha; empty otherwise.
        lens: how the image is distorted; it is undone when the image is read.
        light: index into the capture's lights; None where it is not told.
        exposure: stops: the image shows the scene's linear values times two to this power.
    """

    image: str
    camera: Camera
    camera_name: str
    pose: int
    identity: str = ""
    mask: str = ""
    lens: Lens = NO_LENS
    light: int | None = None
    exposure: float = 0.0


@dataclass(frozen=True)
class Capture:
    """Many views of many poses of one hand.

    Attributes:
        folder: where it lies.
        frames: its images.
        poses: the hand in each pose, world space.
        hand_model: id of the hand's or part's model whose parameters ``poses`` holds.
        held_out_cameras: names of cameras that are kept for evaluation.
        held_out_poses: indices of poses that are kept for evaluation.
        licence: SPDX id or a short statement about the images.
        origin: how the images came to be, free text.
        consent: what the person whose hand it is has agreed to, free text; empty where nothing is told.
        notes: what a person should know about how it was read, one sentence each.
        lights: that its images were taken in; none where they are not told.
        held_out_lights: indices of lights that are kept for evaluation.
    """

    folder: Path
    frames: tuple[CaptureFrame, ...]
    poses: PoseSequence
    hand_model: str
    held_out_cameras: frozenset[str] = frozenset()
    held_out_poses: frozenset[int] = frozenset()
    licence: str = ""
    origin: str = ""
    notes: tuple[str, ...] = ()
    lights: tuple[CaptureLight, ...] = ()
    held_out_lights: frozenset[int] = frozenset()
    consent: str = ""

    def split(self, frame: CaptureFrame) -> Split:
        """What is new about ``frame``."""
        new_camera = frame.camera_name in self.held_out_cameras
        new_pose = frame.pose in self.held_out_poses
        if frame.light is not None and frame.light in self.held_out_lights:
            return "relight" if new_camera and new_pose else "light"
        if new_camera and new_pose:
            return "both"
        return "camera" if new_camera else "pose" if new_pose else "train"

    def frames_of(self, split: Split) -> tuple[CaptureFrame, ...]:
        """The frames of one split, in their order."""
        return tuple(frame for frame in self.frames if self.split(frame) == split)

    def light(self, frame: CaptureFrame) -> CaptureLight | None:
        """The light that ``frame`` was taken in; None where it is not told."""
        return None if frame.light is None else self.lights[frame.light]

    def hand(self, frame: CaptureFrame) -> HandPose:
        """The hand's pose in ``frame``."""
        return self.poses.poses[frame.pose]

    def path(self, frame: CaptureFrame) -> Path:
        """Where the frame's image lies."""
        return self.folder / frame.image

    def mask_path(self, frame: CaptureFrame) -> Path | None:
        """Where the frame's mask lies, if it is a file of its own."""
        return self.folder / frame.mask if frame.mask else None

    def image(self, frame: CaptureFrame) -> np.ndarray:
        """(H, W, 4) float32 sRGB premultiplied over black, as a camera without distortion would have taken it.

        Raises:
            CaptureError: it cannot be read.
        """
        image = read_image(self.path(frame), self.mask_path(frame))
        return image if frame.lens.is_straight else frame.lens.undistorted(image, frame.camera)


def write_capture(capture: Capture) -> None:
    """Write ``transforms.json`` and ``poses.npz`` (the images are written by whoever makes them).

    Raises:
        LiveHandError: the disk is full or the folder cannot be written.
    """
    document = {
        "camera_model": "OPENCV",
        "aabb_scale": 1,
        "frames": [_frame_to_json(frame) for frame in capture.frames],
        "livehand": {
            "format_version": FORMAT_VERSION,
            "hand_model": capture.hand_model,
            **({"model": MODEL} if is_part(capture.hand_model) else {}),
            "poses": POSES,
            # A capture that is not finished may have no image of some of them yet.
            "held_out_cameras": sorted(capture.held_out_cameras & {frame.camera_name for frame in capture.frames}),
            "held_out_poses": sorted(capture.held_out_poses),
            "licence": capture.licence,
            "origin": capture.origin,
            **_lights_to_json(capture),
            **({"consent": capture.consent} if capture.consent else {}),
        },
    }
    if is_part(capture.hand_model):
        write_model(capture.folder / MODEL, capture.hand_model)
    capture.poses.save(capture.folder / POSES)
    with atomic_path(capture.folder / TRANSFORMS) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")


class Problem(NamedTuple):
    """Something in a capture that cannot be used.

    Attributes:
        place: path of the image, or which frame or pose.
        reason: what is wrong, without a full stop.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def read_capture(folder: str | PathLike[str]) -> Capture:
    """Read a capture folder; the images are not opened (see ``checks.inspect_capture``).

    Raises:
        CaptureError: a file is missing or damaged; every frame and pose that cannot be used is listed.
    """
    capture, problems = scan_capture(folder)
    raise_problems(capture.folder, problems)
    return capture


def scan_capture(folder: str | PathLike[str]) -> tuple[Capture, tuple[Problem, ...]]:
    """Read a capture without its images (their headers only where the document does not tell their size).

    Args:
        folder: of the capture, or its document.

    Returns:
        The capture without the frames that cannot be used, and what is wrong with those. A pose that cannot be used
        keeps its index, is at rest, and has no frames.

    Raises:
        CaptureError: a file is missing or damaged as a whole.
    """
    folder, path = find_document(Path(folder))
    document = _read_json(path)
    extra = own_part(path, document)
    try:
        world = read_world(document)
        hand_model, file = text(extra, "hand_model"), text(extra, "poses", POSES)
        model = text(extra, "model", MODEL)
        licence, origin = text(extra, "licence", ""), text(extra, "origin", "")
        lights, dark = read_lights(extra)
        consent = text(extra, "consent", "")
    except Misread as error:
        raise CaptureError(f"{path} cannot be right: {error}.", "Correct it, or write the capture again.") from error
    table = _poses(folder / file.replace("\\", "/"), folder / model.replace("\\", "/"), hand_model, licence)
    problems, lost, frames = [], Counter[int](), []
    for count, entry in enumerate(document["frames"]):
        try:
            frame = _frame_from_json(folder, entry, document, world)
            frame = replace(frame, light=light_of_frame(entry, len(lights), dark), exposure=exposure_of_frame(entry))
        except (CameraError, CaptureError, Misread) as error:
            problems.append(Problem(f"frame {count} ({_name_of(entry)})", _reason(error)))
            continue
        if not 0 <= frame.pose < len(table.poses.poses):
            problem = f"pose {frame.pose} of {len(table.poses.poses)} poses"
            problems.append(Problem(f"frame {count} ({frame.image})", problem))
        elif frame.pose in table.bad:
            lost[frame.pose] += 1
        else:
            frames.append(frame)
    named = (Problem(f"pose {index} ({lost[index]} images)", reason) for index, reason in table.bad.items())
    mixed = _mixed_poses(frames)
    shared = _shared_images(folder, frames)
    problems = [*named, *(Problem(f"pose {pose}", reason) for pose, reason in mixed.items()), *problems]
    problems += [Problem(image, reason) for image, reason in shared.items()]
    frames = [frame for frame in frames if frame.pose not in mixed and frame.image not in shared]
    if not document["frames"]:
        problems.append(Problem(TRANSFORMS, "there are no frames"))
    cameras, poses, wrong = held_out(path, extra, document["frames"], len(table.poses.poses))
    kept_lights, strange = held_out_lights(path, extra, len(lights))
    notes, slips = unread(document, extra)
    capture = Capture(
        folder,
        tuple(frames),
        table.poses,
        hand_model,
        cameras,
        poses,
        licence,
        origin,
        (*table.notes, *notes),
        lights,
        kept_lights,
        consent,
    )
    wrong += [*strange, *((f"light {count}", reason) for count, reason in dark.items())]
    return capture, (*problems, *(Problem(*found) for found in (*wrong, *slips)))


def _poses(path: Path, model: Path, hand_model: str, licence: str) -> PoseTable:
    """The poses of a hand, or of the part whose model lies beside them."""
    if is_part(hand_model):
        return read_part_poses(path, read_model(model, hand_model, licence))
    return read_pose_file(path, hand_model)


def raise_problems(folder: Path, problems: Sequence[Problem]) -> None:
    """Raise one CaptureError that lists up to 20 ``problems``; nothing happens when there are none."""
    if not problems:
        return
    shown = "".join(f"\n  {line}" for line in problems[:20])
    more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
    raise CaptureError(
        f"The capture {folder} has {len(problems)} problem{'s' if len(problems) > 1 else ''}:{shown}{more}\n",
        "Capture these images again, or go on without them with --skip-bad; 'livehand check' lists all.",
    )


def _shared_images(folder: Path, frames: Sequence[CaptureFrame]) -> dict[str, str]:
    """Images that several frames call their own, whatever they call them: at most one of them can be right."""
    named: dict[Any, list[CaptureFrame]] = {}
    for frame in frames:
        named.setdefault(_file_identity(folder / frame.image), []).append(frame)
    shared = {}
    for group in named.values():
        for frame in group if len(group) > 1 else ():
            names = sorted({other.image for other in group})
            others = f", as {' and '.join(names)}" if len(names) > 1 else ""
            shared[frame.image] = f"{len(group)} frames name this image{others}"
    return shared


def _file_identity(path: Path) -> Any:
    """What links, capitals and dots in a path do not change."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.normcase(os.path.abspath(path))
    return found.st_dev, found.st_ino


def _mixed_poses(frames: Sequence[CaptureFrame]) -> dict[int, str]:
    """Poses whose frames name several identities, which cannot all have the pose's betas, and what is wrong."""
    names: dict[int, set[str]] = {}
    for frame in frames:
        names.setdefault(frame.pose, set()).add(frame.identity)
    return {
        pose: f"its images name several identities: {', '.join(map(repr, sorted(found)))}"
        for pose, found in names.items()
        if len(found) > 1
    }


def _read_json(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        raise CaptureError(f"{path} is not there.", "Give the folder of a capture.")
    document = CAPTURE.json(path)
    if not isinstance(document, dict) or not isinstance(document.get("frames"), list):
        raise CaptureError(f"{path} has no list of frames.", "Give the folder of a capture.")
    return document


def _lights_to_json(capture: Capture) -> dict[str, Any]:
    if not capture.lights:
        return {}
    return {
        "lights": [light.to_json() for light in capture.lights],
        "held_out_lights": sorted(capture.held_out_lights),
    }


def _frame_to_json(frame: CaptureFrame) -> dict[str, Any]:
    camera = frame.camera
    return {
        **({"identity": frame.identity} if frame.identity else {}),
        "file_path": frame.image,
        **({"mask_path": frame.mask} if frame.mask else {}),
        "fl_x": camera.fx,
        "fl_y": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "w": camera.width,
        "h": camera.height,
        **lens_to_json(frame.lens),
        "transform_matrix": (camera.camera_to_world @ OPENGL_TO_OPENCV).tolist(),
        "camera": frame.camera_name,
        "pose": frame.pose,
        **({} if frame.light is None else {"light": frame.light, "exposure": frame.exposure}),
    }


def _frame_from_json(folder: Path, entry: Any, document: Mapping[str, Any], world: World) -> CaptureFrame:
    """One frame; lens and identity may stand once for all frames. Raises Misread, CameraError or CaptureError."""
    if not isinstance(entry, dict):
        raise Misread("the frame is not an object")
    image = find_picture(folder, entry.get("file_path"), "file_path")
    mask = find_picture(folder, entry["mask_path"], "mask_path") if entry.get("mask_path") else ""
    camera, lens = read_camera(entry, document, world, folder / image)
    identity = text(entry, "identity", text(document["livehand"], "identity", ""))
    return CaptureFrame(image, camera, text(entry, "camera"), whole(entry, "pose"), identity, mask, lens)


def _name_of(entry: Any) -> str:
    return str(entry.get("file_path", "no file_path")) if isinstance(entry, dict) else "not an object"


def _reason(error: Exception) -> str:
    return error.message.rstrip(".") if isinstance(error, (CameraError, CaptureError)) else str(error)
