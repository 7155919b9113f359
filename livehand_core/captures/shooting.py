"""A capture while it is made: what is to be photographed, what is there already, and the documents of what is there.

The plan is kept in the folder, so that a capture that was stopped goes on with the same one. Called by the add-on's
capture and by the command of capture/command; NumPy only.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..documents import Reader
from ..errors import CaptureError, LiveHandError
from ..files import atomic_path
from ..poses import HandPose, PoseSequence
from ..records import build
from ..whole_files import is_complete
from .capture import TRANSFORMS, Capture, CaptureFrame, read_capture, write_capture
from .light_part import CaptureLight
from .plan import Rig

PLAN_FILE = "plan.json"
PLAN = Reader("The plan of the capture", CaptureError, "Choose an empty folder.", limit=1 << 20)


class Shot(NamedTuple):
    """One picture of a plan: numbers of its pose, its camera and its light; None where the light is the scene's own."""

    pose: int
    camera: int
    light: int | None = None


@dataclass(frozen=True)
class Shooting:
    """What is captured.

    Attributes:
        rig: the cameras.
        poses: the hand in each pose, in the world of the cameras and in the hand model's own size.
        held_out_poses: indices of poses that are kept for evaluation.
        order: the images, in the order in which they are made.
        hand_model: id of the hand model.
        licence, origin: see ``Capture``.
        identity: whose hand it is, by name; empty where that does not matter.
        lights: that the pictures are taken in: those made for the capture; the scene's own alone, where it is known;
            or none.
        exposures: stops of each light's pictures, where they are made for the capture.
        held_out_lights: indices of lights that are kept for evaluation.
    """

    rig: Rig
    poses: tuple[HandPose, ...]
    held_out_poses: frozenset[int]
    order: tuple[Shot, ...]
    hand_model: str
    licence: str = ""
    origin: str = ""
    identity: str = ""
    lights: tuple[CaptureLight, ...] = ()
    exposures: tuple[float, ...] = ()
    held_out_lights: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        # A picture in the scene's own light may be told as pose and camera alone.
        object.__setattr__(self, "order", tuple(Shot(*entry) for entry in self.order))

    def image(self, pose: int, camera: int, light: int | None = None) -> str:
        """Path of an image in the capture's folder."""
        lit = "" if light is None else f"_light{light:04d}"
        return f"images/pose{pose:03d}/{self.rig.names[camera]}{lit}.png"

    def is_test(self, shot: Shot) -> bool:
        """Whether a picture is kept for evaluation."""
        held_out = shot.pose in self.held_out_poses or shot.light in self.held_out_lights
        return held_out or self.rig.names[shot.camera] in self.rig.held_out

    def missing(self, folder: Path) -> list[Shot]:
        """What is not there yet, in order; a picture that breaks off is not there."""
        return [shot for shot in self.order if not is_complete(folder / self.image(*shot))]

    def write_documents(self, folder: Path) -> int:
        """Write ``transforms.json`` and ``poses.npz`` for the images that are there; how many there are.

        Raises:
            LiveHandError: the folder cannot be written.
        """
        frames = []
        for pose, camera, light in sorted(self.order, key=lambda shot: (shot.pose, shot.camera, shot.light or 0)):
            image = self.image(pose, camera, light)
            if is_complete(folder / image):
                eye = self.rig.cameras[camera], self.rig.names[camera]
                stops = 0.0 if light is None else self.exposures[light]
                frames.append(CaptureFrame(image, *eye, pose, self.identity, light=light, exposure=stops))
        capture = Capture(
            folder,
            tuple(frames),
            PoseSequence(self.poses),
            self.hand_model,
            self.rig.held_out,
            self.held_out_poses,
            self.licence,
            self.origin,
            lights=self.lights,
            held_out_lights=self.held_out_lights,
        )
        write_capture(capture)
        return len(frames)

    def fingerprint(self) -> str:
        """What tells this plan from another: cameras, poses and whose hand it is."""
        document = {
            "cameras": [camera.to_json() for camera in self.rig.cameras],
            "names": list(self.rig.names),
            "held_out": [sorted(self.rig.held_out), sorted(self.held_out_poses)],
            "poses": [pose.to_json() for pose in self.poses],
            "hand_model": self.hand_model,
            **({"identity": self.identity} if self.identity else {}),
            # One light for all is the scene's own, which is told and not planned.
            **({"lights": [light.to_json() for light in self.lights]} if len(self.lights) > 1 else {}),
        }
        # Rounded, so that another processor's last digit does not make another plan.
        text = json.dumps(document, sort_keys=True, default=float)
        numbers = json.loads(text, parse_float=lambda value: round(float(value), 5) + 0.0)
        return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]

    def claim(self, folder: Path) -> None:
        """Take the folder for this plan, or find that it was taken for the same one before.

        Raises:
            CaptureError: it holds another capture.
            LiveHandError: it cannot be written.
        """
        path = folder / PLAN_FILE
        if os.path.lexists(path):
            known = _read_plan(path).fingerprint
        else:
            known = ""
            self._compare(folder)
        mine = self.fingerprint()
        if known not in ("", mine):
            raise CaptureError(
                f"{folder} holds a capture with other cameras or poses.",
                "Choose an empty folder, or the settings and the hand's place that it was begun with.",
            )
        document = asdict(_Plan(mine, len(self.order)))
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(document), encoding="utf-8")

    def _compare(self, folder: Path) -> None:
        """Raise CaptureError unless what a folder without a plan holds is of this plan."""
        if not (folder / TRANSFORMS).exists():
            return
        mine = dict(zip(self.rig.names, self.rig.cameras, strict=True))
        for frame in read_capture(folder).frames:
            camera = mine.get(frame.camera_name)
            if camera is None or not np.allclose(camera.camera_to_world, frame.camera.camera_to_world, atol=1e-4):
                raise CaptureError(f"{folder} holds a capture of another origin.", "Choose an empty folder.")


@dataclass(frozen=True)
class _Plan:
    """What a capture's folder says of its plan: by what it is told from others, and how many images it has."""

    fingerprint: str
    images: int


def _read_plan(path: Path) -> _Plan:
    """Raises CaptureError where it cannot be read."""
    document = PLAN.json(path)
    try:
        return build(_Plan, document, unknown="pass")
    except ValueError as error:
        raise PLAN.damaged(path, error) from error


def progress_of(folder: Path) -> tuple[int, int] | None:
    """(images there, images planned) of a capture folder; None when it holds no plan. Counts files."""
    try:
        planned = _read_plan(folder / PLAN_FILE).images
    except LiveHandError:
        return None
    return sum(1 for _ in folder.glob("images/pose*/[!.]*.png")), planned
