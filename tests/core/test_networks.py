"""Encoding, field, super-resolution, sampling and integration by their properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from livehand_core.cameras import Camera, look_at
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig, encode
from livehand_core.rendering import camera_rays, from_weights, integrate, low_resolution, stratified


def test_encoding_order() -> None:
    x = torch.tensor([[0.3, -1.2]], dtype=torch.float64)
    expected = [x, torch.sin(x), torch.cos(x), torch.sin(2 * x), torch.cos(2 * x), torch.sin(4 * x), torch.cos(4 * x)]
    torch.testing.assert_close(encode(x, 3), torch.cat(expected, dim=-1))
    assert torch.equal(encode(x, 0), x)


@pytest.mark.parametrize("depth", [1, 4, 8])
def test_field_is_differentiable_in_everything(depth: int) -> None:
    field = RadianceField(FieldConfig(depth=depth, width=12, latent_size=3))
    positions = torch.rand(4, 5, 3, requires_grad=True)
    views = torch.nn.functional.normalize(torch.randn(4, 3), dim=-1).requires_grad_()
    pose, latent = torch.randn(45, requires_grad=True), torch.randn(3, requires_grad=True)
    colour, sigma = field(positions, views, pose, latent)
    assert colour.shape == (4, 5, 32)
    assert sigma.shape == (4, 5)
    (colour.sum() + sigma.sum()).backward()
    for value in (positions, views, pose, latent, *field.parameters()):
        assert value.grad is not None
        assert bool(torch.isfinite(value.grad).all())
        assert float(value.grad.abs().max()) > 0.0


def test_density_scale() -> None:
    plain = RadianceField(FieldConfig(depth=2, width=8))
    scaled = RadianceField(FieldConfig(depth=2, width=8, density_scale=100.0))
    scaled.load_state_dict(plain.state_dict())
    arguments = (torch.rand(2, 3, 3), torch.eye(3)[:2], torch.zeros(45))
    torch.testing.assert_close(scaled(*arguments)[1], 100.0 * plain(*arguments)[1])


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("out_channels", [3, 4])
def test_super_resolution_reaches_no_further_than_it_says(factor: int, out_channels: int) -> None:
    torch.manual_seed(0)
    config = SuperResolutionConfig(factor, in_channels=5, hidden=(6, 4), out_channels=out_channels)
    network = SuperResolution(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    features, opacity = torch.rand(1, 5, 23, 25), torch.rand(1, 1, 23, 25)
    before = network(features, opacity)
    assert before.shape == (1, out_channels, 23 * factor, 25 * factor)
    changed = features.clone()
    changed[..., 11, 12] += 1.0
    difference = (network(changed, opacity) - before).abs().amax(dim=(0, 1))
    rows, columns = torch.nonzero(difference > 0.0, as_tuple=True)
    reach = config.receptive_radius * factor
    assert int(rows.min()) >= (11 * factor) - reach
    assert int(rows.max()) <= (11 * factor) + factor - 1 + reach
    assert int(columns.min()) >= (12 * factor) - reach
    assert int(columns.max()) <= (12 * factor) + factor - 1 + reach


def test_new_super_resolution_starts_as_enlargement() -> None:
    torch.manual_seed(0)
    network = SuperResolution(SuperResolutionConfig(hidden=(32, 16)))
    features, opacity = torch.rand(1, 32, 12, 12), torch.rand(1, 1, 12, 12)
    image = torch.cat([features[:, :3], opacity], dim=1)
    expected = torch.nn.functional.interpolate(image, scale_factor=2, mode="bilinear")
    assert float((network(features, opacity) - expected).detach().abs().mean()) < 0.25


@given(st.floats(0.1, 500.0), st.integers(2, 12), st.floats(0.5, 2.0))
@settings(max_examples=40, deadline=None)
def test_constant_density_has_a_closed_form(sigma: float, count: int, length: float) -> None:
    depths = stratified(torch.tensor([0.4], dtype=torch.float64), torch.tensor([0.43], dtype=torch.float64), count)
    raw = torch.full_like(depths, sigma)
    colour = torch.zeros(1, count, 3, dtype=torch.float64)
    answer = integrate(colour, raw, depths, torch.tensor([length], dtype=torch.float64))
    # The last interval has no end: whatever is left stops there.
    assert float(answer.opacity) == pytest.approx(1.0, abs=1e-6)
    through = math.exp(-sigma * 0.03 * length)
    assert float(answer.weights[0, -1]) == pytest.approx(through, abs=1e-6)
    assert float(answer.features[0, 0]) == pytest.approx(0.5, abs=1e-6)
    empty = integrate(colour, -raw, depths, torch.ones(1, dtype=torch.float64))
    assert float(empty.opacity) == 0.0


def test_a_last_interval_of_finite_length_lets_light_through() -> None:
    depths = stratified(torch.tensor([0.4], dtype=torch.float64), torch.tensor([0.43], dtype=torch.float64), 6)
    colour, length = torch.zeros(1, 6, 3, dtype=torch.float64), torch.tensor([1.5], dtype=torch.float64)
    answer = integrate(colour, torch.full_like(depths, 40.0), depths, length, last_interval=0.002)
    assert float(answer.opacity) == pytest.approx(1.0 - math.exp(-40.0 * 1.5 * 0.032), abs=1e-6)


def test_distance_scale_stretches_d_only() -> None:
    plain = RadianceField(FieldConfig(depth=2, width=8))
    scaled = RadianceField(FieldConfig(depth=2, width=8, distance_scale=30.0))
    scaled.load_state_dict(plain.state_dict())
    positions, stretched = torch.rand(2, 3, 3), torch.tensor([1.0, 1.0, 30.0])
    rest = (torch.eye(3)[:2], torch.zeros(45))
    torch.testing.assert_close(scaled(positions, *rest), plain(positions * stretched, *rest))


def test_stratified_samples_stay_in_their_strata() -> None:
    near, far = torch.tensor([0.2, 0.5]), torch.tensor([0.3, 0.9])
    even = stratified(near, far, 5)
    torch.testing.assert_close(even[:, 0], near)
    torch.testing.assert_close(even[:, -1], far)
    jittered = stratified(near, far, 5, torch.rand(2, 5))
    middle = 0.5 * (even[:, 1:] + even[:, :-1])
    assert bool((jittered[:, 1:] >= middle).all())
    assert bool((jittered[:, :-1] <= middle).all())


def test_importance_samples_follow_the_weights() -> None:
    depths = torch.linspace(0.0, 1.0, 11)[None]
    weights = torch.zeros(1, 11)
    weights[0, 7] = 1.0
    drawn = from_weights(depths, weights, 40)
    assert drawn.shape == (1, 51)
    assert bool((drawn.diff() >= 0.0).all())
    assert float(((drawn > 0.64) & (drawn < 0.76)).float().mean()) > 0.7


def test_rays_pass_through_their_pixels() -> None:
    matrix = look_at(np.array([0.3, -0.2, 0.9]), np.zeros(3), np.array([0.0, 1.0, 0.0]))
    for projection in ("perspective", "orthographic"):
        camera = Camera(31, 17, 40.0, 55.0, 12.3, 9.1, matrix, projection)  # type: ignore[arg-type]
        low = low_resolution(camera, 2)
        assert (low.width, low.height) == (16, 9)
        rows, columns = torch.meshgrid(torch.arange(9), torch.arange(16), indexing="ij")
        rays = camera_rays(low, columns.flatten(), rows.flatten(), torch.float64)
        pixels, depth = low.project(rays.at(torch.full((144, 1), 0.7, dtype=torch.float64))[:, 0].numpy())
        np.testing.assert_allclose(depth, 0.7, atol=1e-9)
        np.testing.assert_allclose(pixels[:, 0], columns.flatten() + 0.5, atol=1e-9)
        np.testing.assert_allclose(pixels[:, 1], rows.flatten() + 0.5, atol=1e-9)
        np.testing.assert_allclose(rays.lengths, rays.directions.norm(dim=-1), atol=1e-12)
        # The feature image covers the image: its pixel corners are every second one of the image's.
        whole, _ = camera.project(np.zeros((1, 3)))
        half, _ = low.project(np.zeros((1, 3)))
        np.testing.assert_allclose(half, whole / 2.0)
