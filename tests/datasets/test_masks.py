"""Masks that nobody told, against the truth of a drawn world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.datasets.masks import COVERED, Mixture, Posed, _covered, find_mask
from livehand_core.hand.library import find_hand
from livehand_core.passes import linear_to_srgb
from tests.datasets.hands_world import World, make_world

PALE = 0.5
"""Of the colours' strength that a poor lens and much compression take."""

DESK, PAD = (200, 170, 160), (24, 24, 28)
"""Of a room: light with a touch of the skin's hue, and dark."""


@pytest.fixture(scope="module")
def world() -> World:
    small = make_world(model="livehand-builtin-1")
    return replace(small, cameras={name: camera.resized(480, 600) for name, camera in small.cameras.items()})


def shown(world: World, index: int, name: str, room: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture before such a room, the true mask, and what is neither hand nor arm."""
    picture, mask = world.image(index, name)
    empty = picture.max(axis=2) < 80
    drawn = np.where(empty[..., None], np.asarray(room), picture)
    dull = PALE * drawn.mean(axis=2, keepdims=True) + (1.0 - PALE) * drawn
    noisy = dull + np.random.default_rng(3).normal(0.0, 4.0, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), mask, empty


def halves(world: World, mask: np.ndarray) -> np.ndarray:
    """A room whose border runs through the fingers."""
    rows, columns = np.indices(mask.shape)[..., None]
    light = 0.75 + 0.25 * columns / mask.shape[1]
    return np.where(rows < np.median(np.nonzero(mask)[0]), light * np.array(DESK), np.array(PAD))


@pytest.mark.parametrize("off", [0.0, 0.002])
def test_the_hand_before_a_room_of_two_colours(world: World, off: float) -> None:
    """The arm is bare: its skin must not count as the room's."""
    data = find_hand(world.model, world.side)
    for index, name in ((0, "0"), (1, "1"), (2, "2")):
        _, mask = world.image(index, name)
        picture, mask, empty = shown(world, index, name, halves(world, mask))
        pose = world.poses[index]
        hand = Posed.of(data, replace(pose, transl=pose.transl + np.array([off, off, 0.0])))
        found = find_mask(picture, world.cameras[name], hand)
        assert (found & mask).sum() > (0.97 if off else 0.985) * (found | mask).sum()
        # Of the room, between the fingers too, there is hardly anything in it.
        assert (found & empty).sum() < 0.002 * mask.sum()


def test_colours_of_another_kind_leave_a_mixture() -> None:
    rng = np.random.default_rng(0)
    skin, room = (rng.normal(mean, 3.0, (800, 3)).astype(np.float32) for mean in ((170, 140, 150), (60, 128, 128)))
    mixed = Mixture.of(np.concatenate([skin, room[:200]]), 3)
    own = mixed.without(Mixture.of(room, 3))
    assert len(own.means) < len(mixed.means)
    assert np.abs(own.means - skin.mean(axis=0)).max() < 8.0
    assert (own.log_density(skin) > own.log_density(room)).all()


@pytest.mark.parametrize("room", [0.01, 0.9])
def test_pixels_at_an_edge_are_the_hand_by_what_it_covers(room: float) -> None:
    """A disc's light is mixed with the room's; masks too large or too small come back to its edge."""
    fine = np.hypot(*(np.indices((640, 640)) - 319.5)) < 203.0
    cover = fine.reshape(80, 8, 80, 8).mean(axis=(1, 3))[..., None]
    light = cover * np.array([0.5, 0.3, 0.2]) + (1.0 - cover) * room
    picture = np.rint(255.0 * linear_to_srgb(light)).astype(np.uint8)
    for begun in (cover > 0.0, cover == 1.0):
        found = _covered(picture, begun[..., 0])
        wrong = found != (cover[..., 0] > COVERED)
        assert wrong.sum() <= 2, wrong.sum()
