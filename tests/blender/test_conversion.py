"""The pure maths between bone matrices and HandPose."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_blender.rig.bones import bone_axes, bone_limits
from livehand_blender.rig.conversion import (
    basis_matrices,
    bone_names,
    matrices_from_pose,
    pose_from_matrices,
    split_similarity,
)
from livehand_core.errors import PoseError
from livehand_core.poses import PARENTS, HandPose
from livehand_core.rotations import axis_angle_to_matrix

WRIST = np.array([0.09, 0.006, -0.006])


def _similarity(rng: np.random.Generator) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rng.uniform(0.1, 10.0) * axis_angle_to_matrix(rng.normal(size=3))
    matrix[:3, 3] = rng.normal(size=3)
    return matrix


def _rest(rng: np.random.Generator) -> np.ndarray:
    rest = np.tile(np.eye(4), (16, 1, 1))
    rest[:, :3, :3] = axis_angle_to_matrix(rng.normal(size=(16, 3)))
    rest[1:, :3, 3] = 0.05 * rng.normal(size=(15, 3))
    return rest


def _pose(rng: np.random.Generator) -> HandPose:
    turns = rng.normal(size=(16, 3))
    turns *= rng.uniform(0.0, 3.0, (16, 1)) / np.linalg.norm(turns, axis=1, keepdims=True)
    return HandPose(turns[0], turns[1:], rng.normal(size=10), rng.normal(size=3), "right")


@pytest.mark.parametrize("seed", range(50))
def test_there_and_back_is_the_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world, rest, pose = _similarity(rng), _rest(rng), _pose(rng)
    posed = matrices_from_pose(pose, world, rest, WRIST)
    back, scale = pose_from_matrices(world, rest, posed, WRIST, pose.betas, "right")
    np.testing.assert_allclose(back.full_pose, pose.full_pose, atol=1e-9)
    np.testing.assert_allclose(back.transl, pose.transl, atol=1e-9)
    assert scale == pytest.approx(np.cbrt(np.linalg.det(world[:3, :3])))


@pytest.mark.parametrize("seed", range(10))
def test_basis_rebuilds_the_posed_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rest = _rest(rng)
    posed = matrices_from_pose(_pose(rng), _similarity(rng), rest, WRIST)
    basis = basis_matrices(posed, rest)
    for joint, parent in enumerate(PARENTS):
        carried = np.eye(4) if parent < 0 else posed[parent] @ np.linalg.inv(rest[parent])
        np.testing.assert_allclose(carried @ rest[joint] @ basis[joint], posed[joint], atol=1e-9)
    # Finger bones only turn: their own translation and scale stay untouched.
    np.testing.assert_allclose(basis[1:, :3, 3], 0.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(basis[1:, :3, :3]), 1.0, atol=1e-9)


def test_rest_bones_give_the_flat_pose_whatever_their_roll() -> None:
    rest = _rest(np.random.default_rng(0))
    pose, scale = pose_from_matrices(np.eye(4), rest, rest, rest[0, :3, 3], np.zeros(10), "left")
    np.testing.assert_allclose(pose.full_pose, 0.0, atol=1e-7)
    np.testing.assert_allclose(pose.transl, 0.0, atol=1e-12)
    assert scale == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("linear", "message"),
    [
        (np.diag([1.0, 1.0, 1.1]), "non-uniformly"),
        (np.array([[1.0, 0.2, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "sheared"),
        (np.diag([-1.0, 1.0, 1.0]), "mirrored"),
        (np.zeros((3, 3)), "scaled to nothing"),
        (np.full((3, 3), np.nan), "not finite"),
    ],
)
def test_transforms_that_a_hand_cannot_follow_are_refused(linear: np.ndarray, message: str) -> None:
    world = np.eye(4)
    world[:3, :3] = linear
    with pytest.raises(PoseError, match=message):
        split_similarity(world, "The armature 'Hand'")


def test_a_scaled_finger_bone_is_named() -> None:
    rest = _rest(np.random.default_rng(1))
    posed = rest.copy()
    posed[5, :3, :3] *= 1.2
    with pytest.raises(PoseError, match=r"middle2\.R.*scaled by 1\.2"):
        pose_from_matrices(np.eye(4), rest, posed, WRIST, np.zeros(10), "right")


def test_names_carry_blenders_mirror_suffix() -> None:
    assert bone_names("right")[:3] == ("wrist.R", "index1.R", "index2.R")
    assert bone_names("left")[-1] == "thumb3.L"
    assert len(set(bone_names("left"))) == 16


def test_bone_axes_are_rotations_and_mirror_each_other() -> None:
    right, left = bone_axes("right"), bone_axes("left")
    np.testing.assert_allclose(right @ right.transpose(0, 2, 1), np.tile(np.eye(3), (16, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(left), 1.0)
    mirror = np.diag([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(left[:, :, 1], right[:, :, 1] @ mirror)
    np.testing.assert_allclose(left[:, :, 2], right[:, :, 2] @ mirror)


def test_limits_of_both_sides_describe_mirrored_turns() -> None:
    """A turn at the end of a right bone's range, mirrored, lies at an end of the left bone's range."""
    mirror = np.diag([-1.0, 1.0, 1.0])
    right, left = bone_axes("right")[1:], bone_axes("left")[1:]
    for bone in range(15):
        for axis in range(3):
            low, high = bone_limits("right")[bone, axis]
            mirrored = sorted(
                -float(left[bone, :, axis] @ (mirror @ (right[bone, :, axis] * angle))) for angle in (low, high)
            )
            np.testing.assert_allclose(mirrored, bone_limits("left")[bone, axis], atol=1e-9)
            assert low <= 0.0 <= high
