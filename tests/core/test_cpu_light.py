"""Relightable avatars drawn by the processor's kernels, beside the torch reference."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.avatars import Avatar, Identity
from livehand_core.cameras import Camera
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.data import HandData
from livehand_core.lights import Light
from livehand_core.passes import srgb_to_linear
from livehand_core.poses import HandPose
from livehand_core.rendering.renderer import Renderer

from .conftest import camera_at
from .lit import LIGHTS, relightable, sky

VIEWS = {
    "near": camera_at((-0.05, 0.16, 0.2)),
    "far": camera_at((0.1, 0.4, 0.45), focal=300.0),
    "parallel": camera_at((-0.05, 0.2, 0.25), focal=400.0, projection="orthographic"),
}


@pytest.fixture(scope="module")
def avatar(hand: HandData) -> Avatar:
    return relightable(hand)


def renderer(hand: HandData, avatar: Avatar, **options: object) -> Renderer:
    known = {(hand.name, hand.side): hand}
    return Renderer("cpu", known, {"lit": avatar}, threads=2, **options)  # type: ignore[arg-type]


def request(pose: HandPose, camera: Camera, light: Light | None, **options: object) -> FrameRequest:
    return FrameRequest(camera, (HandInstance(pose, "lit"),), light=light, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rooms(hand: HandData, avatar: Avatar) -> dict[str, Renderer]:
    """Reference and kernels."""
    return {
        "torch": renderer(hand, avatar, kernels="torch"),
        "exact": renderer(hand, avatar, precision="exact"),
        "fast": renderer(hand, avatar),
    }


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("view", VIEWS)
def test_the_kernels_shade_as_the_reference_does(
    rooms: dict[str, Renderer], bent_pose: HandPose, view: str, light: str
) -> None:
    asked = request(bent_pose, VIEWS[view], LIGHTS[light], linear=False)
    wanted, exact, fast = (rooms[room].render(asked)["rgba"] for room in ("torch", "exact", "fast"))
    assert (wanted[..., 3] > 0.5).sum() > 300
    difference = np.abs(exact - wanted)
    assert difference.max() <= 1.0 / 255.0
    assert difference.mean() <= 0.05 / 255.0
    assert np.sqrt(np.mean((fast - exact) ** 2)) <= 1e-3
