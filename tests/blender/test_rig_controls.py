"""Curl, spread, IK, blending, shape keys in time, mirrored hands: what an animator does with a hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.hand.gestures import gesture, mirror_hand_pose, sample_pose
from livehand_core.hand.limits import FINGERS
from livehand_core.poses import HandPose
from tests.blender.hands import SIDES, angles, bone, create, evaluated, excess, ik, mesh_points, shown, tips

pytestmark = pytest.mark.bpy


def sampled(rng: np.random.Generator, side: str) -> np.ndarray:
    fingers = sample_pose(rng)
    return fingers if side == "right" else mirror_hand_pose(fingers)


@pytest.mark.parametrize("side", SIDES)
def test_curl_bends_a_finger_and_holds_at_the_limits(addon, side: str) -> None:
    rig = create(side)
    for index, finger in enumerate(FINGERS):
        control = bone(rig, f"{finger}_control")
        rows = slice(3 * index, 3 * index + 3)
        before = -np.inf
        for degrees in (0.0, 30.0, 60.0):
            control.rotation_euler[0] = np.radians(degrees)
            found = angles(shown(rig))
            assert (found[rows, 0] > before).all(), finger
            before = found[rows, 0]
            others = np.delete(found, np.r_[rows], axis=0)
            np.testing.assert_allclose(others, 0.0, atol=1e-3)
        control.rotation_euler[0] = np.radians(200.0)
        assert excess(shown(rig)).max() < 0.1, finger
        control.rotation_euler[0] = 0.0


@pytest.mark.parametrize("side", SIDES)
def test_spread_turns_towards_the_thumb_and_adds_to_the_fingers_own_pose(addon, side: str) -> None:
    rig = create(side)
    bone(rig, "index1").rotation_mode = "YZX"
    bone(rig, "index1").rotation_euler = (0.5, 0.0, 0.0)
    bone(rig, "index_control").rotation_euler = (np.radians(10.0), 0.0, np.radians(-8.0 if side == "right" else 8.0))
    found = angles(shown(rig))
    assert found[0, 0] == pytest.approx(np.degrees(0.5) + 8.8, abs=0.05)
    assert found[0, 1] == pytest.approx(8.0, abs=0.05)


def test_the_control_of_all_fingers_makes_a_fist_and_a_fan(addon) -> None:
    rig = create()
    control = bone(rig, "fingers_control")
    control.rotation_euler[0] = np.radians(80.0)
    found = angles(shown(rig))
    for finger in ("index", "middle", "ring", "pinky"):
        assert (found[3 * FINGERS.index(finger) : 3 * FINGERS.index(finger) + 3, 0] > 50.0).all()
    np.testing.assert_allclose(found[12:], 0.0, atol=1e-3)
    control.rotation_euler[0] = 0.0
    together = np.ptp(tips(rig)[:4, 2])
    control.rotation_euler[2] = np.radians(-10.0)
    assert np.ptp(tips(rig)[:4, 2]) > 1.2 * together


@pytest.mark.parametrize("side", SIDES)
def test_ik_reaches_natural_poses_within_the_limits(addon, side: str) -> None:
    """The tips of poses that a hand can take, from a relaxed hand."""
    from livehand_blender.rig.pose import apply_pose

    rig = create(side)
    rng = np.random.default_rng(4)
    far, beyond = [], []
    for _ in range(25):
        for finger in FINGERS:
            ik(rig, finger).influence = 0.0
        apply_pose(rig, replace(HandPose.rest(side), hand_pose=sampled(rng, side)))
        wanted = tips(rig)
        places = [bone(rig, f"{finger}_ik").location.copy() for finger in FINGERS]
        apply_pose(rig, replace(HandPose.rest(side), hand_pose=gesture("relaxed", side)))
        for finger, place in zip(FINGERS, places, strict=True):
            bone(rig, f"{finger}_ik").location = place
            ik(rig, finger).influence = 1.0
        far.append(np.linalg.norm(tips(rig) - wanted, axis=1).max())
        beyond.append(excess(shown(rig)))
    assert np.median(far) < 1e-4 and max(far) < 2e-3
    assert np.max(beyond) < 0.1


def test_ik_stops_at_the_limits_when_the_target_is_out_of_reach(addon) -> None:
    rig = create()
    ik(rig, "index").influence = 1.0
    for place in ((0.0, 0.2, 0.0), (0.0, -0.3, 0.1), (0.1, -0.1, -0.2), (0.0, 0.0, 0.3)):
        bone(rig, "index_ik").location = place
        assert excess(shown(rig)).max() < 0.1


def test_ik_bends_a_straight_finger_that_is_pushed_back(addon) -> None:
    from mathutils import Vector

    rig = create()
    before = tips(rig)
    for finger in FINGERS[:4]:
        ik(rig, finger).influence = 1.0
    np.testing.assert_allclose(angles(shown(rig)), 0.0, atol=1.0)
    np.testing.assert_allclose(tips(rig), before, atol=1e-4)
    for index, finger in enumerate(FINGERS[:4]):
        knuckle = np.array(bone(rig, f"{finger}1").head)
        target = bone(rig, f"{finger}_ik")
        wanted = Vector(before[index] + 0.04 * (knuckle - before[index]))
        target.location = target.bone.matrix_local.inverted() @ wanted
        assert np.linalg.norm(tips(rig)[index] - np.array(wanted)) < 2e-3, finger
        assert angles(shown(rig))[3 * index + 1, 0] > 15.0, finger


def test_ik_blends_from_the_fingers_own_pose_to_the_target(addon) -> None:
    rig = create()
    free = tips(rig)[0]
    bone(rig, "index_ik").location = (0.01, -0.03, 0.02)
    reached = []
    for influence in (0.0, 0.25, 0.5, 0.75, 1.0):
        ik(rig, "index").influence = influence
        reached.append(np.linalg.norm(tips(rig)[0] - free))
    assert reached[0] == 0.0 and (np.diff(reached) > 1e-3).all()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("influence", [0.0, 0.6, 1.0])
def test_a_pose_comes_back_whatever_the_controls_are(addon, side: str, influence: float) -> None:
    """pose -> rig -> pose is the identity with controls turned, IK on, and a shape that moves the joints."""
    from livehand_blender.rig.pose import apply_pose

    rng = np.random.default_rng(8)
    rig = create(side, rng.uniform(-2, 2, 10).tolist())
    for _ in range(10):
        for finger in FINGERS:
            bone(rig, f"{finger}_control").rotation_euler = rng.uniform(-0.3, 0.6, 3)
            bone(rig, f"{finger}_ik").location = rng.normal(0, 0.03, 3)
            ik(rig, finger).influence = influence
        shown(rig)
        pose = HandPose(rng.normal(size=3), sampled(rng, side), np.array(rig.livehand.betas), rng.normal(size=3), side)
        apply_pose(rig, pose)
        found = shown(rig)
        # With IK on, a straight finger starts a little bent and is straightened again.
        np.testing.assert_allclose(angles(found), angles(pose), atol=4.0 if influence else 0.1)
        np.testing.assert_allclose(found.transl, pose.transl, atol=1e-5)


def test_switching_ik_on_and_off_moves_nothing(addon) -> None:
    import bpy

    rig = create()
    bpy.ops.livehand.pose_preset(gesture="PINCH")
    bone(rig, "index_control").rotation_euler[0] = 0.2
    bone(rig, "middle_ik").location = (1.0, 1.0, 1.0)
    before = angles(shown(rig))
    assert bpy.ops.livehand.set_ik() == {"FINISHED"}
    assert [ik(rig, finger).influence for finger in FINGERS] == [1.0] * 5
    np.testing.assert_allclose(angles(shown(rig)), before, atol=0.1)
    bone(rig, "index_ik").location.y += 0.01
    moved = angles(shown(rig))
    assert np.abs(moved - before).max() > 2.0
    bpy.ops.livehand.set_ik(influence=0.0)
    np.testing.assert_allclose(angles(shown(rig)), moved, atol=0.1)
    assert bone(rig, "index_control").rotation_euler[0] == 0.0
    bpy.ops.livehand.set_ik(fingers={"THUMB"}, influence=0.5)
    assert [ik(rig, finger).influence for finger in FINGERS] == [0.0] * 4 + [0.5]


def test_controls_can_be_given_to_the_fingers(addon) -> None:
    import bpy

    rig = create()
    bone(rig, "fingers_control").rotation_euler[0] = 0.7
    bone(rig, "ring_control").rotation_euler[2] = 0.1
    before = angles(shown(rig))
    bpy.ops.livehand.apply_controls()
    assert not any(any(bone(rig, f"{name}_control").rotation_euler) for name in (*FINGERS, "fingers"))
    np.testing.assert_allclose(angles(shown(rig)), before, atol=0.05)


def test_presets_blend_by_share_and_by_finger(addon) -> None:
    import bpy

    rig = create()
    rig.pose.bones["wrist.R"].location = (0.1, 0.0, 0.0)
    fist = angles(replace(HandPose.rest(), hand_pose=gesture("fist")))
    bpy.ops.livehand.pose_preset(gesture="FIST", blend=0.5)
    half = angles(shown(rig))
    np.testing.assert_allclose(half[3, 0], 0.5 * fist[3, 0], atol=1.0)
    bpy.ops.livehand.pose_preset(gesture="REST", fingers={"INDEX"})
    found = angles(shown(rig))
    np.testing.assert_allclose(found[:3], 0.0, atol=0.05)
    np.testing.assert_allclose(found[3:], half[3:], atol=0.05)
    assert tuple(rig.pose.bones["wrist.R"].location) == pytest.approx((0.1, 0.0, 0.0))
    bpy.ops.livehand.blend_pose(gesture="FIST", blend=1.0)
    np.testing.assert_allclose(angles(shown(rig)), fist, atol=0.1)


def test_keys_of_a_preset_hold_controls_that_are_animated(addon) -> None:
    import bpy

    rig, scene = create(), bpy.context.scene
    control = bone(rig, "index_control")
    control.rotation_euler[0] = 0.5
    control.keyframe_insert("rotation_euler", frame=1)
    scene.frame_set(20)
    bpy.ops.livehand.pose_preset(gesture="POINT", keyframe=True)
    wanted = angles(shown(rig))
    scene.frame_set(1)
    assert control.rotation_euler[0] == pytest.approx(0.5)
    scene.frame_set(20)
    np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.05)
    np.testing.assert_allclose(wanted, angles(replace(HandPose.rest(), hand_pose=gesture("point"))), atol=0.1)


def test_auto_keying_keys_a_preset(addon) -> None:
    import bpy

    from livehand_blender.compat import action_curves

    rig = create()
    bpy.context.scene.tool_settings.use_keyframe_insert_auto = True
    try:
        bpy.ops.livehand.pose_preset(gesture="OK")
    finally:
        bpy.context.scene.tool_settings.use_keyframe_insert_auto = False
    assert len(action_curves(rig)) == 15 * 4


@pytest.mark.parametrize("side", SIDES)
def test_keyed_betas_move_joints_and_mesh_in_time(addon, side: str) -> None:
    """Against the core's own skinning of the same betas, with the pose correctives left out."""
    import bpy

    from livehand_blender.rig.hand_rig import HandRig
    from livehand_core.hand.skinning import pose_joints, pose_vertices

    rig, scene = create(side), bpy.context.scene
    bpy.ops.livehand.pose_preset(gesture="CUP")
    data = HandRig.of(rig).data
    data = replace(data, posedirs=np.zeros_like(data.posedirs))
    for frame, values in ((1, (-2.0,) * 10), (11, (3.0, -1.0) * 5)):
        rig.livehand.betas = values
        rig.livehand.keyframe_insert("betas", frame=frame)
    sizes = []
    for frame in (1, 6, 11):
        scene.frame_set(frame)
        pose = shown(rig)
        np.testing.assert_allclose(mesh_points(rig), pose_vertices(data, pose), atol=2e-5)
        heads = np.array([bone(rig, f"{finger}3").head for finger in FINGERS])
        np.testing.assert_allclose(heads, pose_joints(data, pose)[3::3], atol=1e-5)
        sizes.append(pose.betas[0])
    np.testing.assert_allclose(sizes, [-2.0, 0.5, 3.0], atol=1e-5)


