"""Masks that nobody told, against the truth of a drawn world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.datasets.masks import COVERED, Mixture, Posed, _covered, find_mask, opacity
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


def test_a_forearm_that_bends_at_the_wrist_is_cut_beside_the_hand(world: World) -> None:
    """Skin is painted beside the mesh's end, as an arm leaves that does not go on straight."""
    data = find_hand(world.model, world.side)
    picture, mask = (value.copy() for value in world.image(0, "0"))
    hand, camera = Posed.of(data, world.poses[0]), world.cameras["0"]
    pixels, _ = camera.project(hand.vertices)
    rim = pixels[np.unique(hand.rim)]
    middle = rim.mean(axis=0)
    palm = pixels[mask_of_palm(data)].mean(axis=0)
    along = (palm - middle) / np.linalg.norm(palm - middle)
    across = np.array([-along[1], along[0]])
    half = np.abs((rim - middle) @ across).max()
    rows, columns = np.indices(mask.shape)
    places = np.stack([columns, rows], axis=-1) + 0.5 - middle
    toward, beside = places @ along, np.abs(places @ across)
    # A block half as wide as the wrist, on the hand's side of the cut.
    block = (beside < 2.0 * half) & (places @ across > 0.0) & (toward > 0.1 * half) & (toward < 0.9 * half) & ~mask
    skin = np.median(picture[mask], axis=0)
    picture[block] = np.clip(skin + np.random.default_rng(1).normal(0.0, 3.0, (int(block.sum()), 3)), 0, 255)
    found = find_mask(picture, camera, hand)
    assert (found & mask).sum() > 0.97 * (found | mask).sum()
    assert (found & block).sum() < 0.27 * block.sum()


def mask_of_palm(data: object) -> np.ndarray:
    """Vertices that the wrist alone moves."""
    return data.weights[:, 0] > 0.9  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4])
def test_an_edge_is_a_pixel_wide_and_where_it_was(angle: float) -> None:
    """A straight edge of steps becomes what a pixel's area of it covers, to within a tenth in the mean."""
    rows, columns = np.indices((48, 48)) - 23.7
    away = columns * np.cos(angle) + rows * np.sin(angle)
    soft = opacity(away < 0.0)[6:-6, 6:-6]
    true = np.clip(0.5 - away, 0.0, 1.0)[6:-6, 6:-6]
    assert np.abs(soft - true)[(true > 0.0) & (true < 1.0)].mean() < 0.1 + 0.25 * (angle == 0.0)
    assert abs(soft.sum() - (away < 0.0)[6:-6, 6:-6].sum()) < 0.01 * soft.size
    assert ((soft > 0.0) & (soft < 1.0)).sum() < 3 * len(soft) and soft.min() == 0.0 and soft.max() == 1.0
