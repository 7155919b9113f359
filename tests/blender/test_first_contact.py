"""From an empty scene to a picture: a camera that sees the hand, menus, and why a button is greyed out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.hands import create, evaluated
from tests.blender.layout import draw
from tests.blender.test_hand_files import save_hand

pytestmark = pytest.mark.bpy


def add_camera(location: tuple[float, float, float], rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Any:
    import bpy

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    bpy.context.scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = location, rotation
    bpy.context.scene.camera = camera
    bpy.context.view_layer.update()
    return camera


def blenders_first_camera() -> Any:
    """As the file that Blender starts with has it."""
    return add_camera((7.3589, -6.9258, 4.9583), (1.1093, 0.0, 0.8149))


def pixels(rig: Any) -> np.ndarray:
    """(V, 2) where the scene's camera sees the skin."""
    import bpy
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    from tests.blender.hands import mesh_points

    scene = bpy.context.scene
    places = [world_to_camera_view(scene, scene.camera, Vector(point)) for point in mesh_points(rig)]
    return np.array(places)[:, :2]


@pytest.mark.parametrize("size", [1.0, 0.01, 3.0])
@pytest.mark.parametrize("shape", [(1920, 1080), (400, 900)])
def test_the_button_brings_a_camera_that_sees_the_whole_hand(addon, size: float, shape: tuple[int, int]) -> None:
    import bpy

    scene, first = bpy.context.scene, blenders_first_camera()
    place = np.array(first.matrix_world)
    scene.render.resolution_x, scene.render.resolution_y = shape
    bpy.ops.livehand.add_hand(location=(1.0, 2.0, 0.5), rotation=(0.3, 1.0, 2.0), scale=size)
    rig = bpy.context.object
    bpy.ops.livehand.pose_preset(gesture="POINT")
    assert bpy.ops.livehand.use_engine(camera=True) == {"FINISHED"}
    assert scene.render.engine == "LIVEHAND" and scene.camera != first
    np.testing.assert_allclose(np.array(first.matrix_world), place)
    seen = pixels(rig)
    assert seen.min() > 0.0 and seen.max() < 1.0
    assert np.ptp(seen, axis=0).max() > 0.6
    made = scene.camera
    rig.location.x += 10.0 * size
    evaluated(rig)
    assert bpy.ops.livehand.camera_on_hand() == {"FINISHED"}
    assert scene.camera == made, "a second camera, where the first could be moved"
    seen = pixels(rig)
    assert seen.min() > 0.0 and seen.max() < 1.0


def test_scripts_and_cameras_that_see_the_hand_are_left_alone(addon) -> None:
    import bpy

    scene, first = bpy.context.scene, blenders_first_camera()
    rig = create()
    assert bpy.ops.livehand.use_engine() == {"FINISHED"} and scene.camera == first
    near = add_camera((-0.09, -0.5, 0.0), (np.pi / 2, 0.0, 0.0))
    bpy.ops.livehand.use_engine(camera=True)
    assert scene.camera == near
    near.location.y = 0.5
    evaluated(rig)
    bpy.ops.livehand.use_engine(camera=True)
    assert scene.camera != near, "the hand is behind that camera"


@pytest.mark.parametrize("held", ["keyed", "parent", "constraint"])
def test_a_camera_that_is_held_is_never_moved(addon, held: str) -> None:
    import bpy

    camera = blenders_first_camera()
    rig = create()
    if held == "keyed":
        camera.keyframe_insert("location", frame=1)
    elif held == "parent":
        camera.parent = bpy.data.objects.new("Dolly", None)
    else:
        camera.constraints.new("TRACK_TO")
    evaluated(rig)
    place = np.array(camera.matrix_world)
    with pytest.raises(RuntimeError, match="not moved: it"):
        bpy.ops.livehand.camera_on_hand(which="MOVE")
    np.testing.assert_array_equal(np.array(camera.matrix_world), place)
    camera.animation_data_clear()
    camera.parent = None
    camera.constraints.clear()
    assert bpy.ops.livehand.camera_on_hand(which="MOVE") == {"FINISHED"}
    assert bpy.context.scene.camera == camera and pixels(rig).min() > 0.0 and pixels(rig).max() < 1.0


def test_markers_that_choose_cameras_are_heeded(addon) -> None:
    import bpy

    scene = bpy.context.scene
    scene.timeline_markers.new("cut", frame=1).camera = blenders_first_camera()
    create()
    with pytest.raises(RuntimeError, match="Markers"):
        bpy.ops.livehand.camera_on_hand()
    assert bpy.ops.livehand.use_engine(camera=True) == {"FINISHED"}
    assert scene.camera.name == "Camera" and len(bpy.data.cameras) == 1


def test_a_hand_is_life_size_in_the_scenes_units(addon) -> None:
    import bpy

    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "METRIC", 0.01
    bpy.ops.livehand.add_hand()
    assert bpy.context.object.scale[0] == pytest.approx(100.0)
    units.system = "NONE"
    bpy.ops.livehand.add_hand(scale=2.0)
    assert bpy.context.object.scale[0] == pytest.approx(2.0)


