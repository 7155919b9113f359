"""What landmarks make likely: the same for a hand and its mirror image, however it is turned; and it is of use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_core.errors import LiveHandError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.tracking import expectation
from livehand_core.tracking.expectation import expected_bends, features
from livehand_core.tracking.landmarks import HandLandmarks
from livehand_core.tracking.skeleton import Skeleton

from .test_fit import natural, seen


@pytest.fixture(scope="module")
def hand() -> HandLandmarks:
    skeleton = Skeleton(builtin_hand("right"))
    return seen(skeleton, natural(skeleton, 3))


def test_a_mirrored_turned_and_larger_hand_bends_alike(hand: HandLandmarks) -> None:
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    world = np.concatenate([hand.world[:, :2] @ turn.T, hand.world[:, 2:]], axis=1)
    other = HandLandmarks(3.0 * hand.image @ turn.T + 50.0, 1.4 * world, 1.0, 1.0)
    mirrored = HandLandmarks(hand.image * (-1.0, 1.0), hand.world * (-1.0, 1.0, 1.0), 1.0, 0.0)
    expected = expected_bends(hand, "right")
    for one, side in ((other, "right"), (mirrored, "left")):
        np.testing.assert_allclose(expected_bends(one, side).angles, expected.angles, atol=1e-9)  # type: ignore[arg-type]
    unlike = features(mirrored.image, mirrored.world, "right") - features(hand.image, hand.world, "right")
    assert np.abs(unlike).max() > 0.5


def test_natural_poses_are_nearer_to_what_is_expected_than_to_the_mean_pose() -> None:
    skeleton = Skeleton(builtin_hand("left"))
    usual = expectation._weights()["usual"]
    off, alike, sure = [], [], []
    for seed in range(40):
        at = natural(skeleton, seed)
        told = expected_bends(seen(skeleton, at), "left")
        off.append(told.angles - at.angles)
        alike.append(usual - at.angles)
        sure.append(told.deviations)
    flexions = skeleton.kinds == 0
    square = [np.sqrt(np.mean(np.square(one)[:, flexions])) for one in (off, alike, sure)]
    assert square[0] < 0.75 * square[1]
    # It is about as far off as it says.
    assert 0.4 < square[0] / square[2] < 1.6


def test_without_its_file_it_says_what_to_do(
    hand: HandLandmarks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expectation._weights.cache_clear()
    monkeypatch.setattr(expectation, "PATH", tmp_path / "bends.npz")
    with pytest.raises(LiveHandError, match=r"tracker's network .* does not exist"):
        expected_bends(hand, "right")
    expectation._weights.cache_clear()
