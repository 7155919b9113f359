"""The empty-space loss: what it asks for and what it leaves alone, where its points lie, what a run learns of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.errors import TrainingError
from livehand_core.hand.data import HandData
from livehand_core.hand.gestures import mirror_hand_pose, within_limits
from livehand_core.poses import HandPose
from livehand_core.surface import canonical_coordinates, nearest_surface
from livehand_core.training.config import REACH, SKIN, TrainingConfig, preset
from livehand_core.training.empty_space import CLEARANCE, EVERY, EmptyPoints, EmptySpace, empty_space_loss, varied_poses
from livehand_core.training.journal import Journal
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.ray_stage import train_on_rays
from livehand_core.training.trainer import Trainer
from livehand_core.training.views import HandMesh

CPU = torch.device("cpu")
SETTINGS = {"steps": 40, "ray_steps": 0, "hidden": (16, 16), "tile": 12, "samples": 4, "tiles_per_step": 2}


@pytest.fixture(autouse=True)
def one_thread_and_a_short_warm_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("livehand_core.training.trainer.warm_start", partial(warm_start, steps=15))
    monkeypatch.setattr("livehand_core.training.empty_space.POSES", 24)
    torch.set_num_threads(1)


def some_poses(side: str = "right") -> list[HandPose]:
    rng = np.random.default_rng(0)
    rest = HandPose.rest(side)  # type: ignore[arg-type]
    return [
        replace(
            rest, global_orient=rng.normal(size=3), hand_pose=rng.normal(0.0, 0.3, (15, 3)), betas=rng.normal(size=10)
        )
        for _ in range(4)
    ]


def drawn(tubes: HandData, count: int = 4000, **changes: object) -> tuple[TrainingConfig, EmptyPoints]:
    config = preset("cpu", steps=1, hidden=(16, 16), **changes)
    space = EmptySpace(some_poses(), HandMesh.of(tubes), config, CPU)
    return config, space.draw(count, torch.Generator().manual_seed(0))


def model_with_density(config: TrainingConfig, density: float) -> AvatarModel:
    """A field whose raw density is ``density`` everywhere, but which can learn."""
    torch.manual_seed(0)
    model = AvatarModel(config, torch.randn(5, 45), 1)
    with torch.no_grad():
        model.field.density.weight.normal_(0.0, 1e-7)
        model.field.density.bias.fill_(density / config.density_scale)
    return model


def test_an_empty_field_costs_nothing_and_learns_nothing(tubes: HandData) -> None:
    config, points = drawn(tubes)
    model = model_with_density(config, -1.1 * CLEARANCE)
    loss = empty_space_loss(model, points)
    assert loss.item() == 0.0 and not loss.requires_grad


def test_fog_costs_about_its_opacity_and_a_step_thins_it(tubes: HandData) -> None:
    """Thick fog costs more than thin; down the gradient the densities fall, at each of the points on the mean."""
    config, points = drawn(tubes)
    costs = []
    for density in (5.0, 50.0, 5000.0):
        model = model_with_density(config, density)
        loss = empty_space_loss(model, points)
        costs.append(loss.item())
        if density < 100.0:
            assert loss.item() == pytest.approx(1.0 - np.exp(-1e-3 * (density + CLEARANCE)), rel=0.05)
        gradients = torch.autograd.grad(loss, list(model.field.parameters()), allow_unused=True)
        _, before = model.field.density_of(points.positions, model.pose_input(points.poses))
        with torch.no_grad():
            for parameter, gradient in zip(model.field.parameters(), gradients, strict=True):
                if gradient is not None:
                    parameter -= 0.1 * gradient
            _, after = model.field.density_of(points.positions, model.pose_input(points.poses))
        assert after.mean() < before.mean()
        assert empty_space_loss(model, points).item() < loss.item()
    assert costs == sorted(costs)


def test_dense_skin_is_pulled_at_less_than_fog(tubes: HandData) -> None:
    """So that what photographs show of skin beyond the setting outweighs it."""
    config, points = drawn(tubes)
    pulls = []
    for density in (10.0, 5000.0):
        model = model_with_density(config, density)
        (pull,) = torch.autograd.grad(empty_space_loss(model, points), model.field.density.bias)
        pulls.append(pull.item())
    assert 0.0 < pulls[1] < 0.25 * pulls[0]


@pytest.mark.parametrize(
    ("changes", "nearest"),
    [
        ({}, SKIN),
        ({"bounds_margin": 0.01}, 0.005),
        ({"bounds_margin": 0.5}, 0.03),
        ({"empty_space_distance": 0.002}, 0.002),
    ],
)
def test_points_are_no_nearer_than_the_setting(tubes: HandData, changes: dict, nearest: float) -> None:
    """Density nearer to the skin is not seen at all; up to what rays between fingers pass, points lie everywhere."""
    config, points = drawn(tubes, **changes)
    distance = points.positions[..., 2]
    assert config.empty_from == nearest
    assert distance.min() >= nearest * (1.0 - 1e-6) and distance.max() <= REACH * (1.0 + 1e-6)
    assert distance.min() < 1.02 * nearest and distance.max() > 0.98 * REACH
    assert distance.median().item() == pytest.approx((nearest * REACH) ** 0.5, rel=0.1)


def test_points_stand_over_the_skin_with_its_normals(tubes: HandData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the rest pose, whose mesh is at hand: stepping along the normal from (u, v) leads to (u, v, d) again."""
    rest = HandPose.rest()
    monkeypatch.setattr("livehand_core.training.empty_space.varied_poses", lambda *_: [rest] * 24)
    _, points = drawn(tubes, count=2000, empty_space_distance=0.002)
    mesh = HandMesh.of(tubes)
    vertices, faces, face_uv = mesh.model([rest])[0][0], mesh.model.faces, mesh.model.face_uv
    normals = points.positions[..., 3:].reshape(-1, 3)
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(len(normals)))
    # Where each point's (u, v) lies on the mesh: strips of the texture do not overlap.
    uv = points.positions[..., :2].reshape(-1, 2)
    flat = torch.cat([face_uv, torch.zeros_like(face_uv[..., :1])], dim=-1).reshape(-1, 3)
    on_sheet = nearest_surface(
        torch.cat([uv, torch.zeros(len(uv), 1)], dim=1), flat, torch.arange(len(flat)).view(-1, 3)
    )
    places = (on_sheet.barycentric[..., None] * vertices[faces[on_sheet.face]]).sum(dim=-2)
    above = places + 0.001 * normals
    found = canonical_coordinates(above, vertices, faces, face_uv, nearest_surface(above, vertices, faces))
    assert (found[:, 2] > 0.0).float().mean() > 0.99, "normals point outwards"
    assert (found[:, :2] - uv).norm(dim=-1).median() < 0.01


