"""Pose -> rig -> pose is the identity on scaled, parented and attached rigs; a hand that is attached goes where it is
told."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix
from tests.blender.hands import SIDES, create, evaluated

pytestmark = pytest.mark.bpy


def make_arm(scale: float = 1.0):
    """A character of two bones, moved, turned and scaled, its hand bone posed."""
    import bpy

    data = bpy.data.armatures.new("Arm")
    arm = bpy.data.objects.new("Arm", data)
    bpy.context.scene.collection.objects.link(arm)
    arm.location, arm.rotation_euler, arm.scale = (1.0, 2.0, 3.0), (0.4, -0.3, 1.1), (scale,) * 3
    bpy.context.view_layer.objects.active = arm
    bpy.ops.object.mode_set(mode="EDIT")
    fore, hand = data.edit_bones.new("forearm"), data.edit_bones.new("hand")
    fore.head, fore.tail = (0.0, 0.0, 0.0), (0.0, 0.3, 0.1)
    hand.head, hand.tail = fore.tail, (0.0, 0.45, 0.05)
    hand.parent = fore
    bpy.ops.object.mode_set(mode="OBJECT")
    bone = arm.pose.bones["hand"]
    bone.rotation_mode, bone.rotation_euler = "XYZ", (0.3, 0.5, -0.4)
    return arm


@pytest.mark.parametrize("stretch", [(1.0, 1.0, 1.0), (3.0, 3.0, 3.0), (1.0, 4.0, 0.5)])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("align", [True, False])
def test_a_hand_hangs_where_it_is_told_on_any_bone(addon, stretch: tuple, relative: bool, align: bool) -> None:
    import bpy

    arm = make_arm(2.0)
    arm.pose.bones["hand"].scale = stretch
    arm.data.bones["hand"].use_relative_parent = relative
    rig = create()
    rig.location, rig.rotation_euler, rig.scale = (0.5, -1.0, 0.2), (1.0, 0.2, 0.3), (1.3,) * 3
    rig.delta_location = (0.1, 0.2, 0.3)
    evaluated(rig)
    before = np.array(rig.matrix_world)
    assert bpy.ops.livehand.attach(armature="Arm", bone="hand", align=align) == {"FINISHED"}
    world = np.array(evaluated(rig).matrix_world)
    if align:
        wrist = np.array(evaluated(arm).matrix_world @ evaluated(arm).pose.bones["hand"].head)
        np.testing.assert_allclose(world[:3, 3], wrist, atol=1e-4)
    else:
        np.testing.assert_allclose(world, before, atol=1e-4)
    linear = world[:3, :3]
    np.testing.assert_allclose(linear.T @ linear / np.cbrt(np.linalg.det(linear)) ** 2, np.eye(3), atol=1e-4)
    assert not [obj for obj in bpy.data.objects if obj.type == "EMPTY"]
    held = evaluated(arm).pose.bones["hand"].matrix.inverted() @ arm.matrix_world.inverted() @ rig.matrix_world
    arm.pose.bones["forearm"].rotation_mode = "XYZ"
    arm.pose.bones["forearm"].rotation_euler = (0.0, 0.0, 0.8)
    evaluated(rig)
    after = evaluated(arm).pose.bones["hand"].matrix.inverted() @ arm.matrix_world.inverted() @ rig.matrix_world
    np.testing.assert_allclose(np.array(after), np.array(held), atol=1e-3)


def test_a_bone_of_no_size_carries_nothing(addon) -> None:
    import bpy

    make_arm().pose.bones["hand"].scale = (0.0, 0.0, 0.0)
    rig = create()
    with pytest.raises(RuntimeError, match="scaled to nothing"):
        bpy.ops.livehand.attach(armature="Arm", bone="hand", align=False)
    assert rig.parent is None


def test_constraints_that_hold_a_hand_elsewhere_are_told(addon, capsys) -> None:
    import bpy

    make_arm()
    rig = create()
    lock = rig.constraints.new("LIMIT_LOCATION")
    lock.use_max_x, lock.max_x = True, -5.0
    bpy.ops.livehand.attach(armature="Arm", bone="hand")
    assert "hold it elsewhere" in "".join(capsys.readouterr())


def hang_wrist(rig, scale: float = 1.0):
    """A bone above the wrist of a hand's own armature, turned, moved and scaled; gives its pose bone."""
    import bpy

    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    above = bones.new("forearm")
    above.head, above.tail = (0.3, 0.1, 0.0), (0.05, 0.0, 0.02)
    next(bone for bone in bones if bone.name.startswith("wrist.")).parent = above
    bpy.ops.object.mode_set(mode="OBJECT")
    bone = rig.pose.bones["forearm"]
    bone.rotation_mode, bone.rotation_euler, bone.location = "XYZ", (0.5, 0.4, -0.7), (0.1, 0.0, 0.05)
    bone.scale = (scale,) * 3
    return bone


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("rotation", [True, False])
@pytest.mark.parametrize("size", ["FULL", "NONE", "AVERAGE"])
@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("attached", [True, False])
def test_a_pose_comes_back_whatever_the_wrist_inherits(
    addon, side: str, rotation: bool, size: str, local: bool, attached: bool
) -> None:
    import bpy

    from livehand_blender.rig.pose import apply_pose, read_pose, set_limits

    rng = np.random.default_rng(3)
    betas = rng.uniform(-2, 2, 10).astype(np.float32).astype(np.float64)
    rig = create(side, betas)
    set_limits(rig, False)
    hang_wrist(rig, 1.7)
    wrist = next(bone for bone in rig.data.bones if bone.name.startswith("wrist."))
    wrist.use_inherit_rotation, wrist.inherit_scale, wrist.use_local_location = rotation, size, local
    rig.location, rig.rotation_euler, rig.scale = (0.4, -0.2, 1.0), (0.3, 2.0, -1.0), (0.6,) * 3
    if attached:
        arm = make_arm(2.0)
        arm.pose.bones["hand"].scale = (1.5,) * 3
        bpy.context.view_layer.objects.active = rig
        bpy.ops.livehand.attach(armature="Arm", bone="hand", align=False)
    evaluated(rig)
    turns = rng.normal(size=(16, 3))
    pose = HandPose(turns[0], turns[1:], betas, rng.normal(size=3), side)
    apply_pose(rig, pose)
    read, scale = read_pose(evaluated(rig))
    wanted, found = (axis_angle_to_matrix(one.full_pose.reshape(16, 3)) for one in (pose, read))
    assert np.linalg.norm(wanted - found, axis=(1, 2)).max() < 2e-5
    np.testing.assert_allclose(read.transl, pose.transl, atol=1e-5)
    assert scale == pytest.approx(0.6 * (1.7 if size != "NONE" else 1.0), rel=1e-4)


