"""Blender's camera against the core's, over random settings of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_blender.render.camera import (
    FrameView,
    border_pixels,
    core_camera,
    exact_region_camera,
    read_view,
    region_camera,
)
from livehand_core.cameras import Camera
from livehand_core.errors import CameraError

pytestmark = pytest.mark.bpy


def _random_scene(rng: np.random.Generator):
    import bpy
    from mathutils import Euler, Matrix

    scene = bpy.context.scene
    lens = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", lens)
    scene.collection.objects.link(camera)
    scene.camera = camera
    lens.type = str(rng.choice(["PERSP", "ORTHO"]))
    lens.sensor_fit = str(rng.choice(["AUTO", "HORIZONTAL", "VERTICAL"]))
    lens.lens = rng.uniform(18, 120)
    lens.sensor_width, lens.sensor_height = rng.uniform(10, 60, 2)
    lens.ortho_scale = rng.uniform(0.1, 2.0)
    lens.shift_x, lens.shift_y = rng.uniform(-0.5, 0.5, 2)
    parent = bpy.data.objects.new("Parent", None)
    scene.collection.objects.link(parent)
    camera.parent = parent
    scale = rng.uniform(0.3, 3.0)
    parent.matrix_world = Matrix.LocRotScale(rng.normal(size=3), Euler(rng.uniform(-3, 3, 3)), (scale,) * 3)
    camera.matrix_local = Matrix.LocRotScale(rng.normal(size=3), Euler(rng.uniform(-3, 3, 3)), None)
    camera.scale = (1.0, 2.0, 0.5) if rng.random() < 0.3 else (1.0, 1.0, 1.0)
    render = scene.render
    render.resolution_x, render.resolution_y = (int(v) for v in rng.integers(64, 900, 2))
    render.resolution_percentage = int(rng.integers(20, 200))
    render.pixel_aspect_x, render.pixel_aspect_y = rng.uniform(1.0, 2.0, 2)
    bpy.context.view_layer.update()
    return scene, camera


@pytest.mark.parametrize("seed", range(40))
def test_projects_as_blender_does(empty_scene, seed: int) -> None:
    import bpy

    rng = np.random.default_rng(seed)
    scene, camera_object = _random_scene(rng)
    view = read_view(scene, camera_object)
    core = core_camera(view)
    assert (core.width, core.height) == (view.width, view.height)
    depth = rng.uniform(0.5, 5.0, 20)
    pixels = rng.uniform(0, 1, (20, 2)) * [core.width, core.height]
    local = np.stack([(pixels[:, 0] - core.cx) / core.fx, (pixels[:, 1] - core.cy) / core.fy, np.ones(20)], axis=1)
    local *= depth[:, None]
    if core.projection == "orthographic":
        local = np.stack([local[:, 0] / depth, local[:, 1] / depth, depth], axis=1)
    points = local @ core.camera_to_world[:3, :3].T + core.camera_to_world[:3, 3]
    projected, _ = core.project(points)
    np.testing.assert_allclose(projected, pixels, atol=1e-6 * core.width)

    clip = camera_object.calc_matrix_camera(
        bpy.context.evaluated_depsgraph_get(),
        x=view.width,
        y=view.height,
        scale_x=view.pixel_aspect[0],
        scale_y=view.pixel_aspect[1],
    )
    unscaled = np.array(camera_object.matrix_world.normalized().inverted())
    h = np.c_[points, np.ones(20)] @ (np.array(clip) @ unscaled).T
    ndc = h[:, :2] / h[:, 3:]
    expected = np.stack([(ndc[:, 0] + 1) / 2 * view.width, (1 - ndc[:, 1]) / 2 * view.height], axis=1)
    np.testing.assert_allclose(projected, expected, atol=2e-3 * max(core.width, core.height) / 500)


@pytest.mark.parametrize("seed", range(10))
def test_square_pixels_agree_with_world_to_camera_view(empty_scene, seed: int) -> None:
    import bpy
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    rng = np.random.default_rng(100 + seed)
    scene, camera_object = _random_scene(rng)
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    camera_object.scale = (1.0, 1.0, 1.0)
    # view_frame, which world_to_camera_view relies on, reads the scene's resolution without its percentage.
    scene.render.resolution_percentage = 100
    bpy.context.view_layer.update()
    core = core_camera(read_view(scene, camera_object))
    forward = core.camera_to_world[:3, 2]
    points = core.camera_to_world[:3, 3] + 3.0 * forward + rng.uniform(-0.2, 0.2, (8, 3))
    seen = np.array([world_to_camera_view(scene, camera_object, Vector(p)) for p in points])
    projected, _ = core.project(points)
    expected = np.stack([seen[:, 0] * core.width, (1 - seen[:, 1]) * core.height], axis=1)
    np.testing.assert_allclose(projected, expected, atol=2e-4 * max(core.width, core.height))


def _view(**changes) -> FrameView:
    values = {
        "matrix_world": np.eye(4),
        "kind": "PERSP",
        "lens": 50.0,
        "sensor_width": 36.0,
        "sensor_height": 24.0,
        "sensor_fit": "AUTO",
        "ortho_scale": 1.0,
        "shift": (0.0, 0.0),
        "width": 200,
        "height": 100,
        "pixel_aspect": (1.0, 1.0),
    }
    return FrameView(**{**values, **changes})


def test_border_is_a_window_of_the_full_frame() -> None:
    full, part = core_camera(_view()), core_camera(_view(border=(0.25, 0.5, 0.1, 0.4)))
    assert (part.width, part.height) == (50, 30)
    point = np.array([0.1, -0.05, -2.0])
    np.testing.assert_allclose(part.project(point)[0] + [50, 60], full.project(point)[0])


def test_zero_size_border_is_refused() -> None:
    with pytest.raises(CameraError, match="nothing to render"):
        border_pixels(_view(border=(0.5, 0.5, 0.0, 1.0)))


def test_panoramic_camera_is_refused() -> None:
    with pytest.raises(CameraError, match="panoramic"):
        core_camera(_view(kind="PANO"))


def test_mirrored_camera_is_refused() -> None:
    with pytest.raises(CameraError, match="mirrored"):
        core_camera(_view(matrix_world=np.diag([-1.0, 1.0, 1.0, 1.0])))


def test_missing_camera_and_wrong_object_are_refused(empty_scene) -> None:
    import bpy

    scene = bpy.context.scene
    with pytest.raises(CameraError, match="no camera"):
        read_view(scene, None)
    with pytest.raises(CameraError, match="Choose a camera"):
        read_view(scene, bpy.data.objects.new("Empty", None))


@pytest.mark.parametrize("seed", range(20))
def test_region_camera_is_the_camera_of_its_matrices(empty_scene, seed: int) -> None:
    """A view's two matrices, here those of Blender's own camera, say the same as the camera's settings."""
    import bpy

    scene, camera_object = _random_scene(np.random.default_rng(seed))
    view = read_view(scene, camera_object)
    expected = core_camera(view)
    window = camera_object.calc_matrix_camera(
        bpy.context.evaluated_depsgraph_get(),
        x=view.width,
        y=view.height,
        scale_x=view.pixel_aspect[0],
        scale_y=view.pixel_aspect[1],
    )
    seen = region_camera(camera_object.matrix_world.normalized().inverted(), window, view.width, view.height)
    assert seen.projection == expected.projection
    for name in ("fx", "fy", "cx", "cy"):
        assert getattr(seen, name) == pytest.approx(getattr(expected, name), rel=1e-4, abs=0.05), name
    np.testing.assert_allclose(seen.camera_to_world, expected.camera_to_world, atol=1e-5)