@pytest.mark.parametrize("side", ["right", "left"])
def test_poses_reach_beyond_the_training_set(side: str) -> None:
    training = some_poses(side)
    found = varied_poses(training, 90, "wrist", np.random.default_rng(0))
    assert len(found) == 90 and {pose.side for pose in found} == {side}
    assert not any(pose.global_orient.any() or pose.transl.any() for pose in found)
    known = np.stack([pose.hand_pose for pose in training]).reshape(4, 5, 9)
    for number, pose in enumerate(found):
        fingers = pose.hand_pose.reshape(5, 9)
        if number % 4 == 1:
            assert all((known[:, k] == fingers[k]).all(axis=-1).any() for k in range(5))
        elif number % 4 > 1:
            assert within_limits(mirror_hand_pose(pose.hand_pose) if side == "left" else pose.hand_pose)
    mixed = np.stack([pose.hand_pose for pose in found[::4]])
    assert mixed.max() > known.max() and mixed.min() < known.min()
    again = varied_poses(training, 90, "wrist", np.random.default_rng(0))
    assert all((a.full_pose == b.full_pose).all() for a, b in zip(found, again, strict=True))


def test_published_conditioning_is_told_of_turned_hands(tubes: HandData) -> None:
    _, points = drawn(tubes, conditioning="published")
    turns = {tuple(np.float32(pose.global_orient)) for pose in some_poses()}
    assert points.poses.shape[1] == 48
    assert {tuple(row.numpy()) for row in points.poses[:, :3]} == turns
    _, wrist = drawn(tubes)
    assert wrist.poses.shape[1] == 45


