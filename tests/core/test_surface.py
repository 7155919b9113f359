"""The posed mesh as a surface: rasteriser, bounds, nearest point, canonical coordinates."""

from __future__ import annotations

from dataclasses import replace

import igl
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livehand_core.cameras import Camera, look_at
from livehand_core.framing import lateral_kernel, published_kernel
from livehand_core.hand.data import HandData
from livehand_core.surface import (
    SurfaceNormals,
    canonical_coordinates,
    face_neighbours,
    nearest_surface,
    rasterise,
    rasterise_depth,
    ray_bounds,
)
from livehand_core.surface import nearest as nearest_module
from livehand_core.surface.nearest import closest_barycentric

from . import oracle
from .conftest import camera_at


def mesh(hand: HandData) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(hand.v_template), torch.tensor(hand.faces)


def ray_directions(camera: Camera) -> np.ndarray:
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    local = np.stack([(i - camera.cx) / camera.fx, (j - camera.cy) / camera.fy, np.ones_like(i)], axis=-1)
    return local @ camera.camera_to_world[:3, :3].T


@pytest.mark.parametrize(
    "camera",
    [
        camera_at((-0.06, 0.12, 0.3), 40, 30, 60.0, fy=75.0, cx=17.3),
        camera_at((-0.06, 0.002, 0.001), 24, 20, 9.0),
        camera_at((-0.05, 0.03, 0.02), 24, 20, 5.0),
    ],
)
def test_raster_is_the_first_hit_of_a_ray(hand: HandData, camera: Camera) -> None:
    vertices, faces = mesh(hand)
    raster = rasterise(vertices, faces, camera)
    truth = oracle.depth_image(
        hand.v_template.astype(float), hand.faces, camera.camera_to_world[:3, 3], ray_directions(camera)
    )
    same = np.isfinite(truth) == np.isfinite(raster.depth.numpy())
    assert same.mean() > 0.995
    both = np.isfinite(truth) & np.isfinite(raster.depth.numpy())
    assert both.sum() > 20
    assert np.quantile(np.abs(raster.depth.numpy()[both] - truth[both]), 0.99) < 1e-4
    seen = raster.face >= 0
    np.testing.assert_array_equal(seen.numpy(), np.isfinite(raster.depth.numpy()))
    corners = vertices[faces[raster.face[seen]]]
    points = (raster.barycentric[seen][..., None] * corners).sum(dim=1).numpy()
    pixels, depth = camera.project(points)
    rows, columns = torch.nonzero(seen, as_tuple=True)
    np.testing.assert_allclose(depth, raster.depth[seen].numpy(), rtol=1e-3)
    assert np.quantile(np.abs(pixels - np.stack([columns, rows], axis=-1) - 0.5), 0.98) < 0.05


def test_raster_has_no_cracks_and_crops_exactly(hand: HandData) -> None:
    vertices, faces = mesh(hand)
    camera = camera_at((-0.08, 0.02, 0.2), 200, 120, 500.0)
    whole = rasterise_depth(vertices, faces, camera)
    inside = torch.isfinite(whole[40:80, 20:180])
    assert bool(inside.all())
    crop = rasterise_depth(vertices, faces, camera.crop(31, 17, 90, 71))
    torch.testing.assert_close(crop, whole[17:88, 31:121], rtol=1e-6, atol=1e-7)


