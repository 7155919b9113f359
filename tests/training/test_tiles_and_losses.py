"""The tiles' losses sum to the full image's, in value and gradient; the loss's terms have their known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.hand.data import HandData
from livehand_core.networks import SuperResolution, SuperResolutionConfig
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.losses import (
    SCALES,
    Frame,
    downsampled,
    gradient_error,
    perceptual_error,
    squared_error,
    structure_error,
)
from livehand_core.training.model import AvatarModel
from livehand_core.training.step import TileTask, background, render_tile, tile_loss
from livehand_core.training.tiles import Tile, occupied, partition
from livehand_core.training.views import HandMesh, View

SQUARED_ONLY = {
    "structure_weight": 0.0,
    "gradient_weight": 0.0,
    "density_noise": 0.0,
    "pose_noise": 0.0,
    "view_noise": 0.0,
}


@pytest.fixture
def config() -> TrainingConfig:
    return preset("cpu", steps=1, hidden=(16, 16), samples=4, coarse_samples=4, **SQUARED_ONLY)


def make(capture: Capture, tubes: HandData, config: TrainingConfig) -> tuple[AvatarModel, View]:
    torch.manual_seed(0)
    model = AvatarModel(config, torch.zeros(2, 45), 3)
    with torch.no_grad():
        for convolution in (model.super_resolution.conv00, model.super_resolution.conv11):
            convolution.bias.normal_(0.0, 0.3)
    frame = capture.frames_of("train")[0]
    mesh = HandMesh.of(tubes)
    margins = (config.bounds_margin, config.lateral_margin)
    return model, View(capture, frame, 0, mesh, 2, margins, torch.device("cpu"))


def random_mask(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    mask = np.zeros((60, 44), dtype=bool)
    for _ in range(3):
        y, x = random.integers(0, 50), random.integers(0, 36)
        mask[y : y + random.integers(2, 12), x : x + random.integers(2, 12)] = True
    return mask


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("side", [0, 9, 16, 100])
def test_partition_covers_what_rays_reach_once(seed: int, side: int) -> None:
    mask, radius = random_mask(seed), 5
    random = np.random.default_rng(seed)
    covered = np.zeros(mask.shape, dtype=int)
    for tile in partition(mask, radius, side, (random.random(), random.random())):
        assert tile.pixels > 0
        covered[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
    assert covered.max() == 1
    for y, x in np.argwhere(mask):
        window = covered[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        assert window.min() == 1


def test_partition_of_nothing() -> None:
    assert partition(np.zeros((5, 5), bool), 3, 8) == []
    assert occupied(np.zeros((5, 5), bool)) is None
    assert Tile(0, 0, 2, 2).within(Tile(5, 5, 7, 7)).pixels == 0


def task(view: View, tile: Tile, count: int, background: int) -> TileTask:
    generator = torch.Generator().manual_seed(7)
    return TileTask(view, tile, count, background, view.rays(tile.grown(5), 4, generator), generator)


def full_image_loss(model: AvatarModel, view: View, config: TrainingConfig) -> torch.Tensor:
    """The loss as docs/method.md 2 states it, from a rendering of the whole image with a border around it."""
    whole = Tile(0, 0, view.low.width, view.low.height)
    images = render_tile(model, task(view, whole, 1, 0), config)
    target, low_target = view.target(whole), view.low_target(whole)
    high = images.high[:, : target.shape[1], : target.shape[2]]
    errors = (high - target).square().mean(dim=(1, 2)), (images.low - low_target).square().mean(dim=(1, 2))
    return sum(e[:3].mean() + config.alpha_weight * e[3] for e in errors)  # type: ignore[return-value]


@pytest.mark.parametrize("side", [0, 12])
def test_tiles_have_the_loss_and_gradient_of_the_full_image(
    capture: Capture, tubes: HandData, config: TrainingConfig, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The comparison needs equal samples in every tile: take the middle of each stratum.
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, 0.5))
    model, view = make(capture, tubes, config)
    parameters = [p for name, p in model.named_parameters() if name != "calibration"]
    wanted = full_image_loss(model, view, config)
    wanted_gradients = torch.autograd.grad(wanted, parameters)

    tiles = partition(view.mask, model.super_resolution.config.receptive_radius, side)
    assert (len(tiles) > 1) == (side > 0)
    background = view.mask.size - sum(tile.pixels for tile in tiles)
    assert background > 0
    losses = [tile_loss(model, task(view, t, len(tiles), background), config).total for t in tiles]
    mean = torch.stack(losses).mean()
    gradients = torch.autograd.grad(mean, parameters)

    # Outside all tiles the target is black but for what the proxy does not cover, which no prediction can change.
    outside = target_outside(view, tiles)
    assert abs(float((wanted - mean).detach()) - outside) < 2e-6
    for expected, found in zip(wanted_gradients, gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=3e-6, rtol=2e-3)


def target_outside(view: View, tiles: list[Tile]) -> float:
    whole = Tile(0, 0, view.low.width, view.low.height)
    target = view.target(whole).clone()
    for tile in tiles:
        target[:, 2 * tile.y0 : 2 * tile.y1, 2 * tile.x0 : 2 * tile.x1] = 0.0
    return float(target.square().mean())


def test_background_is_the_answer_to_nothing() -> None:
    torch.manual_seed(1)
    network = SuperResolution(SuperResolutionConfig(hidden=(16, 16)))
    with torch.no_grad():
        network.conv00.bias.normal_()
        network.colour1.bias.normal_()
    answer = network(torch.zeros(1, 32, 40, 40), torch.zeros(1, 1, 40, 40))[0, :, 30:50, 30:50]
    torch.testing.assert_close(background(network)[:, None, None].expand_as(answer), answer)


def test_squared_error_is_a_sum_over_pixels() -> None:
    assert squared_error(torch.full((3, 4, 5), 0.5), torch.zeros(3, 4, 5)).item() == pytest.approx(20 * 0.25)


def test_perceptual_terms_vanish_for_equal_images_only() -> None:
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert perceptual_error(image, image, 1.0, 1.0).item() == pytest.approx(0.0, abs=1e-3)
    assert perceptual_error(image, image.flip(-1), 1.0, 1.0).item() > 100.0


def test_structure_ignores_brightness_and_sees_inversion() -> None:
    image = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0)) * 0.5
    assert structure_error(image + 0.2, image).item() == pytest.approx(0.0, abs=1e-3)
    assert structure_error(0.5 - image, image).item() > 1.5 * 3 * 14 * 14
    assert structure_error(image[:, :5], image[:, :5]).item() == 0.0


def test_gradient_error_of_a_step() -> None:
    image = torch.zeros(3, 4, 6)
    image[:, :, 3:] = 1.0
    assert gradient_error(image, torch.zeros_like(image)).item() == pytest.approx(3 * 4.0)


@pytest.mark.parametrize("size", [(40, 31), (9, 30), (6, 5)])
def test_compiled_perceptual_error_is_the_sum_of_its_parts(size: tuple[int, int]) -> None:
    """Value and gradient of the compiled loops against autograd through pooling, at one scale and at all."""
    random = torch.Generator().manual_seed(0)
    image = torch.rand(3, *size, generator=random, dtype=torch.float64, requires_grad=True)
    target = torch.rand(3, *size, generator=random, dtype=torch.float64)
    found = perceptual_error(image, target, 0.3, 0.2)
    wanted, x, y, pixels = torch.zeros(()), image, target, size[0] * size[1]
    for _ in range(SCALES):
        height, width = x.shape[1:]
        windows = 3 * max(height - 6, 1) * max(width - 6, 1)
        wanted = wanted + pixels * 0.3 / windows * structure_error(x, y)
        wanted = wanted + pixels * 0.2 / (3 * height * width) * gradient_error(x, y)
        if min(height, width) < 14:
            break
        x, y = (torch.nn.functional.avg_pool2d(value[None], 2)[0] for value in (x, y))
    torch.testing.assert_close(found, wanted / SCALES)
    gradients = [torch.autograd.grad(value, image)[0] for value in (found, wanted / SCALES)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("place", [(0, 0), (7, 12), (45, 30)])
def test_a_part_that_holds_all_there_is_to_see_has_the_whole_images_perceptual_error(place: tuple[int, int]) -> None:
    left, top = place
    frame = Frame(left, top, 75, 62)
    random = torch.Generator().manual_seed(1)
    part, target = (torch.rand(3, 32, 30, generator=random, dtype=torch.float64) for _ in range(2))
    window = (slice(None), slice(top, top + 32), slice(left, left + 30))
    wholes = []
    for values in (part, target):
        whole = torch.zeros(3, 62, 75, dtype=torch.float64)
        whole[window] = values
        wholes.append(whole.requires_grad_())
    wanted = perceptual_error(wholes[0] + 0.3, wholes[1].detach(), 0.3, 0.2)
    part.requires_grad_()
    found = perceptual_error(part, target, 0.3, 0.2, frame)
    torch.testing.assert_close(found, wanted)
    (gradient,) = torch.autograd.grad(wanted, wholes[0])
    torch.testing.assert_close(torch.autograd.grad(found, part)[0], gradient[window])


def test_downsampling_keeps_the_mean_and_rounds_up() -> None:
    image = torch.rand(4, 16, 12, generator=torch.Generator().manual_seed(0))
    assert downsampled(image, 2).mean().item() == pytest.approx(image.mean().item(), abs=0.01)
    assert downsampled(image[:, :15, :11], 2).shape == (4, 8, 6)
