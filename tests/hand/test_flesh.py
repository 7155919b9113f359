"""What flesh does in a pose: near the proxy, at the right joint, in the right direction, mirrored, by identity."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import HandModelError
from livehand_core.hand import detail, flesh
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture, joint_rotations
from livehand_core.hand.limits import FINGERS
from livehand_core.hand.looks import LOOKS, look_of
from livehand_core.hand.skinning import joint_transforms, pose_vertices
from livehand_core.poses import HandPose, Side

DEFAULT = look_of("default")


@pytest.fixture(scope="module")
def mesh() -> detail.DetailMesh:
    return detail.subdivide(builtin_hand())


@pytest.fixture(scope="module")
def belongs(mesh: detail.DetailMesh) -> np.ndarray:
    """(5, N) how much of a vertex's motion is each finger's."""
    weights = mesh.operator.apply(builtin_hand().weights.astype(np.float64))
    return np.stack([weights[:, 1 + 3 * k : 4 + 3 * k].sum(axis=1) for k in range(5)])


def bent(finger: str, part: int, degrees: float, side: Side = "right") -> HandPose:
    angles = np.zeros((15, 3))
    angles[3 * FINGERS.index(finger) + part - 1, 0] = np.radians(degrees)
    return HandPose(np.zeros(3), joint_rotations(angles), np.zeros(10), np.zeros(3), side)


def test_detail_stays_near_the_proxy_in_any_pose(mesh: detail.DetailMesh) -> None:
    hand, maps = builtin_hand(), flesh.stored_flesh()
    random = np.random.default_rng(0)
    for _ in range(5):
        pose = HandPose(np.zeros(3), random.normal(0.0, 0.4, (15, 3)), np.zeros(10), np.zeros(3))
        moved = flesh.offsets(maps, pose, DEFAULT)
        assert moved.shape == (len(mesh.vertex_uv),)
        away = mesh.operator.apply(hand.v_template)[:, 0] < 0.026  # the wrist's end is rounded far in
        assert 1e-3 < np.abs(moved[away]).max() < 4.5e-3
        assert np.abs(moved).max() < 8e-3
        posed = pose_vertices(hand, pose)
        near = hand.v_template[:, 0] < 0.026
        vertices = detail.detail_vertices(mesh, posed, moved)
        # The first vertices of the detail mesh are the proxy's own.
        assert np.linalg.norm(vertices[: hand.vertex_count] - posed, axis=1)[near].max() < 6e-3


@pytest.mark.parametrize("finger", FINGERS)
def test_a_bent_joint_smooths_its_back_deepens_its_crease_and_leaves_other_fingers(
    finger: str, belongs: np.ndarray
) -> None:
    maps = flesh.stored_flesh()
    straight, closed = (flesh.fold_state(maps, bent(finger, 2, degrees)) for degrees in (0.0, 60.0))
    change = closed - straight
    own = belongs[FINGERS.index(finger)] > 0.5
    assert change[own, 0].min() < -0.5 and change[own, 1].max() > 0.4 and change[own, 2].max() > 0.3
    others = np.delete(belongs, FINGERS.index(finger), axis=0).max(axis=0) > 0.9
    assert np.abs(change[others]).max() < 0.02


def test_a_tendon_rises_when_its_finger_stretches(mesh: detail.DetailMesh) -> None:
    maps, rest = flesh.stored_flesh(), mesh.operator.apply(builtin_hand().v_template)
    stretched, relaxed = (flesh.offsets(maps, bent("middle", 1, degrees), DEFAULT) for degrees in (-16.0, 40.0))
    rise = stretched - relaxed
    where = rest[rise.argmax()]
    assert rise.max() > 4e-4
    # On the back of the hand, in line with the middle finger.
    assert where[1] > 0.0 and -0.10 < where[0] < 0.0 and abs(where[2] - 0.004) < 0.006


def test_a_left_hand_moves_like_its_mirror_image() -> None:
    maps = flesh.stored_flesh()
    right, left = (HandPose(np.zeros(3), gesture("fist", s), np.zeros(10), np.zeros(3), s) for s in ("right", "left"))
    np.testing.assert_allclose(flesh.offsets(maps, left, DEFAULT), flesh.offsets(maps, right, DEFAULT), atol=1e-9)
    np.testing.assert_allclose(flesh.fold_state(maps, left), flesh.fold_state(maps, right), atol=1e-6)


def test_strengths_change_smoothly_with_the_pose() -> None:
    maps = flesh.stored_flesh()
    steps = [flesh.offsets(maps, bent("index", 1, degrees), DEFAULT) for degrees in np.arange(-20.0, 85.0, 1.0)]
    assert np.abs(np.diff(steps, axis=0)).max() < 1.2e-4


def test_people_differ_in_shape_veins_and_tendons() -> None:
    maps, pose = flesh.stored_flesh(), HandPose.rest("right")
    people = list(LOOKS.values())
    assert len(people) >= 3
    for k, first in enumerate(people):
        for second in people[k + 1 :]:
            assert np.abs(flesh.offsets(maps, pose, first) - flesh.offsets(maps, pose, second)).max() > 1e-4
            assert first.betas != second.betas


@pytest.mark.parametrize("side", ["right", "left"])
def test_long_nails_grow_out_of_the_finger_tips_and_nothing_else_does(mesh: detail.DetailMesh, side: Side) -> None:
    data, maps = builtin_hand(side), flesh.stored_flesh()
    weights = mesh.operator.apply(data.weights)
    pose = HandPose(np.array([0.3, 0.8, -0.2]), gesture("hook", side), np.zeros(10), np.zeros(3), side)
    growth = flesh.nail_growth(maps, data, weights, pose, look_of("young"))
    length = np.linalg.norm(growth, axis=1)
    assert length.max() == pytest.approx(1e-3 * look_of("young").nail_length, rel=0.03)
    grown = length > 0.5 * length.max()
    assert set(weights[grown].argmax(axis=1)) == {3, 6, 9, 12, 15} and grown.mean() < 0.02
    # Away from the last joint of each finger.
    frames = joint_transforms(data, pose)
    vertices = mesh.operator.apply(pose_vertices(data, pose))
    for tip in (3, 6, 9, 12, 15):
        own = grown & (weights.argmax(axis=1) == tip)
        outwards = vertices[own].mean(axis=0) - frames[tip, :3, 3]
        assert growth[own].mean(axis=0) @ outwards > 0.8 * np.linalg.norm(outwards) * length[own].mean()
    assert np.abs(flesh.nail_growth(maps, data, weights, pose, DEFAULT)).max() == 0.0


def test_missing_relief_is_a_clear_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HandModelError, match=r"hand_offset\.npz.*build_hand"):
        flesh.stored_flesh(tmp_path)


def test_stored_maps_come_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    maps = flesh.stored_flesh()
    flesh.write_flesh(tmp_path / flesh.FLESH_FILE, maps)
    again = flesh.stored_flesh(tmp_path)
    np.testing.assert_allclose(again.still, maps.still, atol=1e-9)
    np.testing.assert_allclose(again.regions, maps.regions, atol=1e-9)
    np.testing.assert_allclose(again.moves["thenar"], maps.moves["thenar"], atol=1e-9)