def _rounded(camera: Camera) -> Camera:
    """A camera as a 3D view's float32 matrices give it."""
    random = np.random.default_rng(1)
    matrix = np.array(camera.camera_to_world)
    matrix[:3] += random.normal(scale=3e-8, size=(3, 4))
    lens = {name: getattr(camera, name) * (1.0 + random.normal(scale=1e-7)) for name in ("fx", "fy", "cx", "cy")}
    return replace(camera, camera_to_world=matrix, **lens)


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_a_region_of_the_frames_size_has_the_frames_camera(kind: str) -> None:
    frame = core_camera(_view(kind=kind, shift=(0.1, -0.05)))
    same = exact_region_camera(_rounded(frame), frame)
    assert same.to_json() == frame.to_json()
    # A view that shows a little more on two sides, by whole pixels.
    wider = frame.crop(-7, -11, frame.width + 20, frame.height + 30)
    assert exact_region_camera(_rounded(wider), frame).to_json() == wider.to_json()


def test_a_zoomed_region_keeps_its_zoom_and_the_cameras_place() -> None:
    frame = core_camera(_view())
    zoomed = frame.resized(round(1.37 * frame.width), round(1.37 * frame.height)).crop(5, 9, 300, 200)
    found = exact_region_camera(_rounded(zoomed), frame)
    np.testing.assert_array_equal(found.camera_to_world, frame.camera_to_world)
    for name in ("fx", "fy", "cx", "cy"):
        assert getattr(found, name) == pytest.approx(getattr(zoomed, name), rel=1e-5), name
    assert (found.width, found.height) == (300, 200)


def test_a_view_that_is_still_on_its_way_keeps_its_own_camera() -> None:
    frame = core_camera(_view())
    matrix = np.array(frame.camera_to_world)
    matrix[0, 3] += 0.01
    elsewhere = replace(frame, camera_to_world=matrix)
    assert exact_region_camera(elsewhere, frame) is elsewhere
