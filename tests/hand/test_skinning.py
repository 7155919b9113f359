"""NumPy skinning: MANO's formula in small, rigid motions, and how the built-in hand's fingers bend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.data import HandData
from livehand_core.hand.limits import JOINT_AXES
from livehand_core.hand.skinning import joint_transforms, pose_joints, pose_vertices
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix


@pytest.fixture(scope="module")
def hand() -> HandData:
    return builtin_hand("right")


def posed(angles: np.ndarray, **changes: np.ndarray) -> HandPose:
    fields = {"global_orient": np.zeros(3), "hand_pose": angles, "betas": np.zeros(10), "transl": np.zeros(3)}
    return HandPose(**{**fields, **changes})  # type: ignore[arg-type]


def test_zero_pose_is_the_template(hand: HandData) -> None:
    np.testing.assert_allclose(pose_vertices(hand, HandPose.rest()), hand.v_template, atol=1e-9)
    np.testing.assert_allclose(pose_joints(hand, HandPose.rest()), hand.rest_joints(), atol=1e-9)


def test_formula_against_a_vertex_by_vertex_sum(hand: HandData) -> None:
    rng = np.random.default_rng(1)
    pose = posed(
        rng.normal(0.0, 0.4, (15, 3)),
        global_orient=rng.normal(size=3),
        betas=rng.normal(size=10),
        transl=rng.normal(size=3),
    )
    shaped = hand.v_template + hand.shapedirs.astype(np.float64) @ pose.betas
    rest = hand.joint_regressor.astype(np.float64) @ shaped
    turns = axis_angle_to_matrix(np.vstack([pose.global_orient, pose.hand_pose]))
    features = (turns[1:] - np.eye(3)).reshape(-1)
    vertices = pose_vertices(hand, pose)
    for index in rng.choice(hand.vertex_count, 12, replace=False):
        corrected = shaped[index] + hand.posedirs[index].astype(np.float64) @ features
        total = np.zeros(3)
        for joint in np.flatnonzero(hand.weights[index]):
            point, here = corrected, int(joint)
            while here >= 0:
                point = turns[here] @ (point - rest[here]) + rest[here]
                here = int(hand.parents[here])
            total += float(hand.weights[index, joint]) * point
        np.testing.assert_allclose(vertices[index], total + pose.transl, atol=1e-9)


def test_global_rotation_turns_everything_about_the_wrist(hand: HandData) -> None:
    rng = np.random.default_rng(2)
    angles, orient = rng.normal(0.0, 0.4, (15, 3)), rng.normal(size=3)
    wrist = hand.rest_joints()[0]
    still = pose_vertices(hand, posed(angles)) - wrist
    turned = pose_vertices(hand, posed(angles, global_orient=orient)) - wrist
    np.testing.assert_allclose(turned, still @ axis_angle_to_matrix(orient).T, atol=1e-9)


def test_moved_pose_moves_the_mesh(hand: HandData) -> None:
    rng = np.random.default_rng(3)
    pose = posed(rng.normal(0.0, 0.3, (15, 3)), global_orient=rng.normal(size=3), transl=rng.normal(size=3))
    turn, shift = axis_angle_to_matrix(rng.normal(size=3)), rng.normal(size=3)
    moved = pose_vertices(hand, pose.moved(turn, shift, hand.rest_joints()[0]))
    # float32 weights sum to 1 within 1e-7.
    np.testing.assert_allclose(moved, pose_vertices(hand, pose) @ turn.T + shift, atol=1e-6)


def test_transforms_are_rigid(hand: HandData) -> None:
    pose = posed(np.random.default_rng(5).normal(0.0, 0.6, (15, 3)))
    turn = joint_transforms(hand, pose)[:, :3, :3]
    np.testing.assert_allclose(turn @ turn.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turn.shape), atol=1e-12)


def finger_volume(hand: HandData, vertices: np.ndarray, chain: list[int]) -> float:
    """Volume of the part of the hand that belongs mostly to some joints, its open end closed by a fan."""
    faces = hand.faces[(hand.weights[:, chain].sum(axis=1) > 0.5)[hand.faces].all(axis=1)]
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    known = {tuple(edge) for edge in directed}
    rim = np.array([edge for edge in directed if (edge[1], edge[0]) not in known])
    centre = vertices[np.unique(rim)].mean(axis=0)
    body = np.linalg.det(vertices[faces] - centre).sum()
    return float(body) / 6.0


@pytest.mark.parametrize("finger", range(5))
def test_bending_keeps_a_finger_s_volume(hand: HandData, finger: int) -> None:
    rest = hand.v_template.astype(np.float64)
    chain = [1 + 3 * finger + k for k in range(3)]
    plain = replace(hand, posedirs=np.zeros_like(hand.posedirs))
    angles = np.zeros((15, 3))
    bent = [3 * finger + 1, 3 * finger + 2] if finger < 4 else [3 * finger + 2]
    for joint in bent:
        angles[joint] = np.radians(80.0 if joint % 3 == 1 else 60.0) * JOINT_AXES[joint, 0]
    before = finger_volume(hand, rest, chain)
    kept = finger_volume(hand, pose_vertices(hand, posed(angles)), chain) / before
    linear = finger_volume(plain, pose_vertices(plain, posed(angles)), chain) / before
    assert 0.92 < kept < 1.12
    assert abs(kept - 1.0) < abs(linear - 1.0)


@pytest.mark.parametrize("joint", [2, 5, 8, 11])
def test_knuckles_do_not_collapse_at_a_right_angle(hand: HandData, joint: int) -> None:
    angles = np.zeros((15, 3))
    angles[joint - 1] = np.radians(90.0) * JOINT_AXES[joint - 1, 0]
    pivot = hand.rest_joints()[joint]
    share = hand.weights[:, joint] + hand.weights[:, joint + 1]
    band = (share > 0.2) & (share < 0.8)
    assert band.sum() >= 6
    before = np.linalg.norm(hand.v_template[band] - pivot, axis=1)
    after = np.linalg.norm(pose_vertices(hand, posed(angles))[band] - pivot, axis=1)
    ratio = after / before
    assert ratio.min() > 0.85, "plain linear blending gives about 0.71 here"
    assert ratio.max() < 1.15


def test_flexion_axes_curl_fingers_towards_the_palm(hand: HandData) -> None:
    for finger in range(4):
        angles = np.zeros((15, 3))
        angles[3 * finger] = np.radians(60.0) * JOINT_AXES[3 * finger, 0]
        rest, bent = hand.rest_joints(), pose_joints(hand, posed(angles))
        assert bent[3 * finger + 3, 1] < rest[3 * finger + 3, 1] - 0.03
        angles[3 * finger] = np.radians(10.0) * JOINT_AXES[3 * finger, 1]
        assert pose_joints(hand, posed(angles))[3 * finger + 3, 2] > rest[3 * finger + 3, 2] + 0.005