def operators() -> list[str]:
    """All operators of the add-on by name."""
    import bpy

    return [name for name in dir(bpy.ops.livehand) if not name.startswith("__")]


def refusals() -> dict[str, str]:
    """What each operator that cannot run now says of it."""
    import bpy

    said = {}
    for name in operators():
        call = getattr(bpy.ops.livehand, name)
        if not call.poll():
            with pytest.raises(RuntimeError) as caught:
                call()
            said[name] = str(caught.value)
    return said


def test_every_greyed_button_says_why(addon, tmp_path: Path) -> None:
    import bpy

    found = [refusals()]
    name = save_hand(tmp_path / "hand.blend")
    bpy.ops.object.mode_set(mode="POSE")
    found.append(refusals())
    bpy.ops.object.mode_set(mode="OBJECT")
    found.append(refusals())
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "hand.blend"), link=True) as (_, target):
        target.collections = ["Hands"]
    bpy.context.scene.collection.children.link(target.collections[0])
    bpy.context.view_layer.objects.active = bpy.data.objects[name]
    found.append(refusals())
    for said in found:
        assert said, "no operator was refused"
        for operator, text in said.items():
            assert "context is incorrect" not in text, f"{operator} is greyed out without a reason"
    assert {"pose_preset", "avatar_use", "train_follow", "mesh_from_avatar", "camera_on_hand"} <= set(found[0])
    assert "linked" in found[3]["avatar_use"] and "linked" in found[3]["train_follow"]


def test_panels_grey_nothing_out_by_themselves() -> None:
    """A layout that is switched off cannot say why; a poll can. Settings may be: their reason stands beside them."""
    folder = Path(__file__).resolve().parents[2] / "livehand_blender" / "ui"
    for path in folder.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if ".enabled = " in line:
                after = " ".join(lines[number : number + 3])
                assert "operator(" not in after, f"{path.name}:{number + 1}"


def test_a_linked_hands_avatar_is_not_said_to_be_set(addon, tmp_path: Path) -> None:
    import bpy

    name = save_hand(tmp_path / "hand.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    own = create("left")
    with bpy.data.libraries.load(str(tmp_path / "hand.blend"), link=True) as (_, target):
        target.collections = ["Hands"]
    bpy.context.scene.collection.children.link(target.collections[0])
    linked = bpy.data.objects[name]
    own.select_set(False)
    bpy.context.view_layer.objects.active = linked
    with pytest.raises(RuntimeError, match="linked"):
        bpy.ops.livehand.avatar_use(path="/some.safetensors")
    own.select_set(True)
    linked.select_set(True)
    assert bpy.ops.livehand.avatar_use(path="/some.safetensors") == {"FINISHED"}
    assert own.livehand.avatar == "/some.safetensors" and linked.livehand.avatar == ""


def test_blenders_menus_offer_files(addon) -> None:
    from types import SimpleNamespace

    from livehand_blender.ui import menus

    texts = [draw(SimpleNamespace(draw=entry), None) for _, entry in menus._ENTRIES[1:]]
    assert texts == [
        [
            "LiveHand Motion (.npz, .json)",
            "LiveHand Capture (Data Set)",
            "LiveHand Capture (Videos)",
            "LiveHand Avatar (.safetensors, .tar)",
        ],
        ["LiveHand Motion (.npz, .json)"],
    ]


def test_the_tab_leads_to_a_picture(addon) -> None:
    import bpy

    from livehand_blender.ui.panels import LIVEHAND_PT_hand

    scene = bpy.context.scene
    blenders_first_camera()
    create()
    assert draw(LIVEHAND_PT_hand, bpy.context)[1] == ""
    scene.render.engine = "LIVEHAND"
    assert {"New Camera", "Move It"} <= set(draw(LIVEHAND_PT_hand, bpy.context))
    bpy.ops.livehand.camera_on_hand()
    assert "New Camera" not in draw(LIVEHAND_PT_hand, bpy.context)
    scene.camera = None
    texts = draw(LIVEHAND_PT_hand, bpy.context)
    assert "New Camera" in texts and "Move It" not in texts


def test_a_picture_takes_its_place_without_moving_anything() -> None:
    from tests.blender.layout import Layout

    pytest.importorskip("bpy")
    from livehand_blender.ui.disclosure import draw_picture

    layout = Layout({"NONE"}, [])
    draw_picture(layout, 7, 8.0, "Being made")
    assert layout.texts == ["picture 8"]
    place = []

    class Place(Layout):
        def row(self, **options: Any) -> Layout:
            place.append(Layout({"NONE"}, self.texts))
            return place[0]

    draw_picture(Place({"NONE"}, layout.texts), 0, 8.0, "Being made")
    assert layout.texts[-1] == "Being made" and place[0].scale_y == 8.0
