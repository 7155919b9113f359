"""Pictures of an avatar from all around: what textures are baked from and splats are fitted to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..frames import FrameRequest, HandInstance
from ..lights import Light
from ..rendering.renderer import Renderer
from ..views.cameras import WORLD, CameraPath, cameras_around
from .looks import Shown

EVEN_LIGHT = Light.uniform((1.0, 1.0, 1.0))
"""White from everywhere: a matt surface looks as its colour is, but for the shade in folds and between fingers."""

GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))


class Portrait(NamedTuple):
    """One picture.

    Attributes:
        camera: it was taken by.
        rgba: (H, W, 4) float32 display-referred sRGB, premultiplied.
        depth: (H, W) float32 metres along the optical axis, infinity where nothing is.
    """

    camera: Camera
    rgba: np.ndarray
    depth: np.ndarray


def cameras_on_sphere(vertices: np.ndarray, count: int, side: int, turn: float = 0.0) -> list[Camera]:
    """Cameras all around, evenly spread, each so near that the hand fills its picture.

    Args:
        vertices: (V, 3) metres.
        count: of the cameras.
        side: of their square pictures, pixels.
        turn: radians by which all are turned about z: others between the first ones.
    """
    cameras = []
    for number in range(count):
        elevation = math.degrees(math.asin(1.0 - (2.0 * number + 1.0) / count))
        azimuth = math.degrees(number * GOLDEN_ANGLE + turn)
        path = CameraPath("still", azimuth, elevation)
        cameras += cameras_around(path, [0.0], [vertices], WORLD, side, side)
    return cameras


def light_of(metadata: AvatarMetadata, shown: Shown) -> Light | None:
    """The light of a request that shows an avatar so; None for one that brings its light along."""
    return EVEN_LIGHT if metadata.relightable and shown == "even" else None


def portraits(
    renderer: Renderer,
    instance: HandInstance,
    cameras: Sequence[Camera],
    light: Light | None,
    progress: Callable[[int, int, str], None],
) -> Iterator[Portrait]:
    """The hand as each camera sees it; ``progress`` is told before each picture, and what it raises ends the work."""
    for number, camera in enumerate(cameras):
        progress(number, len(cameras), "pictures")
        passes = renderer.render(FrameRequest(camera, (instance,), ("rgba", "depth"), light=light))
        yield Portrait(camera, passes["rgba"], passes["depth"][..., 0])
    progress(len(cameras), len(cameras), "pictures")
