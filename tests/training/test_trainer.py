"""Runs: a tiny one learns, a killed one goes on to the same result, its files are as said, mistakes are named."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core import cli
from livehand_core.avatars import Avatar, load_avatar, read_metadata
from livehand_core.captures.capture import Capture, CaptureFrame
from livehand_core.captures.images import write_image
from livehand_core.errors import TrainingError
from livehand_core.frames import HandInstance
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.networks import FieldConfig, RadianceField
from livehand_core.rendering.setup import avatar_view, conditioning
from livehand_core.rendering.view import view_of
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.training.checkpoints import checkpoint_path
from livehand_core.training.config import TrainingConfig, load_config, preset, save_config
from livehand_core.training.control import read_status
from livehand_core.training.export import make_avatar, pixels_per_metre
from livehand_core.training.journal import Journal
from livehand_core.training.layer import find_levels
from livehand_core.training.model import warm_start
from livehand_core.training.trainer import Drawn, Trainer
from livehand_core.training.views import HandMesh, View

CPU = torch.device("cpu")


def tiny(**changes: object) -> TrainingConfig:
    settings = {
        "steps": 12,
        "ray_steps": 0,
        "hidden": (16, 16),
        "tile": 12,
        "samples": 4,
        "coarse_samples": 4,
        "tiles_per_step": 2,
    }
    return preset("cpu", **(settings | changes))


def trainer(run: Path, capture: Capture, tubes: HandData, config: TrainingConfig) -> Trainer:
    run.mkdir(exist_ok=True)
    frames = list(capture.frames_of("train"))
    return Trainer(run, capture, frames, config, HandMesh.of(tubes), CPU, Journal(run))


def go(run: Trainer, until: int) -> None:
    run.train(lambda: run.step >= until, lambda: None)


@pytest.fixture(autouse=True)
def one_thread_and_a_short_warm_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("livehand_core.training.trainer.warm_start", partial(warm_start, steps=15))
    torch.set_num_threads(1)


def test_resume_gives_the_same_result(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    straight = trainer(tmp_path / "straight", capture, tubes, tiny())
    straight.begin()
    go(straight, 12)

    first = trainer(tmp_path / "stopped", capture, tubes, tiny())
    first.begin()
    go(first, 5)
    first.save()
    second = trainer(tmp_path / "stopped", capture, tubes, tiny())
    second.resume()
    assert second.step == 5
    go(second, 12)

    for expected, found in zip(straight.model.parameters(), second.model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    for expected, found in zip(straight.averaged().parameters(), second.averaged().parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)


def test_the_first_stage_may_pause_after_each_step(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """A pause changes nothing of what is learnt, and is no training time."""
    straight = trainer(tmp_path / "straight", capture, tubes, tiny(ray_steps=4))
    straight.begin()
    paused = trainer(tmp_path / "paused", capture, tubes, tiny(ray_steps=4, steps=0, minutes=1.0))
    pauses: list[float] = []

    def pause() -> None:
        pauses.append(1.0)
        time.sleep(1.0)

    began = time.perf_counter()
    paused.begin(pause)
    took = time.perf_counter() - began
    assert len(pauses) == 4
    assert 0.0 < paused.seconds <= took - 4.0
    for expected, found in zip(straight.model.parameters(), paused.model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)


def test_gradients_lie_in_memory_as_their_parameters_do(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """Adam's fused loop goes by the order in memory: a gradient of other strides would move other weights."""
    run = trainer(tmp_path, capture, tubes, tiny())
    run.advance()
    found = [(value.stride(), value.grad.stride()) for value in run.model.parameters() if value.grad is not None]
    assert len(found) > 10 and all(ours == theirs for ours, theirs in found)