def test_one_hand_poses_the_other(addon) -> None:
    import bpy

    right, left, again = create("right"), create("left"), create("right")
    bpy.context.view_layer.objects.active = right
    bpy.ops.livehand.pose_preset(gesture="GUN")
    for rig in (right, left, again):
        rig.select_set(True)
    assert bpy.ops.livehand.copy_pose() == {"FINISHED"}
    wanted = angles(shown(right))
    for rig in (left, again):
        np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.05)
    left.select_set(False)
    again.select_set(False)
    with pytest.raises(RuntimeError, match="No other hand is selected"):
        bpy.ops.livehand.copy_pose()


def test_blenders_own_mirroring_understands_the_bones(addon) -> None:
    """Copy on a right hand, Paste Flipped on a left one; controls and IK targets go along."""
    import bpy

    right = create("right")
    bpy.ops.livehand.pose_preset(gesture="PEACE")
    bone(right, "thumb_control").rotation_euler = (0.3, 0.0, 0.2)
    bone(right, "index_ik").location = (0.01, 0.02, 0.03)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.select_all(action="SELECT")
    bpy.ops.pose.copy()
    wanted, reach = angles(shown(right)), np.array(bone(right, "index_ik").head)
    bpy.ops.object.mode_set(mode="OBJECT")
    left = create("left")
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.select_all(action="SELECT")
    bpy.ops.pose.paste(flipped=True)
    np.testing.assert_allclose(angles(shown(left)), wanted, atol=0.05)
    np.testing.assert_allclose(np.array(bone(left, "index_ik").head), reach * [-1.0, 1.0, 1.0], atol=1e-5)
    bpy.ops.object.mode_set(mode="OBJECT")


