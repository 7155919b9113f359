"""Hands that the GPU draws are those that the exact torch renderer draws, in every form of avatar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, new_avatar
from livehand_core.errors import RenderCancelled
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.gpu import frame, super_resolution
from livehand_core.rendering.gpu.device import Gpu
from livehand_core.rendering.gpu.field import tile_rays
from livehand_core.rendering.gpu.hand import refusal
from livehand_core.rendering.torch.hand import TorchHand
from tests.core.conftest import camera_at, solid, tube_hand

from .avatars import VARIANTS, avatar_of
from .frames import VIEWS, check_alike, decibels, gpu_hand, pose

CPU = torch.device("cpu")
EVERY = frozenset({"depth", "normal", "uvd", "rgba_low"})


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_is_drawn_as_the_exact_renderer_draws_it(gpu: Gpu, variant: str) -> None:
    avatar = avatar_of(variant)
    ours, theirs = gpu_hand(gpu, avatar), TorchHand(avatar, tube_hand(), CPU)
    instance = HandInstance(pose(), identity=1 if variant == "latent" else 0)
    for camera, scale in VIEWS.values():
        first = ours.render(instance, camera, EVERY, Clock(), scale)
        check_alike(first, theirs.render(instance, camera, EVERY, Clock(), scale))


def test_a_mirrored_hand_and_a_blend_of_identities(gpu: Gpu) -> None:
    avatar = avatar_of("latent")
    ours, theirs = gpu_hand(gpu, avatar), TorchHand(avatar, tube_hand(), CPU)
    camera = camera_at((0.06, 0.1, 0.33))
    mirrored = HandInstance(replace(pose(), side="left"), identity={"a": 0.25, "b": 0.75})
    for instance in (mirrored, HandInstance(replace(pose(), side="left"), identity="a")):
        first = ours.render(instance, camera, EVERY, Clock())
        check_alike(first, theirs.render(instance, camera, EVERY, Clock()))


def test_only_colour(gpu: Gpu) -> None:
    avatar = avatar_of("twice")
    camera, nothing = VIEWS["perspective"][0], frozenset[str]()
    ours = gpu_hand(gpu, avatar).render(HandInstance(pose()), camera, nothing, Clock())
    check_alike(ours, TorchHand(avatar, tube_hand(), CPU).render(HandInstance(pose()), camera, nothing, Clock()))


def test_float16_is_close(gpu: Gpu) -> None:
    if not gpu.has_half:
        pytest.skip(f"{gpu.adapter.name} has no float16")
    for variant in ("twice", "textures", "four times"):
        avatar, camera = avatar_of(variant), VIEWS["perspective"][0]
        exact = gpu_hand(gpu, avatar).render(HandInstance(pose()), camera, EVERY, Clock())
        half = gpu_hand(gpu, avatar, half=True).render(HandInstance(pose()), camera, EVERY, Clock())
        assert exact is not None and half is not None
        assert 50.0 < decibels(half.rgba, exact.rgba) < 150.0


def test_a_hand_out_of_view(gpu: Gpu) -> None:
    away = HandInstance(HandPose(np.zeros(3), np.zeros((15, 3)), np.zeros(10), np.array([0.0, 0.0, 5.0])))
    assert gpu_hand(gpu, avatar_of("twice")).render(away, VIEWS["perspective"][0], EVERY, Clock()) is None


def renderers(device: str) -> tuple[Renderer, Renderer]:
    """On the GPU and by torch."""
    hands = {("tube", "right"): tube_hand()}
    avatars = {"a": avatar_of("twice"), "b": avatar_of("textures")}
    return Renderer(device, hands, avatars, "exact"), Renderer("cpu", hands, avatars, "exact", kernels="torch")


def test_a_large_frame_is_the_same_in_parts_and_can_be_cancelled(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    avatar, (camera, _) = avatar_of("textures"), VIEWS["perspective"]
    whole = gpu_hand(gpu, avatar).render(HandInstance(pose()), camera, EVERY, Clock())
    monkeypatch.setattr(frame, "RAYS_AT_ONCE", 100)
    monkeypatch.setattr(super_resolution, "SCRATCH_BYTES", 100_000)
    hand = gpu_hand(gpu, avatar)
    questions = 0

    def asked() -> bool:
        nonlocal questions
        questions += 1
        return questions > limit

    limit = 1000
    parts = hand.render(HandInstance(pose()), camera, EVERY, Clock(asked))
    assert whole is not None and parts is not None and 5 < questions < 100
    # Which rays share a tile differs.
    np.testing.assert_allclose(parts.rgba, whole.rgba, atol=1e-6)
    np.testing.assert_array_equal(parts.depth, whole.depth)
    for limit in (0, 1, 4):
        questions = 0
        with pytest.raises(RenderCancelled):
            hand.render(HandInstance(pose()), camera, EVERY, Clock(asked))
        assert questions == limit + 1
    again = hand.render(HandInstance(pose()), camera, EVERY, Clock())
    assert again is not None
    np.testing.assert_allclose(again.rgba, whole.rgba, atol=1e-6)


def test_two_hands_and_an_empty_frame(device: str) -> None:
    ours, theirs = renderers(device)
    other = HandInstance(replace(pose(), side="left", transl=np.array([-0.12, 0.01, 0.05])), "b")
    passes = ("rgba", "depth", "mask", "normal", "uvd")
    request = FrameRequest(camera_at((-0.06, 0.1, 0.4)), (HandInstance(pose(), "a"), other), passes)
    first, second = ours.render(request), theirs.render(request)
    assert first.warnings == second.warnings == ()
    assert set(np.unique(first["mask"])) == {0.0, 1.0, 2.0}
    assert decibels(first["rgba"], second["rgba"]) > 60.0
    for name in ("depth", "mask", "normal", "uvd"):
        error = np.abs(np.nan_to_num(first[name], posinf=9.0) - np.nan_to_num(second[name], posinf=9.0))
        assert np.quantile(error, 0.998) < 2e-4
    for hands in ((), (HandInstance(replace(pose(), transl=np.array([0.0, 0.0, 5.0])), "a"),)):
        empty = ours.render(FrameRequest(camera_at((-0.06, 0.1, 0.33)), hands, passes))
        assert empty["rgba"].max() == 0.0 and np.isinf(empty["depth"]).all()


def test_rare_forms_are_left_to_the_processor_with_a_word(device: str, gpu: Gpu) -> None:
    small = Architecture(
        FieldConfig(depth=3, width=24, feature_channels=8), SuperResolutionConfig(in_channels=8, hidden=(10, 6)), 6
    )
    forms = {
        "world coordinates": replace(small, field=replace(small.field, coordinates="xyz")),
        "7 layers": replace(small, field=replace(small.field, depth=7)),
        "sampled twice": replace(small, n_importance=4),
        "channels are too wide": replace(small, field=replace(small.field, width=640)),
    }
    hands = {("tube", "right"): tube_hand()}
    for said, form in forms.items():
        avatar = new_avatar(tube_hand(), form, name="rare")
        assert said in refusal(avatar.arrays())
        renderer = Renderer(device, hands, {"a": avatar})
        frames = [
            renderer.render(FrameRequest(camera_at((-0.06, 0.1, 0.33), 24, 16, 40.0), (HandInstance(pose(), "a"),)))
            for _ in range(2)
        ]
        assert [line for line in frames[0].warnings if "processor" in line and said in line]
        assert frames[1].warnings == (), "once is enough"


def test_the_arithmetic_is_told(device: str, gpu: Gpu) -> None:
    hands, avatars = {("tube", "right"): tube_hand()}, {"a": avatar_of("twice")}
    for precision, number in (("fast", "float16" if gpu.has_half else "float32"), ("exact", "float32")):
        renderer = Renderer(device, hands, avatars, precision)  # type: ignore[arg-type]
        assert renderer.arithmetic("a") == {"field": number, "super_resolution": number}


def test_weights_that_float16_does_not_hold_stay_float32(gpu: Gpu) -> None:
    avatar = avatar_of("twice")
    state = avatar.field_state | {"density.weight": 40.0 * avatar.field_state["density.weight"]}
    loud = replace(avatar, field_state=state)
    assert max(value.abs().max() for value in state.values()) > 65504.0
    hand = gpu_hand(gpu, loud, half=True)
    assert hand.arithmetic["field"] == "float32"
    camera = VIEWS["perspective"][0]
    ours = hand.render(HandInstance(pose()), camera, EVERY, Clock())
    check_alike(ours, TorchHand(loud, tube_hand(), CPU).render(HandInstance(pose()), camera, EVERY, Clock()))


def test_tiles_fit_what_devices_offer() -> None:
    usual = FieldConfig()
    assert [tile_rays(usual, *offer) for offer in ((32768, 4), (16384, 4), (16384, 2))] == [32, 16, 32]
    assert tile_rays(replace(usual, width=512), 16384, 4) == 4 and tile_rays(replace(usual, width=640), 65536, 4) == 0


def test_solid_is_solid(gpu: Gpu) -> None:
    """Against the truth in place of a reference: a hand of opaque matter covers what its mesh covers."""
    avatar = solid(avatar_of("twice"))
    layer = gpu_hand(gpu, avatar).render(HandInstance(pose()), VIEWS["perspective"][0], EVERY, Clock())
    assert layer is not None and layer.normal is not None and layer.low is not None
    inside = layer.low.rgba[..., 3] > 0.9
    assert 0.1 < inside.mean() < 0.9
    lengths = np.linalg.norm(layer.normal[np.isfinite(layer.depth)], axis=-1)
    assert np.abs(lengths - 1.0).max() < 1e-4
