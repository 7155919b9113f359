"""Frames in which no hand is seen are pictures; and what a Blender engine is expected to heed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.helpers import flat_world, index_pass, make_scene, render_exr

pytestmark = pytest.mark.bpy


@pytest.fixture
def hand(addon, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    import bpy

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    scene, rig = make_scene(tiny_avatar, width=48, height=32)
    collection = bpy.data.collections.new("Hand")
    scene.collection.children.link(collection)
    for obj in (rig, *rig.children):
        scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    return scene, rig


def _layer(scene: Any) -> Any:
    return scene.view_layers[0].layer_collection.children["Hand"]


HIDDEN: dict[str, Callable[[Any, Any], object]] = {
    "hidden in renders": lambda scene, rig: setattr(rig, "hide_render", True),
    "excluded": lambda scene, rig: setattr(_layer(scene), "exclude", True),
    "indirect only": lambda scene, rig: setattr(_layer(scene), "indirect_only", True),
    "camera off": lambda scene, rig: setattr(rig, "visible_camera", False),
    "scaled to nothing": lambda scene, rig: setattr(rig, "scale", (0.0, 0.0, 0.0)),
    "no surfaces": lambda scene, rig: setattr(scene.view_layers[0], "use_solid", False),
    "behind the clip end": lambda scene, rig: setattr(scene.camera.data, "clip_end", 0.3),
    "before the clip start": lambda scene, rig: setattr(scene.camera.data, "clip_start", 2.0),
}


@pytest.mark.parametrize("how", HIDDEN)
@pytest.mark.parametrize("blur", [False, True])
def test_no_hand_in_sight_is_an_empty_picture(hand, tmp_path: Path, how: str, blur: bool) -> None:
    from livehand_blender.render import session

    scene, rig = hand
    scene.render.use_motion_blur, scene.livehand.motion_blur_steps = blur, 2
    HIDDEN[how](scene, rig)
    images = render_exr(scene, tmp_path / "empty.exr")
    assert not images["Combined.A"].any() and not images["Combined.R"].any()
    assert (images["Depth.Z"] == 1e10).all() and not images[f"{index_pass()}.X"].any()
    record = session.last_frame()
    assert record is not None and not record.error and not record.warnings and "No hand is seen" in record.note


def test_an_animation_goes_on_where_the_hand_is_hidden(hand, tmp_path: Path) -> None:
    import bpy

    scene, rig = hand
    for frame, hidden in ((1, False), (2, True), (3, False)):
        rig.hide_render = hidden
        rig.keyframe_insert("hide_render", frame=frame)
    scene.frame_start, scene.frame_end = 1, 3
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / "f_")
    assert bpy.ops.render.render(animation=True) == {"FINISHED"}
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("f_*.png"))]
    assert len(sizes) == 3 and sizes[1] < min(sizes[0], sizes[2])


def test_a_scene_without_any_hand_is_an_error(hand) -> None:
    import bpy

    _, rig = hand
    bpy.data.objects.remove(rig)
    with pytest.raises(RuntimeError, match="has no LiveHand hand"):
        bpy.ops.render.render()


def test_a_held_out_hand_is_a_hole_in_an_opaque_film(hand, tmp_path: Path) -> None:
    scene, _ = hand
    scene.world = flat_world((0.2, 0.4, 0.6))
    shown = render_exr(scene, tmp_path / "shown.exr")["Combined.A"]
    scene.render.film_transparent = False
    _layer(scene).holdout = True
    images = render_exr(scene, tmp_path / "hole.exr")
    np.testing.assert_allclose(images["Combined.A"], 1.0 - shown, atol=2e-3)
    np.testing.assert_allclose(images["Combined.B"], 0.6 * (1.0 - shown), atol=2e-3)
    assert shown.max() > 0.1


def test_the_world_of_the_view_layer_and_no_sky(hand, tmp_path: Path) -> None:
    scene, rig = hand
    rig.hide_render, scene.render.film_transparent = True, False
    scene.world = flat_world((0.2, 0.4, 0.6))
    layer = scene.view_layers[0]

    def colour() -> list[float]:
        images = render_exr(scene, tmp_path / "world.exr")
        return [float(images[f"Combined.{channel}"][3, 3]) for channel in "RGBA"]

    assert colour() == pytest.approx([0.2, 0.4, 0.6, 1.0], abs=1e-5)
    layer.use_sky = False
    assert colour() == pytest.approx([0.0, 0.0, 0.0, 1.0], abs=1e-5)
    layer.use_sky = True
    if hasattr(layer, "world_override"):
        layer.world_override = flat_world((1.0, 0.0, 0.0))
        assert colour() == pytest.approx([1.0, 0.0, 0.0, 1.0], abs=1e-5)
