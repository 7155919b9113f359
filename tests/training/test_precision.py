"""Training with products in bfloat16: forced on the CPU, where it pays nothing but computes the same thing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.hand.data import HandData
from livehand_core.training import march, step
from livehand_core.training.config import TrainingConfig
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.precision import product_precision
from livehand_core.training.step import TileLoss, TileTask, tile_loss
from livehand_core.training.tiles import Tile
from livehand_core.training.views import HandMesh, View


def loss_of(model: AvatarModel, view: View, config: TrainingConfig) -> TileLoss:
    generator = torch.Generator().manual_seed(7)
    whole = Tile(0, 0, view.low.width, view.low.height)
    rays = view.rays(whole.grown(model.super_resolution.config.receptive_radius), 4, generator)
    return tile_loss(model, TileTask(view, whole, 1, 0, rays, generator), config)


def test_cpu_trains_in_float32() -> None:
    with product_precision(torch.device("cpu")):
        assert torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3)).dtype == torch.float32


def test_bfloat16_products_give_nearly_the_same_loss_and_gradient(
    capture: Capture, tubes: HandData, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainingConfig(steps=1, hidden=(8, 8), density_noise=0.0, pose_noise=0.0, view_noise=0.0)
    torch.manual_seed(0)
    poses = torch.tensor(np.stack([pose.hand_pose.reshape(-1) for pose in capture.poses.poses]), dtype=torch.float32)
    model = AvatarModel(config, poses, 1)
    warm_start(model.field, 0.01, 0, steps=15)
    device = torch.device("cpu")
    view = View(capture, capture.frames[0], 0, HandMesh.of(tubes), 2, (0.01, 0.004), device)
    parameters = list(model.field.parameters()) + list(model.super_resolution.parameters())

    exact = loss_of(model, view, config).total
    wanted = torch.cat([g.reshape(-1) for g in torch.autograd.grad(exact, parameters)])
    # As on a device without the compiled loops, and with bfloat16.
    monkeypatch.setattr(march, "has_loops", lambda _: False)
    whole = loss_of(model, view, config).total
    assert whole.item() == pytest.approx(exact.item(), rel=1e-5)
    for module in (march, step):
        monkeypatch.setattr(module, "product_precision", lambda _: torch.autocast("cpu", dtype=torch.bfloat16))
    quick = loss_of(model, view, config).total
    found = torch.cat([g.reshape(-1) for g in torch.autograd.grad(quick, parameters)])

    assert quick.dtype == torch.float32 and found.dtype == torch.float32
    assert quick.item() != exact.item()
    assert quick.item() == pytest.approx(exact.item(), rel=0.02)
    assert torch.nn.functional.cosine_similarity(found, wanted, dim=0) > 0.98