def test_training_lowers_the_loss(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """One view, whole: without the tiles' and views' spread the fall is plain."""
    config = tiny(steps=40, tile=0, tiles_per_step=1, field_rate=4e-3, super_resolution_rate=4e-3)
    frames = list(capture.frames_of("train"))[:1]
    run = Trainer(tmp_path, capture, frames, config, HandMesh.of(tubes), CPU, Journal(tmp_path))
    run.begin()
    losses = [run.advance()["high"] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


@pytest.mark.parametrize("form", ["wrist", "published"])
def test_exported_avatar_renders_as_the_model(tmp_path: Path, capture: Capture, tubes: HandData, form: str) -> None:
    """The pose's normalisation is folded into the first layer; nothing else changes."""
    run = trainer(tmp_path / "run", capture, tubes, tiny(conditioning=form))
    run.begin()
    go(run, 3)
    model, frames = run.averaged(), list(capture.frames_of("train"))
    avatar = make_avatar(model, run.config, capture, frames, tubes, {"steps": run.step})
    field, _, _ = avatar.networks()
    positions = torch.rand(6, 4, 6, generator=torch.Generator().manual_seed(0)) * 0.1
    directions = torch.nn.functional.normalize(torch.ones(6, 3), dim=-1)
    pose = run.views[0].pose
    instance = HandInstance(capture.hand(frames[0]), "tubes")
    seen = avatar_view(avatar.metadata, tubes, instance, frames[0].camera)
    np.testing.assert_allclose(conditioning(avatar.metadata, None, seen, 0)[0], pose.numpy(), atol=1e-6)
    assert avatar.metadata.conditioning == form
    with torch.no_grad():
        expected = model.field(positions, directions, model.pose_input(pose))
        found = field(positions, directions, pose)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)
    assert avatar.metadata.depth_margin == run.config.bounds_margin
    assert avatar.metadata.architecture.n_samples == 4
    # 0.4 m away with a focal length of 144 pixels.
    assert pixels_per_metre(capture, frames, tubes) == pytest.approx(360.0, rel=0.05)


def test_the_layer_is_found_in_the_middle_of_a_run(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """Samples are linear before and around the skin after it, also where a run goes on there; the avatar says so."""
    config = tiny(steps=6, coarse_part=0.5)
    straight, cut = (trainer(tmp_path / name, capture, tubes, config) for name in ("straight", "cut"))
    frames = list(capture.frames_of("train"))

    def exported(run: Trainer) -> Avatar:
        return make_avatar(run.averaged(), run.config, capture, frames, tubes, {})

    for run in (straight, cut):
        run.begin()
    go(straight, 3)
    early = exported(straight)
    assert early.metadata.architecture.sampling == "linear" and early.levels is None
    go(straight, 6)
    avatar = exported(straight)
    assert avatar.metadata.architecture.sampling == "surface" and avatar.levels is not None
    assert avatar.levels.shape == (len(tubes.v_template), 2) and (avatar.levels[:, 1] > 0.0).all()
    go(cut, 4)
    cut.save()
    resumed = trainer(tmp_path / "cut", capture, tubes, config)
    resumed.resume()
    go(resumed, 6)
    for expected, found in zip(straight.model.parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(exported(resumed).levels, avatar.levels)


def test_a_layer_reaches_from_where_light_is_lost_to_where_none_is_left(
    tmp_path: Path, capture: Capture, tubes: HandData, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path / "run", capture, tubes, tiny())

    def density(positions: torch.Tensor, *_: object) -> tuple[torch.Tensor, torch.Tensor]:
        return positions, 2000.0 * (positions[..., 2] < 0.001)

    monkeypatch.setattr(run.model.field, "density_of", density)
    mesh, poses = HandMesh.of(tubes), [capture.poses.poses[0]]
    begins, thickness = find_levels(run.model, poses, mesh, run.config).T
    # Looked at every 0.25 mm; after 1.5 mm of such density a twentieth of the light is left.
    assert np.abs(begins - 0.001).max() < 0.0003
    assert np.abs(thickness - 0.0015).max() < 0.0005
    monkeypatch.setattr(run.model.field, "density_of", lambda positions, *_: (positions, -positions[..., 2].abs()))
    assert (find_levels(run.model, poses, mesh, run.config) == [0.0, np.float32(0.0005)]).all()


def test_world_coordinates_of_the_wrist_s_form_are_those_that_are_drawn(capture: Capture, tubes: HandData) -> None:
    """Hand and camera moved together change nothing, and the frame is the renderer's."""
    frame, mesh = capture.frames[0], HandMesh.of(tubes)
    turn, shift = axis_angle_to_matrix(np.array([0.4, -0.9, 0.3])), np.array([0.3, -0.2, 0.1])
    hand = capture.hand(frame).moved(turn, shift, tubes.rest_joints()[0])
    moved = replace(capture, poses=replace(capture.poses, poses=(hand, *capture.poses.poses[1:])))
    positions = []
    for of, seen in ((capture, frame), (moved, replace(frame, camera=frame.camera.moved(turn, shift)))):
        view = View(of, seen, 0, mesh, 2, (0.01, 0.004), CPU, coordinates="xyz", conditioning="wrist")
        rays, *_ = view.scattered_rays(100_000, 4, torch.Generator().manual_seed(0))
        ends = torch.cat([rays.positions[:, 0], rays.positions[:, -1]])
        positions.append((ends.mean(dim=0), ends.std(dim=0), view, rays))
    for a, b in zip(positions[0][:2], positions[1][:2], strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=0.0)
    _, _, view, rays = positions[1]
    drawn = view_of(HandInstance(hand, "tubes"), view.low, tubes, to_wrist=True, to_origin=True).camera
    pixels, depth = drawn.project(rays.positions.reshape(-1, 3).double().numpy())
    np.testing.assert_allclose(depth, rays.depths.reshape(-1), atol=1e-5)
    found = pixels.reshape(*rays.depths.shape, 2)
    np.testing.assert_allclose(found, np.repeat(found[:, :1], 4, axis=1), atol=1e-2, err_msg="a ray is one pixel")


def test_what_a_turned_hand_is_told(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """Hand and camera turned together are the same to the wrist's form; the published one is told of the turn."""
    frame = capture.frames[0]
    turn = axis_angle_to_matrix(np.array([0.4, -0.9, 0.3]))
    hand = capture.hand(frame).moved(turn, np.zeros(3), tubes.rest_joints()[0])
    frames = [replace(frame, camera=frame.camera.moved(turn, np.zeros(3)))]
    turned = replace(capture, poses=replace(capture.poses, poses=(hand, *capture.poses.poses[1:])))
    mesh = HandMesh.of(tubes)

    def seen(capture: Capture, frame: CaptureFrame, form: str) -> tuple[View, torch.Tensor, torch.Tensor]:
        view = View(capture, frame, 0, mesh, 2, (0.01, 0.004), CPU, conditioning=form)
        rays, *_ = view.scattered_rays(100_000, 4, torch.Generator().manual_seed(0))
        inside = rays.positions[..., 2].abs() < 0.002
        return view, rays.directions, rays.positions[inside][:, 3:].sum(dim=0)

    still, still_directions, still_normals = seen(capture, frame, "wrist")
    same, directions, normals = seen(turned, frames[0], "wrist")
    torch.testing.assert_close(same.pose, still.pose)
    torch.testing.assert_close(directions.mean(dim=0), still_directions.mean(dim=0), atol=1e-3, rtol=0.0)
    torch.testing.assert_close(normals / normals.norm(), still_normals / still_normals.norm(), atol=1e-2, rtol=0.0)

    told, directions, normals = seen(turned, frames[0], "published")
    np.testing.assert_allclose(told.pose[:3], [0.4, -0.9, 0.3], atol=1e-6)
    matrix = torch.tensor(turn, dtype=torch.float32)
    torch.testing.assert_close(directions.mean(dim=0), matrix @ still_directions.mean(dim=0), atol=1e-3, rtol=0.0)
    expected = matrix @ still_normals / still_normals.norm()
    torch.testing.assert_close(normals / normals.norm(), expected, atol=1e-2, rtol=0.0)


def test_processor_minutes_do_not_count_waiting(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """A run of processor minutes is not shortened by what else the machine does."""
    run = trainer(tmp_path / "run", capture, tubes, tiny(steps=0, minutes=1.0, clock="processor", ray_steps=2))
    run.begin()
    before = run.seconds
    assert before > 0.0
    differentiate = run._differentiate

    def late(slot: int) -> Drawn:
        time.sleep(2.0)
        return differentiate(slot)

    run._differentiate = late  # type: ignore[method-assign]
    run.advance()
    assert 0.0 < run.seconds - before < 1.5


def test_command_writes_a_run(
    tmp_path: Path,
    capture: Capture,
    tubes: HandData,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    run = tmp_path / "run"
    settings = ["--set", "hidden=[16,16]", "tile=12", "samples=4", "coarse_samples=4", "ray_steps=2"]
    words = ["train", str(capture.folder), "--out", str(run), "--preset", "cpu"]
    assert cli.main([*words, "--steps", "4", "--name", "tubes", *settings]) == 0
    metadata = read_metadata(run / "avatar.safetensors")
    assert (metadata.name, metadata.licence, metadata.hand_model) == ("tubes", "CC0-1.0", "test-tubes")
    assert metadata.provenance["steps"] == 4 and metadata.provenance["training_images"] == 6
    assert "weight-free" in metadata.provenance["perceptual_loss"] or "LPIPS" in metadata.provenance["perceptual_loss"]
    assert metadata.pose_statistics is not None
    assert "perceptual loss:" in capsys.readouterr().out
    assert load_config(run / "config.toml").hidden == (16, 16)
    assert list((run / "previews").glob("*.png")) and list((run / "tensorboard").iterdir())
    kinds = [json.loads(line)["kind"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert "preview" in kinds

    assert cli.main(["train", str(capture.folder), "--out", str(run), "--resume", "--steps", "6"]) == 0
    assert read_metadata(run / "avatar.safetensors").provenance["steps"] == 6

    words = ["evaluate", str(run / "avatar.safetensors"), str(capture.folder), "--out", str(tmp_path / "evaluation")]
    words += ["--splits", "train", "camera", "pose", "both", "--protocols", "full_image"]
    assert cli.main(words) == 0
    details = json.loads((tmp_path / "evaluation" / "metrics.details.json").read_text())
    assert {split: value["frames"] for split, value in details["by_split"].items()} == {
        "train": 6, "camera": 2, "pose": 3, "both": 1
    }  # fmt: skip
    assert details["by_split"]["both"]["mean"]["full_image"]["psnr"] > 5.0
    assert load_avatar(run / "avatar.safetensors").metadata.name == "tubes"


def test_bad_captures_are_named_before_training(
    tmp_path: Path,
    tubes: HandData,
    capture_maker: Callable[..., Capture],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    bad = capture_maker(tmp_path / "bad", tubes, cameras=2, poses=2)
    bad.path(bad.frames[0]).unlink()
    write_image(bad.path(bad.frames[1]), np.zeros((96, 64, 4)))
    assert cli.main(["train", str(bad.folder), "--out", str(tmp_path / "run"), "--steps", "2"]) == 2
    text = capsys.readouterr().err
    assert "2 problems" in text and "missing" in text and "mask is empty" in text
    assert read_status(tmp_path / "run").state == "failed" and "2 problems" in read_status(tmp_path / "run").message


def test_interrupt_saves_and_ends(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    run = trainer(tmp_path / "run", capture, tubes, tiny())
    run.begin()
    assert run.train(lambda: run.step >= 2, lambda: None) is False
    run.save()
    assert checkpoint_path(run.run).is_file() and run.step == 2


def test_checkpoints_that_cannot_be_used(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    run = trainer(tmp_path / "run", capture, tubes, tiny())
    with pytest.raises(TrainingError, match="no checkpoint"):
        run.resume()
    run.save()
    other = trainer(tmp_path / "run", capture, tubes, tiny(hidden=(32, 16)))
    with pytest.raises(TrainingError, match="does not fit"):
        other.resume()
    whole = checkpoint_path(run.run).read_bytes()
    checkpoint_path(run.run).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="damaged"):
        run.resume()


def test_checkpoint_with_code_in_it_is_refused(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    class Malice:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "executed",)  # type: ignore[return-value]

    run = trainer(tmp_path / "run", capture, tubes, tiny())
    torch.save({"format_version": 2, "step": Malice()}, checkpoint_path(run.run))
    with pytest.raises(TrainingError, match="damaged"):
        run.resume()
    assert not (tmp_path / "executed").exists()


def test_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = preset("cpu", minutes=3.0, seed=4)
    save_config(config, tmp_path / "config.toml")
    assert load_config(tmp_path / "config.toml") == config
    assert load_config(tmp_path / "config.toml", minutes=0.0, steps=7).progress(7, 0.0) == 1.0
    assert config.progress(1000, 90.0) == 0.5
    for wrong in ({}, {"steps": 3, "minutes": 1.0}, {"steps": 3, "samples": 1}, {"steps": 3, "tiles_per_step": 0}):
        with pytest.raises(TrainingError):
            preset("cpu", **wrong)
    with pytest.raises(TrainingError, match="preset"):
        preset("fast", steps=1)
    (tmp_path / "config.toml").write_text("speed = 3\n")
    with pytest.raises(TrainingError, match="speed"):
        load_config(tmp_path / "config.toml")
    assert cli.main(["train", "x", "--out", str(tmp_path), "--steps", "1", "--set", "speed=3"]) == 2
    assert "speed" in capsys.readouterr().err


def test_warm_start_fills_the_inside() -> None:
    field = RadianceField(FieldConfig(density_scale=1000.0))
    warm_start(field, 0.003, seed=0, steps=60)
    positions = torch.rand(64, 2, 6, generator=torch.Generator().manual_seed(1))
    positions[..., 3:] = torch.nn.functional.normalize(2.0 * positions[..., 3:] - 1.0, dim=-1)
    positions[:, 0, 2], positions[:, 1, 2] = -0.0025, 0.0025
    with torch.no_grad():
        _, sigma = field(positions, torch.nn.functional.normalize(torch.ones(64, 3), dim=-1), torch.zeros(45))
    assert (sigma[:, 0] > 300.0).float().mean() > 0.9 and (sigma[:, 1] < 300.0).float().mean() > 0.9


def test_no_training_frames(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    everything = replace(capture, held_out_poses=frozenset(range(3)))
    with pytest.raises(TrainingError, match="no training frames"):
        trainer(tmp_path / "run", everything, tubes, tiny())
