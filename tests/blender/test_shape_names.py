"""What the panel calls the betas is what they do, measured on vertices and joints; resetting and drawing a shape."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_blender.rig.shape_names import shape_label
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.data import HandData
from livehand_core.hand.limits import FINGERS
from tests.blender.hands import create

LONG = [finger for finger in FINGERS if finger != "thumb"]


def measures(hand: HandData, betas: np.ndarray) -> dict[str, float]:
    """Lengths, breadths and thicknesses of a hand at rest, metres."""
    points = hand.v_template.astype(np.float64) + hand.shapedirs[:, :, :10].astype(np.float64) @ betas
    joints = hand.rest_joints(betas)
    found = {"palm length": float(np.linalg.norm(joints[4] - joints[0]))}
    # Towards the forearm.
    behind = (hand.v_template[:, 0] - hand.rest_joints()[0, 0]) * (1.0 if hand.side == "right" else -1.0)
    palm, wrist = points[(hand.weights[:, 0] > 0.8) & (behind < -0.03)], points[behind > 0.0]
    found["palm breadth"], found["wrist thickness"] = np.ptp(palm[:, 2]), np.ptp(wrist[:, 1])
    for number, finger in enumerate(FINGERS):
        first = 1 + 3 * number
        ends = joints[first : first + 3]
        found[f"{finger} length"] = np.linalg.norm(ends[1] - ends[0]) + np.linalg.norm(ends[2] - ends[1])
        for part, name in ((0, "root"), (1, "middle"), (2, "tip")):
            along = ends[min(part + 1, 2)] - ends[min(part, 1)]
            along /= np.linalg.norm(along)
            ring = points[hand.weights[:, first + part] > 0.8] - ends[part]
            found[f"{finger} {name}"] = np.linalg.norm(ring - np.outer(ring @ along, along), axis=1).mean()
    return found


GROWS = {
    "Finger Length": {f"{finger} length": 5.0 for finger in LONG},
    "Finger Thickness": {f"{finger} middle": 7.0 for finger in LONG},
    "Palm Breadth": {"palm breadth": 4.5},
    "Palm Thickness": {"wrist thickness": 8.0},
    "Thumb Length": {"thumb length": 6.0},
    "Palm Length": {"palm length": 4.0},
    "Finger Taper": {f"{finger} tip": -6.0 for finger in LONG},
    "Outer Fingers": {"index length": -3.0, "ring length": 3.0, "pinky length": 6.0, "middle length": 0.0},
    "Thumb Thickness": {"thumb middle": 7.0},
}
"""Percent by which a unit of the beta of that name changes what it is named after."""


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("index", range(10))
def test_a_beta_does_what_it_is_called(side: str, index: int) -> None:
    hand = builtin_hand(side)
    plain, name = measures(hand, np.zeros(10)), shape_label(hand.name, index)
    moved = measures(hand, np.eye(10)[index])
    percent = {what: 100.0 * (moved[what] / plain[what] - 1.0) for what in plain}
    if name == "Size":
        np.testing.assert_allclose(list(percent.values()), 3.5, atol=0.1)
        return
    for what, wanted in GROWS[name].items():
        assert percent[what] == pytest.approx(wanted, abs=1.2), (name, what)
    lengths = {what for what in plain if "length" in what or "palm" in what or "wrist" in what}
    strongest = max(abs(value) for value in GROWS[name].values())
    for what in lengths - set(GROWS[name]):
        assert abs(percent[what]) < 0.5 * strongest, (name, what)


def test_names_are_told_for_the_model_that_they_are_true_for() -> None:
    assert shape_label("mano", 2) == "Beta 3"


@pytest.mark.bpy
def test_a_shape_is_drawn_at_random_and_reset(addon) -> None:
    import bpy

    rig = create()
    bpy.ops.livehand.random_shape(seed=4)
    first = tuple(rig.livehand.betas)
    assert np.std(first) > 0.3 and np.abs(first).max() <= 2.5
    bpy.ops.livehand.random_shape(seed=5, keyframe=True)
    assert tuple(rig.livehand.betas) != first
    bpy.ops.livehand.random_shape(seed=4)
    assert tuple(rig.livehand.betas) == first
    bpy.context.scene.frame_set(bpy.context.scene.frame_current)
    assert tuple(rig.livehand.betas) != first, "the keys of the second shape hold"
    rig.animation_data.action = None
    bpy.ops.livehand.reset_shape()
    assert not any(rig.livehand.betas)
