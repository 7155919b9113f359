"""The animation that is measured: gestures blended into each other under a slow orbit. NumPy only.

Hand and camera are the same on every machine, so that figures of two machines compare. A hand covers 12 to 20 % of
512 x 334 pixels; larger frames show it larger, or as large as there (``keep_pixels``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cameras import Camera, look_at
from ..errors import LiveHandError
from ..frames import DEFAULT_AVATAR, FrameRequest, HandInstance
from ..hand.gestures import gesture
from ..poses import HandPose, interpolate

FRAMES = 72
REFERENCE_SIZE = (512, 334)
GESTURES = ("open", "relaxed", "three", "pinch", "spread", "cup", "open")
"""Those that the hand goes through, at equal distances in time."""

DISTANCE = 0.55
FOCAL = 750.0
"""Metres from the camera to the hand's middle, and focal length in pixels at the reference size: 1360 px a metre."""

ORBIT = np.radians((-35.0, 35.0))
ELEVATION = np.radians(12.0)
MIDDLE = np.array([-0.085, 0.0, 0.006])
"""Of a right hand in its wrist's frame."""

WRIST_GAP = 0.045
"""Metres by which each of two hands stands away from the middle plane."""


@dataclass(frozen=True)
class AnimationSettings:
    """What is drawn.

    Attributes:
        avatar: id or path.
        width, height: of the image.
        hands: 1 or 2; the second one is the first one's mirror image beside it.
        frames: number of frames, however many: the motion is the same, more finely cut.
        keep_pixels: the hand is as large in pixels as at the reference size, whatever the image's size.
        passes: what each frame answers.

    Raises:
        LiveHandError: no frames, or a number of hands that is not 1 or 2.
    """

    avatar: str = DEFAULT_AVATAR
    width: int = REFERENCE_SIZE[0]
    height: int = REFERENCE_SIZE[1]
    hands: int = 1
    frames: int = FRAMES
    keep_pixels: bool = False
    passes: tuple[str, ...] = ("rgba", "depth")

    def __post_init__(self) -> None:
        if self.hands not in (1, 2):
            raise LiveHandError(f"The benchmark cannot animate {self.hands} hands.", "Give --hands 1 or 2.")
        if self.frames < 1:
            raise LiveHandError(f"An animation of {self.frames} frames cannot be measured.", "Give --frames 1 or more.")


def animation(settings: AnimationSettings) -> list[FrameRequest]:
    """The requests of all frames."""
    return [frame(settings, number / max(settings.frames - 1, 1)) for number in range(settings.frames)]


def frame(settings: AnimationSettings, time: float) -> FrameRequest:
    """The request at ``time``, 0 at the beginning and 1 at the end."""
    poses = [hand_pose(time)]
    if settings.hands == 2:
        right = hand_pose(time, np.array([-WRIST_GAP, 0.0, 0.0]))
        poses = [right, right.mirrored()]
    hands = tuple(HandInstance(pose, settings.avatar) for pose in poses)
    return FrameRequest(camera(settings, time), hands, settings.passes)


def hand_pose(time: float, transl: np.ndarray | None = None) -> HandPose:
    """The right hand's pose at ``time``: between two gestures, at rest for a moment at each."""
    position = min(max(time, 0.0), 1.0) * (len(GESTURES) - 1)
    index = min(int(position), len(GESTURES) - 2)
    part = position - index
    place = np.zeros(3) if transl is None else transl
    first, second = (HandPose(np.zeros(3), gesture(name), np.zeros(10), place) for name in GESTURES[index : index + 2])
    return interpolate(first, second, part * part * (3.0 - 2.0 * part))


def camera(settings: AnimationSettings, time: float) -> Camera:
    """The camera at ``time`` on its way from one side of the palm to the other."""
    middle = MIDDLE if settings.hands == 1 else MIDDLE * [0.0, 1.0, 1.0]
    angle = ORBIT[0] + (ORBIT[1] - ORBIT[0]) * time
    towards = np.array(
        [np.sin(angle) * np.cos(ELEVATION), -np.cos(angle) * np.cos(ELEVATION), np.sin(ELEVATION)],
    )
    matrix = look_at(middle + DISTANCE * towards, middle, np.array([0.0, 0.0, 1.0]))
    width, height = settings.width, settings.height
    scale = 1.0
    if not settings.keep_pixels:
        scale = min(width / (REFERENCE_SIZE[0] * settings.hands), height / REFERENCE_SIZE[1])
    focal = FOCAL * scale
    return Camera(width, height, focal, focal, width / 2, height / 2, matrix)