def test_a_wrist_that_is_sheared_by_its_bone_is_refused_by_name(addon) -> None:
    from livehand_blender.rig.pose import apply_pose
    from livehand_core.errors import PoseError

    rig = create()
    hang_wrist(rig).scale = (1.0, 3.0, 1.0)
    evaluated(rig)
    with pytest.raises(PoseError, match=r"wrist\.R"):
        apply_pose(rig, HandPose.rest())


def test_a_motion_is_imported_onto_a_hand_that_hangs(addon, tmp_path) -> None:
    """Keys hold what the wrist's own channels need below a scaled bone that it does not turn with."""
    import bpy

    rig = create()
    scene = bpy.context.scene
    scene.frame_end = 3
    bone = rig.pose.bones["wrist.R"]
    for frame in (1, 3):
        bone.location = (0.01 * frame, 0.02, 0.0)
        bone.keyframe_insert("location", frame=frame)
    path = tmp_path / "motion.npz"
    bpy.ops.livehand.export_motion(filepath=str(path))
    from tests.blender.hands import shown

    scene.frame_set(3)
    wanted = shown(rig)
    other = create()
    hang_wrist(other, 2.0)
    other.data.bones["wrist.R"].use_inherit_rotation = False
    other.scale = (0.5,) * 3
    evaluated(other)
    assert bpy.ops.livehand.import_motion(filepath=str(path)) == {"FINISHED"}
    scene.frame_set(3)
    found = shown(other)
    np.testing.assert_allclose(found.transl, wanted.transl, atol=1e-5)
    np.testing.assert_allclose(found.full_pose, wanted.full_pose, atol=1e-4)
