"""Hands of any size on the screen: a zoom in which nothing pops, and hands that are far, tiny, huge or behind."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from livehand_core.avatars import load_avatar
from livehand_core.cameras import MAX_IMAGE_SIDE, Camera, look_at
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.framing import Box, hand_box, networks_view, resampling
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer

from .conftest import camera_at, tube_hand
from .test_renderer import check_consistent, draw, one, small_avatar

MIDDLE = np.array([-0.09, 0.0, 0.0])
VERTICES = tube_hand().v_template


def detailed(avatar: str = "default", footprint: float = 700.0) -> Renderer:
    """The avatar that ships inside, as if it had been trained on smaller images: frames take less."""
    made = load_avatar(avatar)
    metadata = replace(made.metadata, pixels_per_metre=footprint)
    return Renderer("cpu", avatars={"a": replace(made, metadata=metadata)}, precision="exact")


def zoomed(ratio: float, size: int, footprint: float = 700.0) -> Camera:
    """Looks at the hand from 50 cm away, at ``ratio`` times its trained footprint."""
    eye = MIDDLE + np.array([0.0, 0.0, 0.5])
    focal = 0.5 * ratio * footprint
    return Camera(size, size, focal, focal, size / 2, size / 2, look_at(eye, MIDDLE, np.array([0.0, 1.0, 0.0])))


@pytest.mark.parametrize("ratio", [0.25, 0.5, 2.0])
def test_nothing_pops_in_a_slow_zoom(ratio: float) -> None:
    """From frame to frame no more changes than in a zoom at either size of the networks' image, nor more detail."""
    renderer, size = detailed(), round(0.26 * 700.0 * ratio)

    def changes(scale: float | None) -> tuple[np.ndarray, np.ndarray]:
        frames = []
        for step in range(-6, 8):
            hands = (HandInstance(HandPose.rest(), "a"),)
            request = FrameRequest(zoomed(ratio * 1.003**step, size), hands, internal_scale=scale)
            frames.append(renderer.render(request)["rgba"][..., :3])
        detail = np.array([np.sqrt(np.mean(np.diff(frame, axis=1) ** 2)) for frame in frames])
        moved = np.array([np.sqrt(np.mean((after - before) ** 2)) for before, after in pairwise(frames)])
        return moved, np.abs(np.diff(np.log(detail)))

    ours, own_detail = changes(None)
    natural = np.array([changes(scale) for scale in {0.25: (2.0, 4.0), 0.5: (1.0, 2.0), 2.0: (0.5, 1.0)}[ratio]])
    assert ours.min() > 1e-4
    assert (ours / natural[:, 0].max(axis=0)).max() < 1.25
    assert own_detail.max() < natural[:, 1].max() + 0.02


def test_sizes_fade_into_each_other() -> None:
    def factors(ratio: float, limit: float | None = None) -> dict[float, float]:
        camera = camera_at((-0.08, 0.0, 0.5), focal=ratio * 400.0, projection="orthographic")
        return resampling(camera, VERTICES, 400.0, limit=limit)

    for ratio in np.geomspace(0.51, 1.99, 20):
        assert factors(ratio) == {1.0: 1.0}, "the usual frame is drawn once"
    before: dict[float, float] = {}
    for ratio in np.geomspace(1e-6, 100.0, 20000):
        now = factors(ratio)
        assert sum(now.values()) == pytest.approx(1.0) and len(now) <= 2 and max(now) <= 4.0
        assert all(0.4 < ratio * factor < 2.4 for factor in now) or ratio < 0.13
        if before:
            assert sum(abs(now.get(key, 0.0) - before.get(key, 0.0)) for key in now | before) < 0.02
        before = now
    assert factors(0.3, limit=1.0) == {1.0: 1.0}
    assert resampling(camera_at((0.0, 0.0, 1.0)), VERTICES, 400.0, forced=3.0) == {3.0: 1.0}


