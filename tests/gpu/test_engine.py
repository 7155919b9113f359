"""A true engine process that draws on the GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.avatars import Architecture, new_avatar, save_avatar
from livehand_core.cameras import look_at
from livehand_core.engine.client import EngineClient
from livehand_core.errors import DeviceError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from tests.core.conftest import camera_at, solid

from .frames import decibels


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = Architecture(
        FieldConfig(depth=3, width=24, feature_channels=16),
        SuperResolutionConfig(in_channels=16, hidden=(10, 6)),
        n_samples=6,
    )
    path = tmp_path_factory.mktemp("avatars") / "small.safetensors"
    save_avatar(path, solid(new_avatar(builtin_hand("right"), small)))
    return path


@pytest.fixture
def engine(device: str) -> Iterator[EngineClient]:
    with EngineClient(Path(sys.executable), device=device) as client:
        yield client


def test_frames_of_the_engine_are_the_renderers(engine: EngineClient, device: str, avatar: Path) -> None:
    info = engine.start()
    assert info.devices[0].startswith(f"{device} (" if device == "gpu:software" else "gpu:0 (")
    matrix = look_at(np.array([-0.04, 0.1, 0.42]), np.array([-0.02, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    camera = replace(camera_at((0.0, 0.1, 0.4), 96, 64, 110.0), camera_to_world=matrix)
    left = HandPose(np.zeros(3), np.zeros((15, 3)), np.zeros(10), np.array([0.07, 0.02, 0.02]), "left")
    hands = (HandInstance(HandPose.rest(), str(avatar)), HandInstance(left, str(avatar)))
    request = FrameRequest(camera, hands, ("rgba", "depth", "normal", "uvd", "mask"))
    ours, theirs = engine.render(request), Renderer("cpu", kernels="torch").render(request)
    assert ours.warnings == () and {1.0, 2.0} <= set(np.unique(theirs["mask"]))
    assert decibels(ours["rgba"], theirs["rgba"]) > 60.0
    assert (ours["mask"] != theirs["mask"]).mean() < 0.002


def test_a_gpu_that_is_not_there_is_told_at_the_start() -> None:
    with EngineClient(Path(sys.executable), device="gpu:99") as client, pytest.raises(DeviceError, match="gpu:99"):
        client.start()
