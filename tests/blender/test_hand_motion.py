"""Motion files onto a rig and back, in actions with and without slots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.hand.builtin import MODEL_ID
from livehand_core.hand.gestures import mirror_hand_pose, sample_pose
from livehand_core.motion import ReadOptions, WriteOptions, read_motion, write_motion
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.rotations import axis_angle_to_matrix
from tests.blender.hands import SIDES, angles, bone, create, ik, shown

pytestmark = pytest.mark.bpy


def make_motion(side: str = "right", count: int = 6, fps: float = 24.0, seed: int = 0) -> PoseSequence:
    rng = np.random.default_rng(seed)
    betas = rng.uniform(-1, 1, 10).astype(np.float32).astype(np.float64)
    poses = []
    for _ in range(count):
        fingers = sample_pose(rng)
        fingers = fingers if side == "right" else mirror_hand_pose(fingers)
        poses.append(HandPose(rng.normal(size=3), fingers, betas, rng.normal(size=3), side))
    return PoseSequence(tuple(poses), fps)


def assert_shown(rig, pose: HandPose, place: bool = True) -> None:
    found = shown(rig)
    np.testing.assert_allclose(angles(found), angles(pose), atol=0.05)
    if place:
        np.testing.assert_allclose(found.transl, pose.transl, atol=1e-5)
        turn = axis_angle_to_matrix(np.stack([found.global_orient, pose.global_orient]))
        np.testing.assert_allclose(turn[0], turn[1], atol=1e-5)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_imported_motion_plays_and_exports_the_same(addon, tmp_path: Path, side: str, mode: str) -> None:
    import bpy

    from livehand_blender.compat import action_curves

    motion, rig, scene = make_motion(side), create(side), bpy.context.scene
    rig.location, rig.scale = (0.3, 0.2, 0.1), (2.0, 2.0, 2.0)
    for pose_bone in rig.pose.bones:
        if not pose_bone.name.startswith(("LIM", "DEF")) and "control" not in pose_bone.name:
            pose_bone.rotation_mode = mode
    bone(rig, "index_control").rotation_euler[0] = 0.5
    ik(rig, "ring").influence = 1.0
    write_motion(tmp_path / "take.npz", [motion], WriteOptions(up="y"))
    scene.render.fps = 48
    assert bpy.ops.livehand.import_motion(filepath=str(tmp_path / "take.npz"), start=10) == {"FINISHED"}
    for index, pose in enumerate(motion.poses):
        scene.frame_set(10 + 2 * index)
        assert_shown(rig, pose)
    np.testing.assert_allclose(rig.livehand.betas, motion.poses[0].betas, atol=1e-6)
    assert rig.animation_data.action.name == "take"
    if bpy.app.version >= (4, 4, 0):
        assert rig.animation_data.action_slot.identifier == f"OB{rig.name}"
    assert len(action_curves(rig)) == 16 * (3 if mode == "XYZ" else 4) + 3
    scene.frame_start, scene.frame_end = 10, 20
    scene.frame_set(3)
    for name, options in (("a.npz", {"up": "-Y", "components": 45}), ("b.json", {"mean": "MEAN"})):
        path = tmp_path / name
        assert bpy.ops.livehand.export_motion(filepath=str(path), frame_step=2, **options) == {"FINISHED"}
        read = read_motion(path, ReadOptions(side=side, model=MODEL_ID)).sequence
        # InterHand2.6M's frame numbers count 30 a second.
        assert read.fps == pytest.approx(24.0 if name == "a.npz" else 30.0)
        for found, wanted in zip(read.poses, motion.poses, strict=True):
            np.testing.assert_allclose(angles(found), angles(wanted), atol=0.05)
            np.testing.assert_allclose(found.transl, wanted.transl, atol=1e-5)
    assert scene.frame_current == 3


def test_the_other_hands_motion_is_mirrored(addon, tmp_path: Path) -> None:
    import bpy

    motion, rig = make_motion("right"), create("left")
    motion.save(tmp_path / "right.npz")
    assert bpy.ops.livehand.import_motion(filepath=str(tmp_path / "right.npz"), side="RIGHT", keep_time=False) == {
        "FINISHED"
    }
    for index, pose in enumerate(motion.poses):
        bpy.context.scene.frame_set(1 + index)
        assert_shown(rig, pose.mirrored())


def test_fingers_alone_leave_the_wrist_to_the_artist(addon, tmp_path: Path) -> None:
    import bpy

    motion, rig = make_motion(), create()
    wrist = bone(rig, "wrist")
    wrist.location = (0.1, 0.2, 0.3)
    motion.save(tmp_path / "take.npz")
    bpy.ops.livehand.import_motion(filepath=str(tmp_path / "take.npz"), wrist=False, keep_time=False)
    bpy.context.scene.frame_set(3)
    assert_shown(rig, motion.poses[2], place=False)
    assert tuple(wrist.location) == pytest.approx((0.1, 0.2, 0.3))


def test_a_changing_shape_is_keyed_and_a_foreign_one_left_out(addon, tmp_path: Path) -> None:
    import bpy

    motion, rig = make_motion(count=3), create()
    grown = [replace(pose, betas=np.full(10, float(index))) for index, pose in enumerate(motion.poses)]
    write_motion(tmp_path / "grows.npz", [PoseSequence(tuple(grown), 24.0)])
    bpy.ops.livehand.import_motion(filepath=str(tmp_path / "grows.npz"), set_range=True)
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end) == (1, 3)
    for frame in (1, 2, 3):
        scene.frame_set(frame)
        np.testing.assert_allclose(shown(rig).betas, frame - 1.0, atol=1e-6)
    other = create()
    motion.save(tmp_path / "untold.npz")
    bpy.ops.livehand.import_motion(filepath=str(tmp_path / "untold.npz"))
    assert tuple(other.livehand.betas) == (0.0,) * 10


def test_motion_beyond_the_limits_switches_them_off(addon, tmp_path: Path) -> None:
    import bpy

    rig = create()
    fingers = np.zeros((15, 3))
    fingers[0, 2] = 2.5
    pose = replace(HandPose.rest(), hand_pose=fingers)
    PoseSequence((pose, pose)).save(tmp_path / "wild.npz")
    bpy.ops.livehand.import_motion(filepath=str(tmp_path / "wild.npz"))
    assert_shown(rig, pose)
    bpy.ops.livehand.set_limits(active=True)
    assert np.linalg.norm(shown(rig).hand_pose[0]) < 1.6


def test_two_hands_in_one_file(addon, tmp_path: Path) -> None:
    import bpy

    rigs = [create("right"), create("left")]
    bpy.ops.livehand.pose_preset(gesture="POINT")
    for rig in rigs:
        rig.select_set(True)
    path = tmp_path / "two.json"
    assert bpy.ops.livehand.export_motion(filepath=str(path), frame_start=5, frame_end=9) == {"FINISHED"}
    for rig, side in zip(rigs, SIDES, strict=True):
        read = read_motion(path, ReadOptions(side=side, model=MODEL_ID)).sequence
        assert len(read.poses) == 5
        np.testing.assert_allclose(angles(read.poses[4]), angles(shown(rig)), atol=0.05)


def test_bad_files_change_nothing_and_say_why(addon, tmp_path: Path) -> None:
    import bpy

    rig = create()
    (tmp_path / "bad.npz").write_bytes(b"rubbish")
    actions = len(bpy.data.actions)
    for path, words in ((tmp_path / "bad.npz", "not a motion file"), (tmp_path / "gone.npz", r"gone\.npz")):
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.livehand.import_motion(filepath=str(path))
    rig.scale = (1.0, 2.0, 1.0)
    make_motion().save(tmp_path / "good.npz")
    with pytest.raises(RuntimeError, match="non-uniformly"):
        bpy.ops.livehand.import_motion(filepath=str(tmp_path / "good.npz"))
    with pytest.raises(RuntimeError, match="non-uniformly"):
        bpy.ops.livehand.export_motion(filepath=str(tmp_path / "out.npz"))
    assert not (tmp_path / "out.npz").exists()
    rig.scale = (1.0, 1.0, 1.0)
    with pytest.raises(RuntimeError, match="no frame to export"):
        bpy.ops.livehand.export_motion(filepath=str(tmp_path / "out.npz"), frame_start=9, frame_end=3)
    assert rig.animation_data.action is None and len(bpy.data.actions) == actions
