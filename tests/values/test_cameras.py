"""Camera: projection against the matrix formula, crops, resizing, validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.cameras import OPENGL_TO_OPENCV, Camera, look_at
from livehand_core.errors import CameraError
from livehand_core.rotations import axis_angle_to_matrix

POINTS = np.random.default_rng(0).normal(0, 0.05, (20, 3))


def make_camera(projection: str = "perspective") -> Camera:
    matrix = look_at(np.array([0.2, -0.4, 0.3]), np.zeros(3), np.array([0.0, 0.0, 1.0]))
    return Camera(334, 512, 700.0, 690.0, 160.0, 250.0, matrix, projection)


def test_projection_is_k_times_world_to_camera() -> None:
    camera = make_camera()
    homogeneous = np.concatenate([POINTS, np.ones((20, 1))], axis=1)
    image = camera.intrinsics @ (np.linalg.inv(camera.camera_to_world) @ homogeneous.T)[:3]
    pixels, depth = camera.project(POINTS)
    np.testing.assert_allclose(pixels, (image[:2] / image[2]).T)
    np.testing.assert_allclose(depth, image[2])


def test_other_pixels_keep_the_place() -> None:
    camera = make_camera()
    other = camera.with_pixels(width=31, fx=100.0, cx=3.0, pixel_offset=0.0)
    assert other.to_json() == replace(camera, width=31, fx=100.0, cx=3.0, pixel_offset=0.0).to_json()
    assert make_camera().to_json() == camera.to_json()
    np.testing.assert_array_equal(other.world_to_camera, camera.world_to_camera)
    assert not other.world_to_camera.flags.writeable
    for bad in ({"width": 0}, {"cx": float("inf")}, {"fy": -1.0}):
        with pytest.raises(CameraError):
            camera.with_pixels(**bad)


def test_look_at_puts_the_target_in_front_and_up_upwards() -> None:
    matrix = look_at(np.array([0.2, -0.4, 0.3]), np.zeros(3), np.array([0.0, 0.0, 1.0]))
    camera = replace(make_camera(), camera_to_world=matrix)
    (pixel,), (depth,) = camera.project(np.zeros((1, 3)))
    np.testing.assert_allclose(pixel, [camera.cx, camera.cy], atol=1e-9)
    assert depth == pytest.approx(np.linalg.norm([0.2, 0.4, 0.3]))
    (higher,), _ = camera.project(np.array([[0.0, 0.0, 0.1]]))
    assert higher[1] < pixel[1]
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)


def test_look_at_along_up_is_still_a_rotation() -> None:
    matrix = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_crop_and_resize_move_pixels_as_they_say(projection: str) -> None:
    camera = make_camera(projection)
    pixels, _ = camera.project(POINTS)
    np.testing.assert_allclose(camera.crop(10, 20, 50, 60).project(POINTS)[0], pixels - [10, 20])
    np.testing.assert_allclose(camera.resized(167, 256).project(POINTS)[0], pixels * 0.5)


def test_moving_world_and_camera_together_changes_nothing() -> None:
    camera, rotation, shift = make_camera(), axis_angle_to_matrix(np.array([1.0, 2.0, 0.5])), np.array([3.0, 1.0, 2.0])
    moved = camera.moved(rotation, shift).project(POINTS @ rotation.T + shift)[0]
    np.testing.assert_allclose(moved, camera.project(POINTS)[0], atol=1e-8)


def test_json_round_trip() -> None:
    camera = make_camera("orthographic")
    assert Camera.from_json(camera.to_json()).to_json() == camera.to_json()
    with pytest.raises(CameraError, match="incomplete"):
        Camera.from_json({"width": 3})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 0}, "0 x 512"),
        ({"height": 100000}, "100000"),
        ({"fx": 0.0}, "not positive"),
        ({"cx": float("nan")}, "not finite"),
        ({"camera_to_world": np.diag([1.0, 2.0, 1.0, 1.0])}, "scaled or sheared"),
        ({"projection": "fisheye"}, "fisheye"),
    ],
)
def test_bad_cameras_are_named(changes: dict, words: str) -> None:
    with pytest.raises(CameraError, match=words):
        replace(make_camera(), **changes)


def test_opengl_axes_flip_y_and_z() -> None:
    np.testing.assert_array_equal(OPENGL_TO_OPENCV @ [1.0, 1.0, -1.0, 1.0], [1.0, -1.0, 1.0, 1.0])
