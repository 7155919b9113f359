"""The stage that trains the field alone on rays from all images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.hand.data import HandData
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.ray_stage import draw_rays, ray_loss, train_on_rays
from livehand_core.training.views import HandMesh, View


@pytest.fixture
def config() -> TrainingConfig:
    torch.set_num_threads(1)
    return preset("cpu", steps=1, ray_steps=40, ray_batch=256, coarse_samples=4, samples=4, hidden=(16, 16))


@pytest.fixture
def views(capture: Capture, tubes: HandData, config: TrainingConfig) -> list[View]:
    mesh, cpu = HandMesh.of(tubes), torch.device("cpu")
    return [View(capture, frame, 0, mesh, 2, (0.003, 0.003), cpu) for frame in capture.frames_of("train")[:3]]


def test_pool_holds_every_ray_once_with_its_target(views: list[View], config: TrainingConfig) -> None:
    with ThreadPoolExecutor(1) as pool:
        rays = draw_rays(views, 4, 0, pool)
    assert len(rays.intervals) == sum(int(view.mask.sum()) for view in views)
    assert (rays.intervals >= 0).all()
    # Rays lie inside the margins: d is at most the depth margin and the lateral one together, and the target is
    # opaque somewhere and empty somewhere.
    assert rays.targets[:, 3].max() > 0.99 and rays.targets[:, 3].min() < 0.01
    assert (rays.targets[:, :3] <= rays.targets[:, 3:] + 1e-3).all()


def test_stage_lowers_its_loss_and_repeats(views: list[View], config: TrainingConfig) -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(0)
        model = AvatarModel(config, torch.zeros(1, 45), 1)
        # As a run begins; a field without density anywhere would never learn.
        warm_start(model.field, config.bounds_margin, 0, steps=15)
        with ThreadPoolExecutor(1) as pool:
            rays = draw_rays(views, 4, 0, pool)
            generator = torch.Generator().manual_seed(0)
            before = float(ray_loss(model, rays, config, generator).detach())
            train_on_rays(model, views, config, pool, lambda line: None)
            after = float(ray_loss(model, rays, config, generator).detach())
        assert after < 0.5 * before
        results.append([value.clone() for value in model.parameters()])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=0.0, atol=0.0)


def test_a_pose_for_each_ray_is_that_pose_for_all(config: TrainingConfig) -> None:
    torch.manual_seed(2)
    model = AvatarModel(config, torch.randn(5, 45), 1)
    with torch.no_grad():
        for parameter in model.field.parameters():
            parameter.normal_(0.0, 0.1)
    positions, directions = torch.rand(3, 4, 6), torch.nn.functional.normalize(torch.randn(3, 3), dim=-1)
    poses = torch.randn(3, 45)
    together = model.field(positions, directions, poses)
    for ray in range(3):
        alone = model.field(positions[ray : ray + 1], directions[ray : ray + 1], poses[ray])
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[ray], b[0], rtol=1e-4, atol=1e-4)
