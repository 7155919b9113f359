"""Which avatars, hand models and devices a renderer takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import import_checkpoint, save_avatar
from livehand_core.errors import AvatarError, DeviceError, HandModelError
from livehand_core.frames import FrameRequest
from livehand_core.hand.data import HandData
from livehand_core.lights import Light
from livehand_core.rendering import Renderer

from .conftest import camera_at
from .test_official import GOLDEN
from .test_renderer import draw, one, small_avatar


def test_a_file_is_read_again_when_it_changes(tmp_path: object, hand: HandData) -> None:
    path = f"{tmp_path}/a.safetensors"
    renderer = Renderer("cpu", hands={("tube", "right"): hand})
    camera = camera_at((-0.08, 0.1, 0.4))
    pictures = []
    for seed in (0, 0, 1):
        save_avatar(path, small_avatar(seed=seed))
        pictures.append(draw(renderer, camera, one(avatar=path))["rgba"])
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[2] - pictures[1]).max() > 0.01


def test_avatar_for_another_topology_or_model(hand: HandData) -> None:
    other = replace(hand, uv=hand.uv[::-1].copy())
    renderer = Renderer("cpu", hands={("tube", "right"): other}, avatars={"a": small_avatar()})
    with pytest.raises(AvatarError, match="another mesh or texture layout"):
        draw(renderer, camera_at((0, 0.1, 0.4)), one())
    unknown = Renderer("cpu", avatars={"a": small_avatar()})
    with pytest.raises(HandModelError, match="'tube' is unknown"):
        draw(unknown, camera_at((0, 0.1, 0.4)), one())


def test_an_avatar_without_material_or_light_cannot_say_that_it_is_relightable() -> None:
    metadata = small_avatar().metadata
    with pytest.raises(ValueError, match="'scene_light' with 4 output channels and no reference light"):
        replace(metadata, light="scene_light")
    with pytest.raises(ValueError, match="'as_trained' with 4 output channels and a reference light"):
        replace(metadata, reference_light=Light().to_json())


def test_a_frames_light_changes_nothing_of_an_avatar_that_brings_its_own(hand: HandData) -> None:
    renderer = Renderer("cpu", hands={("tube", "right"): hand}, avatars={"a": small_avatar()})
    request = FrameRequest(camera_at((0, 0.1, 0.4)), (one(),))
    lit = replace(request, light=Light.uniform((9.0, 0.0, 0.0)))
    np.testing.assert_array_equal(renderer.render(request)["rgba"], renderer.render(lit)["rgba"])


def test_mano_avatar_without_mano(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEHAND_MANO", raising=False)
    official = import_checkpoint(GOLDEN / "uvd_sr4_seed2.tar", factor=4)
    with pytest.raises(HandModelError, match=r"needs the MANO hand model.*LIVEHAND_MANO"):
        draw(Renderer("cpu", avatars={"a": official}), camera_at((0, 0.1, 0.4)), one())


def test_devices() -> None:
    assert Renderer("cpu").device == "cpu"
    for name in ("abacus", "meta", f"cuda:{torch.cuda.device_count()}"):
        with pytest.raises(DeviceError):
            Renderer(name)
