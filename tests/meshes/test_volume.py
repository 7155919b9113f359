"""Marching cubes in blocks on bodies whose surface is known, and what is asked of meshes."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.meshes.mesh import (
    Mesh,
    border_edges,
    components,
    largest_component,
    signed_volumes,
    vertex_normals,
)
from livehand_core.meshes.volume import BLOCK, SMALLEST, Grid, Values, surface

RADIUS = 0.9


def ball(middle: tuple[float, float, float], radius: float = RADIUS, sharpness: float = 4.0) -> Values:
    """Values in [-1, 1] that are positive in a ball."""
    return lambda points: np.clip(sharpness * (radius - np.linalg.norm(points - middle, axis=1)), -1.0, 1.0)


def everywhere(grid: Grid, values: Values) -> tuple[np.ndarray, np.ndarray]:
    return surface(grid, grid.middles()[0], values)


@pytest.fixture(scope="module")
def sphere() -> tuple[np.ndarray, np.ndarray]:
    # 27 blocks, whose sides cut the ball at places that are no round numbers.
    grid = Grid(np.array([-1.51, -1.47, -1.53]), 3.0 / (3 * BLOCK), (3, 3, 3))
    return everywhere(grid, ball((0.013, -0.021, 0.037)))


def test_a_ball_across_blocks_is_one_closed_surface(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, faces = sphere
    assert len(border_edges(faces)) == 0
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    assert len(vertices) - len(edges) + len(faces) == 2
    assert len(np.unique(faces)) == len(vertices)
    assert components(faces, len(vertices))[0] == 1


def test_a_ball_is_where_it_is_and_faces_outwards(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, faces = sphere
    offset = vertices - (0.013, -0.021, 0.037)
    # Interpolation along edges of 1/32, h^2 / (8 r), and the least value, which the ball's sharpness of 4 divides.
    bound = (1.0 / 32.0) ** 2 / (8.0 * RADIUS) + SMALLEST / 4.0
    assert np.abs(np.linalg.norm(offset, axis=1) - RADIUS).max() < bound
    volume = signed_volumes(vertices, faces, np.zeros(len(faces), int), 1)[0]
    assert volume == pytest.approx(4.0 / 3.0 * np.pi * RADIUS**3, rel=2e-3)
    directions = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    assert ((vertex_normals(vertices, faces) * directions).sum(axis=1) > 0.995).all()


def test_values_of_zero_on_grid_points_leave_no_hole() -> None:
    """A cube whose sides lie exactly on grid planes and on block sides."""
    grid = Grid(np.zeros(3), 1.0, (2, 1, 1))
    box = np.array([[8.0, 8.0, 8.0], [BLOCK, 24.0, 24.0]])

    def values(points: np.ndarray) -> np.ndarray:
        inside = np.minimum(points - box[0], box[1] - points).min(axis=1)
        return np.clip(inside, -1.0, 1.0)

    vertices, faces = everywhere(grid, values)
    assert len(border_edges(faces)) == 0
    assert np.allclose([vertices.min(axis=0), vertices.max(axis=0)], box, atol=2e-3)


def test_blocks_without_surface_are_passed_over() -> None:
    grid = Grid.around(np.zeros(3), np.ones(3), 0.05)
    vertices, faces = everywhere(grid, lambda points: np.full(len(points), -1.0))
    assert len(vertices) == 0 and len(faces) == 0


def test_the_largest_body_is_kept_and_its_void_is_filled() -> None:
    grid = Grid.around(np.full(3, -1.0), np.array([2.0, 1.0, 1.0]), 0.06)
    large, void, crumb = ball((0, 0, 0), 0.8), ball((0, 0, 0), 0.5), ball((1.5, 0, 0), 0.3)
    vertices, faces = everywhere(grid, lambda x: np.maximum(np.minimum(large(x), -void(x)), crumb(x)))
    count, labels = components(faces, len(vertices))
    volumes = np.sort(signed_volumes(vertices, faces, labels, count))
    assert count == 3 and volumes[0] < 0.0 < volumes[1]
    kept, kept_faces = largest_component(vertices, faces)
    assert np.abs(np.linalg.norm(kept, axis=1) - 0.8).max() < 0.01
    assert kept_faces.max() == len(kept) - 1


def test_a_reflected_mesh_faces_outwards_still() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    mesh = Mesh(vertices, faces, vertex_normals(vertices, faces), np.zeros((4, 3), np.float32))
    matrix = np.diag([-2.0, 2.0, 2.0, 1.0])
    matrix[:3, 3] = 1.0, 2.0, 3.0
    moved = mesh.moved(matrix)
    whole = np.zeros(4, int)
    before, after = (signed_volumes(one.vertices, one.faces, whole, 1)[0] for one in (mesh, moved))
    assert before == pytest.approx(1.0 / 6.0) and after == pytest.approx(8.0 / 6.0)
    assert np.allclose(moved.normals, vertex_normals(moved.vertices, moved.faces), atol=1e-6)
    assert np.allclose(moved.vertices[1], [-1.0, 2.0, 3.0])


def test_border_of_an_open_mesh() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3]], np.int32)
    assert sorted(map(tuple, border_edges(faces))) == [(0, 1), (1, 3), (2, 0), (3, 2)]
