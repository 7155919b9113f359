"""What the tracker takes and gives: frames with their time, the options, and tracked hands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..cameras import Camera
from ..errors import LiveHandError
from ..hand.builtin import MODEL_ID
from ..poses import HandPose, Side
from ..records import build
from .networks import Detail

Hands = Literal["right", "left", "both", "auto"]
"""Which hands are tracked: ``right`` and ``left`` say what the one hand is; ``both`` tells them apart; ``auto`` takes
one hand and finds out which it is."""

HANDS: tuple[Hands, ...] = ("auto", "right", "left", "both")

State = Literal["tracked", "held"]
"""``held``: the hand is covered or gone, and its last pose is kept."""


@dataclass(frozen=True)
class SourceFrame:
    """A picture from a source.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        time: seconds since the source's first frame.
        number: of the frame in the source, from 0.
    """

    picture: np.ndarray
    time: float
    number: int


@dataclass(frozen=True)
class TrackingOptions:
    """How hands are tracked.

    Attributes:
        hands: which.
        mirror: the picture is a mirror's, as many programs show the user: it is flipped first.
        smoothing: 0 to 1.
        fov: the camera's field of view across the picture's longer side, degrees.
        detail: of the landmark network.
        model: id of the hand model that is posed.
        calibrate: find the shape of the hand in the first seconds; otherwise it keeps the usual one.
        hold: seconds for which a hand that is covered or gone keeps its pose, for good when None; then it is left out.

    Raises:
        LiveHandError: an unknown word, or a number out of its range.
    """

    hands: Hands = "auto"
    mirror: bool = False
    smoothing: float = 0.5
    fov: float = 60.0
    detail: Detail = "full"
    model: str = MODEL_ID
    calibrate: bool = True
    hold: float | None = None

    def __post_init__(self) -> None:
        if self.hands not in HANDS:
            raise LiveHandError(f"The hands {self.hands!r} are unknown.", f"Choose one of {', '.join(HANDS)}.")
        if self.detail not in ("full", "lite"):
            raise LiveHandError(f"The detail {self.detail!r} is unknown.", "Choose full or lite.")
        if not 0.0 <= self.smoothing <= 1.0:
            raise LiveHandError(f"A smoothing of {self.smoothing} is not possible.", "Give 0 to 1.")
        if not 5.0 <= self.fov <= 160.0:
            raise LiveHandError(f"A field of view of {self.fov:g} degrees is not possible.", "Give 5 to 160.")

    @property
    def count(self) -> int:
        """Most hands that are tracked."""
        return 2 if self.hands == "both" else 1

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TrackingOptions:
        """Inverse of :meth:`to_json`.

        Raises:
            LiveHandError: a key is unknown or a value does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise LiveHandError(f"The tracker's options do not fit: {error}.", "Use TrackingOptions.") from error


@dataclass(frozen=True)
class TrackedHand:
    """One hand in one frame.

    Attributes:
        pose: in the camera's axes (x right, y down, z away), metres; of the side that it is.
        confidence: 0 to 1; of a held pose it falls with time.
        state: whether it is seen.
        landmarks: (21, 2) pixels of the picture, those of the last picture in which it was seen.
        error: mean distance of the fitted points from the landmarks, in shares of the hand's size there.
    """

    pose: HandPose
    confidence: float
    state: State
    landmarks: np.ndarray
    error: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**vars(self), "pose": self.pose.to_json(), "landmarks": self.landmarks.tolist()}


@dataclass(frozen=True)
class TrackedFrame:
    """All hands of one frame.

    Attributes:
        number, time: of the frame in its source, as ``SourceFrame`` has them.
        camera: that sees the poses; its size is the picture's.
        hands: one a side at most, the right one first.
        calibrating: the shape of a hand is still being found.
    """

    number: int
    time: float
    camera: Camera
    hands: tuple[TrackedHand, ...] = field(default=())
    calibrating: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            **vars(self),
            "camera": self.camera.to_json(),
            "hands": [hand.to_json() for hand in self.hands],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TrackedFrame:
        """Inverse of :meth:`to_json`.

        Raises:
            LiveHandError: a key is missing or a value does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise LiveHandError(f"The tracked frame does not fit: {error}.", "Use TrackedFrame.to_json.") from error

    def hand(self, side: Side) -> TrackedHand | None:
        """The hand of a side."""
        return next((hand for hand in self.hands if hand.pose.side == side), None)


def source_camera(width: int, height: int, fov: float) -> Camera:
    """The camera of a picture of which only the field of view is known: at the origin, looking along z.

    Args:
        width, height: of the picture, pixels.
        fov: degrees across the longer side.
    """
    focal = 0.5 * max(width, height) / math.tan(math.radians(0.5 * fov))
    return Camera(width, height, focal, focal, 0.5 * width, 0.5 * height, np.eye(4))
