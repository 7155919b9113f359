"""HandPose and PoseSequence: validation, round trips, rigid motion."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.poses import HandPose, PoseSequence, interpolate
from livehand_core.rotations import axis_angle_to_matrix


def make_pose(seed: int, side: str = "right") -> HandPose:
    rng = np.random.default_rng(seed)
    return HandPose(rng.normal(size=3), rng.normal(0, 0.4, (15, 3)), rng.normal(size=10), rng.normal(size=3), side)


def test_json_round_trip_is_exact() -> None:
    pose = make_pose(0, "left")
    again = HandPose.from_json(pose.to_json())
    assert again.side == "left"
    for name in ("global_orient", "hand_pose", "betas", "transl"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pose, name))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hand_pose": np.zeros(44)}, "hand_pose has shape"),
        ({"transl": [0.0, np.nan, 0.0]}, "transl holds values that are not finite"),
        ({"side": "middle"}, "'middle' is unknown"),
    ],
)
def test_bad_values_are_named(changes: dict, words: str) -> None:
    document = {**make_pose(1).to_json(), **changes}
    with pytest.raises(PoseError, match=words):
        HandPose.from_json(document)


def test_a_pose_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError):
        make_pose(2).hand_pose[0, 0] = 1.0


def test_moved_is_the_same_rigid_motion_of_every_point() -> None:
    pose, wrist = make_pose(3), np.array([0.1, -0.02, 0.03])
    rotation, shift = axis_angle_to_matrix(np.array([0.3, -1.0, 0.7])), np.array([1.0, 2.0, -3.0])
    point = np.array([0.05, 0.01, -0.2])

    def place(p: HandPose) -> np.ndarray:
        return axis_angle_to_matrix(p.global_orient) @ (point - wrist) + wrist + p.transl

    np.testing.assert_allclose(place(pose.moved(rotation, shift, wrist)), rotation @ place(pose) + shift, atol=1e-12)


def test_interpolation_has_its_ends_and_refuses_mixed_sides() -> None:
    first, second = make_pose(4), make_pose(5)
    for fraction, end in ((0.0, first), (1.0, second)):
        blend = interpolate(first, second, fraction)
        np.testing.assert_allclose(
            axis_angle_to_matrix(blend.hand_pose), axis_angle_to_matrix(end.hand_pose), atol=1e-9
        )
        np.testing.assert_allclose(blend.transl, end.transl)
    with pytest.raises(PoseError, match="right and a left"):
        interpolate(first, make_pose(6, "left"), 0.5)


def test_empty_motion_is_refused() -> None:
    with pytest.raises(PoseError, match="no frames"):
        PoseSequence(())


def test_mirrored_joints_are_the_joints_seen_in_a_mirror() -> None:
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.hand.skinning import pose_joints

    pose = make_pose(7)
    other = pose.mirrored()
    assert other.side == "left"
    seen = pose_joints(builtin_hand("right"), pose) * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(pose_joints(builtin_hand("left"), other), seen, atol=1e-6)
    np.testing.assert_array_equal(other.mirrored().full_pose, pose.full_pose)
