"""What the hand does by time: ends of tracks, shapes, identities, and poses out of names and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_core.avatars import AvatarMetadata, Identity, new_avatar
from livehand_core.errors import AvatarError, LiveHandError, PoseError
from livehand_core.frames import HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES, gesture
from livehand_core.identities import identity_weights
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.views.hands import HandTrack, PoseReader, read_identity, resampled

HAND = builtin_hand("right")


@pytest.fixture(scope="module")
def metadata() -> AvatarMetadata:
    avatar = new_avatar(HAND)
    from dataclasses import replace

    from livehand_core.avatars import Architecture
    from livehand_core.networks.config import FieldConfig

    people = (Identity("anna", tuple([1.0] + [0.0] * 9)), Identity("ben", tuple([-1.0, 2.0] + [0.0] * 8)))
    return replace(avatar.metadata, architecture=Architecture(FieldConfig(latent_size=4)), identities=people)


NAMES = ("anna", "ben")


def posed(name: str) -> HandPose:
    return PoseReader("right").pose(name)


def wrist(instance: HandInstance) -> np.ndarray:
    return HAND.rest_joints(instance.pose.betas)[0] + instance.pose.transl


def test_poses_are_gone_through_in_order(metadata: AvatarMetadata) -> None:
    track = HandTrack((posed("open"), posed("fist"), posed("point")))
    for time, name in ((0.0, "open"), (0.5, "fist"), (1.0, "point")):
        assert np.allclose(track.at(time, metadata, NAMES, HAND).pose.hand_pose, gesture(name))
    looped = HandTrack((posed("open"), posed("fist")), loop=True)
    assert np.allclose(looped.at(1.0, metadata, NAMES, HAND).pose.hand_pose, gesture("open"))
    assert track.moves and not track.loops and looped.loops


def test_a_motion_is_played_pose_by_pose(metadata: AvatarMetadata) -> None:
    poses = tuple(posed(name) for name in ("open", "fist", "point", "ok", "open"))
    track = HandTrack(poses, every_frame=True)
    for number, pose in enumerate(poses):
        assert np.allclose(track.at(number / 4, metadata, NAMES, HAND).pose.hand_pose, pose.hand_pose)


def test_shapes_go_up_and_down_one_after_the_other_and_the_wrist_stays(metadata: AvatarMetadata) -> None:
    track = HandTrack((posed("relaxed"),), sweep=(2, 7), sweep_by=1.5, own_shape=False)
    expected = {0.0: (0, 0), 0.125: (1.5, 0), 0.375: (-1.5, 0), 0.625: (0, 1.5), 0.875: (0, -1.5), 1.0: (0, 0)}
    for time, values in expected.items():
        instance = track.at(time, metadata, NAMES, HAND)
        assert instance.pose.betas[[2, 7]] == pytest.approx(values, abs=1e-12)
        assert np.delete(instance.pose.betas, [2, 7]) == pytest.approx(np.zeros(8))
        assert np.allclose(wrist(instance), HAND.rest_joints()[0])
    assert track.loops


def test_identities_blend_and_bring_their_shape(metadata: AvatarMetadata) -> None:
    track = HandTrack((posed("open"),), identities=("anna", 1))
    shares = [identity_weights(track.at(time, metadata, NAMES, HAND).identity, NAMES, "it") for time in (0.0, 0.5, 1.0)]
    assert np.allclose(shares, [[1, 0], [0.5, 0.5], [0, 1]])
    half = track.at(0.5, metadata, NAMES, HAND)
    assert half.pose.betas[:2] == pytest.approx([0.0, 1.0])
    assert np.allclose(wrist(half), HAND.rest_joints()[0])
    own = HandTrack((posed("open"),), identities=("anna", 1), own_shape=False)
    assert not own.at(0.5, metadata, NAMES, HAND).pose.betas.any()
    with pytest.raises(AvatarError, match="anna"):
        HandTrack((posed("open"),), identities=("anna", "carl")).at(0.5, metadata, NAMES, HAND)


def test_poses_out_of_files(tmp_path: Path) -> None:
    poses = tuple(
        HandPose(np.full(3, 0.1 * i), gesture(name), np.full(10, 0.2), np.full(3, float(i)))
        for i, name in enumerate(("open", "fist", "point"))
    )
    path = tmp_path / "take.npz"
    PoseSequence(poses).save(path)
    found = PoseReader("right").pose(f"{path}@2")
    assert np.allclose(found.hand_pose, gesture("point")) and np.allclose(found.betas, 0.2)
    assert not found.global_orient.any() and not found.transl.any()
    kept = PoseReader("right", keep_wrist=True).motion(path).poses
    assert np.allclose(kept[2].transl, 2.0) and np.allclose(kept[2].global_orient, 0.2)
    left = PoseReader("left", betas=np.ones(10)).pose(f"{path}@1")
    assert left.side == "left" and np.allclose(left.hand_pose, gesture("fist", "left")) and (left.betas == 1.0).all()
    with pytest.raises(PoseError, match="3 frames, not number 3"):
        PoseReader("right").pose(f"{path}@3")


def test_an_unknown_gesture_lists_those_that_are_known() -> None:
    with pytest.raises(PoseError) as caught:
        PoseReader("right").pose("wave")
    assert all(name in str(caught.value) for name in GESTURES)


def test_other_rates_keep_the_ends_and_the_time_between() -> None:
    names = ("open", "fist", "point")
    sequence = PoseSequence(tuple(posed(name) for name in names), fps=10.0)
    double = resampled(sequence, 20.0)
    assert len(double) == 5
    for index, name in ((0, "open"), (2, "fist"), (4, "point")):
        assert np.allclose(double[index].hand_pose, gesture(name))
    assert resampled(sequence, 10.0) == sequence.poses
    assert len(resampled(PoseSequence((posed("open"),)), 60.0)) == 1


@pytest.mark.parametrize(
    ("text", "choice"), [("3", 3), ("anna", "anna"), ("anna=0.3, ben=0.7", {"anna": 0.3, "ben": 0.7})]
)
def test_identities_of_a_command_line(text: str, choice: object) -> None:
    assert read_identity(text) == choice


def test_what_no_hand_does_is_refused() -> None:
    with pytest.raises(LiveHandError, match="not a number"):
        read_identity("anna=much")
    with pytest.raises(PoseError, match="coefficient 10"):
        HandTrack((posed("open"),), sweep=(10,))
    with pytest.raises(PoseError):
        HandTrack(())
