"""Each view, each cut and each animated shutter is the very picture of a plain scene that is set so by hand.

Agreement of the composite with the engine would not show a fault that both share.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.exr import read_exr
from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy

INTEROCULAR, CONVERGENCE = 0.06, 0.8


@pytest.fixture
def scene(addon, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hand that moves, before a camera that moves otherwise, at a frame between keys."""
    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    scene, rig = make_scene(tiny_avatar, width=60, height=36)
    scene.livehand.motion_blur_steps = 3
    _key(rig, "location", (1, (-0.05, 0.0, 0.0)), (11, (0.05, 0.0, 0.0)))
    _key(scene.camera, "location", (1, (-0.09, -0.5, 0.02)), (11, (-0.09, -0.5, -0.02)))
    scene.frame_set(6)
    return scene


def _key(thing: Any, path: str, *pairs: tuple[float, Any]) -> None:
    """Linear keys of a property at frames."""
    from livehand_blender import compat

    owner, _, name = path.rpartition(".")
    for frame, value in pairs:
        setattr(thing.path_resolve(owner) if owner else thing, name, value)
        thing.keyframe_insert(path, frame=frame)
    for curve in compat.action_curves(thing):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def _camera(scene: Any, name: str, x: float, lens: float, turn: float = 0.0) -> Any:
    """A still camera with a lens of its own, ``x`` metres along, turned about its upright axis."""
    import bpy

    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (x, -0.5, 0.0), (math.pi / 2, 0.0, turn)
    camera.data.lens = lens
    return camera


