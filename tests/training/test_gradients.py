"""The training step against the plain one in float64: the same loss, and the same gradient of every parameter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.hand.data import HandData
from livehand_core.networks import FieldConfig, RadianceField
from livehand_core.rendering import integrate
from livehand_core.rendering.torch.integration import intervals_between
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.empty_space import EmptySpace
from livehand_core.training.march import Samples, ray_values
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.plain_step import Noise, plain_loss, plain_model, plain_rays
from livehand_core.training.step import TileTask, tile_loss
from livehand_core.training.tiles import Tile, partition
from livehand_core.training.views import HandMesh, View

LARGEST_ERROR = 1e-3
CPU = torch.device("cpu")


def model_and_view(capture: Capture, tubes: HandData, config: TrainingConfig) -> tuple[AvatarModel, View]:
    torch.manual_seed(0)
    poses = torch.tensor(np.stack([pose.hand_pose.reshape(-1) for pose in capture.poses.poses]), dtype=torch.float32)
    model = AvatarModel(config, poses, 4)
    warm_start(model.field, config.bounds_margin, 0, steps=40)
    with torch.no_grad():
        for texture in model.field.textures:
            texture.normal_(0.0, 0.3)
        for name, parameter in model.super_resolution.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
        model.calibration[1:].normal_(0.0, 0.1)
    margins = (config.bounds_margin, config.lateral_margin)
    return model, View(capture, capture.frames_of("train")[2], 1, HandMesh.of(tubes), 2, margins, CPU)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("name", "textures"), [("published", ()), ("cpu", ()), ("cpu", (8, 32))])
def test_gradients_are_those_of_the_plain_step(
    capture: Capture, tubes: HandData, name: str, textures: tuple[int, ...], threads: int
) -> None:
    changes = {"tile": 0, "hidden": (16, 8), "view_noise": 0.03, "calibrate_colour": name == "published"}
    changes |= {"texture_sizes": textures, "texture_channels": 3}
    config = preset(name, steps=1, **changes)
    model, view = model_and_view(capture, tubes, config)
    parameters = dict(model.named_parameters())

    radius = model.super_resolution.config.receptive_radius
    (tile,) = partition(view.mask, radius, config.tile)
    generator = torch.Generator().manual_seed(5)
    rays = view.rays(tile.grown(radius), config.samples, generator)
    shown = [capture.poses.poses[frame.pose] for frame in capture.frames_of("train")]
    # Of other draws a point may lie within rounding of where a unit's ReLU bends: its gradient then has two values.
    empty = EmptySpace(shown, view.mesh, config, CPU).draw(600, torch.Generator().manual_seed(3))
    task = TileTask(view, tile, 1, view.mask.size - tile.pixels, rays, generator, empty)
    torch.set_num_threads(threads)
    try:
        loss = tile_loss(model, task, config).total
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    finally:
        torch.set_num_threads(1)

    generator = torch.Generator().manual_seed(5)
    whole = view.rays(Tile(0, 0, view.low.width, view.low.height), config.samples, generator)
    noise = Noise.drawn(config, whole, generator)
    wide = plain_model(model, torch.float64)
    wanted = plain_loss(wide, config, view, whole, noise, border=radius, empty=empty)
    oracle = torch.autograd.grad(wanted, list(wide.parameters()), allow_unused=True)

    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for key, a, b in zip(parameters, found, oracle, strict=True):
        if key == "calibration" and not config.calibrate_colour:
            assert a is None and b is None
            continue
        assert b.norm() > 0.0, key
        assert (a.double() - b).norm() <= LARGEST_ERROR * b.norm(), key


def test_plain_rays_are_the_views(capture: Capture, tubes: HandData) -> None:
    """Bounds, samples and canonical coordinates, but for points as near to one face as to another."""
    model, view = model_and_view(capture, tubes, preset("cpu", steps=1, hidden=(8, 8)))
    whole = Tile(0, 0, view.low.width, view.low.height)
    found = view.rays(whole, 5, torch.Generator().manual_seed(1))
    wanted = plain_rays(view, model.field.config, 5, torch.Generator().manual_seed(1))
    for name in ("pixels", "depths", "lengths", "directions"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), rtol=0.0, atol=1e-6)
    different = (found.positions - wanted.positions).abs().amax(dim=-1) > 1e-4
    assert different.float().mean() < 0.02
    torch.testing.assert_close(found.positions[..., 2], wanted.positions[..., 2], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(("pose_of_each_ray", "textures"), [(False, ()), (True, ()), (True, (4, 19))])
def test_march_is_the_field_and_its_integral(pose_of_each_ray: bool, textures: tuple[int, ...]) -> None:
    """In float64, with noise, rays that end early and rays that see nothing, and places on the textures' rims."""
    torch.manual_seed(1)
    scales = {"density_scale": 1000.0, "distance_scale": 64.0}
    config = FieldConfig(width=24, view_width=12, normal_frequencies=2, texture_sizes=textures, **scales)
    field = RadianceField(config).double()
    with torch.no_grad():
        for texture in field.textures:
            texture.normal_()
    rays, count = 700, 7
    positions = torch.rand(rays, count, 6, dtype=torch.float64)
    positions[:20, :, :2] = positions[:20, :, :2].round()
    depths = (0.3 + 0.02 * torch.rand(rays, count, dtype=torch.float64)).sort(dim=1).values
    lengths = 1.0 + torch.rand(rays, dtype=torch.float64)
    noise = 900.0 * torch.randn(rays, count, dtype=torch.float64)
    directions = torch.nn.functional.normalize(torch.randn(rays, 3, dtype=torch.float64), dim=-1)
    pose = torch.randn(*((rays, 45) if pose_of_each_ray else (45,)), dtype=torch.float64, requires_grad=True)
    gradient = torch.randn(rays, config.feature_channels + 1, dtype=torch.float64)

    found = ray_values(field, Samples(positions, intervals_between(depths, 0.001), lengths, noise), directions, pose)
    colour, sigma = field(positions, directions, pose)
    answer = integrate(colour, sigma, depths, lengths, noise, 0.001)
    wanted = torch.cat([answer.features, answer.opacity[:, None]], dim=-1)
    assert wanted[:, -1].min() == 0.0 and wanted[:, -1].max() > 0.99999
    torch.testing.assert_close(found, wanted, rtol=0.0, atol=2e-6)
    inputs = [*field.parameters(), pose]
    pairs = [torch.autograd.grad(value, inputs, gradient) for value in (found, wanted)]
    for a, b in zip(*pairs, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm()
    # Of a frozen field, what it is given has the same gradients.
    field.requires_grad_(False)
    given = [pose, positions.requires_grad_(), *(texture.requires_grad_() for texture in field.textures)]
    samples = Samples(positions, intervals_between(depths, 0.001), lengths, noise)
    frozen = torch.autograd.grad(ray_values(field, samples, directions, pose), given, gradient)
    field.requires_grad_(True)
    free = torch.autograd.grad(ray_values(field, samples, directions, pose), given, gradient)
    for a, b in zip(frozen, free, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=0.0)
