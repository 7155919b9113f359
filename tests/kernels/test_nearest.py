"""Nearest points and texture-cube coordinates: against all triangles in float64, and against the torch functions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from livehand_core.hand.builtin import builtin_hand
from livehand_core.kernels.mesh.bounds import ray_bounds
from livehand_core.kernels.mesh.nearest import nearest_points, ray_coordinates
from livehand_core.kernels.mesh.proxy import PosedProxy, ProxyTopology
from livehand_core.kernels.mesh.raster import rasterise
from livehand_core.kernels.mesh.rays import Pixels, Rays, camera_rays, valid_pixels
from livehand_core.surface import SurfaceNormals, canonical_coordinates, smooth_normals
from livehand_core.surface.nearest import NearestSurface, closest_barycentric

from .hands import FACE_UV, FACES, TOPOLOGY, random_camera, random_hand, random_proxy


def exhaustive(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray = FACES) -> NearestSurface:
    """All triangles, in float64."""
    points64, vertices64 = torch.tensor(points, dtype=torch.float64), torch.tensor(vertices, dtype=torch.float64)
    triangles, some = vertices64[torch.tensor(faces)], []
    for few in points64.split(2000):
        barycentric = closest_barycentric(few[:, None], triangles[None])
        away = torch.einsum("nfk,fkd->nfd", barycentric, triangles) - few[:, None]
        some.append(away.square().sum(dim=-1).argmin(dim=1))
    face = torch.cat(some)
    corners = vertices64[torch.tensor(faces)[face]]
    barycentric = closest_barycentric(points64, corners)
    return NearestSurface(face, barycentric, (barycentric[..., None] * corners).sum(dim=1))


def random_rays(seed: int, proxy: PosedProxy, **changes: object) -> tuple[Pixels, Rays]:
    camera = random_camera(seed, proxy.vertices, **changes)  # type: ignore[arg-type]
    depth = rasterise(proxy.vertices, TOPOLOGY.faces, camera).depth
    pixels = valid_pixels(*ray_bounds(depth, 3, 0.01))
    return pixels, camera_rays(camera, pixels.columns, pixels.rows)


def sample_points(pixels: Pixels, rays: Rays, samples: int) -> np.ndarray:
    """(R, S, 3) float64."""
    fraction = np.linspace(0.0, 1.0, samples)
    depths = pixels.near[:, None].astype(np.float64) * (1.0 - fraction) + pixels.far[:, None] * fraction
    return rays.origins[:, None] + rays.directions[:, None].astype(np.float64) * depths[..., None]


def distances(points: np.ndarray, closest: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points.astype(np.float64) - closest, axis=-1)


@pytest.mark.parametrize("seed", [0, 1])
def test_nearest_is_that_of_all_triangles(seed: int) -> None:
    proxy = random_proxy(seed)
    random = np.random.default_rng(seed)
    near = proxy.vertices[random.integers(len(proxy.vertices), size=700)] + 0.01 * random.normal(size=(700, 3))
    far = proxy.centre + 0.5 * random.normal(size=(101, 3))
    points = np.concatenate([near, far, proxy.vertices[:50]]).astype(np.float32)
    face, barycentric, closest = nearest_points(proxy, points)
    truth = exhaustive(points, proxy.vertices)
    np.testing.assert_allclose(distances(points, closest), distances(points, truth.closest.numpy()), atol=1e-6)
    corners = proxy.vertices[FACES[face]]
    np.testing.assert_allclose((barycentric[..., None] * corners).sum(axis=1), closest, atol=1e-6)
    np.testing.assert_allclose(barycentric.sum(axis=1), 1.0, atol=1e-6)
    assert barycentric.min() >= 0.0


def test_no_points() -> None:
    face, barycentric, closest = nearest_points(random_proxy(0), np.zeros((0, 3), np.float32))
    assert face.shape == (0,) and barycentric.shape == (0, 3) and closest.shape == (0, 3)


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize("pseudo", [True, False])
def test_coordinates_of_rays_are_those_of_torch(projection: str, pseudo: bool) -> None:
    proxy = random_proxy(3)
    zoom = {} if projection == "perspective" else {"fx": 350.0, "fy": 350.0, "projection": projection}
    pixels, rays = random_rays(3, proxy, **zoom)
    assert len(pixels.rows) > 300
    points = sample_points(pixels, rays, 16).reshape(-1, 3)
    out = np.full((len(pixels.rows), 16, 6), np.nan, np.float32)
    ray_coordinates(proxy, *rays[:2], pixels.near, pixels.far, 16, pseudo, True, out, 0, len(out))
    chosen = np.random.default_rng(0).choice(len(points), 3000, replace=False)
    points, found = points[chosen], out.reshape(-1, 6)[chosen]

    vertices, faces = torch.tensor(proxy.vertices, dtype=torch.float64), torch.tensor(FACES)
    nearest, normals = exhaustive(points, proxy.vertices), SurfaceNormals.of(vertices, faces)
    uv = torch.tensor(FACE_UV, dtype=torch.float64)
    mode = "pseudo_normal" if pseudo else "face_normal"
    truth = canonical_coordinates(torch.tensor(points), vertices, faces, uv, nearest, mode, normals).numpy()
    smooth = smooth_normals(faces, nearest, normals).numpy()
    np.testing.assert_allclose(np.abs(found[:, 2]), np.abs(truth[:, 2]), atol=1e-6)
    # Ties: points that are as far from two places of the surface, or from two faces of an edge.
    assert (np.abs(found[:, :3] - truth).max(axis=1) < 1e-4).mean() > (0.99 if pseudo else 0.97)
    assert (np.abs(found[:, 3:] - smooth).max(axis=1) < 1e-3).mean() > 0.99
    np.testing.assert_allclose(np.linalg.norm(found[:, 3:], axis=1), 1.0, atol=1e-5)


def test_on_edges_and_corners_the_lowest_face_speaks() -> None:
    """A texture of which every edge is a seam: each face has coordinates of its own."""
    random = np.random.default_rng(7)
    own = random.random((len(FACES), 3, 2)).astype(np.float32)
    topology = ProxyTopology.of_mesh(builtin_hand("right").v_template, FACES, own)
    proxy = PosedProxy.of(random_hand(7), topology)
    points = proxy.vertices[random.integers(len(proxy.vertices), size=4000)] + 0.004 * random.normal(size=(4000, 3))
    points = np.concatenate([points, proxy.vertices + 0.003 * proxy.vertex_normals]).astype(np.float32)
    nearest = exhaustive(points, proxy.vertices)
    on_border = (nearest.barycentric <= 1e-6).any(dim=1)
    assert 0.3 < float(on_border.float().mean()) < 0.95
    vertices, faces, uv = torch.tensor(proxy.vertices).double(), torch.tensor(FACES), torch.tensor(own).double()
    truth = canonical_coordinates(torch.tensor(points).double(), vertices, faces, uv, nearest).numpy()

    # Searched from the last face to the first, ties go to other faces, and the answers are the same.
    back = torch.tensor(FACES[::-1].copy())
    other = exhaustive(points, proxy.vertices, FACES[::-1].copy())
    face = len(FACES) - 1 - other.face
    again = NearestSurface(face, other.barycentric, other.closest)
    assert torch.equal(back[other.face], faces[face])
    assert float((face != nearest.face).float().mean()) > 0.2
    changed = canonical_coordinates(torch.tensor(points).double(), vertices, faces, uv, again).numpy()
    assert (np.abs(changed - truth).max(axis=1) < 1e-6).mean() > 0.998

    toward, zero = np.tile(np.array([[0.0, 0.0, 1.0]], np.float32), (len(points), 1)), np.zeros(len(points), np.float32)
    found = np.empty((len(points), 1, 3), np.float32)
    ray_coordinates(proxy, points, toward, zero, zero, 1, True, False, found, 0, len(points))
    assert (np.abs(found[:, 0] - truth).max(axis=1) < 1e-4).mean() > 0.995


def test_parts_of_rays_and_of_samples_are_the_same_as_all() -> None:
    proxy = random_proxy(4)
    pixels, rays = random_rays(4, proxy)
    count = len(pixels.rows)
    whole, parts = np.empty((count, 24, 3), np.float32), np.empty((count, 24, 3), np.float32)
    arguments = (proxy, *rays[:2], pixels.near, pixels.far, 24, True, False)
    ray_coordinates(*arguments, whole, 0, count)

    def work(start: int) -> None:
        for first in (0, 10):
            part = np.empty((count, 14 if first else 10, 3), np.float32)
            ray_coordinates(*arguments, part, start, min(start + 112, count), first)
            parts[start : start + 112, first : first + part.shape[1]] = part[start : start + 112]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(0, count, 112)))
    np.testing.assert_allclose(np.abs(parts[..., 2]), np.abs(whole[..., 2]), atol=1e-6)
    assert (np.abs(parts - whole).max(axis=-1) < 1e-5).mean() > 0.99


def test_one_sample_lies_at_near() -> None:
    proxy = random_proxy(5)
    pixels, rays = random_rays(5, proxy)
    out = np.empty((len(pixels.rows), 1, 3), np.float32)
    ray_coordinates(proxy, *rays[:2], pixels.near, pixels.far, 1, True, False, out, 0, len(out))
    points = rays.origins + rays.directions * pixels.near[:, None]
    _, _, closest = nearest_points(proxy, points)
    np.testing.assert_allclose(out[:, 0, 2] ** 2, distances(points, closest) ** 2 + 1e-8, atol=1e-8)


def test_degenerate_triangles_are_the_segments_and_points_that_they_are() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0.3, 0, 0], [2, 1, 0], [2, 2, 1], [2, 2, 1], [5, 5, 5]], np.float32)
    faces = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [3, 4, 5], [4, 5, 3], [4, 3, 4], [6, 6, 6]])
    topology = ProxyTopology.of_mesh(corners, faces, np.zeros((len(faces), 3, 2)))
    proxy = PosedProxy.of(corners, topology)
    points = np.random.default_rng(0).uniform(-3.0, 6.0, (500, 3)).astype(np.float32)
    points[:3] = [[-1, 0, 0], [3, 0, 0], [0.5, 0, 0]]
    _, _, closest = nearest_points(proxy, points)
    truth = exhaustive(points, corners, faces)
    np.testing.assert_allclose(distances(points, closest), distances(points, truth.closest.numpy()), atol=2e-6)


def test_hand_collapsed_to_a_point_and_values_that_are_not_finite() -> None:
    proxy = PosedProxy.of(np.full_like(random_hand(0), 0.25), TOPOLOGY)
    points = np.array([[0.25, 0.25, 1.25], [np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0], [1e30, 0.0, 0.0]], np.float32)
    face, _, closest = nearest_points(proxy, points)
    np.testing.assert_allclose(closest[0], 0.25, atol=1e-7)
    assert ((face >= 0) & (face < len(FACES))).all()


def test_posed_normals_are_those_of_torch() -> None:
    proxy = random_proxy(6)
    truth = SurfaceNormals.of(torch.tensor(proxy.vertices, dtype=torch.float64), torch.tensor(FACES))
    np.testing.assert_allclose(proxy.face_normals, truth.faces, atol=1e-5)
    np.testing.assert_allclose(proxy.vertex_normals, truth.vertices, atol=1e-5)
    np.testing.assert_array_equal(TOPOLOGY.neighbours, truth.neighbours)
    assert sorted(TOPOLOGY.order.tolist()) == list(range(len(FACES)))
