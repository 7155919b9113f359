"""Rasteriser, bounds and rays of the compiled geometry: against the torch functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from livehand_core import surface
from livehand_core.cameras import Camera, look_at
from livehand_core.kernels.mesh.bounds import ray_bounds
from livehand_core.kernels.mesh.raster import rasterise
from livehand_core.kernels.mesh.rays import camera_rays, valid_pixels
from livehand_core.rendering.torch.rays import camera_rays as torch_rays

from .hands import FACES, TOPOLOGY, random_camera, random_hand


def inside_the_hand(vertices: np.ndarray) -> Camera:
    """Looks out of a finger's root, so that triangles cross the camera's plane."""
    eye = vertices.mean(axis=0).astype(np.float64)
    matrix = look_at(eye, vertices[0].astype(np.float64), np.array([0.0, 0.0, 1.0]))
    return Camera(60, 45, 30.0, 30.0, 30.0, 22.5, matrix)


HAND = random_hand(1)
CAMERAS = {
    "perspective": random_camera(1, HAND, 130, 90),
    "published": replace(random_camera(2, HAND, 64, 64), pixel_offset=0.0),
    "orthographic": random_camera(3, HAND, 130, 90, fx=600.0, fy=500.0, projection="orthographic"),
    "inside": inside_the_hand(HAND),
    "close": random_camera(4, HAND, 90, 70, fx=2000.0, fy=2000.0),
    "one pixel": random_camera(4, HAND, 1, 1, fx=20.0, fy=20.0, cx=0.5, cy=0.5),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_raster_is_that_of_torch(name: str) -> None:
    camera = CAMERAS[name]
    truth = surface.rasterise(torch.tensor(HAND), torch.tensor(FACES), camera)
    found = rasterise(HAND, TOPOLOGY.faces, camera, barycentric=True)
    assert found.barycentric is not None
    np.testing.assert_array_equal(found.depth < np.inf, found.face >= 0)
    both = np.isfinite(truth.depth.numpy())
    assert both.any()
    same = np.isfinite(found.depth) == both
    assert same.mean() > 0.999
    both &= np.isfinite(found.depth)
    np.testing.assert_allclose(found.depth[both], truth.depth.numpy()[both], rtol=1e-4, atol=1e-6)
    agree = both & (found.face == truth.face.numpy())
    assert agree.sum() > 0.99 * both.sum()
    np.testing.assert_allclose(found.barycentric[agree], truth.barycentric.numpy()[agree], atol=1e-3)
    assert not found.barycentric[found.face < 0].any()


def test_nothing_is_drawn_behind_the_camera_or_of_a_broken_mesh() -> None:
    camera = CAMERAS["perspective"]
    away = camera.camera_to_world.copy()
    away[:3, [0, 2]] *= -1.0
    assert (rasterise(HAND, TOPOLOGY.faces, replace(camera, camera_to_world=away)).face == -1).all()
    assert np.isinf(rasterise(np.full_like(HAND, np.nan), TOPOLOGY.faces, camera).depth).all()
    assert np.isinf(rasterise(np.zeros_like(HAND), TOPOLOGY.faces, camera).depth).all()


@given(st.integers(0, 1000), st.integers(1, 20), st.integers(1, 40), st.sampled_from([1, 3, 5, 9, 17]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_bounds_are_those_of_torch(seed: int, height: int, width: int, kernel: int, empty: bool) -> None:
    random = np.random.default_rng(seed)
    depth = random.uniform(0.2, 1.0, (height, width)).astype(np.float32)
    depth[random.random(depth.shape) < (1.0 if empty else 0.8)] = np.inf
    near, far = ray_bounds(depth, kernel, 0.01)
    # A window wider than the image is padded by no more than half of itself there.
    padded = np.pad(depth, kernel, constant_values=np.inf)
    truth = surface.ray_bounds(torch.tensor(padded), kernel, 0.01)
    inner = (slice(kernel, kernel + height), slice(kernel, kernel + width))
    np.testing.assert_allclose(near, truth[0].numpy()[inner], atol=2e-7)
    np.testing.assert_allclose(far, truth[1].numpy()[inner], atol=2e-7)


def test_valid_pixels_are_all_of_them_tile_after_tile() -> None:
    random = np.random.default_rng(0)
    near = random.uniform(-0.1, 1.0, (19, 30)).astype(np.float32)
    far = (near + random.normal(size=near.shape)).astype(np.float32)
    pixels = valid_pixels(near, far)
    listed = list(zip(pixels.rows.tolist(), pixels.columns.tolist(), strict=True))
    assert sorted(listed) == list(zip(*map(np.ndarray.tolist, np.nonzero(near < far)), strict=True))
    tiles = [(row // 4, column // 4) for row, column in listed]
    assert tiles == sorted(tiles)
    np.testing.assert_array_equal(pixels.near, np.maximum(near, 0.0)[pixels.rows, pixels.columns])
    np.testing.assert_array_equal(pixels.far, far[pixels.rows, pixels.columns])
    assert len(valid_pixels(far, np.full_like(far, -np.inf)).rows) == 0


@pytest.mark.parametrize("name", ["perspective", "published", "orthographic"])
def test_rays_are_those_of_torch(name: str) -> None:
    camera = CAMERAS[name]
    rows, columns = (grid.reshape(-1).astype(np.int32) for grid in np.mgrid[: camera.height, : camera.width])
    truth = torch_rays(camera, torch.tensor(columns).long(), torch.tensor(rows).long(), torch.float64)
    found = camera_rays(camera, columns, rows)
    np.testing.assert_allclose(np.broadcast_to(found.origins, truth.origins.shape), truth.origins, atol=1e-6)
    np.testing.assert_allclose(found.directions, truth.directions, atol=1e-6)
    np.testing.assert_allclose(found.lengths, truth.lengths, atol=1e-6)