def test_what_the_networks_see_stays_on_its_grid() -> None:
    camera = camera_at((-0.08, 0.1, 0.4), 512, 334)
    for left in range(100, 140):
        working, box = networks_view(camera, Box(left, 90, left + 77, 150), 0.5)
        assert (working.width, working.height) == (box.width / 2, box.height / 2)
        assert box.left % 16 == box.top % 16 == 0 and box.left <= left and box.right >= left + 77
    working, box = networks_view(camera, Box(0, 0, 512, 334), 100.0)
    assert max(working.width, working.height) == MAX_IMAGE_SIDE and box == Box(0, 0, 512, 334)


@pytest.fixture(scope="module", params=["auto", "torch"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    made = small_avatar()
    trained = replace(made, metadata=replace(made.metadata, pixels_per_metre=1800.0))
    return Renderer("cpu", {("tube", "right"): tube_hand()}, {"a": trained}, kernels=request.param)


def at(*place: float, scale: float = 1.0) -> HandInstance:
    return one(HandPose(np.zeros(3), np.zeros((15, 3)), np.zeros(10), np.array(place)), scale=scale)


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize("far", [3.0, 30.0, 300.0, 3e3, 1e5, 9e5])
def test_a_far_hand_spoils_no_near_one(renderer: Renderer, far: float, projection: str) -> None:
    camera = camera_at((-0.08, 0.0, 0.5), 192, 128, 250.0, projection=projection)
    near = draw(renderer, camera, at(0.0, 0.0, 0.0)).images
    for other in (at(0.0, 0.0, -far), at(far, 0.0, -far), at(0.0, 0.0, far)):
        images = draw(renderer, camera, at(0.0, 0.0, 0.0), other).images
        check_consistent(images, camera)
        own = near["rgba"][..., 3] > 0.99
        np.testing.assert_allclose(images["rgba"][own], near["rgba"][own], atol=0.02)


@pytest.mark.parametrize("width", [192, 1920])
@pytest.mark.parametrize("pixels", [0.01, 0.3, 1.0, 3.0, 10.0, 40.0])
def test_a_hand_of_few_pixels_is_a_speck_or_nothing(renderer: Renderer, pixels: float, width: int) -> None:
    camera = camera_at((-0.08, 0.0, 50.0), width, 128, pixels / 0.16 * 50.0)
    images = draw(renderer, camera, at(0.0, 0.0, 0.0)).images
    check_consistent(images, camera)
    area = images["rgba"][..., 3].sum()
    assert area <= max(pixels * pixels, 1.0)
    assert area > (0.05 * pixels * pixels if pixels > 3.0 else -1.0)


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e-6, 1e-2, 30.0, 1e6, 1e12, 1e300])
def test_hands_of_any_scale(renderer: Renderer, scale: float, projection: str) -> None:
    camera = camera_at((-0.08, 0.0, 0.5), 96, 64, 150.0, projection=projection)
    near = draw(renderer, camera, at(0.0, 0.0, 0.0)).images
    images = draw(renderer, camera, at(0.0, 0.0, 0.0), at(0.0, 0.0, -0.3, scale=scale)).images
    check_consistent(images, camera)
    if scale < 1e-3:
        np.testing.assert_array_equal(images["rgba"], near["rgba"])


@pytest.mark.parametrize("behind", [0.4, 0.47, 0.5, 0.53, 0.6])
def test_hands_in_the_plane_of_the_camera_and_behind_it(renderer: Renderer, behind: float) -> None:
    camera = camera_at((-0.08, 0.0, 0.5), 96, 64, 150.0)
    images = draw(renderer, camera, at(0.0, 0.0, 0.0), at(0.0, 0.0, behind)).images
    check_consistent(images, camera)
    if behind == 0.6:
        np.testing.assert_array_equal(images["rgba"], draw(renderer, camera, at(0.0, 0.0, 0.0)).images["rgba"])


def test_a_place_that_is_no_number_is_out_of_view() -> None:
    camera = camera_at((-0.08, 0.0, 0.5))
    assert hand_box(np.full((5, 3), np.nan), camera, 3).empty
    assert hand_box(np.full((5, 3), 1e-3) * np.arange(5)[:, None] * 1e-4, camera, 3).empty
    assert not hand_box(VERTICES, camera, 3).empty
