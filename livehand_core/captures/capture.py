"""A capture in memory and on disk: ``transforms.json`` as nerfstudio and instant-ngp read it, ``poses.npz``, images.

The hand's wrist frame is fixed to the world in captures made here, but any pose and camera may be stored.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ..cameras import OPENGL_TO_OPENCV, Camera
from ..documents import Reader
from ..errors import CameraError, CaptureError, PoseError
from ..files import atomic_path
from ..poses import HandPose, PoseRows, PoseSequence, Side
from .images import read_image

FORMAT_VERSION = 1
TRANSFORMS = "transforms.json"
POSES = "poses.npz"

Split = Literal["train", "camera", "pose", "both"]
"""What is new about a frame: nothing, its camera, its pose, or both. Only ``"train"`` is ever trained on."""

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
    """

    image: str
    camera: Camera
    camera_name: str
    pose: int
    identity: str = ""


@dataclass(frozen=True)
class Capture:
    """Many views of many poses of one hand.

    Attributes:
        folder: where it lies.
        frames: its images.
        poses: the hand in each pose, world space.
        hand_model: id of the hand model whose parameters ``poses`` holds.
        held_out_cameras: names of cameras that are kept for evaluation.
        held_out_poses: indices of poses that are kept for evaluation.
        licence: SPDX id or a short statement about the images.
        origin: how the images came to be, free text.
    """

    folder: Path
    frames: tuple[CaptureFrame, ...]
    poses: PoseSequence
    hand_model: str
    held_out_cameras: frozenset[str] = frozenset()
    held_out_poses: frozenset[int] = frozenset()
    licence: str = ""
    origin: str = ""

    def split(self, frame: CaptureFrame) -> Split:
        """What is new about ``frame``."""
        new_camera = frame.camera_name in self.held_out_cameras
        new_pose = frame.pose in self.held_out_poses
        if new_camera and new_pose:
            return "both"
        return "camera" if new_camera else "pose" if new_pose else "train"

    def frames_of(self, split: Split) -> tuple[CaptureFrame, ...]:
        """The frames of one split, in their order."""
        return tuple(frame for frame in self.frames if self.split(frame) == split)

    def hand(self, frame: CaptureFrame) -> HandPose:
        """The hand's pose in ``frame``."""
        return self.poses.poses[frame.pose]

    def path(self, frame: CaptureFrame) -> Path:
        """Where the frame's image lies."""
        return self.folder / frame.image

    def image(self, frame: CaptureFrame) -> np.ndarray:
        """(H, W, 4) float32 sRGB premultiplied over black. Raises CaptureError when it cannot be read."""
        return read_image(self.path(frame))


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
            "poses": POSES,
            "held_out_cameras": sorted(capture.held_out_cameras),
            "held_out_poses": sorted(capture.held_out_poses),
            "licence": capture.licence,
            "origin": capture.origin,
        },
    }
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
    """Read a capture folder without its images.

    Returns:
        The capture without the frames that cannot be used, and what is wrong with those. A pose that cannot be used
        keeps its index, is at rest, and has no frames.

    Raises:
        CaptureError: a file is missing or damaged as a whole.
    """
    folder = Path(folder)
    document = _read_json(folder / TRANSFORMS)
    extra = document.get("livehand")
    if not isinstance(extra, dict):
        raise CaptureError(
            f"{folder / TRANSFORMS} holds no hand poses (no 'livehand' part).",
            "Make the capture with scripts/capture.py, or add the poses to it.",
        )
    if extra.get("format_version") != FORMAT_VERSION:
        raise CaptureError(
            f"{folder / TRANSFORMS} has format version {extra.get('format_version')}; {FORMAT_VERSION} is needed.",
            "Use the LiveHand version that wrote it.",
        )
    poses, bad_poses = _read_poses(folder / str(extra.get("poses", POSES)))
    frames, problems, lost = [], [], Counter[int]()
    for number, entry in enumerate(document["frames"]):
        try:
            frame = _frame_from_json(entry, document)
        except (CameraError, KeyError, TypeError, ValueError, OverflowError) as error:
            problems.append(Problem(f"frame {number} ({_name_of(entry)})", _reason(error)))
            continue
        if not 0 <= frame.pose < len(poses.poses):
            problem = f"pose {frame.pose} of {len(poses.poses)} poses"
            problems.append(Problem(f"frame {number} ({frame.image})", problem))
        elif frame.pose in bad_poses:
            lost[frame.pose] += 1
        else:
            frames.append(frame)
    named = (Problem(f"pose {index} ({lost[index]} images)", reason) for index, reason in bad_poses.items())
    mixed = _mixed_poses(frames)
    problems = [*named, *(Problem(f"pose {pose}", reason) for pose, reason in mixed.items()), *problems]
    problems += _shared_images(frames)
    frames = [frame for frame in frames if frame.pose not in mixed]
    if not document["frames"]:
        problems.append(Problem(TRANSFORMS, "there are no frames"))
    try:
        held_out_poses = frozenset(int(pose) for pose in extra.get("held_out_poses", ()))
        held_out_cameras = frozenset(str(name) for name in extra.get("held_out_cameras", ()))
    except (TypeError, ValueError) as error:
        raise CaptureError(
            f"{folder / TRANSFORMS} does not say what is held out ({error}).", "Write the capture again."
        ) from error
    licence, origin = str(extra.get("licence", "")), str(extra.get("origin", ""))
    hand_model = str(extra.get("hand_model", ""))
    capture = Capture(folder, tuple(frames), poses, hand_model, held_out_cameras, held_out_poses, licence, origin)
    return capture, tuple(problems)


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