def test_animation_is_taken_off_without_the_shapes_drivers(addon) -> None:
    import bpy

    from livehand_blender.rig.pose import apply_pose, stop_animation

    rig = create()
    bpy.ops.livehand.pose_preset(gesture="FIST", keyframe=True)
    rig.animation_data.nla_tracks.new().strips.new("take", 1, rig.animation_data.action)
    stop_animation(rig)
    apply_pose(rig, HandPose.rest())
    bpy.context.scene.frame_set(5)
    np.testing.assert_allclose(angles(shown(rig)), 0.0, atol=0.05)
    before = mesh_points(rig)
    rig.livehand.betas = (2.0,) * 10
    assert np.abs(mesh_points(rig) - before).max() > 1e-3


def channels(rig, finger: str) -> list[float]:
    """All that poses one finger: its bones' channels, its control, its target."""
    bones = [bone(rig, f"{finger}{part}") for part in (1, 2, 3)]
    values = [value for one in bones for value in one.rotation_quaternion]
    return [*values, *bone(rig, f"{finger}_control").rotation_euler, *bone(rig, f"{finger}_ik").location]


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("chosen", [{"index"}, {"thumb", "ring"}, {"index", "middle", "ring", "pinky"}])
@pytest.mark.parametrize("how", ["preset", "ik off"])
def test_only_the_fingers_meant_are_written_and_keyed(addon, how: str, chosen: set[str], keyed: bool) -> None:
    import bpy

    from livehand_blender.compat import action_curves

    rig = create()
    bpy.ops.livehand.pose_preset(gesture="RELAXED")
    bpy.ops.livehand.set_ik()
    bone(rig, "fingers_control").rotation_euler = (0.3, 0.0, 0.15)
    for finger in FINGERS:
        bone(rig, f"{finger}_control").rotation_euler[0] = 0.1
        bone(rig, f"{finger}_ik").location.z += 0.004
    if how == "preset":
        for finger in FINGERS:
            ik(rig, finger).influence = 0.0
    before, others = angles(shown(rig)), [finger for finger in FINGERS if finger not in chosen]
    kept = {finger: channels(rig, finger) for finger in others}
    fingers = {finger.upper() for finger in chosen}
    if how == "preset":
        bpy.ops.livehand.pose_preset(gesture="FIST", fingers=fingers, keyframe=keyed)
        wanted = angles(replace(HandPose.rest(), hand_pose=gesture("fist")))
    else:
        bpy.ops.livehand.set_ik(fingers=fingers, influence=0.0, keyframe=keyed)
        wanted = before
    found = angles(shown(rig))
    for number, finger in enumerate(FINGERS):
        rows = slice(3 * number, 3 * number + 3)
        if finger in chosen:
            np.testing.assert_allclose(found[rows], wanted[rows], atol=0.2)
        else:
            assert channels(rig, finger) == kept[finger]
            np.testing.assert_allclose(found[rows], before[rows], atol=0.2 if len(chosen) < 4 else 90.0)
    paths = " ".join(curve.data_path for curve in action_curves(rig))
    for finger in FINGERS:
        assert (f'"{finger}1.R"' in paths) == (keyed and finger in chosen)
        assert finger in chosen or f"{finger}3" not in paths


def test_a_finger_whose_ik_is_off_already_keeps_its_channels(addon) -> None:
    import bpy

    rig = create()
    bone(rig, "index_control").rotation_euler[0] = 0.4
    kept = channels(rig, "index")
    bpy.ops.livehand.set_ik(influence=0.0)
    assert channels(rig, "index") == kept


def test_targets_are_drawn_only_while_their_ik_is_on(addon) -> None:
    import bpy

    rig = create()

    def sizes() -> list[float]:
        return [evaluated(rig).pose.bones[f"{finger}_ik.R"].custom_shape_scale_xyz[0] for finger in FINGERS]

    assert sizes() == [0.0] * 5
    bpy.ops.livehand.set_ik(fingers={"INDEX", "PINKY"}, influence=0.3)
    assert sizes() == [float(finger in ("index", "pinky")) for finger in FINGERS]
    bpy.ops.livehand.set_ik(influence=0.0)
    assert sizes() == [0.0] * 5
