"""The built-in hand's arrays: topology, skinning, texture coordinates, joints, mirror, size."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import HandModelError
from livehand_core.hand import builtin, flesh, skin
from livehand_core.hand.builtin import builtin_hand, mirror_hand, read_hand
from livehand_core.hand.data import HandData
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import PARENTS, HandPose


@pytest.fixture(scope="module")
def hand() -> HandData:
    return builtin_hand("right")


def directed_edges(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def rim_vertices(faces: np.ndarray) -> np.ndarray:
    edges, uses = np.unique(np.sort(directed_edges(faces), axis=1), axis=0, return_counts=True)
    return np.unique(edges[uses == 1])


def test_size_and_shapes(hand: HandData) -> None:
    count = hand.vertex_count
    assert 700 <= count <= 2000
    assert hand.shapedirs.shape == (count, 3, 10)
    assert hand.posedirs.shape == (count, 3, 135)
    assert hand.joint_regressor.shape == (16, count)
    assert hand.hands_components.shape == (45, 45)
    assert tuple(hand.parents) == PARENTS
    assert hand.licence == "CC0-1.0"


def test_mesh_is_one_manifold_sheet_open_at_the_wrist(hand: HandData) -> None:
    edges, uses = np.unique(np.sort(directed_edges(hand.faces), axis=1), axis=0, return_counts=True)
    assert set(uses) == {1, 2}
    assert len(np.unique(directed_edges(hand.faces), axis=0)) == 3 * len(hand.faces), "neighbours wind differently"
    assert hand.vertex_count - len(edges) + len(hand.faces) == 1, "not a disc: a hole, a handle or a loose part"
    rim = hand.v_template[rim_vertices(hand.faces)]
    assert np.ptp(rim[:, 0]) < 1e-6
    assert rim[0, 0] == hand.v_template[:, 0].max()


def test_winding_is_outward(hand: HandData) -> None:
    corner = hand.v_template[hand.faces].astype(np.float64)
    # Volume under the open mesh, closed by a fan at the rim's plane: positive only with outward faces.
    origin = np.array([corner[..., 0].max(), 0.0, 0.0])
    volume = np.linalg.det(corner - origin).sum() / 6.0
    assert 2.0e-4 < volume < 6.0e-4


def test_triangles_are_well_shaped(hand: HandData) -> None:
    corner = hand.v_template[hand.faces].astype(np.float64)
    angles = []
    for k in range(3):
        a, b = corner[:, (k + 1) % 3] - corner[:, k], corner[:, (k + 2) % 3] - corner[:, k]
        cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        angles.append(np.degrees(np.arccos(cosine)))
    assert np.min(angles) > 20.0


def test_weights_sum_to_one_with_four_joints_at_most(hand: HandData) -> None:
    np.testing.assert_allclose(hand.weights.sum(axis=1), 1.0, atol=1e-6)
    assert hand.weights.min() >= 0.0
    assert (hand.weights > 0).sum(axis=1).max() <= 4


def test_fingers_do_not_pull_at_their_neighbours(hand: HandData) -> None:
    tips = [3, 6, 9, 12, 15]
    for joint in tips:
        mine = hand.weights[:, joint] > 0.5
        others = [other for other in range(1, 16) if (other - 1) // 3 != (joint - 1) // 3]
        assert hand.weights[mine][:, others].max() < 0.01


def test_proportions_are_a_hand_s(hand: HandData) -> None:
    joints = hand.rest_joints()
    np.testing.assert_allclose(joints[0], 0.0, atol=1e-6)
    length = -hand.v_template[:, 0].min()
    assert 0.17 < length < 0.21
    reach = {joint: -hand.v_template[hand.weights[:, joint] > 0.9][:, 0].min() for joint in (3, 6, 9, 12, 15)}
    index, middle, pinky, ring, thumb = (reach[joint] for joint in (3, 6, 9, 12, 15))
    assert middle > max(index, ring) > min(index, ring) > pinky > thumb
    palm = hand.v_template[np.abs(hand.v_template[:, 0] + 0.075) < 0.006]
    palm = palm[palm[:, 2] < 0.045]
    assert 0.070 < np.ptp(palm[:, 2]) < 0.095


def test_joint_regressor_is_sparse_and_follows_size(hand: HandData) -> None:
    np.testing.assert_allclose(hand.joint_regressor.sum(axis=1), 1.0, atol=1e-6)
    assert (hand.joint_regressor != 0).mean() < 0.05
    betas = np.zeros(10)
    betas[0] = 2.0
    rest, larger = hand.rest_joints(), hand.rest_joints(betas)
    np.testing.assert_allclose(larger, rest * 1.07, atol=2e-4)
    betas[:2] = 0.0, 2.0
    grown = hand.rest_joints(betas)
    assert np.linalg.norm(grown[6] - grown[4]) / np.linalg.norm(rest[6] - rest[4]) == pytest.approx(1.1, abs=0.02)


def test_pose_components_are_an_orthonormal_basis(hand: HandData) -> None:
    np.testing.assert_allclose(hand.hands_components @ hand.hands_components.T, np.eye(45), atol=1e-5)


def test_texture_charts_do_not_overlap_or_turn_over(hand: HandData) -> None:
    corners = hand.uv[hand.uv_faces].astype(np.float64)
    assert corners.min() >= 0.0 and corners.max() <= 1.0
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    assert area.min() > 0.0
    # Texel centres covered: were charts to overlap, the sum of areas would exceed the covered area.
    size = 512
    covered = np.zeros((size, size), dtype=np.int64)
    for triangle in corners * size - 0.5:
        low = np.floor(triangle.min(axis=0)).astype(int)
        high = np.ceil(triangle.max(axis=0)).astype(int) + 1
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        sides = []
        for k in range(3):
            p, q = triangle[k], triangle[(k + 1) % 3]
            sides.append((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]))
        inside = np.min(sides, axis=0) > 1e-9
        covered[y[inside], x[inside]] += 1
    assert covered.max() == 1


def test_texture_scale_is_even_and_fingers_point_up(hand: HandData) -> None:
    corners, points = hand.uv[hand.uv_faces].astype(np.float64), hand.v_template[hand.faces].astype(np.float64)
    flat = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    real = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
    ratio = flat / real / np.median(flat / real)
    assert np.percentile(ratio, 1) > 0.6 and np.percentile(ratio, 99) < 1.6
    slope = np.polyfit(-points[..., 0].reshape(-1), corners[..., 1].reshape(-1), 1)[0]
    assert slope > 0.0


def test_left_is_the_mirror_of_right(hand: HandData) -> None:
    left = builtin_hand("left")
    assert left.side == "left"
    rng = np.random.default_rng(4)
    flip = np.array([-1.0, 1.0, 1.0])
    axial = np.array([1.0, -1.0, -1.0])
    orient, angles, betas = rng.normal(size=3), rng.normal(0.0, 0.5, size=(15, 3)), rng.normal(size=10)
    transl = rng.normal(size=3)
    right_posed = pose_vertices(hand, HandPose(orient, angles, betas, transl))
    left_posed = pose_vertices(left, HandPose(orient * axial, angles * axial, betas, transl * flip, "left"))
    np.testing.assert_allclose(left_posed, right_posed * flip, atol=1e-9)
    again = mirror_hand(left)
    np.testing.assert_array_equal(again.faces, hand.faces)
    np.testing.assert_array_equal(again.posedirs, hand.posedirs)


def test_left_faces_outwards() -> None:
    left = builtin_hand("left")
    corner = left.v_template[left.faces].astype(np.float64)
    assert np.linalg.det(corner - np.array([corner[..., 0].min(), 0.0, 0.0])).sum() > 0.0


def test_assets_stay_small() -> None:
    files = [builtin.PROXY_FILE, skin.MAPS_FILE, flesh.FLESH_FILE]
    assert sum((builtin.ASSETS / name).stat().st_size for name in files) < 3.5e6


def test_shared_arrays_cannot_be_written(hand: HandData) -> None:
    with pytest.raises(ValueError, match="read-only"):
        hand.v_template[0, 0] = 1.0


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_damaged_asset_is_a_clear_error(tmp_path, damage: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "hand.npz"
    if damage == "truncated":
        path.write_bytes((builtin.ASSETS / builtin.PROXY_FILE).read_bytes()[:5000])
    elif damage == "foreign":
        np.savez(path, something=np.zeros(3))
    with pytest.raises(HandModelError, match=r"hand\.npz.*build_hand"):
        read_hand(path)