def test_equal_generators_draw_equal_points(tubes: HandData) -> None:
    (_, first), (_, second) = drawn(tubes), drawn(tubes)
    assert all(torch.equal(a, b) for a, b in zip(first[:2], second[:2], strict=True))
    assert first.positions.shape[:2] == (500, 8)


def fill_with_fog(model: AvatarModel, points: EmptyPoints) -> None:
    """Teach the field a density of 40 1/m at these points."""
    optimiser = torch.optim.Adam(model.field.parameters(), lr=2e-3)
    for _ in range(60):
        _, sigma = model.field.density_of(points.positions, model.pose_input(points.poses))
        loss = (0.001 * (sigma - 40.0)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def fog_left(model: AvatarModel, points: EmptyPoints) -> float:
    """Share of the points that have density."""
    with torch.no_grad():
        _, sigma = model.field.density_of(points.positions, model.pose_input(points.poses))
    return float((sigma > 0.0).float().mean())


def run_in_fog(run: Path, capture: Capture, tubes: HandData, **changes: object) -> tuple[Trainer, EmptyPoints]:
    """A run whose field stands in fog farther out than its rays reach, and points in poses that are not its own."""
    run.mkdir()
    config = preset("cpu", **(SETTINGS | {"empty_space_distance": 0.012} | changes))
    trainer = Trainer(run, capture, list(capture.frames_of("train")), config, HandMesh.of(tubes), CPU, Journal(run))
    warm_start(trainer.model.field, config.bounds_margin, 0, steps=15)
    points = EmptySpace(some_poses(), HandMesh.of(tubes), replace(config, seed=7), CPU)
    others = points.draw(4000, torch.Generator().manual_seed(9))
    fill_with_fog(trainer.model, others)
    assert fog_left(trainer.model, others) > 0.8
    return trainer, others


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_the_stage_of_rays_clears_the_space_in_new_poses(
    tmp_path: Path, capture: Capture, tubes: HandData, weight: float
) -> None:
    settings = {"ray_steps": 60, "ray_batch": 256, "coarse_samples": 4}
    trainer, points = run_in_fog(tmp_path / "run", capture, tubes, empty_space_weight=weight, **settings)
    assert (trainer.empty_space is None) == (weight == 0.0)
    with ThreadPoolExecutor(1) as pool:
        nothing = trainer.views, trainer.config, pool, lambda line: None, lambda: None
        train_on_rays(trainer.model, *nothing, trainer.empty_space)
    left = fog_left(trainer.model, points)
    assert left < 0.05 if weight else left > 0.5


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_steps_on_tiles_clear_the_space_in_new_poses(
    tmp_path: Path, capture: Capture, tubes: HandData, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livehand_core.training.trainer.WARM_UP_STEPS", 1)
    trainer, points = run_in_fog(tmp_path / "run", capture, tubes, empty_space_weight=weight, field_rate=1e-3)
    losses = [trainer.advance() for _ in range(trainer.config.steps)]
    left = fog_left(trainer.model, points)
    if weight:
        assert left < 0.05
        assert 0.0 < losses[-EVERY]["empty"] < 0.1 * losses[0]["empty"]
    else:
        assert left > 0.5
        assert not any(loss["empty"] for loss in losses)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"empty_space_weight": -0.1}, "empty_space_weight"),
        ({"empty_space_points": 0}, "empty_space_points"),
        ({"empty_space_distance": -0.001}, "empty_space_distance"),
        ({"empty_space_distance": REACH}, "empty_space_distance"),
        (
            {
                "coordinates": "xyz",
                "sampling": "linear",
                "texture_sizes": (),
                "normal_frequencies": 0,
                "distance_scale": 1.0,
            },
            "empty_space_weight",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(TrainingError) as caught:
        preset("cpu", steps=1, **changes)
    assert words in str(caught.value)
