"""Frames at the edge of sense: the renderer answers with sound images or with a clear error, never with rubbish."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from livehand_core.cameras import Camera, look_at
from livehand_core.errors import DeviceError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.data import HandData
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer

from .conftest import camera_at, tube_hand
from .test_out_of_memory import compiled_avatar
from .test_renderer import EVERY_PASS, check_consistent, draw, one

MIDDLE = np.array([-0.08, 0.0, 0.0])
"""Inside the tube."""


def renderer_of(kernels: str, hand: HandData) -> Renderer:
    """A renderer of that hand with an avatar that both the compiled kernels and torch draw."""
    return Renderer("cpu", hands={("tube", "right"): hand}, avatars={"a": compiled_avatar()}, kernels=kernels)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["auto", "torch"])
def kernels(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def renderer(kernels: str) -> Renderer:
    return renderer_of(kernels, tube_hand())


def through_lens(degrees: float, distance: float) -> Camera:
    """A camera with a horizontal field of view, that far from the tube's middle."""
    return camera_at((-0.08, 0.0, distance), focal=48.0 / np.tan(np.radians(degrees) / 2.0))


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 3), (7, 5), (5, 7)])
def test_tiny_images(renderer: Renderer, size: tuple[int, int]) -> None:
    camera = camera_at((-0.08, 0.0, 0.1), *size, focal=1.2 * max(size))
    images = draw(renderer, camera, one()).images
    check_consistent(images, camera)
    if min(size) >= 5:
        assert images["rgba"][..., 3].max() > 0.5


@pytest.mark.parametrize(("degrees", "distance"), [(1.0, 12.0), (170.0, 0.045)])
def test_narrow_and_wide_lenses(renderer: Renderer, degrees: float, distance: float) -> None:
    camera = through_lens(degrees, distance)
    images = draw(renderer, camera, one()).images
    check_consistent(images, camera)
    alpha, depth = images["rgba"][..., 3], images["depth"][..., 0]
    assert alpha[32, 48] > 0.9
    # The tube is 15 mm thick in the direction of view at its middle, and at most 22 mm.
    assert distance - 0.024 < depth[32, 48] < distance - 0.010


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.6, 0.8, 0.0)])
@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0154), (0.0, 0.006, 0.01)])
def test_a_camera_inside_the_hand(renderer: Renderer, direction: tuple[float, ...], offset: tuple[float, ...]) -> None:
    eye = MIDDLE + offset
    matrix = look_at(eye, eye + direction, np.array([0.0, 1.0, 0.1]))
    camera = Camera(48, 32, 30.0, 30.0, 24.0, 16.0, matrix)
    images = draw(renderer, camera, one()).images
    check_consistent(images, camera)
    assert images["rgba"][..., 3].max() > 0.5
    depth = images["depth"]
    assert depth[np.isfinite(depth)].min() >= 0.0


def test_a_camera_at_a_vertex(renderer: Renderer) -> None:
    eye = tube_hand().v_template[100].astype(np.float64)
    camera = Camera(48, 32, 30.0, 30.0, 24.0, 16.0, look_at(eye, MIDDLE, np.array([0.0, 1.0, 0.0])))
    check_consistent(draw(renderer, camera, one()).images, camera)


def test_a_hand_behind_the_camera_or_far_away_is_an_empty_frame(renderer: Renderer) -> None:
    camera = camera_at((-0.08, 0.1, 0.3))
    for transl in ([0.0, 0.0, 9.0], [1e6, 0.0, 0.0], [0.0, 0.0, -1e6]):
        images = draw(renderer, camera, one(replace(HandPose.rest(), transl=transl))).images
        check_consistent(images, camera)
        assert (images["mask"] == 0.0).all()


@pytest.mark.parametrize("name", ["betas", "hand_pose", "global_orient"])
def test_the_largest_values_that_a_pose_may_hold(renderer: Renderer, name: str) -> None:
    value = np.full_like(getattr(HandPose.rest(), name), 1e6)
    camera = camera_at((-0.08, 0.1, 0.3))
    check_consistent(draw(renderer, camera, one(replace(HandPose.rest(), **{name: value}))).images, camera)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_tiny_and_huge_scales(renderer: Renderer, scale: float) -> None:
    camera = camera_at((-0.08, 0.1, 0.3))
    images = draw(renderer, camera, one(scale=scale)).images
    assert all(not np.isnan(image).any() for image in images.values())


def collapsed(faces: int) -> HandData:
    """The tube with whole triangles drawn together into points and lines."""
    hand = tube_hand()
    vertices = hand.v_template.copy()
    for face in hand.faces[:: len(hand.faces) // faces][:faces]:
        vertices[face[1]] = vertices[face[0]]
    vertices[hand.faces[7]] = vertices[hand.faces[7][0]]
    return replace(hand, v_template=vertices)


@pytest.mark.parametrize("faces", [1, 12])
def test_degenerate_triangles(kernels: str, faces: int) -> None:
    hand = collapsed(faces)
    corners = hand.v_template[hand.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert (areas == 0.0).sum() >= faces
    camera = camera_at((-0.06, 0.1, 0.33))
    images = draw(renderer_of(kernels, hand), camera, one()).images
    assert all(not np.isnan(image).any() for image in images.values())
    assert (images["mask"] > 0).mean() > 0.05


def test_a_mesh_without_any_extent_is_drawn_as_nothing_or_a_dot(kernels: str) -> None:
    hand = tube_hand()
    point = replace(hand, v_template=np.zeros_like(hand.v_template), posedirs=np.zeros_like(hand.posedirs))
    camera = camera_at((0.0, 0.1, 0.3))
    images = draw(renderer_of(kernels, point), camera, one()).images
    assert all(not np.isnan(image).any() for image in images.values())
    assert (images["mask"] > 0).mean() < 0.1


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "cpu:x", ""])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(DeviceError) as caught:
        Renderer(device)
    assert repr(device) in str(caught.value) and caught.value.remedy


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in KiB on Linux only")
def test_a_huge_frame_costs_its_own_size_and_not_more(renderer: Renderer) -> None:
    """8192 x 8192 pixels of colour are 1.07 GB: the frame itself, its way through, and no per-pixel work beside it."""
    camera = camera_at((-0.08, 0.1, 0.3), 8192, 8192, focal=600.0)
    draw(renderer, camera_at((-0.08, 0.1, 0.3)), one())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.monotonic()
    image = draw(renderer, camera, one(), passes=("rgba",))["rgba"]
    assert time.monotonic() - start < 60.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert image.shape == (8192, 8192, 4) and image[..., 3].max() > 0.9
    assert peak - before < 2.5 * image.nbytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in KiB on Linux only")
def test_a_hand_that_fills_a_large_frame_is_drawn_piece_by_piece(renderer: Renderer) -> None:
    draw(renderer, camera_at((-0.08, 0.1, 0.3)), one())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    camera = camera_at((-0.08, 0.0, 0.12), 1600, 1200, focal=5000.0)
    image = renderer.render(FrameRequest(camera, (HandInstance(HandPose.rest(), "a"),), EVERY_PASS[:1]))["rgba"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert (image[..., 3] > 0.9).mean() > 0.5
    # All samples at once would be 480 000 rays x 8 samples x 24 channels, several times over.
    assert peak - before < 600e6