def _render(scene: Any, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """The pictures of the frame: suffix of the view, empty without views -> channels."""
    import bpy

    from livehand_blender import compat

    compat.set_image_format(scene.render.image_settings, "OPEN_EXR")
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.views_format = "INDIVIDUAL"
    folder.mkdir()
    scene.render.filepath = str(folder / "p.exr")
    assert bpy.ops.render.render(write_still=True) == {"FINISHED"}
    return {path.stem[1:]: read_exr(path) for path in folder.glob("*.exr")}


def _plain(scene: Any, camera: Any, folder: Path) -> dict[str, np.ndarray]:
    """The frame without views and markers, by a camera."""
    scene.render.use_multiview = False
    scene.timeline_markers.clear()
    scene.camera = camera
    return _render(scene, folder)[""]


def _same(picture: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert wanted["A"].max() > 0.1, "the hand is seen"
    for channel in "RGBA":
        np.testing.assert_allclose(picture[channel], wanted[channel], atol=5e-4, err_msg=channel)


def _differ(*pictures: dict[str, np.ndarray]) -> None:
    """No two pictures are the same, so that one in another's place is noticed."""
    for index, picture in enumerate(pictures):
        for other in pictures[:index]:
            assert np.abs(picture["A"] - other["A"]).max() > 0.05


@pytest.mark.parametrize("blur", [False, True])
def test_each_camera_of_cameras_as_views_renders_its_own_view(scene, tmp_path: Path, blur: bool) -> None:
    """Three cameras of different lenses; the scene's own is neither the first nor the last."""
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = blur, 2.0
    cameras = {
        "_L": _camera(scene, "Eye_L", -0.12, 40.0),
        "_R": scene.camera,
        "_far": _camera(scene, "Eye_far", -0.03, 60.0, turn=0.1),
    }
    scene.camera.name = "Eye_R"
    scene.render.use_multiview, scene.render.views_format = True, "MULTIVIEW"
    scene.render.views.new("far").camera_suffix = "_far"
    views = _render(scene, tmp_path / "views")
    assert views.keys() == cameras.keys()
    _differ(*views.values())
    for suffix, camera in cameras.items():
        _same(views[suffix], _plain(scene, camera, tmp_path / f"plain{suffix}"))


def test_views_follow_a_cut_to_another_pair_of_cameras(scene, tmp_path: Path) -> None:
    before = [_camera(scene, f"Before_{side}", x, 50.0) for side, x in (("L", -0.11), ("R", -0.08))]
    after = [_camera(scene, f"After_{side}", x, 35.0) for side, x in (("L", -0.06), ("R", -0.02))]
    for frame, camera in ((1, before[0]), (6, after[0])):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    scene.render.use_multiview, scene.render.views_format = True, "MULTIVIEW"
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 2.0
    views = _render(scene, tmp_path / "views")
    _differ(*views.values())
    for suffix, camera in zip(("_L", "_R"), after, strict=True):
        _same(views[suffix], _plain(scene, camera, tmp_path / f"plain{suffix}"))


def _eye(mode: str, side: int) -> tuple[float, float, float]:
    """An eye's place along the camera's x axis, its turn to the left in radians and its shift in parts of the frame.

    By the settings' meaning: eyes are half the distance off the middle, and but for parallel ones they agree at the
    convergence distance: turned there, or by a shifted frame.
    """
    away = side * INTEROCULAR / 2
    if mode == "TOE":
        return away, math.atan2(away, CONVERGENCE), 0.0
    return away, 0.0, -away / CONVERGENCE * 50.0 / 36.0 if mode == "OFFAXIS" else 0.0


@pytest.mark.parametrize("mode", ["OFFAXIS", "PARALLEL", "TOE"])
def test_each_eye_is_a_plain_camera_in_its_place(scene, tmp_path: Path, mode: str) -> None:
    middle = _camera(scene, "Middle", -0.09, 50.0)
    stereo = middle.data.stereo
    stereo.convergence_mode, stereo.pivot = mode, "CENTER"
    stereo.interocular_distance, stereo.convergence_distance = INTEROCULAR, CONVERGENCE
    scene.camera, scene.render.use_multiview = middle, True
    views = _render(scene, tmp_path / "views")
    _differ(*views.values())
    for suffix, side in (("_L", -1), ("_R", 1)):
        away, turn, shift = _eye(mode, side)
        eye = _camera(scene, f"Plain{suffix}", -0.09 + away, 50.0, turn)
        eye.data.shift_x = shift
        _same(views[suffix], _plain(scene, eye, tmp_path / f"plain{suffix}"))


@pytest.mark.parametrize(("frame", "cut"), [(6, 6), (5, 6)])
def test_a_cut_under_the_shutter_is_the_frame_of_one_camera(scene, tmp_path: Path, frame: int, cut: int) -> None:
    """The shutter is open on both sides of the cut; the frame is all of the camera that it belongs to."""
    first, second = scene.camera, _camera(scene, "Second", -0.03, 35.0)
    for start, camera in ((1, first), (cut, second)):
        scene.timeline_markers.new(camera.name, frame=start).camera = camera
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 3.0
    scene.frame_set(frame)
    picture = _render(scene, tmp_path / "cut")[""]
    one, other = (second, first) if frame >= cut else (first, second)
    _same(picture, _plain(scene, one, tmp_path / "one"))
    _differ(picture, _plain(scene, other, tmp_path / "other"))


def _keyed(scene: Any) -> float:
    _key(scene, "render.motion_blur_shutter", (1, 0.5), (11, 6.5))
    return 3.5


def _driven(scene: Any) -> float:
    scene.driver_add("render.motion_blur_shutter").driver.expression = "frame / 2"
    return 3.0


@pytest.mark.parametrize("animate", [_keyed, _driven])
def test_an_animated_shutter_is_that_value_set_by_hand(scene, tmp_path: Path, animate: Callable[[Any], float]) -> None:
    scene.render.use_motion_blur = True
    scene.frame_set(1)
    value = animate(scene)
    scene.frame_set(6)
    picture = _render(scene, tmp_path / "animated")[""]
    scene.animation_data_clear()
    scene.render.motion_blur_shutter = value
    _same(picture, _plain(scene, scene.camera, tmp_path / "by hand"))
    scene.render.motion_blur_shutter = 0.5
    _differ(picture, _plain(scene, scene.camera, tmp_path / "another"))
