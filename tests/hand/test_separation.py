"""Hands that go into each other are pushed apart a little, and nothing else is changed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from livehand_core.hand.bending import FREEDOMS, Bent
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES, gesture, joint_angles
from livehand_core.hand.limits import JOINT_RANGES
from livehand_core.hand.separation import MOST_SHIFT, MOST_TURN, SOFTNESS, Touching, deepest, separate
from livehand_core.poses import HandPose, Side


def touching(pose: HandPose, **settings: object) -> Touching:
    return Touching(builtin_hand(pose.side), pose, **settings)  # type: ignore[arg-type]


def one_hand(name: str, side: Side = "right") -> HandPose:
    return replace(HandPose.rest(side), hand_pose=gesture(name, side))


def palm_to_palm(apart: float) -> list[HandPose]:
    """A right hand and a left one that faces it, their fingers crossed by 20 degrees, palms so many metres apart."""
    right = replace(HandPose.rest(), hand_pose=0.5 * gesture("relaxed"))
    left = HandPose(
        np.array([3.08, 0.0, 0.35]), 0.5 * gesture("relaxed", "left"), np.zeros(10), [-0.19, -apart, 0.01], "left"
    )
    return [right, left]


@cache
def pressed(depth: float) -> list[HandPose]:
    """As :func:`palm_to_palm`, so near that they go into each other by so many metres."""
    near, far = 0.045, 0.1
    for _ in range(11):
        middle = 0.5 * (near + far)
        if deepest([touching(pose) for pose in palm_to_palm(middle)]) > depth:
            near = middle
        else:
            far = middle
    return palm_to_palm(near)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", ["fist", "point"])
def test_fingers_of_one_hand(name: str, side: Side) -> None:
    """Depth falls to less than a third, by a few degrees."""
    pose = one_hand(name, side)
    (freed,) = separate([touching(pose)])
    before, after = deepest([touching(pose)]), deepest([touching(freed)])
    assert before > 0.003 and after < before / 3.0
    assert np.degrees(np.abs(freed.hand_pose - pose.hand_pose).max()) < 6.0
    np.testing.assert_array_equal(freed.transl, pose.transl)
    np.testing.assert_array_equal(freed.global_orient, pose.global_orient)


def test_sides_are_mirrored() -> None:
    (right,), (left,) = (separate([touching(one_hand("fist", side))]) for side in ("right", "left"))
    np.testing.assert_allclose(right.mirrored().hand_pose, left.hand_pose, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_two_hands(scale: float) -> None:
    """Palms that press into each other part; both give way, within the bounds, at any size of the rigs."""
    poses = pressed(0.003)
    hands = [touching(pose, scale=scale) for pose in poses]
    freed = separate(hands)
    after = deepest([hand._replace(pose=pose) for hand, pose in zip(hands, freed, strict=True)])
    assert deepest(hands) == pytest.approx(0.003 * scale, rel=0.1)
    assert after < deepest(hands) / 3.0
    for pose, before in zip(freed, poses, strict=True):
        assert 0.0 < np.linalg.norm(pose.transl - before.transl) < MOST_SHIFT
        assert np.degrees(np.abs(pose.hand_pose - before.hand_pose).max()) < 6.0


def test_one_that_stays() -> None:
    """A hand whose rig does not ask for it is not changed, and the other one makes all of the way."""
    poses = pressed(0.003)
    hands = [touching(poses[0]), touching(poses[1], moves=False)]
    freed = separate(hands)
    assert freed[1] is poses[1]
    assert deepest([touching(pose) for pose in freed]) < 0.0015


@pytest.mark.parametrize("name", ["rest", "open", "relaxed", "spread", "hook", "cup"])
def test_what_does_not_penetrate(name: str) -> None:
    pose = one_hand(name)
    assert separate([touching(pose), touching(palm_to_palm(0.15)[1])])[0] is pose


def test_bounds() -> None:
    """Hands right inside each other part as far as is allowed, and no joint leaves its range."""
    poses = palm_to_palm(0.02)
    for pose, before in zip(separate([touching(pose) for pose in poses]), poses, strict=True):
        assert np.abs(pose.transl - before.transl).max() <= MOST_SHIFT
        fingers = [one.hand_pose if one.side == "right" else one.mirrored().hand_pose for one in (pose, before)]
        angles, old = (joint_angles(one) for one in fingers)
        assert np.abs(angles - old).max() <= MOST_TURN + 1e-9
        free = np.array(FREEDOMS).T
        low, high = (
            edge(part, JOINT_RANGES[..., k]) for k, (edge, part) in enumerate(((np.minimum, old), (np.maximum, old)))
        )
        assert (angles >= low - 1e-9)[tuple(free)].all() and (angles <= high + 1e-9)[tuple(free)].all()


def test_it_is_smooth() -> None:
    """From touching to 4 mm inside the change grows steadily: no step of a motion is far larger than its neighbours."""
    start, end = palm_to_palm(0.075), pressed(0.004)
    places = []
    for share in np.linspace(0.0, 1.0, 13):
        pose = replace(start[1], transl=(1.0 - share) * start[1].transl + share * end[1].transl)
        freed = separate([touching(start[0]), touching(pose)])
        places.append(Bent(builtin_hand("left"), freed[1]).vertices)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=2).max(axis=1)
    assert steps.max() < 2.5 * np.linalg.norm(end[1].transl - start[1].transl) / 12.0


def test_motion_is_the_skins() -> None:
    """What moves how far by a joint's turn, against posing the hand anew."""
    data = builtin_hand("left")
    hand = Bent(data, one_hand("cup", "left"))
    motion = hand.motion(hand.vertices, data.weights.astype(np.float64))
    for number in range(len(FREEDOMS)):
        turns = np.zeros(len(FREEDOMS))
        turns[number] = 1e-4
        found = (hand.bent(turns).vertices - hand.vertices) / 1e-4
        # The model's pose correctives are left out.
        assert np.abs(found - motion[:, :, number]).max() < 0.1 * np.abs(found).max()


def test_flesh_may_yield() -> None:
    """Gestures press fingers together as flesh does: no deeper than SOFTNESS is left alone."""
    for name in GESTURES:
        pose = one_hand(name)
        if deepest([touching(pose)]) == 0.0:
            assert separate([touching(pose)])[0] is pose
    assert SOFTNESS < 0.003
