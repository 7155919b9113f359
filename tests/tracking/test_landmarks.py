"""Pictures to landmarks: our own rendered hand, turned, mirrored, twice in a picture, huge, and none."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import joint_angles
from livehand_core.poses import Side
from livehand_core.tracking.fit import Problem, fit
from livehand_core.tracking.landmarks import LandmarkTracker, likely_side
from livehand_core.tracking.networks import MODELS
from livehand_core.tracking.skeleton import Skeleton
from livehand_core.tracking.tracker import HandTracker
from livehand_core.tracking.values import HANDS, SourceFrame, TrackingOptions

from . import films


def test_the_networks_come_with_the_core_and_their_licence() -> None:
    assert sorted(path.name for path in MODELS.glob("*.tflite")) == [
        "hand_landmark_full.tflite", "hand_landmark_lite.tflite", "palm_detection_full.tflite",
    ]  # fmt: skip
    assert "Apache License" in (MODELS / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("detail", ["full", "lite"])
def test_the_pose_of_a_rendered_hand_is_found(detail: str) -> None:
    told = json.loads((films.FOLDER / "hand.json").read_text())
    camera = Camera(334, 512, told["focal"], told["focal"], *told["centre"], np.eye(4))
    (hand,) = LandmarkTracker(2, detail, 1)(films.hand_picture(), 0.0)  # type: ignore[arg-type]
    skeleton = Skeleton(builtin_hand("right"))
    found = fit(Problem(skeleton, camera, hand), steps=20)
    off = np.degrees(joint_angles(skeleton.pose(found.placement).hand_pose) - joint_angles(told["hand_pose"]))
    assert likely_side(hand) == "right" and hand.presence > 0.9
    assert np.abs(off[:, 0]).mean() < 8.0 and found.error < 0.03


@pytest.mark.parametrize("turn", [0, 90, 180, 250])
def test_a_hand_is_found_however_it_is_turned(lite: LandmarkTracker, turn: float) -> None:
    lite.forget()
    (upright,) = lite(films.placed(), 0.0)
    lite.forget()
    (hand,) = lite(films.placed(turn=turn), 0.0)
    matrix = cv2.getRotationMatrix2D((240, 180), turn, 1.0)
    expected = upright.image @ matrix[:, :2].T + matrix[:, 2]
    assert np.linalg.norm(hand.image - expected, axis=1).mean() < 0.06 * hand.size
    # World landmarks turn with the hand.
    flat = upright.world[:, :2] @ matrix[:, :2].T
    assert np.abs(hand.world[:, :2] - flat).mean() < 0.008


@pytest.mark.parametrize("hands", HANDS)
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_which_hand_it_is(lite: LandmarkTracker, hands: str, mirrored: bool, told: bool) -> None:
    """A right hand; in a mirror's picture it looks like a left one, unless the tracker is told."""
    lite.forget()
    picture = films.placed()
    picture = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
    tracker = HandTracker(TrackingOptions(hands=hands, mirror=told), landmarks=lite)  # type: ignore[arg-type]
    (hand,) = tracker(SourceFrame(picture, 0.0, 0)).hands
    found: Side = "right" if mirrored == told else "left"
    assert hand.pose.side == (hands if hands in ("right", "left") else found)
    assert hand.error < 0.05


def test_both_hands_of_a_picture_are_told_apart(lite: LandmarkTracker) -> None:
    lite.forget()
    one = films.placed(scale=0.5, size=(320, 360))
    picture = np.concatenate([one, one[:, ::-1]], axis=1)
    tracker = HandTracker(TrackingOptions(hands="both"), landmarks=lite)
    for number in range(3):
        frame = tracker(SourceFrame(picture, number / 30.0, number))
    right, left = frame.hand("right"), frame.hand("left")
    assert right is not None and left is not None
    assert right.landmarks[:, 0].mean() < 320 < left.landmarks[:, 0].mean()
    # One is the other's mirror image, and so are the poses.
    np.testing.assert_allclose(right.pose.hand_pose, left.pose.mirrored().hand_pose, atol=0.15)


def test_two_people_s_hands_of_one_side_do_not_fight_over_a_rig(lite: LandmarkTracker) -> None:
    lite.forget()
    one = films.placed(scale=0.5, size=(320, 360))
    tracker = HandTracker(TrackingOptions(hands="both"), landmarks=lite)
    places = []
    for number in range(4):
        hands = tracker(SourceFrame(np.concatenate([one, one], axis=1), number / 30.0, number)).hands
        assert [hand.pose.side for hand in hands] == ["right"]
        places.append(hands[0].landmarks[:, 0].mean())
    assert np.ptp(places) < 5.0


@pytest.mark.parametrize("size", [(3840, 2160), (33, 17), (1, 1), (480, 31)])
def test_pictures_of_any_size(lite: LandmarkTracker, size: tuple[int, int]) -> None:
    lite.forget()
    found = lite(films.placed(scale=min(size) / 512, size=size), 0.0)
    assert len(found) == (size[0] > 1000)
    if found:
        assert found[0].size > 0.4 * size[1]


def test_a_wall_has_no_hands(lite: LandmarkTracker) -> None:
    lite.forget()
    assert lite(films.empty(), 0.0) == ()


def test_a_second_hand_is_looked_for_now_and_then_only(lite: LandmarkTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    lite.forget()
    searches = []
    palms = lite._palms
    monkeypatch.setattr(lite, "_palms", lambda picture: searches.append(1) or palms(picture))
    for number in range(31):
        lite(films.placed(), number / 30.0)
    assert 3 <= len(searches) <= 6
