"""A part's model: what it is made of, what is refused, where its pose is told, and how it differs from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from livehand_core.errors import HandModelError, PoseError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.library import find_model, remember_part
from livehand_core.hand.local import MOST_SLOTS, LocalPose
from livehand_core.hand.part import differences, make_part, overlapping_charts, part_arrays
from livehand_core.hand.skinning import pose_joints, pose_vertices
from livehand_core.kernels.mesh.skinning import PosedHandModel
from livehand_core.poses import HandPose

NAMES = ("leg", "shin", "ankle", "ball", "toe")
Arrays = dict[str, np.ndarray]


def test_the_same_arrays_are_the_same_part_and_others_are_not(part: ProxyModel, arrays: Arrays) -> None:
    assert make_part("foot", arrays, NAMES).name == part.name
    assert make_part("hoof", arrays, NAMES).name != part.name
    arrays["joints"][2] += [0.0, 0.001, 0.0]
    assert make_part("foot", arrays, NAMES).name != part.name


def test_a_part_comes_back_from_its_arrays(part: ProxyModel) -> None:
    stored = {name: np.asarray(values, np.float32) for name, values in part_arrays(part).items()}
    again = make_part("foot", stored, NAMES, name=part.name)
    assert not differences(again, part)
    assert np.array_equal(LocalPose(again).influence, LocalPose(part).influence)


def test_joints_bend_what_hangs_on_them(part: ProxyModel, poses: Callable[..., list[HandPose]]) -> None:
    (pose,) = poses(1)
    np.testing.assert_allclose(part.rest_joints(), pose_joints(part, HandPose.rest("right", 5)), atol=1e-6)
    posed = pose_vertices(part, pose)
    np.testing.assert_allclose(PosedHandModel(part).vertices(pose), posed, atol=2e-6)
    far = part.weights[:, 4] > 0.95
    rest = part.v_template[far]
    assert far.any()
    # Rigidly: distances among them stay.
    np.testing.assert_allclose(
        np.linalg.norm(posed[far][0] - posed[far], axis=1), np.linalg.norm(rest[0] - rest, axis=1), atol=2e-3
    )


def test_a_hands_pose_is_refused(part: ProxyModel) -> None:
    with pytest.raises(PoseError, match="16 joints"):
        pose_vertices(part, HandPose.rest())


def test_only_near_joints_are_told_and_each_by_itself(part: ProxyModel) -> None:
    local = LocalPose(part)
    assert 2 <= local.slots <= 5
    for joint in range(1, 5):
        angles = np.zeros((4, 3))
        angles[joint - 1] = [0.1, -0.2, 0.3]
        told = local.numbers(angles).reshape(-1, local.slots, 3)
        own = told[:, local.slot[joint]]
        np.testing.assert_allclose(own, local.influence[:, joint, None] * np.float32([0.1, -0.2, 0.3]), rtol=1e-6)
        others = np.delete(told, local.slot[joint], axis=1)
        assert not others.any()
    # Where two joints bear on a vertex, their slots differ.
    for row in local.influence > 0.02:
        slots = local.slot[np.flatnonzero(row)]
        assert len(set(slots.tolist())) == len(slots)
    # The first and the last joint are far apart.
    assert local.influence[part.weights[:, 4] > 0.99, 1].max() == 0.0


def test_a_body_needs_no_more_slots_than_a_hand() -> None:
    hand = builtin_hand("right")
    assert LocalPose(hand).slots <= MOST_SLOTS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a.pop("uv"), "uv are missing"),
        (lambda a: a["weights"].__setitem__(7, 0.0), "no weight"),
        (lambda a: a["vertices"].__setitem__((3, 1), np.nan), "not finite"),
        (lambda a: a["parents"].__setitem__(1, 4), "not a tree"),
        (lambda a: a["uv"].__setitem__((0, 0), 1.5), "leave the unit square"),
        (lambda a: a["faces"].__setitem__((0, 0), 9999), "not there"),
        (lambda a: a.update(weights=a["weights"][:, :3]), "have the shape"),
    ],
)
def test_what_cannot_be_meant_is_refused(arrays: Arrays, change: Callable[[Arrays], object], reason: str) -> None:
    change(arrays)
    with pytest.raises(HandModelError, match=reason):
        make_part("foot", arrays, NAMES)


def test_too_many_joints_are_refused(arrays: Arrays) -> None:
    count = 300
    arrays["weights"] = np.full((len(arrays["vertices"]), count), 1.0 / count)
    arrays["joints"], arrays["parents"] = np.zeros((count, 3)), np.arange(count) - 1
    with pytest.raises(HandModelError, match="300 joints; 255"):
        make_part("foot", arrays, [f"b{k}" for k in range(count)])


def test_joints_that_all_move_one_place_are_refused(arrays: Arrays) -> None:
    count = 40
    arrays["weights"] = np.full((len(arrays["vertices"]), count), 0.5 / count)
    arrays["weights"][:, 0] = 0.5
    arrays["joints"], arrays["parents"] = np.zeros((count, 3)), np.minimum(np.arange(count) - 1, 0)
    with pytest.raises(HandModelError, match="move one place"):
        LocalPose(make_part("foot", arrays, [f"b{k}" for k in range(count)]))


def test_what_changed_after_training_is_named(arrays: Arrays, part: ProxyModel) -> None:
    arrays["joints"][2] += [0.0, 0.012, 0.0]
    (told,) = differences(make_part("foot", arrays, NAMES), part)
    assert "rest pose" in told and "ankle by 12.0 mm" in told
    assert "lacks toe" in differences(replace(part, joint_names=(*NAMES[:4], "claw")), part)[0]
    assert "UV map" in differences(replace(part, uv=part.uv * 0.9), part)[0]


def test_charts_that_overlap_are_found_and_mirrored_ones_are_not(part: ProxyModel, arrays: Arrays) -> None:
    assert overlapping_charts(part) < 0.001
    arrays["uv"][:, 0] = arrays["uv"][:, 0] % 0.32
    assert overlapping_charts(make_part("foot", arrays, NAMES)) > 0.3


def test_a_part_is_found_by_its_id_of_either_side(part: ProxyModel) -> None:
    remember_part(part)
    assert find_model(part.name, "right") is part
    left = find_model(part.name, "left")
    np.testing.assert_array_equal(left.v_template[:, 0], -part.v_template[:, 0])
    with pytest.raises(HandModelError, match="no file"):
        find_model("part:wing-0000000000000000", "right")
