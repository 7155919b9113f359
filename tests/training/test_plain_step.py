"""The plain step of the ablations' forms: its rays are the run's, and so are its loss and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.hand.data import HandData
from livehand_core.rendering.setup import pose_numbers
from livehand_core.training.config import preset
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.plain_step import Noise, plain_loss, plain_model, plain_rays
from livehand_core.training.step import TileTask, tile_loss
from livehand_core.training.tiles import Tile, partition
from livehand_core.training.views import HandMesh, View

CPU = torch.device("cpu")
UVD_ONLY = {"texture_sizes": (), "normal_frequencies": 0, "distance_scale": 1.0, "empty_space_weight": 0.0}
FORMS: dict[str, dict[str, Any]] = {
    "world coordinates": {"coordinates": "xyz", "sampling": "linear", **UVD_ONLY},
    "published conditioning": {"conditioning": "published", "empty_space_weight": 0.0},
    "no normals": {"normal_frequencies": 0, "empty_space_weight": 0.0},
}


@pytest.mark.parametrize("form", FORMS)
def test_rays_loss_and_gradients_are_the_runs(capture: Capture, tubes: HandData, form: str) -> None:
    config = preset("cpu", steps=1, tile=0, hidden=(12, 8), samples=5, **FORMS[form])
    torch.manual_seed(0)
    angles = np.stack([pose_numbers(pose, config.conditioning) for pose in capture.poses.poses])
    model = AvatarModel(config, torch.tensor(angles, dtype=torch.float32), 1)
    warm_start(model.field, config.bounds_margin, 0, steps=40)
    with torch.no_grad():
        if config.coordinates == "xyz":
            # The fog that it starts from is to be seen everywhere.
            model.field.density.weight.mul_(0.02)
        for name, parameter in model.super_resolution.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
    margins, forms = (config.bounds_margin, config.lateral_margin), (config.coordinates, config.conditioning)
    view = View(capture, capture.frames_of("train")[1], 0, HandMesh.of(tubes), 2, margins, CPU, 0, *forms)
    everything = Tile(0, 0, view.low.width, view.low.height)

    whole = view.rays(everything, config.samples, torch.Generator().manual_seed(5))
    plain = plain_rays(view, model.field.config, config.samples, torch.Generator().manual_seed(5))
    assert torch.equal(plain.pixels, whole.pixels) and plain.positions.shape == whole.positions.shape
    torch.testing.assert_close(plain.depths, whole.depths, rtol=0.0, atol=1e-6)
    torch.testing.assert_close(plain.directions, whole.directions, rtol=0.0, atol=1e-6)
    # Points as near to one face as to another may have either's texture coordinates.
    assert ((plain.positions - whole.positions).abs().amax(dim=-1) > 1e-4).float().mean() < 0.02

    parameters = {name: value for name, value in model.named_parameters() if name != "calibration"}
    radius = model.super_resolution.config.receptive_radius
    (tile,) = partition(view.mask, radius, config.tile)
    generator = torch.Generator().manual_seed(5)
    rays = view.rays(tile.grown(radius), config.samples, generator)
    loss = tile_loss(model, TileTask(view, tile, 1, view.mask.size - tile.pixels, rays, generator), config).total
    found = torch.autograd.grad(loss, list(parameters.values()))
    generator = torch.Generator().manual_seed(5)
    whole, wide = view.rays(everything, config.samples, generator), plain_model(model, torch.float64)
    wanted = plain_loss(wide, config, view, whole, Noise.drawn(config, whole, generator), border=radius)
    theirs = dict(wide.named_parameters())
    oracle = torch.autograd.grad(wanted, [theirs[name] for name in parameters])
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for name, a, b in zip(parameters, found, oracle, strict=True):
        assert b.norm() > 0.0, name
        assert (a.double() - b).norm() <= 1e-3 * b.norm(), name
