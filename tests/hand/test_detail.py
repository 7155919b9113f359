"""The detail hand: subdivision reproduces constants, stays a manifold, follows the pose; maps fit the mesh."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.hand import detail
from livehand_core.hand.builtin import builtin_hand
from livehand_core.rotations import axis_angle_to_matrix


@pytest.fixture(scope="module")
def mesh() -> detail.DetailMesh:
    return detail.subdivide(builtin_hand())


def test_operator_reproduces_constants_and_moves_rigidly(mesh: detail.DetailMesh) -> None:
    hand = builtin_hand()
    ones = mesh.operator.apply(np.ones(hand.vertex_count))
    np.testing.assert_allclose(ones, 1.0, atol=1e-12)
    turn = axis_angle_to_matrix(np.array([0.3, -1.0, 0.5]))
    moved = mesh.operator.apply(hand.v_template @ turn.T + 2.0)
    np.testing.assert_allclose(moved, mesh.operator.apply(hand.v_template) @ turn.T + 2.0, atol=1e-9)


def test_no_levels_is_the_proxy() -> None:
    hand = builtin_hand()
    plain = detail.subdivide(hand, 0)
    assert plain.skin_vertices == hand.vertex_count
    vertices = plain.operator.apply(hand.v_template)[: plain.skin_vertices]
    np.testing.assert_array_equal(vertices, hand.v_template.astype(np.float64))


def test_a_flat_sheet_stays_flat_with_its_border() -> None:
    n = 5
    grid = np.arange(n * n).reshape(n, n)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    rows, columns, values, finer = detail.loop_rows(faces, n * n)
    points = np.stack([*np.meshgrid(np.arange(n), np.arange(n)), np.zeros((n, n))], axis=-1).reshape(-1, 3)
    smooth = np.zeros((rows.max() + 1, 3))
    np.add.at(smooth, rows, values[:, None] * points[columns])
    assert len(finer) == 4 * len(faces)
    assert np.abs(smooth[:, 2]).max() == 0.0
    # Regular inner vertices of an affine grid stay where they are.
    np.testing.assert_allclose(smooth[grid[2, 2]], points[grid[2, 2]], atol=1e-12)


def test_subdivided_mesh_is_a_manifold_with_the_charts_kept(mesh: detail.DetailMesh) -> None:
    hand = builtin_hand()
    assert mesh.skin_faces == 4**detail.LEVELS * len(hand.faces)
    directed = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    # The cap closes it: a sphere, every edge run through once each way.
    assert set(uses) == {2}
    assert len(np.unique(directed, axis=0)) == len(directed)
    assert len(mesh.operator.starts) - 1 - len(edges) + len(mesh.faces) == 2
    corner = mesh.uv[mesh.uv_faces[: mesh.skin_faces]]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    assert area.min() > 0.0
    coarse = hand.uv[hand.uv_faces].astype(np.float64)
    a, b = coarse[:, 1] - coarse[:, 0], coarse[:, 2] - coarse[:, 0]
    assert area.sum() == pytest.approx(0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), rel=1e-9)


def test_the_cap_lies_in_the_rim_and_faces_the_forearm(mesh: detail.DetailMesh) -> None:
    vertices = mesh.operator.apply(builtin_hand().v_template)
    rim = vertices[detail.rim_loop(mesh.faces[: mesh.skin_faces])[0]]
    cap = vertices[mesh.skin_vertices :]
    np.testing.assert_allclose(cap[:, 0], rim[:, 0].mean(), atol=1e-3)
    assert (cap.min(axis=0) >= rim.min(axis=0) - 1e-9).all() and (cap.max(axis=0) <= rim.max(axis=0) + 1e-9).all()
    assert detail.detail_normals(mesh, vertices)[mesh.skin_vertices :, 0].min() > 0.9
    assert mesh.vertex_uv.max() < len(mesh.uv)


def test_normals_point_outwards_and_are_unit(mesh: detail.DetailMesh) -> None:
    vertices = detail.detail_vertices(mesh, builtin_hand().v_template)
    normals = detail.detail_normals(mesh, vertices)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-9)
    top = vertices[:, 1].argmax()
    assert normals[top, 1] > 0.8