def test_raster_in_small_batches_is_the_same(hand: HandData, monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = mesh(hand)
    camera = camera_at((-0.08, 0.1, 0.3), 80, 60, 150.0)
    whole = rasterise(vertices, faces, camera)
    monkeypatch.setattr("livehand_core.surface.raster.PAIRS_AT_ONCE", 50)
    for first, second in zip(whole, rasterise(vertices, faces, camera), strict=True):
        assert torch.equal(first, second)


def test_nothing_behind_the_camera_is_drawn(hand: HandData) -> None:
    vertices, faces = mesh(hand)
    matrix = look_at(np.array([0.0, 0.0, 0.3]), np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    assert not torch.isfinite(rasterise_depth(vertices, faces, Camera(20, 20, 5.0, 5.0, 10.0, 10.0, matrix))).any()


def test_published_kernel_sizes() -> None:
    assert [published_kernel(height) for height in (512, 256, 250, 128, 64, 40, 1)] == [9, 5, 5, 3, 3, 3, 3]


def test_lateral_kernel_follows_the_footprint_and_not_the_crop(hand: HandData) -> None:
    vertices, _ = mesh(hand)
    camera = camera_at((-0.08, 0.0, 0.4), 200, 120, 400.0)
    assert lateral_kernel(camera, vertices, 0.003) == 7
    assert lateral_kernel(camera.crop(50, 30, 20, 20), vertices, 0.003) == 7
    assert lateral_kernel(replace(camera, fx=800.0, fy=800.0), vertices, 0.003) == 13
    assert lateral_kernel(camera, vertices, 0.0001) == 3
    assert lateral_kernel(camera, vertices, 1.0) == 17


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 12), st.sampled_from([1, 3, 5, 7]))
@settings(max_examples=40, deadline=None)
def test_bounds_are_window_extremes(seed: int, height: int, width: int, kernel: int) -> None:
    random = np.random.default_rng(seed)
    depth = np.where(random.random((height, width)) < 0.4, np.inf, random.uniform(0.2, 1.0, (height, width)))
    near, far = ray_bounds(torch.from_numpy(depth), kernel, 0.01)
    radius = kernel // 2
    for y in range(height):
        for x in range(width):
            window = depth[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
            finite = window[np.isfinite(window)]
            if len(finite):
                assert float(near[y, x]) == pytest.approx(finite.min() - 0.01)
                assert float(far[y, x]) == pytest.approx(finite.max() + 0.01)
            else:
                assert not bool(near[y, x] < far[y, x])


def sample_points(hand: HandData, count: int, spread: float = 0.03) -> torch.Tensor:
    random = np.random.default_rng(2)
    start = hand.v_template[random.integers(len(hand.v_template), size=count)]
    return torch.from_numpy((start + spread * random.normal(size=(count, 3))).astype(np.float32))


@pytest.mark.parametrize("fast", [True, False])
def test_nearest_is_that_of_all_triangles(hand: HandData, monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    vertices, faces = mesh(hand)
    if fast:
        pytest.importorskip("fcpw")
    monkeypatch.setattr(nearest_module, "_HAS_FCPW", fast)
    points = sample_points(hand, 400)
    found = nearest_surface(points, vertices, faces)
    face, closest = oracle.nearest(points.numpy().astype(float), hand.v_template.astype(float), hand.faces)
    distance = np.linalg.norm(points.numpy() - closest, axis=1)
    np.testing.assert_allclose((points - found.closest).norm(dim=-1).numpy(), distance, atol=1e-6)
    np.testing.assert_allclose(found.barycentric.sum(dim=-1).numpy(), 1.0, atol=1e-6)
    assert float(found.barycentric.min()) >= 0.0
    corners = vertices[faces[torch.from_numpy(face)]]
    best = (closest_barycentric(points, corners)[..., None] * corners).sum(dim=1)
    np.testing.assert_allclose((points - best).norm(dim=-1).numpy(), distance, atol=1e-6)
    assert nearest_surface(points[:0], vertices, faces).face.shape == (0,)


@given(st.integers(0, 10_000))
@example(3030)
@settings(max_examples=60, deadline=None)
def test_closest_point_of_any_triangle(seed: int) -> None:
    random = np.random.default_rng(seed)
    triangle = random.normal(size=(1, 3, 3))
    if seed % 5 == 0:
        triangle[0, 2] = triangle[0, 0] + (triangle[0, 1] - triangle[0, 0]) * 0.5
    points = 2.0 * random.normal(size=(20, 3))
    barycentric = closest_barycentric(torch.from_numpy(points), torch.from_numpy(triangle)).numpy()
    closest = np.einsum("nk,kd->nd", barycentric, triangle[0])
    weights = random.dirichlet(np.ones(3), size=3000)
    weights = np.concatenate([weights, np.eye(3)])
    others = np.linalg.norm(points[:, None] - (weights @ triangle[0])[None], axis=-1).min(axis=1)
    assert (np.linalg.norm(points - closest, axis=1) <= others + 1e-9).all()


def test_neighbours(hand: HandData) -> None:
    faces = torch.from_numpy(hand.faces)
    neighbours = face_neighbours(faces).numpy()
    border = 0
    for face in range(len(hand.faces)):
        for corner in range(3):
            edge = {int(hand.faces[face, (corner + 1) % 3]), int(hand.faces[face, (corner + 2) % 3])}
            other = neighbours[face, corner]
            border += other == face
            assert edge <= set(hand.faces[other].tolist())
    assert border == 12


def spiky_box() -> tuple[torch.Tensor, torch.Tensor]:
    """A closed mesh with sharp edges, where the nearest face's own normal gives wrong signs."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    corners[7] *= 2.5
    corners[0] *= 0.3
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    return torch.from_numpy(corners), torch.from_numpy(faces)


def test_pseudo_normal_sign_is_right_everywhere_on_a_closed_mesh() -> None:
    vertices, faces = spiky_box()
    points = torch.from_numpy(np.random.default_rng(0).uniform(-3.0, 3.0, (4000, 3)))
    nearest = nearest_surface(points, vertices, faces)
    uv = torch.zeros(len(faces), 3, 2, dtype=vertices.dtype)
    inside = igl.winding_number(vertices.numpy(), faces.numpy(), points.numpy()) > 0.5
    assert 0.02 < inside.mean() < 0.5
    signs = {}
    for mode in ("pseudo_normal", "face_normal"):
        uvd = canonical_coordinates(points, vertices, faces, uv, nearest, mode)  # type: ignore[arg-type]
        signs[mode] = (uvd[:, 2] < 0.0).numpy()
    np.testing.assert_array_equal(signs["pseudo_normal"], inside)
    assert (signs["face_normal"] != inside).any()


def test_canonical_coordinates_of_the_oracle(hand: HandData) -> None:
    vertices, faces = mesh(hand)
    points = sample_points(hand, 150, spread=0.01)
    nearest = nearest_surface(points, vertices, faces)
    normals = SurfaceNormals.of(vertices, faces)
    uvd = canonical_coordinates(
        points, vertices, faces, torch.from_numpy(hand.face_uv), nearest, "face_normal", normals
    ).numpy()
    truth, face = oracle.canonical(
        points.numpy().astype(float), hand.v_template.astype(float), hand.faces, hand.face_uv.astype(float)
    )
    same = face == nearest.face.numpy()
    assert same.mean() > 0.5
    np.testing.assert_allclose(uvd[same, :2], truth[same, :2], atol=2e-4)
    np.testing.assert_allclose(np.abs(uvd[:, 2]), np.abs(truth[:, 2]), atol=1e-6)
