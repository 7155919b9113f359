"""Another armature's hand, as importers of FBX and BVH bring it, onto ours; whatever its rest pose and names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.hand.gestures import gesture
from livehand_core.motion.bone_names import PRESETS, preset_mapping
from livehand_core.poses import HandPose
from tests.blender.hands import angles, create, shown

pytestmark = pytest.mark.bpy

TAKE = ("open", "fist", "point")


def foreign(namer: dict[str, str], side: str = "right") -> Any:
    """An armature of another tool whose hand shows the take: copied from one of ours, its bones renamed, its rest pose
    a relaxed hand, turned, and a hundred times as large, as FBX files in centimetres come."""
    import bpy

    from livehand_blender.rig.pose import apply_pose

    ours = create(side)
    heads, tails = [], []
    for name in TAKE:
        apply_pose(ours, HandPose(np.array([0.3, 0.2, 0.1]), gesture(name, side), np.zeros(10), np.zeros(3), side))
        bpy.context.view_layer.update()
        heads.append({b.name: ours.matrix_world @ b.head for b in ours.pose.bones})
        tails.append({b.name: ours.matrix_world @ b.tail for b in ours.pose.bones})
    bpy.data.objects.remove(ours)
    armature = bpy.data.armatures.new("Tool")
    thing = bpy.data.objects.new("Tool", armature)
    bpy.context.collection.objects.link(thing)
    thing.scale = (100.0,) * 3
    bpy.context.view_layer.objects.active = thing
    bpy.ops.object.mode_set(mode="EDIT")
    bones = {}
    for point, bone in namer.items():
        if point.endswith("tip"):
            continue
        made = armature.edit_bones.new(bone)
        # Each bone on its own, at rest along z: only where it goes counts.
        made.head, made.tail = (0, 0, 0), (0, 0, 0.02)
        bones[point] = made.name
    bpy.ops.object.mode_set(mode="OBJECT")
    from mathutils import Matrix, Vector

    suffix = "R" if side == "right" else "L"
    for number in range(len(TAKE)):
        for point, bone in bones.items():
            head, tail = heads[number][f"{point}.{suffix}"], tails[number][f"{point}.{suffix}"]
            along = (tail - head).normalized()
            turn = Vector((0, 1, 0)).rotation_difference(along).to_matrix().to_4x4()
            stretch = Matrix.Scale((tail - head).length / 0.02, 4, Vector((0, 1, 0)))
            posed = thing.pose.bones[bone]
            posed.matrix = Matrix.Translation(head) @ turn @ stretch
            posed.rotation_mode = "QUATERNION"
            for channel in ("location", "rotation_quaternion", "scale"):
                posed.keyframe_insert(channel, frame=number + 1)
    return thing


def skinned(namer: dict[str, str]) -> Any:
    """One of our own hands under another tool's names, as a plain chain of bones that plays the take."""
    import bpy

    from livehand_blender.rig.pose import apply_pose

    thing = create("right")
    for number, name in enumerate(TAKE, 1):
        apply_pose(thing, HandPose(np.array([0.3, 0.2, 0.1]), gesture(name), np.zeros(10), np.zeros(3), "right"))
        for bone in thing.pose.bones:
            for channel in ("location", f"rotation_{'quaternion' if bone.rotation_mode == 'QUATERNION' else 'euler'}"):
                bone.keyframe_insert(channel, frame=number)
    for point, bone in namer.items():
        if not point.endswith("tip"):
            thing.pose.bones[f"{point}.R"].name = bone
    for child in thing.children:
        bpy.data.objects.remove(child)
    return thing


def select(*things: Any) -> None:
    import bpy

    for thing in bpy.context.view_layer.objects:
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[-1]


def assert_plays(rig: Any, first: int = 1) -> None:
    import bpy

    for number, name in enumerate(TAKE):
        bpy.context.scene.frame_set(number + first)
        true = HandPose(np.zeros(3), gesture(name), np.zeros(10), np.zeros(3), "right")
        assert np.abs(angles(shown(rig)) - angles(true)).mean() < 2.5


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "LiveHand"])
def test_the_hand_of_a_known_tool(addon: None, preset: str) -> None:
    import bpy

    source = foreign(preset_mapping(preset, "right"))
    rig = create()
    bpy.context.scene.frame_end = len(TAKE)
    select(source, rig)
    assert bpy.ops.livehand.motion_from_armature() == {"FINISHED"}
    assert rig.animation_data.action.name == "Tool hand"
    assert_plays(rig)


@pytest.mark.parametrize("preset", ["Mixamo", "Rokoko", "Rigify", "MPFB"])
def test_the_hand_of_an_fbx_file(addon: None, preset: str, tmp_path: Path) -> None:
    import bpy

    source, file = skinned(preset_mapping(preset, "right")), str(tmp_path / "tool.fbx")
    select(source)
    bpy.context.scene.frame_end = len(TAKE)
    bpy.ops.export_scene.fbx(
        filepath=file, use_selection=True, add_leaf_bones=preset == "Mixamo", bake_anim_simplify_factor=0.0
    )
    bpy.data.objects.remove(source)
    bpy.ops.import_scene.fbx(filepath=file)
    (imported,) = [thing for thing in bpy.context.selected_objects if thing.type == "ARMATURE"]
    rig = create()
    # All of the action is taken, wherever the importer put it and the scene ends.
    bpy.context.scene.frame_end = 2
    first = round(imported.animation_data.action.frame_range[0])
    select(imported, rig)
    assert bpy.ops.livehand.motion_from_armature() == {"FINISHED"}
    assert_plays(rig, first)


def test_the_other_hand_is_mirrored(addon: None) -> None:
    import bpy

    source = foreign(preset_mapping("Mixamo", "left"), "left")
    rig = create("right")
    bpy.context.scene.frame_end = len(TAKE)
    select(source, rig)
    assert bpy.ops.livehand.motion_from_armature() == {"FINISHED"}
    assert_plays(rig)


def test_a_mapping_of_one_s_own_and_what_is_refused(addon: None, tmp_path: Path) -> None:
    import bpy

    mapping = {point: f"Knochen {point}" for point in preset_mapping("Rigify", "right")}
    source = foreign(mapping)
    rig = create()
    bpy.context.scene.frame_end = len(TAKE)
    select(source, rig)
    with pytest.raises(RuntimeError, match="were not found"):
        bpy.ops.livehand.motion_from_armature()
    file = tmp_path / "names.json"
    file.write_text(json.dumps(mapping))
    assert bpy.ops.livehand.motion_from_armature(mapping=str(file)) == {"FINISHED"}
    assert_plays(rig)
    file.write_text("[1, 2]")
    with pytest.raises(RuntimeError, match="no table of names"):
        bpy.ops.livehand.motion_from_armature(mapping=str(file))
    with pytest.raises(RuntimeError, match="no frame to take"):
        bpy.ops.livehand.motion_from_armature(frame_start=9, frame_end=3)
    select(rig)
    assert not bpy.ops.livehand.motion_from_armature.poll()
