"""Landmarks to pose: derivatives against finite differences, and poses found again from their own points."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import joint_angles, sample_pose
from livehand_core.hand.skinning import joint_transforms
from livehand_core.poses import Side
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.tracking.fit import Deviations, Problem, fit
from livehand_core.tracking.landmarks import HandLandmarks
from livehand_core.tracking.skeleton import LANDMARK_POINTS, Placement, Skeleton

CAMERA = Camera(640, 480, 600.0, 610.0, 320.0, 236.0, np.eye(4))

UNPREJUDICED = Deviations(expected=50.0)


def somewhere(skeleton: Skeleton, seed: int, beyond: float = 0.0) -> Placement:
    random = np.random.default_rng(seed)
    angles = random.uniform(skeleton.low - beyond, skeleton.high + beyond)
    turn = axis_angle_to_matrix(random.normal(0.0, 1.0, 3))
    return Placement(turn, np.array([0.02, -0.03, 0.5]) + random.normal(0.0, 0.03, 3), angles)


def natural(skeleton: Skeleton, seed: int) -> Placement:
    random = np.random.default_rng(seed)
    angles = joint_angles(sample_pose(random))[skeleton.joints - 1, skeleton.kinds]
    turn = axis_angle_to_matrix(random.normal(0.0, 1.0, 3))
    return Placement(turn, np.array([0.02, -0.03, 0.5]) + random.normal(0.0, 0.03, 3), angles)


def seen(skeleton: Skeleton, at: Placement, noise: float = 0.0, seed: int = 0) -> HandLandmarks:
    random = np.random.default_rng(seed)
    points = skeleton.posed(at).points
    pixels, _ = CAMERA.project(points)
    world = points - points.mean(axis=0) + random.normal(0.0, 0.0025 * noise, (21, 3))
    return HandLandmarks(pixels + random.normal(0.0, noise, (21, 2)), world, 1.0, float(skeleton.side == "right"))


@pytest.mark.parametrize("side", ["right", "left"])
def test_joints_are_where_skinning_puts_them(side: Side) -> None:
    skeleton = Skeleton(builtin_hand(side), np.linspace(-1.0, 1.0, 10))
    at = somewhere(skeleton, 1)
    joints = joint_transforms(skeleton.data, skeleton.pose(at))[:, :3, 3]
    posed = skeleton.posed(at)
    np.testing.assert_allclose(posed.origins, joints, atol=1e-12)
    # Landmarks are seen near the joints and tips that they are named after.
    every = np.concatenate([posed.origins, posed.tips])[list(LANDMARK_POINTS)]
    assert (np.linalg.norm(posed.points - every, axis=1) < 0.012).all()


def test_angles_are_the_anatomical_ones() -> None:
    skeleton = Skeleton(builtin_hand("right"))
    at = somewhere(skeleton, 2)
    found = joint_angles(skeleton.pose(at).hand_pose)
    free = skeleton.high > skeleton.low
    bends = np.zeros((15, 3))
    bends[skeleton.joints[free] - 1, skeleton.kinds[free]] = at.angles[free]
    np.testing.assert_allclose(found, bends, atol=1e-9)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_those_of_finite_differences(side: Side, seed: int) -> None:
    skeleton = Skeleton(builtin_hand(side), np.linspace(0.5, -0.5, 10))
    at = somewhere(skeleton, seed, beyond=0.1)
    problem = Problem(skeleton, CAMERA, seen(skeleton, somewhere(skeleton, seed + 9)), at.angles - 0.1)
    weights = problem.weights(at)
    _, rows, shape_rows = problem.linearised(at, weights)
    step = 1e-6
    for column in range(rows.shape[1]):
        push = np.zeros(rows.shape[1])
        push[column] = step
        ahead, behind = (problem.residuals(at.stepped(sign * push), weights) for sign in (1, -1))
        np.testing.assert_allclose(rows[:, column], (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-5)
    for column in range(shape_rows.shape[1]):
        push = np.eye(10)[column] * step
        both = [
            Problem(skeleton.with_shape(skeleton.betas + sign * push), CAMERA, problem.seen, at.angles - 0.1)
            for sign in (1, -1)
        ]
        ahead, behind = (other.residuals(at, weights) for other in both)
        np.testing.assert_allclose(shape_rows[:, column], (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("seed", range(4))
def test_a_pose_is_found_again_from_its_own_points(side: Side, seed: int) -> None:
    skeleton = Skeleton(builtin_hand(side))
    truth = somewhere(skeleton, seed)
    found = fit(Problem(skeleton, CAMERA, seen(skeleton, truth), deviations=UNPREJUDICED), steps=60, gain=0.0)
    off = skeleton.posed(found.placement).points - skeleton.posed(truth).points
    assert np.linalg.norm(off, axis=1).max() < 0.003
    assert found.error < 0.005


def test_noise_is_borne_and_a_wrong_landmark_counts_less() -> None:
    skeleton = Skeleton(builtin_hand("right"))
    truth = natural(skeleton, 5)
    noisy = seen(skeleton, truth, noise=2.0, seed=3)
    noisy.image[8] += 80.0
    found = fit(Problem(skeleton, CAMERA, noisy), steps=30)
    off = np.delete(skeleton.posed(found.placement).points - skeleton.posed(truth).points, 8, axis=0)
    assert np.linalg.norm(off - off.mean(axis=0), axis=1).mean() < 0.006
    near = fit(Problem(skeleton, CAMERA, noisy, found.placement.angles), found.placement, steps=3)
    assert near.steps <= 3 and near.error <= found.error * 1.05


def test_a_hand_keeps_within_its_limits() -> None:
    skeleton = Skeleton(builtin_hand("right"))
    beyond = somewhere(skeleton, 6)
    beyond = Placement(beyond.rotation, beyond.wrist, skeleton.high + 0.5)
    found = fit(Problem(skeleton, CAMERA, seen(skeleton, beyond)), steps=60).placement
    assert (found.angles < skeleton.high + np.radians(8.0)).all()
