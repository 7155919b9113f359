"""Relightable avatars drawn by the processor's kernels, beside the torch reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.avatars import Avatar, Identity
from livehand_core.cameras import Camera
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.data import HandData
from livehand_core.lights import Light
from livehand_core.occluders import Occluder
from livehand_core.passes import PASSES, srgb_to_linear
from livehand_core.poses import HandPose
from livehand_core.rendering.cpu.findings import findings_key, load_findings
from livehand_core.rendering.cpu.quantisation import field_integers
from livehand_core.rendering.renderer import Renderer
from livehand_core.rendering.view import mirror_camera, mirror_pose
from livehand_core.rotations import axis_angle_to_matrix, matrix_to_axis_angle

from .conftest import camera_at
from .lit import FOLDED, LAMPS, LIGHTS, SUN, folded_pose, relightable, sky

VIEWS = {
    "near": camera_at((-0.05, 0.16, 0.2)),
    "far": camera_at((0.1, 0.4, 0.45), focal=300.0),
    "cut": camera_at((0.2, 0.06, 0.1)),
    "parallel": camera_at((-0.05, 0.2, 0.25), focal=400.0, projection="orthographic"),
}


@pytest.fixture(scope="module")
def avatar(hand: HandData) -> Avatar:
    return relightable(hand)


def renderer(hand: HandData, avatar: Avatar, **options: object) -> Renderer:
    known = {(hand.name, hand.side): hand}
    return Renderer("cpu", known, {"lit": avatar}, threads=2, **options)  # type: ignore[arg-type]


def request(pose: HandPose, camera: Camera, light: Light | None, **options: object) -> FrameRequest:
    return FrameRequest(camera, (HandInstance(pose, "lit"),), light=light, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rooms(hand: HandData, avatar: Avatar) -> dict[str, Renderer]:
    """Reference and kernels."""
    return {
        "torch": renderer(hand, avatar, kernels="torch"),
        "exact": renderer(hand, avatar, precision="exact"),
        "fast": renderer(hand, avatar),
    }


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("view", VIEWS)
def test_the_kernels_shade_as_the_reference_does(
    rooms: dict[str, Renderer], bent_pose: HandPose, view: str, light: str
) -> None:
    asked = request(bent_pose, VIEWS[view], LIGHTS[light], linear=False)
    wanted, exact, fast = (rooms[room].render(asked)["rgba"] for room in ("torch", "exact", "fast"))
    assert (wanted[..., 3] > 0.5).sum() > 300
    difference = np.abs(exact - wanted)
    assert difference.max() <= 1.0 / 255.0
    assert difference.mean() <= 0.05 / 255.0
    # 55 dB. All of it comes from the field: a solid hand's density amplifies what int16 rounds.
    assert np.sqrt(np.mean((fast - exact) ** 2)) <= 1.8e-3


@pytest.mark.parametrize("camera", [FOLDED, replace(FOLDED, fx=600.0, fy=600.0, projection="orthographic")])
def test_a_hand_before_itself_is_shaded_alike(rooms: dict[str, Renderer], camera: Camera) -> None:
    asked = request(folded_pose(), camera, LIGHTS["everything"], passes=("rgba", "rgba_low"), internal_scale=1.0)
    wanted, found = rooms["torch"].render(asked), rooms["exact"].render(asked)
    for name in ("rgba", "rgba_low"):
        assert np.abs(found[name] - wanted[name]).max() <= 1.0 / 255.0, name


@pytest.mark.parametrize("options", [{"internal_scale": 0.5}, {"internal_scale": 1.6}, {"internal_limit": 1.0}])
def test_pictures_of_other_sizes_are_shaded_alike(
    rooms: dict[str, Renderer], bent_pose: HandPose, options: dict[str, float]
) -> None:
    asked = request(bent_pose, VIEWS["near"], LIGHTS["everything"], passes=tuple(PASSES), **options)
    wanted, found = rooms["torch"].render(asked), rooms["exact"].render(asked)
    for name in ("rgba", "rgba_low"):
        difference = np.abs(found[name] - wanted[name])
        assert difference.max() <= 1.0 / 255.0, name
        assert wanted[name][..., :3].max() > 0.2
    shown = wanted["rgba"][..., 3] > 0.5
    assert np.abs(found["depth"][shown] - wanted["depth"][shown]).max() < 1e-3


@pytest.mark.parametrize("factor", [2, 4])
def test_people_of_an_avatar_have_their_own_detail(hand: HandData, bent_pose: HandPose, factor: int) -> None:
    people = (Identity("a", (0.5,) * 10), Identity("b"))
    family = relightable(hand, factor, identities=people, seed=factor)
    if factor == 2:
        # What people add to the detail may have fewer texels than it.
        assert family.identity_detail is not None
        family = replace(family, identity_detail=2.0 * family.identity_detail[:, ::2, ::2])
    torch_room, kernels = renderer(hand, family, kernels="torch"), renderer(hand, family, precision="exact")
    shown = []
    for identity in ("a", {"a": 0.3, "b": 0.7}, "b", "a"):
        instance = HandInstance(bent_pose, "lit", identity=identity)
        asked = FrameRequest(VIEWS["near"], (instance,), light=sky(3).scaled(2.0))
        shown.append(kernels.render(asked)["rgba"])
        assert np.abs(shown[-1] - torch_room.render(asked)["rgba"]).max() <= 1.0 / 255.0
    np.testing.assert_array_equal(shown[0], shown[3])
    assert np.abs(shown[0] - shown[2]).max() > 0.1


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_twice_the_light_is_twice_the_linear_picture(
    rooms: dict[str, Renderer], bent_pose: HandPose, precision: str
) -> None:
    one, two = (
        rooms[precision].render(
            request(bent_pose, VIEWS["near"], LIGHTS["everything"].scaled(strength), linear=True)
        )["rgba"]
        for strength in (1.0, 2.0)
    )  # fmt: skip
    np.testing.assert_array_equal(one[..., 3], two[..., 3])
    assert one[..., :3].max() > 0.2
    assert np.abs(two[..., :3] - 2.0 * one[..., :3]).max() <= 1.0 / 255.0


def test_bright_light_goes_on_above_white_and_is_cut_for_a_display(
    rooms: dict[str, Renderer], bent_pose: HandPose
) -> None:
    light = LIGHTS["sky"].scaled(10.0)
    bright = rooms["exact"].render(request(bent_pose, VIEWS["near"], light, linear=True))["rgba"]
    shown = rooms["exact"].render(request(bent_pose, VIEWS["near"], light))["rgba"]
    straight = bright[..., :3] / np.maximum(bright[..., 3:], 1e-4)
    assert straight.max() > 3.0
    assert (shown[..., :3] <= shown[..., 3:]).all()
    opaque = shown[..., 3] > 0.5
    decoded = srgb_to_linear(shown[..., :3] / np.maximum(shown[..., 3:], 1e-4))
    assert np.abs(decoded - straight.clip(max=1.0))[opaque].max() < 1e-4


def test_light_hand_and_camera_turned_together_change_nothing(
    rooms: dict[str, Renderer], hand: HandData, bent_pose: HandPose
) -> None:
    turn, shift = axis_angle_to_matrix(np.array([0.7, -0.4, 1.1])), np.array([0.3, -0.2, 0.5])
    camera, light = VIEWS["near"], LIGHTS["everything"]
    wrist = hand.rest_joints(bent_pose.betas)[0]
    orient = matrix_to_axis_angle(turn @ axis_angle_to_matrix(bent_pose.global_orient))
    place = turn @ (wrist + bent_pose.transl) + shift - wrist
    turned = replace(bent_pose, global_orient=orient, transl=place)
    first = rooms["exact"].render(request(bent_pose, camera, light))["rgba"]
    second = rooms["exact"].render(request(turned, camera.moved(turn, shift), light.moved(turn, shift)))["rgba"]
    assert np.abs(first - second).max() <= 1.0 / 255.0
    still = rooms["exact"].render(request(turned, camera.moved(turn, shift), light))["rgba"]
    assert np.abs(first - still).max() > 0.05


def test_without_light_the_hand_is_black_and_as_opaque(rooms: dict[str, Renderer], bent_pose: HandPose) -> None:
    for precision in ("exact", "fast"):
        dark, lit, own = (
            rooms[precision].render(request(bent_pose, VIEWS["near"], light))["rgba"]
            for light in (Light(), LIGHTS["sky"], None)
        )
        np.testing.assert_array_equal(dark[..., 3], lit[..., 3])
        np.testing.assert_array_equal(dark[..., 3], own[..., 3])
        assert lit[..., 3].min() == 0.0 and 0.9 < lit[..., 3].max() <= 1.0
        assert not dark[..., :3].any() and own[..., :3].max() > 0.2


def test_a_left_hand_is_the_right_one_in_a_mirror(rooms: dict[str, Renderer], bent_pose: HandPose) -> None:
    light = Light(LIGHTS["sky"].harmonics, (LAMPS["sun"], LAMPS["bulb"])).scaled(0.2)
    mirror = np.diag([-1.0, 1.0, 1.0])
    for pose, camera in ((bent_pose, VIEWS["near"]), (folded_pose(), FOLDED)):
        right = rooms["exact"].render(request(pose, camera, light))["rgba"]
        left = rooms["exact"].render(
            request(mirror_pose(pose), mirror_camera(camera), light.moved(mirror, np.zeros(3)))
        )["rgba"]
        assert np.abs(left[:, ::-1] - right).max() <= 1.0 / 255.0


def test_what_stands_in_a_lamps_light_darkens_the_hand(rooms: dict[str, Renderer], bent_pose: HandPose) -> None:
    light = Light.uniform((0.02, 0.02, 0.02), (SUN,))
    square = 0.15 * np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32)
    lid = Occluder(
        "lid", square + np.array(SUN.direction, np.float32) * 0.2 + [-0.05, 0.0, 0.03], [[0, 1, 2], [0, 2, 3]]
    )
    free, hidden = (
        rooms["exact"].render(request(bent_pose, VIEWS["near"], light, occluders=meshes))["rgba"]
        for meshes in ((), (lid,))
    )
    np.testing.assert_array_equal(free[..., 3], hidden[..., 3])
    opaque = free[..., 3] > 0.5
    assert hidden[opaque][:, :3].mean() < 0.6 * free[opaque][:, :3].mean()


def test_a_lit_hand_cuts_a_hole_and_keeps_its_light(rooms: dict[str, Renderer], bent_pose: HandPose) -> None:
    light = LIGHTS["sky"].scaled(6.0)
    away = HandInstance(replace(bent_pose, transl=bent_pose.transl + np.array([0.0, 1.5, 0.0])), "lit", holdout=True)
    hands = (HandInstance(bent_pose, "lit"), away)
    alone = rooms["exact"].render(request(bent_pose, VIEWS["near"], light, linear=True))["rgba"]
    beside = rooms["exact"].render(FrameRequest(VIEWS["near"], hands, linear=True, light=light))["rgba"]
    opaque = alone[..., 3] > 0.5
    assert alone[..., :3].max() > 1.5
    assert np.abs(alone - beside)[opaque].max() < 2e-3 * alone.max()


def test_what_is_found_out_is_kept(hand: HandData, avatar: Avatar, rooms: dict[str, Renderer]) -> None:
    arrays = avatar.arrays()
    key = findings_key(arrays, hand, field_integers("fast"))
    assert rooms["fast"].arithmetic("lit")
    assert load_findings(key, avatar.metadata.architecture.field, field_integers("fast")) is not None
    other = replace(avatar, detail_state={**avatar.detail_state, "texture": avatar.detail_state["texture"] + 1.0})  # type: ignore[dict-item,index]
    assert findings_key(other.arrays(), hand, field_integers("fast")) != key
