"""Hands that are duplicated, appended, linked, overridden, deleted, attached and undone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_blender.rig.placement import find_knuckles, guess_wrist, placement, side_of_name
from livehand_core.errors import PoseError
from tests.blender.hands import SIDES, angles, bone, create, evaluated, mesh_points, shown

pytestmark = pytest.mark.bpy


def save_hand(path: Path) -> str:
    """A file with one posed hand in a collection "Hands"; gives the rig's name."""
    import bpy

    collection = bpy.data.collections.new("Hands")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.view_layer.active_layer_collection = bpy.context.view_layer.layer_collection.children["Hands"]
    rig = create("right", [1.0, -1.0] * 5)
    bpy.ops.livehand.pose_preset(gesture="POINT")
    bone(rig, "thumb_control").rotation_euler[0] = 0.3
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    return rig.name


def proxy(rig):
    from livehand_blender.rig.armature import proxy_meshes

    return proxy_meshes(rig)[0]


def test_a_duplicate_is_a_hand_of_its_own(addon) -> None:
    import bpy

    rig = create("right", [0.5] * 10)
    bpy.ops.livehand.pose_preset(gesture="FIST")
    before = mesh_points(rig)
    proxy(rig).select_set(True)
    rig.select_set(True)
    bpy.ops.object.duplicate()
    copy = bpy.context.object
    assert copy != rig and len(copy.children) == 1
    np.testing.assert_allclose(mesh_points(copy), before, atol=1e-6)
    copy.livehand.betas = (-2.0,) * 10
    bpy.ops.livehand.pose_preset(gesture="REST")
    bone(copy, "index_control").rotation_euler[0] = 0.5
    np.testing.assert_allclose(mesh_points(rig), before, atol=1e-6)
    assert angles(shown(copy))[0, 0] == pytest.approx(np.degrees(0.5) * 0.88, abs=0.1)
    assert shown(copy).betas[0] == -2.0 and shown(rig).betas[0] == pytest.approx(0.5)
    bone(rig, "index_control").rotation_euler[0] = -0.2
    assert angles(shown(copy))[0, 0] == pytest.approx(np.degrees(0.5) * 0.88, abs=0.1)


def test_a_linked_duplicate_has_a_shape_of_its_own(addon) -> None:
    import bpy

    rig = create()
    bpy.ops.object.duplicate(linked=True)
    copy = bpy.context.object
    assert copy.data == rig.data
    copy.livehand.betas = (2.0,) * 10
    heads = [np.array(evaluated(hand).pose.bones["index3.R"].head) for hand in (rig, copy)]
    assert np.linalg.norm(heads[0] - heads[1]) > 1e-3


def test_an_appended_hand_works(addon, tmp_path: Path) -> None:
    import bpy

    name = save_hand(tmp_path / "hand.blend")
    wanted, points = angles(shown(bpy.data.objects[name])), mesh_points(bpy.data.objects[name])
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "hand.blend")) as (_, target):
        target.collections = ["Hands"]
    bpy.context.scene.collection.children.link(bpy.data.collections["Hands"])
    rig = bpy.data.objects[name]
    np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.05)
    np.testing.assert_allclose(mesh_points(rig), points, atol=1e-6)
    rig.livehand.betas = (3.0,) * 10
    assert np.abs(mesh_points(rig) - points).max() > 1e-3
    bpy.context.view_layer.objects.active = rig
    assert bpy.ops.livehand.pose_preset(gesture="OK") == {"FINISHED"}


def test_a_linked_hand_shows_and_says_that_it_cannot_be_posed(addon, tmp_path: Path) -> None:
    import bpy

    name = save_hand(tmp_path / "hand.blend")
    wanted = angles(shown(bpy.data.objects[name]))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "hand.blend"), link=True) as (_, target):
        target.collections = ["Hands"]
    scene = bpy.context.scene
    scene.collection.children.link(target.collections[0])
    rig = bpy.data.objects[name]
    bpy.context.view_layer.objects.active = rig
    np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.05)
    for call in (bpy.ops.livehand.pose_preset, bpy.ops.livehand.set_ik, bpy.ops.livehand.import_motion):
        assert not call.poll()
    with pytest.raises(RuntimeError, match="linked"):
        bpy.ops.livehand.pose_preset(gesture="FIST")
    scene.frame_end = 2
    assert bpy.ops.livehand.export_motion(filepath=str(tmp_path / "out.npz")) == {"FINISHED"}


