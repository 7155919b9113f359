"""Does an avatar shimmer on a capture's poses? Two slow films, compared frame to frame along the skin's known motion.

The measure is ``benchmark.temporal``'s; ``tools/temporal_quality.py`` sets it beside path-traced films.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..benchmark.temporal import see, steadiness
from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame
from ..frames import FrameRequest, HandInstance
from ..hand.data import ProxyModel
from ..hand.skinning import pose_vertices
from ..poses import interpolate
from ..rendering import Renderer
from ..rotations import axis_angle_to_matrix
from .evaluate import BY_WEIGHT, identity_of
from .threads import one_thread

FRAMES = 10
ORBIT_STEP = np.radians(0.84)
POSE_STEP = 0.02
"""Of the way from one pose to another, from frame to frame."""

MEANING = (
    "Root mean square in steps of 8 bits, of pixels that follow the skin: change to the frame before; flicker against "
    "the mean of both neighbours, in which steady changes of light cancel; detail of the pictures, since a blurred "
    "film is steady, too. Rounding to 8 bits alone is 0.35 of flicker."
)

Film = tuple[FrameRequest, ...]


def slow_films(capture: Capture, data: ProxyModel, avatar: str, metadata: AvatarMetadata) -> dict[str, Film]:
    """``orbit``: a held-out pose, the camera turning 0.84 degrees a frame; ``pose``: halfway between two poses, moving.

    The second is missing where a capture has one pose only.
    """
    frame = _most_telling(capture)
    pose, identity = capture.hand(frame), identity_of(frame, metadata)
    middle = pose_vertices(data, pose).mean(axis=0)
    steps = np.arange(FRAMES) - (FRAMES - 1) / 2.0
    orbit = (orbited(frame.camera, middle, step * ORBIT_STEP) for step in steps)
    films = {"orbit": tuple(FrameRequest(view, (HandInstance(pose, avatar, identity=identity),)) for view in orbit)}
    other = next((one for one in _by_weight(capture) if one.pose != frame.pose), None)
    if other is not None:
        goal = capture.hand(other)
        between = (interpolate(pose, goal, 0.5 + step * POSE_STEP) for step in steps)
        films["pose"] = tuple(
            FrameRequest(frame.camera, (HandInstance(hand, avatar, identity=identity),)) for hand in between
        )
    return films


def measure_steadiness(
    renderer: Renderer,
    films: dict[str, Film],
    data: ProxyModel,
    progress: Callable[[int], None] = lambda done: None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, dict[str, float]]:
    """Film -> change, flicker, sharpness (8-bit steps) and pixels compared (0 to 1); films not finished are left out.

    ``progress`` is called with the number of frames done.
    """
    found: dict[str, dict[str, float]] = {}
    done = 0
    for name, film in films.items():
        images, seen = [], []
        for request in film:
            if stopped():
                return found
            images.append(np.clip(renderer.render(request)["rgba"], 0.0, 1.0))
            with one_thread():
                seen.append(see(request, data))
            done += 1
            progress(done)
        found[name] = asdict(steadiness(images, seen, data))
    return found


def orbited(camera: Camera, middle: np.ndarray, angle: float) -> Camera:
    """The camera turned by ``angle`` about the image's vertical through ``middle``."""
    up = -camera.camera_to_world[:3, 1]
    turn = axis_angle_to_matrix(angle * up)
    return camera.moved(turn, middle - turn @ middle)


def _by_weight(capture: Capture) -> list[CaptureFrame]:
    return [frame for split in BY_WEIGHT for frame in capture.frames_of(split)]


def _most_telling(capture: Capture) -> CaptureFrame:
    return _by_weight(capture)[0]
