"""Hands that are hard to see: small in the picture, half out of it and blurred, noticed only after they appeared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_core.tracking import clip as clips
from livehand_core.tracking.landmarks import HandLandmarks, LandmarkTracker, _reduced
from livehand_core.tracking.networks import PALM_SIZE, Palms
from livehand_core.tracking.regions import distinct, parts, whole
from livehand_core.tracking.sources import FrameSource
from livehand_core.tracking.values import SourceFrame, TrackingOptions

from . import films


@pytest.mark.parametrize("size", [(320, 240), (240, 834), (1000, 1000), (40, 1200)])
def test_the_parts_of_a_picture_cover_it_and_overlap(size: tuple[int, int]) -> None:
    squares = parts(np.zeros((size[1], size[0], 3), np.uint8))
    assert {square.side for square in squares} <= {float(min(size)), 0.6 * min(size)}
    covered = np.zeros((size[1], size[0]), int)
    for square in (one for one in squares if one.side < min(size)):
        (left, top), half = square.centre, square.side / 2
        covered[round(top - half) : round(top + half), round(left - half) : round(left + half)] += 1
    assert covered.min() == 1 and (covered > 1).mean() > 0.5
    away = [(-square.side, np.linalg.norm(square.centre - (size[0] / 2, 0.45 * size[1]))) for square in squares]
    assert away == sorted(away)


def test_a_hand_that_is_small_in_the_picture_is_found_part_by_part(lite: LandmarkTracker) -> None:
    picture = films.placed(x=150, y=-120, scale=0.2, size=(900, 900))
    small, _ = _reduced(picture)
    lite.forget()
    assert not lite._searched_for(small, whole(small), (), 1)
    found: list[HandLandmarks] = []
    for number in range(len(parts(small))):
        found = found or list(lite(picture, number / 30.0))
    assert np.linalg.norm(found[0].image.mean(axis=0) - (600, 330)) < 25.0


def test_both_hands_are_found_where_they_are_small(lite: LandmarkTracker) -> None:
    one = films.placed(scale=0.2, size=(450, 450))
    picture = np.concatenate([one, one[:, ::-1]], axis=1)
    lite.forget()
    hands: tuple[HandLandmarks, ...] = ()
    # A further hand is looked for every quarter of a second.
    for number in range(2 * len(parts(picture))):
        hands = lite(picture, 0.3 * number)
    centres = sorted(float(hand.image[:, 0].mean()) for hand in hands)
    assert len(centres) == 2 and abs(centres[0] - 225) < 30 and abs(centres[1] - 675) < 30


@pytest.mark.parametrize(
    ("palm", "glimpse", "look", "there"),
    [(0.95, 0.3, 0.45, True), (0.6, 0.45, 0.5, True), (0.6, 0.3, 0.35, False), (0.95, 0.05, 0.9, False)],
)
def test_two_networks_that_agree_bear_each_other_out(
    lite: LandmarkTracker, monkeypatch: pytest.MonkeyPatch, palm: float, glimpse: float, look: float, there: bool
) -> None:
    picture = films.placed()
    square, real = whole(picture), lite._network
    (one, *_) = distinct(lite._palms(square.cut(picture, PALM_SIZE)), 0.5)
    monkeypatch.setattr(lite, "_palms", lambda _: Palms(one[0][None], one[1][None], np.array([palm])))
    said = iter((glimpse, look))
    monkeypatch.setattr(lite, "_network", lambda cut: real(cut)._replace(presence=next(said)))
    hands = lite._searched_for(picture, square, (), 1)
    assert [hand.presence for hand in hands] == ([look] if there else [])


def test_no_hand_is_seen_where_there_is_none(lite: LandmarkTracker) -> None:
    lite.forget()
    noise = np.random.default_rng(0).integers(0, 255, (360, 480, 3), dtype=np.uint8)
    for number in range(6):
        assert not lite(noise, float(number)) and not lite(films.empty(), number + 0.5)


class Late(LandmarkTracker):
    """Notices nothing in the first pictures."""

    def __call__(self, picture: np.ndarray, time: float) -> tuple[HandLandmarks, ...]:
        return () if time < 0.19 else super().__call__(picture, time)


def test_a_hand_that_is_noticed_late_is_followed_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [films.empty(), *films.moving(9)]
    frames = [SourceFrame(picture, number / 30.0, number) for number, picture in enumerate(pictures)]
    monkeypatch.setattr(clips, "LandmarkTracker", Late)
    clip = clips.find_landmarks(
        FrameSource(iter(frames)), TrackingOptions(detail="lite"), clips.Store(tmp_path / "kept", {}), threads=1
    )
    assert clip is not None and [len(hands) for hands in clip.hands] == [0] + [1] * 9
    assert len({hand.track for hands in clip.hands for hand in hands}) == 1
    steps = np.diff([hands[0].image.mean(axis=0) for hands in clip.hands[1:]], axis=0)
    assert np.abs(steps - (2.0, 0.5)).max() < 3.0
