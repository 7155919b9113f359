"""Relightable avatars on the GPU: their materials in the light are what the torch reference makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Avatar, Identity, load_avatar
from livehand_core.cameras import Camera, look_at
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.library import find_hand
from livehand_core.lights import Light
from livehand_core.occluders import Occluder
from livehand_core.passes import PASSES
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.gpu import super_resolution
from livehand_core.rendering.gpu.device import Gpu
from livehand_core.rendering.gpu.hand import GpuHand, refusal
from livehand_core.rendering.thresholds import EARLY_TERMINATION
from livehand_core.rendering.torch.hand import TorchHand
from livehand_core.rendering.view import mirror_pose
from livehand_core.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from tests.core.conftest import camera_at, tube_hand
from tests.core.lit import FOLDED, LIGHTS, SUN, folded_pose, relightable, sky

from .frames import check_alike, decibels, gpu_hand, pose

CPU = torch.device("cpu")
EVERY = frozenset({"depth", "normal", "uvd", "rgba_low"})
NEAR = camera_at((-0.05, 0.16, 0.2))
CASES = [(name, NEAR, None) for name in LIGHTS] + [
    ("everything", camera_at((0.1, 0.4, 0.45), focal=300.0), None),
    ("everything", camera_at((-0.05, 0.2, 0.25), focal=400.0, projection="orthographic"), None),
    ("everything", NEAR, 0.5),
    ("everything", NEAR, 1.6),
]


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return relightable(tube_hand())


@pytest.fixture(scope="module")
def rooms(gpu: Gpu, avatar: Avatar) -> tuple[GpuHand, TorchHand]:
    """Ours and the reference."""
    return gpu_hand(gpu, avatar), TorchHand(avatar, tube_hand(), CPU)


@pytest.mark.parametrize(("light", "camera", "scale"), CASES)
def test_a_hand_in_the_light_is_the_references(
    rooms: tuple[GpuHand, TorchHand], light: str, camera: Camera, scale: float | None
) -> None:
    instance = HandInstance(pose())
    first, second = (room.render(instance, camera, EVERY, Clock(), scale, light=LIGHTS[light]) for room in rooms)
    check_alike(first, second)
    assert first is not None and (first.rgba[..., :3].max() > 0.2) == (light != "dark")


@pytest.mark.parametrize("camera", [FOLDED, replace(FOLDED, fx=600.0, fy=600.0, projection="orthographic")])
def test_a_hand_before_itself_is_the_references(rooms: tuple[GpuHand, TorchHand], camera: Camera) -> None:
    instance, light = HandInstance(folded_pose()), LIGHTS["everything"]
    first, second = (room.render(instance, camera, EVERY, Clock(), 1.0, light=light) for room in rooms)
    check_alike(first, second)
    assert first is not None and second is not None
    assert np.abs(first.rgba - second.rgba)[..., :3].max() <= 2.0 / 255.0


def test_its_own_light_where_a_frame_has_none(rooms: tuple[GpuHand, TorchHand]) -> None:
    first, second = (room.render(HandInstance(pose()), NEAR, EVERY, Clock()) for room in rooms)
    check_alike(first, second)


@pytest.mark.parametrize("detail", [0, 32])
def test_people_and_their_detail_four_times_as_large(gpu: Gpu, detail: int) -> None:
    people = (Identity("a", (0.5,) * 10), Identity("b"))
    family = relightable(tube_hand(), 4, detail, people, seed=4)
    if detail == 32:
        # What people add to the detail may have fewer texels than it.
        assert family.identity_detail is not None
        family = replace(family, identity_detail=2.0 * family.identity_detail[:, ::2, ::2])
    ours, theirs = gpu_hand(gpu, family), TorchHand(family, tube_hand(), CPU)
    shown = []
    for identity in ("a", {"a": 0.3, "b": 0.7}, "b", "a"):
        instance = HandInstance(pose(), identity=identity)
        first = ours.render(instance, NEAR, EVERY, Clock(), light=sky(3))
        check_alike(first, theirs.render(instance, NEAR, EVERY, Clock(), light=sky(3)))
        assert first is not None
        shown.append(first.rgba)
    np.testing.assert_array_equal(shown[0], shown[3])


def renderers(device: str, avatar: Avatar) -> tuple[Renderer, Renderer]:
    """On the GPU and by torch."""
    known, avatars = {("tube", "right"): tube_hand()}, {"lit": avatar}
    return Renderer(device, known, avatars, "exact"), Renderer("cpu", known, avatars, kernels="torch")


def test_two_hands_shade_each_other_and_a_lid_both(device: str, avatar: Avatar) -> None:
    ours, theirs = renderers(device, avatar)
    square = 0.15 * np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32)
    away = 0.2 * np.array(SUN.direction, np.float32)
    lid = Occluder("lid", square + away + np.array([0.02, 0.0, 0.03], np.float32), [[0, 1, 2], [0, 2, 3]])
    other = mirror_pose(pose())
    hands = (
        HandInstance(pose(), "lit"),
        HandInstance(replace(other, transl=other.transl + np.array([-0.2, 0.06, 0.05])), "lit"),
    )
    light = Light.uniform((0.2, 0.2, 0.25), (SUN,))
    camera = camera_at((-0.05, 0.3, 0.4))
    for linear in (False, True):
        request = FrameRequest(
            camera, hands, tuple(name for name in PASSES if name != "rgba_low"), light=light, linear=linear,
            occluders=(lid,),
        )  # fmt: skip
        first, second = ours.render(request), theirs.render(request)
        assert first.warnings == second.warnings == ()
        assert decibels(first["rgba"], second["rgba"]) > 60.0
    alone = ours.render(replace(request, hands=hands[:1], occluders=()))["rgba"]
    both = ours.render(replace(request, hands=hands[:1]))["rgba"]
    assert both[..., :3].sum() < 0.9 * alone[..., :3].sum()


def test_twice_the_light_is_twice_the_linear_picture_and_goes_on_above_white(device: str, avatar: Avatar) -> None:
    renderer, _ = renderers(device, avatar)
    one, two, ten = (
        renderer.render(
            FrameRequest(NEAR, (HandInstance(pose(), "lit"),), light=LIGHTS["everything"].scaled(times), linear=True)
        )["rgba"]
        for times in (1.0, 2.0, 10.0)
    )
    np.testing.assert_array_equal(one[..., 3], two[..., 3])
    assert one[..., :3].max() > 0.2 and ten[..., :3].max() > 2.0
    assert np.abs(two[..., :3] - 2.0 * one[..., :3]).max() <= 1.0 / 255.0


def test_light_hand_and_camera_turned_together_change_nothing(rooms: tuple[GpuHand, TorchHand]) -> None:
    turn, shift = axis_angle_to_matrix(np.array([0.7, -0.4, 1.1])), np.array([0.3, -0.2, 0.5])
    before, light = pose(), LIGHTS["everything"]
    wrist = tube_hand().rest_joints(before.betas)[0]
    orient = matrix_to_axis_angle(turn @ axis_angle_to_matrix(before.global_orient))
    turned = replace(before, global_orient=orient, transl=turn @ (wrist + before.transl) + shift - wrist)
    first, second, still = (
        rooms[0].render(HandInstance(one), camera, frozenset(), Clock(), light=lamps)
        for one, camera, lamps in (
            (before, NEAR, light),
            (turned, NEAR.moved(turn, shift), light.moved(turn, shift)),
            (turned, NEAR.moved(turn, shift), light),
        )
    )
    assert first is not None and second is not None and still is not None
    assert np.abs(first.rgba - second.rgba).max() <= 1.0 / 255.0
    assert np.abs(first.rgba - still.rgba).max() > 0.05


def test_a_large_picture_is_the_same_in_parts(gpu: Gpu, avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> np.ndarray:
        layer = gpu_hand(gpu, avatar).render(HandInstance(pose()), NEAR, EVERY, Clock(), light=LIGHTS["everything"])
        assert layer is not None
        return layer.rgba

    whole = drawn()
    monkeypatch.setattr(super_resolution, "SCRATCH_BYTES", 300_000)
    np.testing.assert_allclose(drawn(), whole, atol=1e-6)


def test_what_stays_is_not_sent_again(
    gpu: Gpu, rooms: tuple[GpuHand, TorchHand], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    upload = gpu.upload

    def counted(values: np.ndarray, *place: object) -> object:
        sent.append(values.nbytes)
        return upload(values, *place)  # type: ignore[arg-type]

    def bytes_of(light: Light, instance: HandInstance) -> int:
        sent.clear()
        assert rooms[0].render(instance, NEAR, frozenset(), Clock(), light=light) is not None
        return sum(sent)

    light, still, moved = LIGHTS["sun"], HandInstance(pose()), HandInstance(replace(pose(), transl=np.zeros(3)))
    bytes_of(light, still)
    monkeypatch.setattr(gpu, "upload", counted)
    rows = (int(rooms[0].shaded.faces.max()) + 1) * 128
    assert bytes_of(light, still) == 0
    assert bytes_of(light.scaled(2.0), still) == rows
    assert bytes_of(light.scaled(2.0), HandInstance(replace(pose(), hand_pose=pose().hand_pose + 0.1))) > rows
    assert bytes_of(light.scaled(2.0), moved) > 0


def test_the_avatar_that_ships_inside(gpu: Gpu) -> None:
    shipped = load_avatar("default")
    assert not refusal(shipped.arrays())
    hand = find_hand(shipped.metadata.hand_model, shipped.metadata.side)
    middle = np.array([-0.09, 0.0, 0.0])
    place = look_at(middle + np.array([0.05, 0.35, 0.1]), middle, np.array([0.0, 0.0, 1.0]))
    camera = Camera(72, 48, 115.0, 115.0, 36.0, 24.0, place)
    instance, light = HandInstance(HandPose.rest()), LIGHTS["everything"]
    theirs = TorchHand(shipped, hand, CPU).render(instance, camera, EVERY, Clock(), 1.0, light=light)
    # Rays that end sooner end nearer, and where a hand is soft its normals are those of another spot.
    for precision, least, most in (("fast", 60.0, 5e-4), ("exact", 80.0, 2e-4)):
        drawn = GpuHand(shipped.arrays(), hand, gpu, precision == "fast", EARLY_TERMINATION[precision])
        ours = drawn.render(instance, camera, EVERY, Clock(), 1.0, light=light)
        check_alike(ours, theirs, least, most)
