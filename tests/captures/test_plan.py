"""The plan of a capture: cameras all round, nothing cut off, a complete held-out grid, any first part useful."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.captures.plan import (
    SOFTNESS,
    Rig,
    camera_directions,
    capture_order,
    capture_poses,
    first_part,
    held_out_count,
    make_rig,
    way_between,
)
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES, penetration
from livehand_core.hand.skinning import pose_vertices
from livehand_core.rotations import slerp

HELD_OUT_POSES = frozenset({10, 11})


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.concatenate([pose_vertices(builtin_hand(), pose) for pose in capture_poses(12, 0)])


@pytest.fixture(scope="module")
def rig(points: np.ndarray) -> Rig:
    return make_rig(points, 34, 4, 334, 512, 1400.0, 0.95, 0)


def test_cameras_stand_all_round() -> None:
    directions = camera_directions(34)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    for axis in np.concatenate([np.eye(3), -np.eye(3)])[1:]:
        assert (directions @ axis).max() > np.cos(np.radians(30.0)), axis
    assert directions[:, 0].max() < np.cos(np.radians(34.0)), "no camera looks at the cut of the forearm"


def test_every_point_is_seen_by_every_camera(rig: Rig, points: np.ndarray) -> None:
    for camera in rig.cameras:
        pixels, depth = camera.project(points)
        assert (pixels > 0).all() and (pixels < [camera.width, camera.height]).all() and (depth > 0.2).all()


def test_held_out_cameras_are_spread(rig: Rig) -> None:
    assert len(rig.held_out) == 4
    eyes = [c.camera_to_world[:3, 2] for n, c in zip(rig.names, rig.cameras, strict=True) if n in rig.held_out]
    closest = max(float(a @ b) for i, a in enumerate(eyes) for b in eyes[:i])
    assert closest < np.cos(np.radians(30.0))


def test_poses_hold_the_gestures_and_are_repeatable() -> None:
    poses = capture_poses(60, 5)
    assert len(poses) == 60
    for gesture in GESTURES.values():
        assert any(np.allclose(pose.hand_pose, gesture) for pose in poses)
    again = capture_poses(60, 5)
    np.testing.assert_array_equal([p.hand_pose for p in poses], [p.hand_pose for p in again])


def test_no_pose_has_fingers_in_one_another() -> None:
    worst = max(penetration(gesture) for gesture in GESTURES.values())
    deep = [penetration(pose.hand_pose) for pose in capture_poses(60, 5)]
    # Named gestures press fingers together; nothing goes deeper than they do.
    assert max(deep) <= max(worst, SOFTNESS)


def test_the_way_between_gestures_is_short_and_its_ends_are_the_gestures() -> None:
    first, second = GESTURES["open"], GESTURES["point"]
    np.testing.assert_allclose(way_between(first, second, 0.0), first, atol=1e-9)
    np.testing.assert_allclose(way_between(first, second, 1.0), second, atol=1e-9)
    clear = way_between(GESTURES["open"], GESTURES["spread"], 0.4)
    np.testing.assert_allclose(clear, slerp(GESTURES["open"], GESTURES["spread"], 0.4), atol=1e-12)
    # Where the thumb has to make way, the fingers do not.
    through = slerp(GESTURES["open"], GESTURES["fist"], 0.8)
    around = way_between(GESTURES["open"], GESTURES["fist"], 0.8)
    assert penetration(through) > 0.006 and penetration(around) < 0.004
    np.testing.assert_array_equal(around[:12], through[:12])


def test_order(rig: Rig) -> None:
    order = capture_order(rig, 12, HELD_OUT_POSES, 8, 2, 0)
    assert len(set(order)) == len(order)
    kept = {index for index, name in enumerate(rig.names) if name in rig.held_out}
    assert set(order[:8]) == {(pose, camera) for pose in HELD_OUT_POSES for camera in kept}
    training = [(pose, camera) for pose, camera in order if pose not in HELD_OUT_POSES and camera not in kept]
    assert len(training) == 10 * 8
    views = np.bincount([camera for _, camera in training], minlength=34)
    assert all(views[camera] in (2, 3) for camera in range(34) if camera not in kept)
    first_round = training[:20]
    assert {pose for pose, _ in first_round} == set(range(10)), "the first round shows every pose"


def test_hold_outs_scale_with_what_there_is() -> None:
    assert [held_out_count(4, count) for count in (1, 2, 3, 6, 12, 40)] == [0, 0, 1, 2, 4, 4]
    assert held_out_count(0, 40) == 0 and held_out_count(-1, 40) == 0


@pytest.mark.parametrize("limit", [0, 8, 20, 60, 1000])
def test_a_first_part_is_mostly_for_training(rig: Rig, limit: int) -> None:
    order = capture_order(rig, 12, HELD_OUT_POSES, 8, 3, 0)
    part = first_part(order, rig, HELD_OUT_POSES, limit)
    assert len(part) == len(set(part)) == (min(limit, len(order)) or len(order)) and set(part) <= set(order)
    kept = [(pose, camera) for pose, camera in part if pose in HELD_OUT_POSES or rig.names[camera] in rig.held_out]
    if 0 < limit < len(order):
        assert 0 < len(kept) <= limit / 4
