"""The frame function of fixed shapes draws what the exact torch renderer draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, new_avatar
from livehand_core.frames import HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.cuda import capacities
from livehand_core.rendering.cuda.capacities import Capacities, Needs
from livehand_core.rendering.cuda.frame import FrameOutputs
from livehand_core.rendering.cuda.hand import GraphHand
from livehand_core.rendering.layer import Layer
from livehand_core.rendering.torch_hand import TorchHand
from tests.core.conftest import camera_at, solid, tube_hand

from .avatars import VARIANTS, avatar_of

CPU = torch.device("cpu")
DEPTH = frozenset({"depth"})
EVERY = frozenset({"depth", "normal", "uvd", "rgba_low"})


def pose() -> HandPose:
    random = np.random.default_rng(0)
    return HandPose(
        np.array([0.3, -0.4, 0.2]),
        0.15 * random.normal(size=(15, 3)),
        random.normal(size=10),
        np.array([0.02, -0.01, 0.03]),
    )


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Absolute differences; infinity against infinity is none."""
    return np.abs(np.nan_to_num(first, posinf=9.0) - np.nan_to_num(second, posinf=9.0))


def check_equal(ours: Layer | None, theirs: Layer | None) -> None:
    assert ours is not None
    assert theirs is not None
    assert ours.box == theirs.box
    assert ours.rgba[..., 3].max() > 0.5
    for name in ("rgba", "depth", "normal", "uvd"):
        first, second = getattr(ours, name), getattr(theirs, name)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.dtype == np.float32
            assert np.quantile(differences(first, second), 0.999) <= 1e-4, name
    assert (ours.low is None) == (theirs.low is None)
    if ours.low is not None and theirs.low is not None:
        assert (ours.low.box, ours.low.size) == (theirs.low.box, theirs.low.size)
        # Where nothing is seen, TorchHand's resized colours and ours agree, too.
        assert np.quantile(differences(ours.low.rgba, theirs.low.rgba), 0.999) <= 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_is_drawn_as_the_exact_renderer_draws_it(variant: str) -> None:
    avatar = avatar_of(variant)
    ours, theirs = GraphHand(avatar, tube_hand(), CPU), TorchHand(avatar, tube_hand(), CPU)
    instance = HandInstance(pose(), identity=1 if variant == "latent" else 0)
    views = [
        (camera_at((-0.06, 0.1, 0.33)), DEPTH, None),
        (camera_at((-0.06, 0.1, 0.33), focal=400.0, projection="orthographic"), EVERY, None),
        (camera_at((-0.03, 0.05, 0.16), 97, 63), DEPTH, None),
        (camera_at((-0.05, 0.12, 0.35)), EVERY, 0.7),
    ]
    for camera, passes, scale in views:
        first = ours.render(instance, camera, passes, Clock(), scale)
        check_equal(first, theirs.render(instance, camera, passes, Clock(), scale))


def test_too_little_room_is_noticed_and_the_frame_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    avatar = avatar_of("twice")
    ours, theirs = GraphHand(avatar, tube_hand(), CPU), TorchHand(avatar, tube_hand(), CPU)
    ours._needs = Needs(1, 1, 1, 1)
    monkeypatch.setattr("livehand_core.rendering.cuda.hand.pair_count", lambda *_: 1)
    monkeypatch.setattr(capacities, "HEADROOM", 0.01)
    camera = camera_at((-0.06, 0.1, 0.33))
    check_equal(
        ours.render(HandInstance(pose()), camera, DEPTH, Clock()),
        theirs.render(HandInstance(pose()), camera, DEPTH, Clock()),
    )
    assert ours.runs > 1


def test_a_hand_that_moves_keeps_its_capacities() -> None:
    ours = GraphHand(avatar_of("twice"), tube_hand(), CPU)
    rooms: list[Capacities] = []
    run = ours._runner.run

    def recording(inputs: np.ndarray, room: Capacities) -> FrameOutputs:
        rooms.append(room)
        return run(inputs, room)

    ours._runner.run = recording  # type: ignore[method-assign]
    for x in np.linspace(-0.06, -0.055, 6):
        assert ours.render(HandInstance(pose()), camera_at((x, 0.1, 0.33)), DEPTH, Clock()) is not None
    assert len(set(rooms[2:])) == 1


def test_out_of_view_and_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    avatar = avatar_of("twice")
    ours, theirs = GraphHand(avatar, tube_hand(), CPU), TorchHand(avatar, tube_hand(), CPU)
    camera = camera_at((-0.06, 0.1, 0.33))
    away = HandInstance(HandPose(np.zeros(3), np.zeros((15, 3)), np.zeros(10), np.array([0.0, 0.0, 5.0])))
    assert ours.render(away, camera, DEPTH, Clock()) is None
    assert ours.runs == 0
    monkeypatch.setattr("livehand_core.rendering.cuda.hand.MAX_PIXELS", 100)
    expected = theirs.render(HandInstance(pose()), camera, DEPTH, Clock())
    check_equal(ours.render(HandInstance(pose()), camera, DEPTH, Clock()), expected)
    assert ours.runs == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close(dtype: torch.dtype) -> None:
    avatar = avatar_of("twice")
    exact, half = GraphHand(avatar, tube_hand(), CPU), GraphHand(avatar, tube_hand(), CPU, dtype)
    camera = camera_at((-0.06, 0.1, 0.33))
    first = exact.render(HandInstance(pose()), camera, DEPTH, Clock())
    second = half.render(HandInstance(pose()), camera, DEPTH, Clock())
    assert first is not None
    assert second is not None
    error = float(np.square(first.rgba - second.rgba).mean())
    assert 0.0 < error < 10.0**-4.5 * (1.0 if dtype == torch.float16 else 4.0)


def test_the_built_in_hand() -> None:
    hand = builtin_hand("right")
    small = Architecture(
        FieldConfig(depth=3, width=24, feature_channels=8),
        SuperResolutionConfig(in_channels=8, hidden=(10, 6)),
        n_samples=4,
    )
    avatar = solid(new_avatar(hand, small))
    camera = camera_at((-0.06, 0.1, 0.33), 48, 32, 300.0)
    instance = HandInstance(HandPose.rest())
    ours = GraphHand(avatar, hand, CPU).render(instance, camera, DEPTH, Clock())
    check_equal(ours, TorchHand(avatar, hand, CPU).render(instance, camera, DEPTH, Clock()))