def test_an_overridden_hand_is_posed_keyed_and_shaped_and_stays_so(addon, tmp_path: Path) -> None:
    import bpy

    name = save_hand(tmp_path / "hand.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "hand.blend"), link=True) as (_, target):
        target.collections = ["Hands"]
    scene, layer = bpy.context.scene, bpy.context.view_layer
    linked = target.collections[0]
    scene.collection.children.link(linked)
    override = linked.override_hierarchy_create(scene, layer, do_fully_editable=True)
    rig = next(obj for obj in override.all_objects if obj.type == "ARMATURE")
    assert rig.override_library is not None and rig.name == name
    layer.objects.active = rig
    before = mesh_points(rig)
    assert bpy.ops.livehand.pose_preset(gesture="FIST", keyframe=True) == {"FINISHED"}
    rig.livehand.betas = (2.0,) * 10
    rig.livehand.avatar = "//mine.safetensors"
    bone(rig, "index_control").rotation_euler[0] = -0.3
    assert bpy.ops.livehand.set_ik(fingers={"THUMB"}) == {"FINISHED"}
    wanted, points = angles(shown(rig)), mesh_points(rig)
    assert np.abs(points - before).max() > 0.01
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    rig = next(obj for obj in bpy.context.scene.objects if obj.type == "ARMATURE" and obj.override_library)
    assert tuple(rig.livehand.betas) == (2.0,) * 10
    assert rig.livehand.avatar == "//mine.safetensors"
    assert bone(rig, "thumb3").constraints["LiveHand IK"].influence == 1.0
    np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.1)
    np.testing.assert_allclose(mesh_points(rig), points, atol=1e-4)


def test_hands_in_two_scenes_do_not_meet(addon) -> None:
    import bpy

    first = create("right")
    bpy.ops.livehand.pose_preset(gesture="FIST")
    wanted = angles(shown(first))
    other = bpy.data.scenes.new("Other")
    with bpy.context.temp_override(scene=other, view_layer=other.view_layers[0]):
        bpy.context.window.scene = other if bpy.context.window else None
        bpy.ops.livehand.add_hand(side="LEFT")
        left = other.objects["LiveHand Left"]
        assert [obj.name for obj in other.objects if obj.type == "ARMATURE"] == ["LiveHand Left"]
        bpy.ops.livehand.pose_preset(gesture="POINT")
        assert left.pose.bones["middle1.L"].rotation_quaternion.angle > 0.5
    np.testing.assert_allclose(angles(shown(first)), wanted, atol=1e-3)


def test_parts_of_a_hand_may_be_deleted(addon) -> None:
    import bpy

    rig = create()
    bpy.data.objects.remove(proxy(rig))
    rig.livehand.betas = (1.0,) * 10
    assert bpy.ops.livehand.pose_preset(gesture="FIST") == {"FINISHED"}
    bpy.ops.object.mode_set(mode="EDIT")
    for name in ("index_control.R", "fingers_control.R", "ring_ik.R"):
        rig.data.edit_bones.remove(rig.data.edit_bones[name])
    bpy.ops.object.mode_set(mode="OBJECT")
    assert bpy.ops.livehand.pose_preset(gesture="REST") == {"FINISHED"}
    assert bpy.ops.livehand.set_ik() == {"FINISHED"}
    np.testing.assert_allclose(angles(shown(rig)), 0.0, atol=1.0)
    bpy.data.objects.remove(rig)
    assert not bpy.ops.livehand.pose_preset.poll()
    other = create()
    mesh = proxy(other)
    bpy.data.objects.remove(other)
    bpy.context.view_layer.objects.active = mesh
    assert not bpy.ops.livehand.set_ik.poll()
    evaluated(mesh)


def make_character(side: str):
    """An armature with a hand bone and fingers that point along its +Y, palm down, thumb inwards; scaled by two."""
    import bpy

    inwards = -1.0 if side == "right" else 1.0
    letter = side[0].upper()
    armature = bpy.data.armatures.new("Character")
    character = bpy.data.objects.new("Character", armature)
    bpy.context.scene.collection.objects.link(character)
    character.scale, character.location = (2.0, 2.0, 2.0), (1.0, 2.0, 3.0)
    bpy.context.view_layer.objects.active = character
    bpy.ops.object.mode_set(mode="EDIT")
    hand = armature.edit_bones.new(f"hand.{letter}")
    hand.head, hand.tail = (0.0, 0.0, 0.0), (0.0, 0.1, 0.0)
    for finger, place in (("index", 0.03 * inwards), ("little", -0.03 * inwards)):
        child = armature.edit_bones.new(f"{finger}.01.{letter}")
        child.head, child.tail = (place, 0.1, 0.0), (place, 0.15, 0.0)
        child.parent = hand
    bpy.ops.object.mode_set(mode="OBJECT")
    return character


