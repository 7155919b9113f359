"""The rig in Blender: bones, limits, skin, shape, and poses there and back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from livehand_core.hand.limits import JOINT_AXES
from livehand_core.poses import JOINT_NAMES, HandPose
from livehand_core.rotations import axis_angle_to_matrix

pytestmark = pytest.mark.bpy
SIDES = ("right", "left")


def _create(side: str = "right", betas: object = None):
    import bpy

    from livehand_blender.rig.armature import create_hand

    return create_hand(bpy.context, side, np.zeros(10) if betas is None else betas)


def _evaluated(rig):
    import bpy

    bpy.context.view_layer.update()
    return rig.evaluated_get(bpy.context.evaluated_depsgraph_get())


def _mesh_points(rig) -> np.ndarray:
    """(V, 3) world positions of the evaluated proxy mesh."""
    from livehand_blender.rig.armature import proxy_meshes

    proxy = _evaluated(proxy_meshes(rig)[0])
    points = np.array([vertex.co for vertex in proxy.data.vertices], dtype=np.float64)
    world = np.array(proxy.matrix_world)
    return points @ world[:3, :3].T + world[:3, 3]


def _random_pose(rng: np.random.Generator, side: str, betas: np.ndarray) -> HandPose:
    turns = rng.normal(size=(16, 3))
    turns *= rng.uniform(0.0, 3.0, (16, 1)) / np.linalg.norm(turns, axis=1, keepdims=True)
    return HandPose(turns[0], turns[1:], betas, rng.normal(size=3), side)


def _random_transform(rng: np.random.Generator):
    from mathutils import Euler, Matrix

    return Matrix.LocRotScale(rng.normal(size=3), Euler(rng.uniform(-3, 3, 3)), (rng.uniform(0.1, 10.0),) * 3)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("seed", range(6))
def test_pose_there_and_back(addon, side: str, seed: int) -> None:
    """Any object transform, any parent, any roll."""
    import bpy

    from livehand_blender.rig.pose import apply_pose, read_pose, set_limits

    rng = np.random.default_rng(seed)
    betas = rng.uniform(-2, 2, 10).astype(np.float32).astype(np.float64)
    rig = _create(side, betas)
    set_limits(rig, False)
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.matrix_world = _random_transform(rng)
    rig.parent = parent
    rig.matrix_local = _random_transform(rng)
    if seed % 2:
        bpy.ops.object.mode_set(mode="EDIT")
        for bone in rig.data.edit_bones:
            bone.roll = rng.uniform(-3, 3)
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.update()

    pose = _random_pose(rng, side, betas)
    apply_pose(rig, pose)
    read, scale = read_pose(_evaluated(rig))
    assert scale == pytest.approx(np.cbrt(rig.matrix_world.determinant()), rel=1e-5)
    expected, found = (
        axis_angle_to_matrix(pose.full_pose.reshape(16, 3)),
        axis_angle_to_matrix(read.full_pose.reshape(16, 3)),
    )
    angles = np.arccos(np.clip((np.einsum("nij,nij->n", expected, found) - 1) / 2, -1, 1))
    # arccos near 1 is coarse; the chord is not.
    chords = np.linalg.norm(expected - found, axis=(1, 2)) / np.sqrt(2)
    assert chords.max() < 1e-5 and angles.max() < 1e-3
    np.testing.assert_allclose(read.transl, pose.transl, atol=2e-6 * max(1.0, 1.0 / scale))
    np.testing.assert_array_equal(read.betas, pose.betas)


@pytest.mark.parametrize("mode", ["QUATERNION", "AXIS_ANGLE", "XYZ", "ZYX"])
def test_every_rotation_mode_takes_a_pose(addon, mode: str) -> None:
    from livehand_blender.rig.pose import apply_pose, read_pose, set_limits

    rig = _create()
    set_limits(rig, False)
    for bone in rig.pose.bones:
        bone.rotation_mode = mode
    pose = _random_pose(np.random.default_rng(3), "right", np.zeros(10))
    pose = replace(pose, hand_pose=0.4 * pose.hand_pose)
    apply_pose(rig, pose)
    read, _ = read_pose(_evaluated(rig))
    np.testing.assert_allclose(read.full_pose, pose.full_pose, atol=1e-5)


def test_constraints_actions_and_drivers_count(addon) -> None:
    import bpy

    from livehand_blender.rig.pose import read_pose

    rig = _create()
    target = bpy.data.objects.new("Target", None)
    bpy.context.scene.collection.objects.link(target)
    target.rotation_euler = (0.5, 0.0, 0.0)
    copy = rig.pose.bones["index2.R"].constraints.new("COPY_ROTATION")
    copy.target, copy.target_space, copy.owner_space = target, "WORLD", "LOCAL"

    thumb = rig.pose.bones["thumb3.R"]
    thumb.rotation_mode = "XYZ"
    for frame, angle in ((1, 0.0), (11, 1.0)):
        thumb.rotation_euler = (angle, 0.0, 0.0)
        thumb.keyframe_insert("rotation_euler", frame=frame)
    rig.pose.bones["middle2.R"].rotation_mode = "XYZ"
    rig.pose.bones["middle2.R"].driver_add("rotation_euler", 0).driver.expression = "0.25"
    bpy.context.scene.frame_set(11)
    pose, _ = read_pose(_evaluated(rig))
    joints = dict(zip(JOINT_NAMES[1:], pose.hand_pose, strict=True))
    for name, angle in (("index2", 0.5), ("thumb3", 1.0), ("middle2", 0.25)):
        axis = JOINT_AXES[JOINT_NAMES.index(name) - 1, 0]
        np.testing.assert_allclose(joints[name], angle * axis, atol=1e-5)
    bpy.context.scene.frame_set(1)
    pose, _ = read_pose(_evaluated(rig))
    np.testing.assert_allclose(pose.hand_pose[JOINT_NAMES.index("thumb3") - 1], 0.0, atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_fingers_curl_towards_the_palm_about_local_x(addon, side: str) -> None:
    from mathutils import Quaternion

    rig = _create(side)
    palm = np.array([0.0, -1.0, 0.0])
    for name in JOINT_NAMES[1:]:
        if name.startswith("thumb"):
            continue
        bone = rig.pose.bones[f"{name}.{side[0].upper()}"]
        before = np.array(_evaluated(rig).pose.bones[bone.name].tail)
        bone.rotation_quaternion = Quaternion((1.0, 0.0, 0.0), 0.5)
        moved = np.array(_evaluated(rig).pose.bones[bone.name].tail) - before
        bone.rotation_quaternion = Quaternion()
        assert moved @ palm > 0.4 * bone.length, name
        # The bend stays in the finger's own plane: nothing along its X axis.
        assert abs(moved @ np.array(bone.bone.matrix_local.col[0][:3])) < 1e-6, name


@pytest.mark.parametrize("side", SIDES)
def test_limits_hold_fingers_and_leave_poses_inside_alone(addon, side: str) -> None:
    from livehand_blender.rig.bones import bone_limits
    from livehand_blender.rig.pose import apply_pose, read_pose
    from livehand_core.hand.gestures import mirror_hand_pose, sample_pose

    rig = _create(side)
    rng = np.random.default_rng(5)
    for _ in range(20):
        fingers = sample_pose(rng)
        fingers = fingers if side == "right" else mirror_hand_pose(fingers)
        apply_pose(rig, replace(HandPose.rest(side), hand_pose=fingers))
        read, _ = read_pose(_evaluated(rig))
        np.testing.assert_allclose(read.hand_pose, fingers, atol=1e-4)
    bone = rig.pose.bones[f"index1.{side[0].upper()}"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler = (3.0, 0.0, 0.0)
    read, _ = read_pose(_evaluated(rig))
    assert np.linalg.norm(read.hand_pose[0]) == pytest.approx(bone_limits(side)[0, 0, 1], abs=1e-4)


@pytest.mark.parametrize("side", SIDES)
def test_skin_follows_as_the_core_skins(addon, side: str) -> None:
    """Shape keys and armature against linear blend skinning of the same arrays, pose correctives left out."""
    from livehand_blender.rig.hand_rig import HandRig
    from livehand_blender.rig.pose import apply_pose, read_pose, set_limits
    from livehand_core.hand.skinning import pose_vertices

    rng = np.random.default_rng(7)
    betas = rng.uniform(-2, 2, 10)
    rig = _create(side, betas)
    set_limits(rig, False)
    data = HandRig.of(rig).data
    data = replace(data, posedirs=np.zeros_like(data.posedirs))
    rig.matrix_world = _random_transform(rng)
    for strength in (0.0, 0.3):
        pose = _random_pose(rng, side, np.array(rig.livehand.betas))
        _evaluated(rig)
        apply_pose(rig, replace(pose, hand_pose=strength * pose.hand_pose))
        read, scale = read_pose(_evaluated(rig))
        vertices = np.asarray(pose_vertices(data, read))
        np.testing.assert_allclose(_mesh_points(rig), scale * vertices, atol=2e-5 * scale)


def test_joints_follow_the_shape(addon) -> None:
    from livehand_blender.rig.hand_rig import HandRig

    rig = _create()
    lengths = {}
    for value in (-2.0, 2.0):
        rig.livehand.betas[0] = value
        rig.livehand.betas = rig.livehand.betas
        joints = HandRig.of(rig).data.rest_joints(np.array(rig.livehand.betas))
        shown = _evaluated(rig)
        heads = np.array([shown.pose.bones[f"{name}.R"].head for name in JOINT_NAMES])
        np.testing.assert_allclose(heads, joints - joints[0], atol=1e-6)
        lengths[value] = heads
    assert np.abs(lengths[2.0] - lengths[-2.0]).max() > 1e-4


def test_shape_change_keeps_mode_selection_and_pose(addon) -> None:
    import bpy
    from mathutils import Quaternion

    rig = _create()
    other = bpy.data.objects.new("Other", None)
    bpy.context.scene.collection.objects.link(other)
    rig.pose.bones["index1.R"].rotation_quaternion = Quaternion((1.0, 0.0, 0.0), 0.5)
    bpy.ops.object.mode_set(mode="POSE")
    rig.livehand.betas = (1.0,) * 10
    assert bpy.context.mode == "POSE" and bpy.context.object == rig
    assert rig.pose.bones["index1.R"].rotation_quaternion.angle == pytest.approx(0.5)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = other
    rig.livehand.betas = (0.0,) * 10
    assert bpy.context.object == other and bpy.context.mode == "OBJECT"


def test_a_hidden_rig_takes_a_shape_on_its_mesh(addon) -> None:
    from livehand_blender.rig.armature import proxy_meshes

    rig = _create()
    rig.hide_viewport = True
    rig.livehand.betas = (1.5,) * 10
    keys = _evaluated(proxy_meshes(rig)[0]).data.shape_keys.key_blocks
    assert [keys[f"beta {i + 1}"].value for i in range(10)] == [1.5] * 10


def test_operator_adds_one_hand_with_what_was_asked(addon) -> None:
    import bpy

    assert bpy.ops.livehand.add_hand(side="LEFT", betas=[0.5] * 10, location=(1, 2, 3), avatar="/x.safetensors") == {
        "FINISHED"
    }
    rig = bpy.context.object
    assert next(bone.name for bone in rig.pose.bones) == "wrist.L"
    assert {bone.name[-2:] for bone in rig.pose.bones} == {".L"}
    assert tuple(rig.location) == (1, 2, 3) and rig.livehand.avatar == "/x.safetensors"
    assert tuple(rig.livehand.betas) == (0.5,) * 10
    mesh = rig.children[0]
    assert mesh.data.uv_layers and len(mesh.data.shape_keys.key_blocks) == 11 and len(mesh.vertex_groups) == 16
    bpy.context.scene.cursor.location = (4, 5, 6)
    bpy.ops.livehand.add_hand()
    assert tuple(bpy.context.object.location) == (4, 5, 6)


def test_every_gesture_can_be_applied(addon) -> None:
    import bpy

    from livehand_blender.rig.gestures import gesture_items, gesture_pose
    from livehand_blender.rig.pose import read_pose

    for side in ("RIGHT", "LEFT"):
        bpy.ops.livehand.add_hand(side=side)
        rig = bpy.context.object
        for identifier, *_ in gesture_items():
            assert bpy.ops.livehand.pose_preset(gesture=identifier) == {"FINISHED"}
            read, _ = read_pose(_evaluated(rig))
            wanted = gesture_pose(identifier, HandPose.rest(side.lower()))
            np.testing.assert_allclose(read.hand_pose, wanted.hand_pose, atol=2e-4, err_msg=identifier)


def test_non_uniform_scale_is_refused_by_name(addon) -> None:
    from livehand_blender.rig.pose import apply_pose, read_pose
    from livehand_core.errors import PoseError

    rig = _create()
    rig.name = "Stretched"
    rig.scale = (1.0, 1.0, 2.0)
    with pytest.raises(PoseError, match="'Stretched' is scaled non-uniformly"):
        read_pose(_evaluated(rig))
    with pytest.raises(PoseError, match="non-uniformly"):
        apply_pose(rig, HandPose.rest("right"))


def test_wrong_side_and_missing_bones_are_refused(addon) -> None:
    import bpy

    from livehand_blender.rig.pose import apply_pose, read_pose
    from livehand_core.errors import PoseError

    rig = _create()
    with pytest.raises(PoseError, match="same side"):
        apply_pose(rig, HandPose.rest("left"))
    bpy.ops.object.mode_set(mode="EDIT")
    rig.data.edit_bones.remove(rig.data.edit_bones["ring3.R"])
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(PoseError, match=r"ring3\.R"):
        read_pose(_evaluated(rig))


def test_registering_again_and_again(addon) -> None:
    import bpy

    import livehand_blender

    for _ in range(3):
        livehand_blender.unregister()
        left = hasattr(bpy.types.Object, "livehand")
        livehand_blender.register()
        assert not left
    assert _create().livehand.is_hand


class _Counted:
    """An armature object that counts how often each of its members is asked for."""

    def __init__(self, obj: Any) -> None:
        self._obj, self.asked = obj, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._obj, name)


def test_a_pose_is_read_with_one_look_at_the_settings(addon) -> None:
    from livehand_blender.rig.hand_rig import HandRig
    from livehand_blender.rig.pose import read_pose

    rig = _create("left")
    evaluated = _evaluated(rig)
    counted = _Counted(evaluated)
    pose, _ = read_pose(counted)
    assert counted.asked["livehand"] == 1 and counted.asked["matrix_world"] == 1
    assert pose.side == "left"
    heads, tails = HandRig.of(evaluated).ends()
    world = evaluated.matrix_world
    for index, name in enumerate(HandRig.of(rig).names.joints):
        np.testing.assert_allclose(heads[index], world @ evaluated.pose.bones[name].head, atol=1e-6)
        np.testing.assert_allclose(tails[index], world @ evaluated.pose.bones[name].tail, atol=1e-6)


def test_a_renamed_bone_is_named_whoever_asks(addon) -> None:
    from livehand_blender.rig.hand_rig import HandRig
    from livehand_core.errors import PoseError

    rig = _create("left")
    rig.data.bones["index2.L"].name = "finger"
    hand = HandRig.of(rig)
    for ask in (lambda: hand.joint_bones, hand.ends, hand.shown):
        with pytest.raises(PoseError, match=r"lacks the bones index2\.L\. Give its bones these names"):
            ask()
    rig.data.bones["LIM-index2.L"].name = "limit"
    with pytest.raises(PoseError, match=r"LIM-index2\.L"):
        hand.shown()
    assert hand.control("thumb").name == "thumb_control.L" and hand.last("index").name == "index3.L"
