"""A run that begins with an avatar, and one in many lights: what is taken over, what is refused, what is learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.avatars.file import Avatar, load_avatar, save_avatar
from livehand_core.captures.capture import Capture
from livehand_core.captures.light_part import CaptureLight
from livehand_core.errors import CaptureError, TrainingError
from livehand_core.hand.data import HandData
from livehand_core.lights import Lamp, Light
from livehand_core.training.beginning import begin_with, with_light
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.export import make_avatar
from livehand_core.training.journal import Journal
from livehand_core.training.trainer import Trainer
from livehand_core.training.views import HandMesh

CPU = torch.device("cpu")
SMALL = {
    "tile": 16, "ray_steps": 20, "sampling": "linear", "samples": 10, "ray_batch": 256, "hidden": (12, 8), "width": 32,
    "view_width": 16, "texture_sizes": (16,), "detail_size": 32, "detail_channels": 3, "licence": "CC0-1.0",
    "empty_space_weight": 0.0,
}  # fmt: skip


def in_lights(capture: Capture, count: int = 3) -> Capture:
    """The capture as if its images had been taken in several lights, whose brightness they do not follow."""
    lamp = Lamp((2.0, 2.0, 2.0), direction=(0.0, 0.6, 0.8), size=0.3)
    lights = tuple(CaptureLight(Light.uniform((0.3 + number,) * 3, (lamp,)), "lamps") for number in range(count))
    frames = tuple(replace(frame, light=place % count) for place, frame in enumerate(capture.frames))
    return replace(capture, lights=lights, frames=frames)


def trainer(run: Path, capture: Capture, tubes: HandData, config: TrainingConfig) -> Trainer:
    run.mkdir(exist_ok=True)
    return Trainer(run, capture, capture.frames_of("train"), config, HandMesh.of(tubes), CPU, Journal(run))


def learnt(run: Path, capture: Capture, tubes: HandData, config: TrainingConfig) -> Avatar:
    """An avatar of so many steps as the settings say."""
    training = trainer(run, capture, tubes, config)
    training.begin()
    for _ in range(config.steps):
        training.advance()
    avatar = make_avatar(training.model, training.config, capture, capture.frames_of("train"), tubes, {})
    training.close()
    return avatar


def test_light_is_decided_by_the_capture(capture: Capture) -> None:
    lit, config = in_lights(capture), preset("cpu", steps=1)
    assert with_light(config, capture, capture.frames_of("train")).light == "as_trained"
    assert with_light(config, lit, lit.frames_of("train")).light == "scene_light"
    one = in_lights(capture, 1)
    assert with_light(config, one, one.frames_of("train")).light == "as_trained"
    with pytest.raises(TrainingError, match="in which light"):
        with_light(replace(config, light="scene_light"), capture, capture.frames_of("train"))
    with pytest.raises(CaptureError, match="in 2 lights"):
        with_light(replace(config, light="as_trained"), lit, lit.frames_of("train"))


def test_a_run_in_many_lights_makes_a_relightable_avatar(capture: Capture, tubes: HandData, tmp_path: Path) -> None:
    lit = in_lights(capture)
    run = trainer(tmp_path, lit, tubes, preset("cpu", steps=6, **SMALL))
    run.begin()
    first = [run.advance()["total"] for _ in range(6)]
    run.close()
    assert np.isfinite(first).all()
    model = run.averaged()
    assert model.detail is not None and float(model.detail.texture.detach().abs().max()) > 0.0
    made = make_avatar(model, run.config, lit, lit.frames_of("train"), tubes, {})
    save_avatar(tmp_path / "lit.safetensors", made)
    avatar = load_avatar(tmp_path / "lit.safetensors")
    assert avatar.metadata.relightable and avatar.metadata.own_light.lamps
    assert avatar.detail_state is not None and avatar.detail_state["texture"].shape == (32, 32, 3)
    assert avatar.super_resolution_state["colour1.weight"].shape[0] == 14


def test_begun_with_an_avatar_a_model_draws_what_it_draws(capture: Capture, tubes: HandData, tmp_path: Path) -> None:
    config = preset("cpu", steps=4, **SMALL)
    avatar = learnt(tmp_path / "a", capture, tubes, config)
    other = trainer(tmp_path / "b", capture, tubes, replace(config, pose_gain=0.7))
    other.begin(avatar=avatar)
    again = make_avatar(other.model, other.config, capture, capture.frames_of("train"), tubes, {})
    other.close()
    for name, value in avatar.field_state.items():
        assert torch.allclose(again.field_state[name], value, atol=1e-5), name
    for name, value in avatar.super_resolution_state.items():
        assert torch.equal(again.super_resolution_state[name], value), name
    lit = in_lights(capture)
    relit = trainer(tmp_path / "c", lit, tubes, config)
    relit.begin(avatar=avatar)
    assert torch.allclose(relit.model.field.density.weight, avatar.field_state["density.weight"])
    assert torch.equal(relit.model.super_resolution.conv00.weight, avatar.super_resolution_state["conv00.weight"])
    relit.close()


def test_several_people_begin_as_the_one_of_an_avatar(capture: Capture, tubes: HandData, tmp_path: Path) -> None:
    lit = in_lights(capture)
    config = preset("cpu", steps=4, **SMALL, identity_detail_size=16)
    avatar = learnt(tmp_path / "a", lit, tubes, config)
    frames = tuple(replace(frame, identity=("ann", "bob")[place % 2]) for place, frame in enumerate(lit.frames))
    family = replace(lit, frames=frames)
    other = trainer(tmp_path / "b", family, tubes, config)
    other.begin(avatar=avatar)
    again = make_avatar(other.model, other.config, family, family.frames_of("train"), tubes, {})
    assert avatar.detail_state is not None and again.detail_state is not None
    assert torch.equal(again.detail_state["texture"], avatar.detail_state["texture"])
    assert again.identity_detail is not None and again.identity_detail.shape == (2, 16, 16, 3)
    assert not again.identity_detail.any() and not any(one.any() for one in again.identity_textures)
    weight, size = again.field_state["layers.0.weight"], avatar.metadata.architecture.field.position_size
    codes = again.metadata.architecture.field.latent_size
    assert not weight[:, size : size + codes].any()
    kept = torch.cat([weight[:, :size], weight[:, size + codes :]], dim=1)
    assert torch.allclose(kept, avatar.field_state["layers.0.weight"], atol=1e-5)
    first = [other.advance()["total"] for _ in range(4)]
    other.close()
    assert np.isfinite(first).all()
    assert other.model.identity_detail is not None and other.model.identity_detail.detach().abs().max() > 0.0


def test_people_that_an_avatar_knows_begin_as_themselves(capture: Capture, tubes: HandData, tmp_path: Path) -> None:
    lit = in_lights(capture)
    frames = tuple(replace(frame, identity=("ann", "bob")[place % 2]) for place, frame in enumerate(lit.frames))
    family = replace(lit, frames=frames)
    config = preset("cpu", steps=6, **SMALL, identity_detail_size=16)
    avatar = learnt(tmp_path / "a", family, tubes, config)
    assert avatar.latent is not None and avatar.identity_detail is not None and avatar.identity_detail.any()
    renamed = {"ann": "cleo", "bob": "bob"}
    others = replace(family, frames=tuple(replace(frame, identity=renamed[frame.identity]) for frame in frames))
    larger = replace(config, detail_size=64, pose_gain=0.7)
    other = trainer(tmp_path / "b", others, tubes, larger)
    other.begin(avatar=avatar)
    again = make_avatar(other.model, other.config, others, others.frames_of("train"), tubes, {})
    other.close()
    assert [one.name for one in again.metadata.identities] == ["bob", "cleo"]
    assert again.latent is not None and torch.equal(again.latent, avatar.latent[[1, 0]])
    for one, before in zip(again.identity_textures, avatar.identity_textures, strict=True):
        assert torch.equal(one, before[[1, 0]])
    assert again.identity_detail is not None and torch.equal(again.identity_detail, avatar.identity_detail[[1, 0]])
    for name, value in avatar.field_state.items():
        assert torch.allclose(again.field_state[name], value, atol=1e-5), name
    assert avatar.detail_state is not None and again.detail_state is not None
    texture, before = again.detail_state["texture"], avatar.detail_state["texture"]
    assert texture.shape == (64, 64, 3) and torch.equal(again.detail_state["head"], avatar.detail_state["head"])
    halved = torch.nn.functional.avg_pool2d(texture.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0)
    assert float((halved - before).abs().mean()) < 0.3 * float(before.abs().mean())
    # One of them alone begins as who it is.
    single = tuple(replace(frame, identity="bob") for frame in frames)
    alone = trainer(tmp_path / "c", replace(family, frames=single), tubes, config)
    alone.begin(avatar=avatar)
    own = avatar.field_state["textures.0"] + avatar.identity_textures[0][1]
    assert torch.allclose(alone.model.field.textures[0], own)
    alone.close()


def test_other_networks_are_not_begun_with(capture: Capture, tubes: HandData, tmp_path: Path) -> None:
    config = preset("cpu", steps=4, **SMALL)
    run = trainer(tmp_path / "a", capture, tubes, config)
    avatar = make_avatar(run.model, run.config, capture, capture.frames_of("train"), tubes, {})
    run.close()
    for changes in ({"width": 48}, {"hidden": (16, 8)}, {"texture_sizes": (32,)}):
        wide = trainer(tmp_path / "b", capture, tubes, replace(config, **changes))  # type: ignore[arg-type]
        with pytest.raises(TrainingError, match=next(iter(changes))):
            begin_with(wide.model, avatar, tubes, [""])
        wide.close()