@pytest.mark.parametrize("side", SIDES)
def test_a_hand_hangs_on_a_characters_wrist(addon, side: str) -> None:
    import bpy
    from mathutils import Vector

    rig = create(side)
    bone(rig, "wrist").location = (0.5, 0.0, 0.0)
    character = make_character(side)
    character.select_set(True)
    rig.select_set(True)
    bpy.context.view_layer.objects.active = rig
    assert bpy.ops.livehand.attach() == {"FINISHED"}
    assert rig.parent == character and rig.parent_bone == f"hand.{side[0].upper()}"
    shown(rig)
    world = rig.matrix_world
    np.testing.assert_allclose(np.array(world @ bone(rig, "wrist").head), (1.0, 2.0, 3.0), atol=1e-5)
    knuckles = [np.array(world @ bone(rig, f"{finger}1").head) - (1, 2, 3) for finger in ("index", "pinky")]
    middle = np.mean(knuckles, axis=0)
    np.testing.assert_allclose(middle / np.linalg.norm(middle), (0, 1, 0), atol=0.1)
    assert np.linalg.norm(middle) == pytest.approx(0.2, rel=1e-3)
    inwards = -1.0 if side == "right" else 1.0
    assert (knuckles[0] - knuckles[1])[0] * inwards > 0.05
    # The palm (-Y at rest) faces down.
    palm = world.to_3x3() @ Vector((0.0, -1.0, 0.0))
    np.testing.assert_allclose(np.array(palm.normalized()), (0.0, 0.0, -1.0), atol=0.1)
    character.pose.bones[f"hand.{side[0].upper()}"].rotation_mode = "XYZ"
    character.pose.bones[f"hand.{side[0].upper()}"].rotation_euler = (0.0, 0.0, 1.0)
    shown(rig)
    moved = np.array(rig.matrix_world @ bone(rig, "middle1").head) - (1, 2, 3)
    assert np.degrees(np.arctan2(-moved[0], moved[1])) == pytest.approx(np.degrees(1.0), abs=8.0)
    before = np.array(rig.matrix_world)
    assert bpy.ops.livehand.detach() == {"FINISHED"} and rig.parent is None
    shown(rig)
    np.testing.assert_allclose(np.array(rig.matrix_world), before, atol=1e-5)
    assert bpy.ops.livehand.attach(armature="Character", align=False) == {"FINISHED"}
    shown(rig)
    np.testing.assert_allclose(np.array(rig.matrix_world), before, atol=1e-5)


def test_attaching_to_nothing_is_explained(addon) -> None:
    import bpy

    rig = create("right")
    with pytest.raises(RuntimeError, match="no character"):
        bpy.ops.livehand.attach()
    make_character("left")
    bpy.context.view_layer.objects.active = rig
    with pytest.raises(RuntimeError, match="has no bone ''"):
        bpy.ops.livehand.attach(armature="Character")
    with pytest.raises(RuntimeError, match="left hand's bone"):
        bpy.ops.livehand.attach(armature="Character", bone="hand.L")
    assert rig.parent is None


@pytest.mark.parametrize(
    ("name", "side"),
    [("hand.R", "right"), ("mixamorig:LeftHand", "left"), ("wrist_l", "left"), ("Bip01 R Hand", None), ("spine", None)],
)
def test_sides_are_read_off_names(name: str, side: str | None) -> None:
    assert side_of_name(name) == side


def test_the_plainest_hand_bone_is_the_wrist() -> None:
    names = ["ORG-hand.R", "hand.R", "hand_ik.R", "hand.L", "f_index.01.R"]
    assert guess_wrist(names, "right") == "hand.R" and guess_wrist(names, "left") == "hand.L"
    assert guess_wrist(["head", "foot.R"], "right") == ""


def test_knuckles_are_found_behind_palm_bones() -> None:
    heads = {
        "palm_index": np.array([0.01, 0.0, 0.0]),
        "f_index.01": np.array([0.09, 0.0, 0.02]),
        "f_index.02": np.array([0.13, 0.0, 0.02]),
        "f_pinky.01": np.array([0.08, 0.0, -0.03]),
    }
    index, pinky = find_knuckles(heads, np.zeros(3))
    assert index[0] == 0.09 and pinky[0] == 0.08
    assert find_knuckles({"f_index.01": np.ones(3)}, np.zeros(3)) is None
    with pytest.raises(PoseError, match="palm faces"):
        placement(np.zeros(3), np.array([1.0, 0, 0]), np.array([2.0, 0, 0]), "right")


def test_undo_takes_back_every_step(addon) -> None:
    """As in a session: an undo push after each operator, as Blender does when one is called from the interface."""
    import bpy

    bpy.ops.ed.undo_push(message="start")
    bpy.ops.livehand.add_hand()
    bpy.ops.ed.undo_push(message="add")
    bpy.ops.livehand.pose_preset(gesture="FIST")
    bpy.ops.ed.undo_push(message="pose")
    bpy.context.object.livehand.betas = (2.0,) * 10
    bpy.ops.ed.undo_push(message="shape")
    points = mesh_points(bpy.context.object)
    bpy.ops.ed.undo()
    rig = bpy.context.object
    assert shown(rig).betas[0] == 0.0 and np.abs(mesh_points(rig) - points).max() > 1e-3
    assert angles(shown(rig))[3, 0] > 60.0
    bpy.ops.ed.undo()
    np.testing.assert_allclose(angles(shown(bpy.context.object)), 0.0, atol=1e-3)
    bpy.ops.ed.redo()
    assert angles(shown(bpy.context.object))[3, 0] > 60.0
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    assert not [obj for obj in bpy.data.objects if obj.type == "ARMATURE"]