def _read_poses(path: Path) -> tuple[PoseSequence, dict[int, str]]:
    """The poses, and by index what is wrong with those that cannot be used. Raises CaptureError."""
    try:
        rows = PoseRows.load(path)
    except PoseError as error:
        raise CaptureError(error.message, error.remedy) from error
    if not len(rows):
        raise CaptureError(f"{path} holds no poses.", "Write the capture again.")
    # A capture is of one hand: the side that most poses have.
    usual = Counter(rows.sides).most_common(1)[0][0]
    side: Side = "left" if usual == "left" else "right"
    poses, bad = [], {}
    for index in range(len(rows)):
        try:
            pose = rows.pose(index)
        except PoseError as error:
            bad[index] = error.message.rstrip(".")
            pose = HandPose.rest(side)
        if pose.side != side:
            bad[index] = f"a {pose.side} hand among {side} ones"
            pose = HandPose.rest(side)
        poses.append(pose)
    return PoseSequence(tuple(poses), rows.fps), bad


def _shared_images(frames: Sequence[CaptureFrame]) -> list[Problem]:
    """Frames that call the same image their own: at most one of them can be right."""
    counts = Counter(frame.image for frame in frames)
    return [Problem(image, f"{count} frames name this image") for image, count in counts.items() if count > 1]


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


def _frame_to_json(frame: CaptureFrame) -> dict[str, Any]:
    camera = frame.camera
    return {
        **({"identity": frame.identity} if frame.identity else {}),
        "file_path": frame.image,
        "fl_x": camera.fx,
        "fl_y": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "w": camera.width,
        "h": camera.height,
        "transform_matrix": (camera.camera_to_world @ OPENGL_TO_OPENCV).tolist(),
        "camera": frame.camera_name,
        "pose": frame.pose,
    }


def _frame_from_json(entry: dict[str, Any], document: dict[str, Any]) -> CaptureFrame:
    """Intrinsics may stand once for all frames, as nerfstudio also allows."""

    def number(key: str) -> float:
        return float(entry[key] if key in entry else document[key])

    camera_to_world = np.array(entry["transform_matrix"], dtype=np.float64) @ OPENGL_TO_OPENCV
    width, height = int(number("w")), int(number("h"))
    camera = Camera(width, height, number("fl_x"), number("fl_y"), number("cx"), number("cy"), camera_to_world)
    identity = entry.get("identity", document["livehand"].get("identity", ""))
    return CaptureFrame(str(entry["file_path"]), camera, str(entry["camera"]), int(entry["pose"]), str(identity))


def _name_of(entry: Any) -> str:
    return str(entry.get("file_path", "no file_path")) if isinstance(entry, dict) else "not an object"


def _reason(error: Exception) -> str:
    if isinstance(error, CameraError):
        return error.message
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)
