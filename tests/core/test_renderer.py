"""Properties of whole frames: what a picture may not depend on, and what it must."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, PoseStatistics, import_checkpoint, new_avatar
from livehand_core.cameras import Camera, look_at
from livehand_core.errors import AvatarError, RenderCancelled
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.passes import PASSES, RenderPasses, premultiplied_srgb_to_linear
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.torch.hand import TorchHand
from livehand_core.rendering.view import mirror_camera, mirror_pose
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.workers import available_processors

from .conftest import camera_at, solid, tube_hand
from .test_official import GOLDEN

EVERY_PASS = tuple(PASSES)


def small_avatar(factor: int = 2, out_channels: int = 4, seed: int = 0, side: str = "right") -> Avatar:
    architecture = Architecture(
        FieldConfig(depth=3, width=24, feature_channels=16),
        SuperResolutionConfig(factor=factor, in_channels=16, hidden=(10, 6), out_channels=out_channels),
        n_samples=8,
    )
    return solid(new_avatar(tube_hand(side), architecture, seed=seed))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["auto", "torch"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    avatars = {"a": small_avatar(), "b": small_avatar(4, 3, seed=1), "left": small_avatar(side="left")}
    never = small_avatar()
    avatars["fixed"] = replace(never, metadata=replace(never.metadata, mirrorable=False))
    hands = {("tube", side): tube_hand(side) for side in ("right", "left")}  # type: ignore[arg-type]
    return Renderer("cpu", hands=hands, avatars=avatars, kernels=request.param)


def draw(
    renderer: Renderer, camera: Camera, *hands: HandInstance, passes: tuple[str, ...] = EVERY_PASS, linear: bool = False
) -> RenderPasses:
    return renderer.render(FrameRequest(camera, hands, passes, linear))


def one(pose: HandPose | None = None, avatar: str = "a", **changes: object) -> HandInstance:
    return HandInstance(pose or HandPose.rest(), avatar, **changes)  # type: ignore[arg-type]


def check_consistent(images: dict[str, np.ndarray], camera: Camera) -> None:
    """What holds for the passes of any frame."""
    for name in ("rgba", "depth", "normal", "uvd", "mask"):
        assert images[name].shape == (camera.height, camera.width, PASSES[name].channels), name
        assert images[name].dtype == np.float32
        assert not np.isnan(images[name]).any(), name
    alpha = images["rgba"][..., 3]
    assert alpha.min() >= 0.0
    assert alpha.max() <= 1.0
    assert (images["rgba"][..., :3] <= alpha[..., None] + 1e-6).all()
    assert images["rgba"].min() >= 0.0
    np.testing.assert_array_equal(np.isfinite(images["depth"][..., 0]), alpha > 0.0)
    assert (images["mask"][alpha < 0.5] == 0.0).all()
    length = np.linalg.norm(images["normal"], axis=-1)
    np.testing.assert_allclose(length[alpha > 0.0], 1.0, atol=1e-3)
    assert (length[alpha == 0.0] == 0.0).all()


@pytest.mark.parametrize("avatar", ["a", "b"])
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_a_solid_hand_is_where_its_mesh_is(renderer: Renderer, avatar: str, projection: str) -> None:
    focal = 150.0 if projection == "perspective" else 400.0
    camera = camera_at((-0.06, 0.1, 0.33), focal=focal, fy=1.2 * focal, projection=projection)
    images = draw(renderer, camera, one(avatar=avatar)).images
    check_consistent(images, camera)
    alpha, mask = images["rgba"][..., 3], images["mask"][..., 0]
    assert 0.05 < mask.mean() < 0.6
    vertices = tube_hand().v_template
    pixels, depth = camera.project(vertices)
    inside = (pixels >= 2).all(axis=1) & (pixels < [camera.width - 2, camera.height - 2]).all(axis=1)
    column, row = pixels[inside].astype(int).T
    assert (alpha[row, column] > 0.3).mean() > 0.88
    # The proxy's depth is in front of every vertex behind the same pixel.
    assert (images["depth"][row, column, 0] <= depth[inside] + 0.004)[alpha[row, column] > 0.0].mean() > 0.97
    facing = camera.camera_to_world[:3, 2]
    assert ((images["normal"][mask > 0] @ facing) < 0.3).mean() > 0.97
    assert np.abs(images["uvd"][mask > 0][:, 2]).max() < 0.02
    low = images["rgba_low"]
    factor = 2 if avatar == "a" else 4
    assert low.shape == (camera.height // factor, camera.width // factor, 4)
    assert abs(float(low[..., 3].mean()) - float(alpha.mean())) < 0.05


def test_moving_hand_and_camera_together_changes_nothing(renderer: Renderer, bent_pose: HandPose) -> None:
    hand = tube_hand()
    camera = camera_at((-0.05, 0.15, 0.3))
    before = draw(renderer, camera, one(bent_pose)).images
    rotation = axis_angle_to_matrix(np.array([1.0, -2.0, 0.7]))
    shift = np.array([5.0, -3.0, 8.0])
    moved = bent_pose.moved(rotation, shift, hand.rest_joints(bent_pose.betas)[0])
    after = draw(renderer, camera.moved(rotation, shift), one(moved)).images
    assert before["rgba"].max() > 0.3
    for name in ("rgba", "depth", "rgba_low", "mask"):
        finite = np.isfinite(before[name]) & np.isfinite(after[name])
        assert finite.mean() == np.isfinite(before[name]).mean()
        difference = np.abs(before[name][finite] - after[name][finite])
        # A sample on an edge of the mesh's canonical space may fall to its other side.
        assert np.quantile(difference, 0.999) <= 1e-3, name
    turned = before["normal"].reshape(-1, 3) @ rotation.T
    assert np.quantile(np.abs(turned - after["normal"].reshape(-1, 3)), 0.999) < 1e-3


@pytest.mark.parametrize("avatar", ["a", "b"])
def test_cropping_to_the_hand_changes_no_pixel(avatar: str) -> None:
    made = small_avatar() if avatar == "a" else small_avatar(4, 3)
    renderer = TorchHand(made, tube_hand(), torch.device("cpu"))
    camera = camera_at((-0.08, 0.1, 0.7), 256, 192, 220.0)
    instance = one()
    with torch.inference_mode():
        cropped = renderer.render(instance, camera, frozenset({"depth"}), Clock())
        renderer.crop = False
        whole = renderer.render(instance, camera, frozenset({"depth"}), Clock())
    assert cropped is not None
    assert whole is not None
    box = cropped.box
    assert whole.box.width * whole.box.height > 4 * box.width * box.height
    window = whole.rgba[box.top : box.bottom, box.left : box.right]
    np.testing.assert_allclose(cropped.rgba, window, atol=1e-5)
    rest = whole.rgba.copy()
    rest[box.top : box.bottom, box.left : box.right] = 0.0
    assert np.abs(rest).max() == 0.0


def test_super_resolution_in_tiles_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = TorchHand(small_avatar(), tube_hand(), torch.device("cpu"))
    camera = camera_at((-0.08, 0.1, 0.4), 160, 128, 300.0)
    with torch.inference_mode():
        whole = renderer.render(one(), camera, frozenset(), Clock())
        monkeypatch.setattr("livehand_core.rendering.torch.picture.TILE", 17)
        tiled = renderer.render(one(), camera, frozenset(), Clock())
    assert whole is not None
    assert tiled is not None
    np.testing.assert_allclose(tiled.rgba, whole.rgba, atol=1e-5)


@pytest.mark.parametrize("avatar", ["a", "b"])
def test_a_border_render_is_a_crop_of_the_whole(renderer: Renderer, avatar: str) -> None:
    camera = camera_at((-0.08, 0.1, 0.4), 128, 96, 220.0)
    whole = draw(renderer, camera, one(avatar=avatar)).images
    x, y, width, height = 40, 20, 48, 44
    border = draw(renderer, camera.crop(x, y, width, height), one(avatar=avatar)).images
    # The networks see zeros past the border where the whole picture has the hand: their reach from it is left out.
    inner = (slice(24, -24), slice(24, -24)) if avatar == "b" else (slice(12, -12), slice(12, -12))
    for name in ("rgba", "normal", "mask"):
        window = whole[name][y : y + height, x : x + width]
        assert window[inner].size == 0 or np.abs(window - border[name])[inner].max() <= 1e-4, name
    np.testing.assert_array_equal(whole["normal"][y + 14, x : x + width] != 0, border["normal"][14] != 0)


def test_far_perspective_is_orthographic(renderer: Renderer) -> None:
    camera = camera_at((-0.08, 0.0, 0.5), focal=400.0, projection="orthographic")
    far = camera_at((-0.08, 0.0, 200.0), focal=400.0 * 200.0)
    first = draw(renderer, camera, one()).images
    second = draw(renderer, far, one()).images
    assert np.abs(first["rgba"] - second["rgba"]).mean() < 2e-3
    solid_pixels = (first["mask"] > 0) & (second["mask"] > 0)
    difference = first["depth"][solid_pixels] - 0.5 - (second["depth"][solid_pixels] - 200.0)
    assert np.quantile(np.abs(difference), 0.99) < 2e-3


@pytest.mark.parametrize("width", [96, 95])
def test_a_left_hand_is_the_mirrored_right_one(renderer: Renderer, bent_pose: HandPose, width: int) -> None:
    camera = camera_at((-0.05, 0.12, 0.35), width=96)
    camera = camera.crop(0, 0, width, camera.height)
    right = draw(renderer, camera, one(bent_pose)).images
    left = draw(renderer, mirror_camera(camera), one(mirror_pose(bent_pose))).images
    for name in ("rgba", "depth", "mask", "uvd", "rgba_low"):
        np.testing.assert_allclose(left[name], right[name][:, ::-1], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(left["normal"], right["normal"][:, ::-1] * [-1.0, 1.0, 1.0], atol=1e-4)
    # It is where the left model's own mesh is.
    own = draw(renderer, mirror_camera(camera), one(mirror_pose(bent_pose), "left")).images
    assert (own["mask"] == left["mask"]).mean() > 0.98


def test_a_hand_that_may_not_be_mirrored(renderer: Renderer) -> None:
    with pytest.raises(AvatarError, match=r"of a right hand and may not be mirrored.*left hand"):
        draw(renderer, camera_at((0, 0.1, 0.4)), one(HandPose.rest("left"), "fixed"))


def test_two_hands_are_ordered_by_depth(renderer: Renderer) -> None:
    camera = camera_at((-0.08, 0.0, 0.5))
    near, far = (replace(HandPose.rest(), transl=[0.0, 0.0, z]) for z in (0.1, -0.1))
    near_only = draw(renderer, camera, one(near)).images
    far_only = draw(renderer, camera, one(far, "b")).images
    for hands, number in (((one(near), one(far, "b")), 1), ((one(far, "b"), one(near)), 2)):
        both = draw(renderer, camera, *hands).images
        check_consistent(both, camera)
        front = near_only["rgba"]
        expected = front + (1.0 - front[..., 3:]) * far_only["rgba"]
        np.testing.assert_allclose(both["rgba"], expected, atol=1e-5)
        opaque = front[..., 3] > 0.6
        assert (both["mask"][opaque] == number).all()
        np.testing.assert_array_equal(both["depth"][opaque], near_only["depth"][opaque])
        assert set(np.unique(both["mask"])) <= {0.0, 1.0, 2.0}
    # Crossing hands: each is in front somewhere.
    crossing = draw(
        renderer, camera, one(), one(HandPose([0.0, 1.2, 0.0], np.zeros((15, 3)), np.zeros(10), [-0.08, 0, 0]), "b")
    )
    assert {1.0, 2.0} <= set(np.unique(crossing["mask"]))


def test_scaled_rig(renderer: Renderer, bent_pose: HandPose) -> None:
    camera = camera_at((-0.05, 0.12, 0.35))
    usual = draw(renderer, camera, one(bent_pose)).images
    matrix = camera.camera_to_world.copy()
    matrix[:3, 3] *= 10.0
    large = draw(renderer, replace(camera, camera_to_world=matrix), one(bent_pose, scale=10.0)).images
    np.testing.assert_allclose(large["rgba"], usual["rgba"], atol=1e-4)
    finite = np.isfinite(usual["depth"])
    np.testing.assert_allclose(large["depth"][finite], 10.0 * usual["depth"][finite], rtol=1e-4)


def test_scaled_rig_before_an_orthographic_camera(renderer: Renderer, bent_pose: HandPose) -> None:
    camera = camera_at((-0.05, 0.12, 0.35), focal=400.0, projection="orthographic")
    usual = draw(renderer, camera, one(bent_pose)).images
    matrix = camera.camera_to_world.copy()
    matrix[:3, 3] *= 4.0
    far = replace(camera, camera_to_world=matrix, fx=camera.fx / 4.0, fy=camera.fy / 4.0)
    large = draw(renderer, far, one(bent_pose, scale=4.0)).images
    assert usual["rgba"][..., 3].max() > 0.5
    np.testing.assert_allclose(large["rgba"], usual["rgba"], atol=1e-4)
    finite = np.isfinite(usual["depth"])
    np.testing.assert_allclose(large["depth"][finite], 4.0 * usual["depth"][finite], rtol=1e-4)


def coloured(bias: float) -> Avatar:
    """A small avatar whose features are all light, or all dark."""
    made = small_avatar()
    state = dict(made.field_state)
    return replace(made, field_state=state | {"colour.bias": torch.full_like(state["colour.bias"], bias)})


@pytest.mark.parametrize("kernels", ["auto", "torch"])
def test_the_low_images_of_two_hands_are_ordered_by_depth(kernels: str) -> None:
    avatars = {"light": coloured(3.0), "dark": coloured(-3.0)}
    renderer = Renderer("cpu", {("tube", "right"): tube_hand()}, avatars, kernels=kernels)  # type: ignore[arg-type]
    camera, low = camera_at((-0.08, 0.0, 0.5)), ("rgba_low",)
    near = one(replace(HandPose.rest(), transl=[0.0, 0.0, 0.1]), "light")
    far = one(replace(HandPose.rest(), transl=[0.0, 0.0, -0.1]), "dark")
    front, back = (draw(renderer, camera, hand, passes=low)["rgba_low"] for hand in (near, far))
    expected = front + (1.0 - front[..., 3:]) * back
    assert np.abs(expected - (back + (1.0 - back[..., 3:]) * front)).max() > 0.3, "the order shows"
    for hands in ((near, far), (far, near)):
        np.testing.assert_allclose(draw(renderer, camera, *hands, passes=low)["rgba_low"], expected, atol=2e-3)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 40), (33, 2)])
@pytest.mark.parametrize("avatar", ["a", "b"])
def test_any_image_size(renderer: Renderer, size: tuple[int, int], avatar: str) -> None:
    camera = camera_at((-0.08, 0.1, 0.3), *size, focal=20.0 * max(size))
    images = draw(renderer, camera, one(avatar=avatar)).images
    check_consistent(images, camera)
    # One pixel is less than the feature image resolves; anything wider shows the hand.
    assert max(size) == 1 or images["rgba"][..., 3].max() > 0.0


@pytest.mark.parametrize("angle", [1.0, 30.0, 120.0, 170.0])
@pytest.mark.parametrize("eye", [(-0.08, 0.0, 0.0), (-0.08, 0.03, 0.01), (-0.3, 0.0, 0.0), (0.05, 0.0, 0.002)])
def test_any_lens_from_anywhere(renderer: Renderer, angle: float, eye: tuple[float, float, float]) -> None:
    focal = 16.0 / np.tan(np.radians(angle) / 2.0)
    matrix = look_at(np.array(eye), np.add(eye, (-1.0, 0.1, 0.05)), np.array([0.0, 1.0, 0.0]))
    camera = Camera(32, 24, focal, focal, 16.0, 12.0, matrix)
    check_consistent(draw(renderer, camera, one()).images, camera)


def test_nothing_in_view_is_quick_and_empty(renderer: Renderer) -> None:
    camera = camera_at((-0.08, 0.1, 0.4), 512, 334, 900.0)
    away = replace(camera, camera_to_world=look_at(np.array([0, 0, 1.0]), np.array([0, 0, 2.0]), np.array([0, 1.0, 0])))
    empty = draw(renderer, away)
    assert empty["rgba"].max() == 0.0
    assert np.isinf(empty["depth"]).all()
    draw(renderer, away, one())
    best = min(_seconds(lambda: draw(renderer, away, one(), passes=("rgba",))) for _ in range(5))
    images = draw(renderer, away, one()).images
    assert images["rgba"].max() == images["mask"].max() == 0.0
    assert best < 0.05


def _seconds(call: object) -> float:
    start = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - start


def test_linear_is_the_decoded_picture(renderer: Renderer) -> None:
    camera = camera_at((-0.08, 0.1, 0.4))
    display = draw(renderer, camera, one(), passes=("rgba",))["rgba"]
    linear = draw(renderer, camera, one(), passes=("rgba",), linear=True)["rgba"]
    np.testing.assert_allclose(linear, premultiplied_srgb_to_linear(display), atol=1e-6)
    assert linear[..., :3].mean() < display[..., :3].mean()


def test_footprint_far_from_training_is_resampled() -> None:
    trained = small_avatar()
    trained = replace(trained, metadata=replace(trained.metadata, pixels_per_metre=400.0))
    renderer = Renderer("cpu", hands={("tube", "right"): tube_hand()}, avatars={"a": trained})
    reference = draw(renderer, camera_at((-0.08, 0.1, 0.4), 96, 64, 160.0), one()).images
    for scale in (0.25, 4.0):
        camera = camera_at((-0.08, 0.1, 0.4), round(96 * scale), round(64 * scale), 160.0 * scale)
        images = draw(renderer, camera, one()).images
        check_consistent(images, camera)
        covered = (images["rgba"][..., 3].mean(), reference["rgba"][..., 3].mean())
        assert covered[0] == pytest.approx(covered[1], rel=0.15)
        assert images["rgba"].mean() == pytest.approx(reference["rgba"].mean(), rel=0.15)


def test_published_form_at_odd_sizes() -> None:
    official = import_checkpoint(GOLDEN / "uvd_sr4_seed2.tar", factor=4)
    renderer = Renderer("cpu", hands={("mano", "right"): tube_hand(name="mano")}, avatars={"a": official})
    for width, height in ((96, 64), (97, 63), (3, 2)):
        camera = camera_at((-0.08, 0.1, 0.4), width, height, 1.2 * width)
        images = draw(renderer, camera, one()).images
        check_consistent(images, camera)


def test_pose_outside_the_training_range_warns(renderer: Renderer, bent_pose: HandPose) -> None:
    avatar = small_avatar()
    statistics = PoseStatistics.of(np.zeros((2, 45)))
    avatar = replace(avatar, metadata=replace(avatar.metadata, name="stiff", pose_statistics=statistics))
    stiff = Renderer("cpu", hands={("tube", "right"): tube_hand()}, avatars={"a": avatar})
    camera = camera_at((-0.08, 0.1, 0.4))
    assert draw(stiff, camera, one()).warnings == ()
    pose = np.zeros((15, 3))
    pose[1, 2] = -0.6
    for side in ("right", "left"):
        warnings = draw(stiff, camera, one(HandPose(np.zeros(3), pose, np.zeros(10), np.zeros(3), side))).warnings  # type: ignore[arg-type]
        assert len(warnings) == 1
        assert "Hand 1" in warnings[0]
        assert "'stiff'" in warnings[0]
        assert "index2 by 34 degrees" in warnings[0]


def test_cancel_stops_within_a_step(renderer: Renderer) -> None:
    camera = camera_at((-0.08, 0.1, 0.3), 256, 192, 500.0)
    request = FrameRequest(camera, (one(),))
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    renderer.render(request, count)
    assert asked >= 4
    # A run may ask a little less often when threads share its parts otherwise.
    total = max(asked - available_processors(), 1)
    for stop in (1, total // 2, total):
        asked = 0

        def stopping(stop: int = stop) -> bool:
            nonlocal asked
            asked += 1
            return asked >= stop

        with pytest.raises(RenderCancelled):
            renderer.render(request, stopping)
        # Threads at work on other parts of the same step ask once more each.
        assert stop <= asked <= stop + available_processors()


def test_stage_seconds_add_up(renderer: Renderer) -> None:
    passes = draw(renderer, camera_at((-0.08, 0.1, 0.4)), one())
    assert set(passes.stage_seconds) == {
        *("skinning", "light", "raster", "nearest", "field", "integrate", "super_resolution", "compose")
    }
    assert all(value > 0.0 for value in passes.stage_seconds.values())
