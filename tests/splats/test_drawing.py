"""The loops of splats' pictures against a plain renderer in float64, and their gradients against its."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livehand_core.cameras import Camera, look_at
from livehand_core.splats.drawing import Shape, draw, gradients
from livehand_core.workers import Workers
from tests.splats.oracle import picture

NAMES = ("places", "turns", "logs", "logits", "colours")


def scene(count: int = 60, seed: int = 0) -> tuple[Shape, Camera]:
    """Splats of all sizes, partly beyond the picture, behind the camera, dark and nearly opaque; a camera askew."""
    random = np.random.default_rng(seed)
    places = random.normal(scale=0.05, size=(count, 3))
    places[0] = [0.0, -0.7, 0.1]
    shape = Shape(
        places.astype(np.float32),
        random.normal(size=(count, 4)).astype(np.float32),
        random.uniform(np.log(0.001), np.log(0.03), (count, 3)).astype(np.float32),
        random.uniform(-2.0, 5.0, (count, 1)).astype(np.float32),
        random.normal(scale=0.5, size=(count, 9, 3)).astype(np.float32),
    )
    view = look_at(np.array([0.1, -0.3, 0.2]), np.zeros(3), np.array([0.0, 0.0, 1.0]))
    return shape, Camera(53, 37, 70.0, 64.0, 25.0, 20.0, view)


def tensors(shape: Shape) -> list[torch.Tensor]:
    return [torch.from_numpy(getattr(shape, name).astype(np.float64)).requires_grad_() for name in NAMES]


@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_are_those_of_the_plain_renderer(threads: int) -> None:
    shape, camera = scene()
    shape.places[0] = [0.02, 0.0, 0.0]
    wanted = picture(*tensors(shape), camera).detach().numpy()
    found = draw(shape, camera, Workers(threads)).image
    # At the rim of what counts, 1/255, rounding may leave a pixel out.
    assert np.abs(found - wanted).max() < 5e-3 and np.quantile(np.abs(found - wanted), 0.99) < 1e-5
    assert wanted[..., 3].max() > 0.9


def test_gradients_are_those_of_the_plain_renderer() -> None:
    shape, camera = scene()
    shape.places[0] = [0.02, 0.0, 0.0]
    weights = np.random.default_rng(1).normal(size=(camera.height, camera.width, 4))
    given = tensors(shape)
    (picture(*given, camera) * torch.from_numpy(weights)).sum().backward()
    workers = Workers(2)
    found = gradients(shape, camera, draw(shape, camera, workers), weights.astype(np.float32), workers)
    for name, wanted in zip(NAMES, given, strict=True):
        assert wanted.grad is not None
        error = np.abs(getattr(found, name) - wanted.grad.numpy())
        assert np.quantile(error, 0.98) < 2e-3 * wanted.grad.abs().max(), name
        assert error.max() < 2e-2 * wanted.grad.abs().max(), name


def test_what_the_camera_does_not_see_has_no_gradient() -> None:
    shape, camera = scene()
    workers = Workers(1)
    drawn = draw(shape, camera, workers)
    assert np.isinf(drawn.depth[0])
    found = gradients(shape, camera, drawn, np.ones_like(drawn.image), workers)
    assert all(np.isfinite(getattr(found, name)).all() for name in NAMES)
    assert not any(getattr(found, name)[0].any() for name in NAMES)
