"""Gestures and random poses: inside the limits, right where fingers touch, repeatable, and mirrored faithfully."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import (
    GESTURES,
    gesture,
    joint_angles,
    joint_rotations,
    mirror_hand_pose,
    penetration,
    sample_pose,
    within_limits,
)
from livehand_core.hand.limits import FINGERS, JOINT_AXES, JOINT_RANGES
from livehand_core.hand.skinning import pose_joints, pose_vertices
from livehand_core.poses import HandPose


def _pose(fingers: np.ndarray) -> HandPose:
    return HandPose(np.zeros(3), fingers, np.zeros(10), np.zeros(3))


def _tip_vertices() -> dict[str, int]:
    """Of each finger the vertex that reaches farthest along it at rest, among those of its last joint."""
    hand = builtin_hand("right")
    owner = hand.weights.argmax(axis=1)
    found = {}
    for k, name in enumerate(FINGERS):
        own = np.flatnonzero(owner == 3 * k + 3)
        found[name] = int(own[np.argmax(hand.v_template[own] @ JOINT_AXES[3 * k + 2, 2])])
    return found


def _tips(fingers: np.ndarray) -> dict[str, np.ndarray]:
    vertices = pose_vertices(builtin_hand("right"), _pose(fingers))
    return {name: vertices[index] for name, index in _tip_vertices().items()}


@pytest.mark.parametrize("name", GESTURES)
def test_gestures_are_within_limits_and_fingers_stay_apart(name: str) -> None:
    assert within_limits(GESTURES[name], tolerance=1e-4)
    assert penetration(GESTURES[name]) < 0.005


def test_angles_and_rotations_are_inverse() -> None:
    random = np.random.default_rng(3)
    angles = random.uniform(JOINT_RANGES[..., 0], JOINT_RANGES[..., 1])
    assert np.allclose(joint_angles(joint_rotations(angles)), angles, atol=1e-9)


def test_positive_flexion_brings_finger_tips_to_the_palm_side() -> None:
    angles = np.zeros((15, 3))
    angles[:12:3, 0] = np.radians(60.0)
    flat, bent = _tips(np.zeros((15, 3))), _tips(joint_rotations(angles))
    for name in ("index", "middle", "ring", "pinky"):
        assert bent[name][1] < flat[name][1] - 0.04


@pytest.mark.parametrize("name", ["pinch", "ok"])
def test_thumb_meets_index_finger(name: str) -> None:
    tips = _tips(GESTURES[name])
    assert np.linalg.norm(tips["thumb"] - tips["index"]) < 0.008
    assert np.linalg.norm(tips["thumb"] - tips["middle"]) > 0.02


@pytest.mark.parametrize("name", ["fist", "thumb_up"])
def test_closed_fingers_end_near_the_palm(name: str) -> None:
    tips = _tips(GESTURES[name])
    knuckles = dict(zip(FINGERS, pose_joints(builtin_hand("right"), _pose(GESTURES[name]))[1::3], strict=True))
    for finger in ("index", "middle", "ring", "pinky"):
        height = knuckles[finger][1] - tips[finger][1]
        assert 0.005 < height < 0.032, "the tip touches the palm, neither inside the hand nor held off"
        assert tips[finger][0] > knuckles[finger][0] + 0.01, "the tip is on the wrist's side of its knuckle"


def test_thumb_of_the_fist_lies_across_index_and_middle_finger() -> None:
    tips = _tips(GESTURES["fist"])
    joints = pose_joints(builtin_hand("right"), _pose(GESTURES["fist"]))
    index_middle_phalanx, middle_middle_phalanx = joints[2:4].mean(axis=0), joints[5:7].mean(axis=0)
    assert tips["thumb"][2] < index_middle_phalanx[2]
    assert tips["thumb"][1] < middle_middle_phalanx[1]
    assert np.linalg.norm(tips["thumb"] - middle_middle_phalanx) < 0.03


def test_pointing_finger_is_the_only_straight_one() -> None:
    tips = _tips(GESTURES["point"])
    assert tips["index"][0] < min(tips[name][0] for name in ("middle", "ring", "pinky", "thumb")) - 0.06


def test_sampled_poses_repeat_stay_within_limits_and_vary() -> None:
    poses = [sample_pose(np.random.default_rng(seed)) for seed in range(40)]
    for seed, pose in enumerate(poses):
        assert np.array_equal(pose, sample_pose(np.random.default_rng(seed)))
        assert within_limits(pose)
        assert penetration(pose) <= 0.003
    flexion = np.stack([joint_angles(pose)[:, 0] for pose in poses])
    assert (flexion[:, :12].std(axis=0) > np.radians(10.0)).all()
    assert len({pose.tobytes() for pose in poses}) == len(poses)


def test_fingers_through_the_thumb_are_noticed() -> None:
    angles = joint_angles(GESTURES["pinch"])
    angles[0:2, 0] += np.radians(12.0)
    assert penetration(joint_rotations(angles)) > penetration(GESTURES["pinch"]) + 0.002


def test_mirror_twice_is_identity_and_matches_the_left_hand() -> None:
    fingers = GESTURES["peace"]
    mirrored = mirror_hand_pose(fingers)
    assert np.array_equal(mirror_hand_pose(mirrored), fingers)
    left = HandPose(np.zeros(3), mirrored, np.zeros(10), np.zeros(3), "left")
    expected = pose_joints(builtin_hand("right"), _pose(fingers)) * np.array([-1.0, 1.0, 1.0])
    assert np.allclose(pose_joints(builtin_hand("left"), left), expected, atol=1e-6)


def test_gestures_by_name() -> None:
    assert np.array_equal(gesture("ok", "left"), mirror_hand_pose(gesture("ok")))
    gesture("ok")[:] = 0.0
    assert np.abs(GESTURES["ok"]).max() > 0.5
    with pytest.raises(PoseError, match="'wave'"):
        gesture("wave")
