"""What a data set's reader yields: instants, each one hand pose and the images that cameras took of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..cameras import Camera
from ..captures.lens import NO_LENS, Lens
from ..documents import MEBIBYTE, Reader
from ..errors import CaptureError, HandModelError, LiveHandError
from ..poses import HandPose, Side
from ..records import Unfit, build
from .conventions import DataSet

ANNOTATION = Reader("The annotation", CaptureError, "Download it again.", limit=8192 * MEBIBYTE, allow_nan=True)
"""The largest there are, InterHand2.6M's for training, have a few thousand MiB."""


LONGEST_REASON = 200
"""Letters of a reason for which something is left out."""

PATH = re.compile(r"\s?['\"]?(?:\b[A-Za-z]:)?[^\s(:]*[/\\](?:[^(:]*[/\\])?[^\s():]*")
"""In a message: folders may have spaces."""

LEFT_OUT = "left_out.json"
"""In a capture's folder: all that of the data set is not in it."""


class LeftOut(NamedTuple):
    """Something of a data set that is not in the capture.

    Attributes:
        place: the image or instant.
        reason: why, without a full stop.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


LIST = Reader("The list of what was left out", CaptureError, "Prepare the capture again.")


def read_left_out(path: Path) -> list[LeftOut]:
    """What a capture's ``left_out.json`` lists. Raises CaptureError where it is damaged."""
    try:
        return [LeftOut(one["place"], one["reason"]) for one in build(tuple[dict[str, str], ...], LIST.json(path))]
    except KeyError as error:
        raise LIST.damaged(path, f"an entry has no {error}") from error
    except Unfit as error:
        raise LIST.damaged(path, error) from error


@dataclass(frozen=True)
class Labels:
    """A picture of labels in an ``.npz``, of which one value is the hand.

    Attributes:
        path: of the archive; ``key``: the array; ``value``: the hand's.
    """

    path: Path
    key: str
    value: int


@dataclass(frozen=True)
class View:
    """One image.

    Attributes:
        image: its file.
        camera: as the calibration tells, OpenCV axes, metres; its size may turn out to be another.
        name: of the camera.
        lens: how the image is distorted.
        mask: where the set tells which pixels are the hand; None where nobody does.
        landmarks: (21, 2) pixels of the hand's landmarks as the tracker finds them, freed of the lens; None without.
    """

    image: Path
    camera: Camera
    name: str
    lens: Lens = NO_LENS
    mask: Path | Labels | None = None
    landmarks: np.ndarray | None = None


@dataclass(frozen=True)
class Instant:
    """What the cameras saw at one time.

    Attributes:
        name: unique in the data set; the folder of its images in the capture.
        hand: the pose that was fitted, in the cameras' world.
        views: its images.
        identity: whose hand it is.
        joints: (21, 3) metres that were annotated, NaN where they were not; None where there are none.
        others: further hands in the images, which are not the hand.
    """

    name: str
    hand: HandPose
    views: tuple[View, ...]
    identity: str = ""
    joints: np.ndarray | None = None
    others: tuple[HandPose, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Which part of a data set is taken; empty takes all.

    Attributes:
        side: the hand.
        split: ``train``, ``val``, ``test`` or whatever the set's parts are called.
        captures, subjects, sequences, cameras: names.
        every: only each so manieth instant.
        limit: most instants; 0 takes all.
        interacting: also instants in which both hands are seen.
    """

    side: Side = "right"
    split: str = ""
    captures: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    every: int = 1
    limit: int = 0
    interacting: bool = False


@dataclass
class Notes:
    """What a reader leaves out, and how often for which reason."""

    left_out: list[LeftOut] = field(default_factory=list)

    def skip(self, place: object, reason: str) -> None:
        """Leave something out."""
        self.left_out.append(LeftOut(str(place), reason))

    def unusable(self, place: object, error: Exception) -> None:
        """Leave out what an annotation makes unusable.

        Raises:
            LiveHandError: ``error`` itself where the hand model is not there, without which nothing can be read.
        """
        if isinstance(error, HandModelError) or (isinstance(error, LiveHandError) and "hand model" in error.message):
            raise error
        reason = reason_of(error)
        self.skip(place, reason if isinstance(error, LiveHandError) else f"its annotation cannot be used ({reason})")

    def summary(self) -> list[str]:
        """One line a reason: how many, and the first place."""
        counts = Counter(entry.reason for entry in self.left_out)
        first = {entry.reason: entry.place for entry in reversed(self.left_out)}
        return [f"{count} x {reason} (first: {first[reason]})" for reason, count in counts.most_common()]


def reason_of(error: Exception) -> str:
    """What is wrong, in a few words without files' names, so that what is wrong for one reason is counted as one."""
    if isinstance(error, KeyError):
        return f"there is no {error}"
    if not isinstance(error, LiveHandError):
        return f"{type(error).__name__}: {str(error)[:LONGEST_REASON]}"
    told = PATH.sub("", error.message).strip().rstrip(".")
    told = f"it {told}" if told[:1].islower() else told
    return told if len(told) <= LONGEST_REASON else f"{told[:LONGEST_REASON].rstrip()} ..."


ReadInstants = Callable[[Path, DataSet, Choice, Notes], Iterator[Instant]]
"""A reader: the folder, the data set's row, what of it is taken, and where what is left out is told."""


def chosen(instants: Iterable[Instant], choice: Choice) -> Iterator[Instant]:
    """Each ``choice.every``-th instant up to ``choice.limit``."""
    taken = 0
    for count, instant in enumerate(instants):
        if count % max(choice.every, 1) == 0:
            yield instant
            taken += 1
        if choice.limit and taken >= choice.limit:
            return


def wanted(name: str, names: tuple[str, ...]) -> bool:
    """Whether a name is among those asked for; with or without what comes before its digits (``cam400012``)."""
    return not names or name in names or any(name.lstrip("abcdefghijklmnopqrstuvwxyz_") == other for other in names)


def camera_to_world(world_to_camera: np.ndarray, metres: float = 1.0) -> np.ndarray:
    """(4, 4) inverse of a rigid (3 or 4, 4) world-to-camera matrix, its translation in metres."""
    matrix = np.asarray(world_to_camera, dtype=np.float64)
    answer = np.eye(4)
    answer[:3, :3] = matrix[:3, :3].T
    answer[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3] * metres
    return answer


def pinhole(intrinsics: np.ndarray, matrix: np.ndarray, width: int, height: int) -> Camera:
    """A camera of a (3, 3) matrix K and a (4, 4) camera-to-world matrix.

    Raises:
        CameraError: they do not make one.
    """
    k = np.asarray(intrinsics, dtype=np.float64)
    return Camera(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), matrix)


def require_folder(folder: Path, *candidates: str) -> Path:
    """The first of ``candidates`` below a folder that exists.

    Raises:
        CaptureError: none does; it lists where was looked.
    """
    found = next((folder / name for name in candidates if (folder / name).exists()), None)
    if found is None:
        places = ", ".join(str(folder / name) for name in candidates)
        raise CaptureError(f"There is none of {places}.", "Give the data set's own folder, as it was unpacked.")
    return found
