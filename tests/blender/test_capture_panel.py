"""Capturing a rig in the artist's scene: geometry, resume, own cameras, animation, and what is refused."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.capture import read_capture
from livehand_core.captures.checks import find_problems, inspect_capture
from livehand_core.captures.images import read_rgba8
from livehand_core.captures.shooting import progress_of
from livehand_core.errors import LiveHandError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.whole_files import is_complete
from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy


def settings(scene: Any, **changes: Any) -> Any:
    values = {
        "camera_count": 4,
        "pose_count": 3,
        "cameras_per_pose": 2,
        "held_out_cameras": 1,
        "held_out_poses": 1,
        "width": 42,
        "height": 64,
        "samples": 1,
    }
    for name, value in (values | changes).items():
        setattr(scene.livehand_capture, name, value)
    return scene.livehand_capture


@pytest.mark.slow
def test_a_moved_scaled_left_hand_is_captured_where_it_stands_and_goes_on(addon, tmp_path: Path) -> None:
    """The pictures show the hand where poses and cameras of the folder say; a deleted one is made again, alone."""
    import bpy

    scene, rig = make_scene("", side="left")
    rig.location, rig.rotation_euler, rig.scale = (0.3, 0.2, 1.0), (0.3, 0.5, 1.0), (2.0, 2.0, 2.0)
    bpy.ops.mesh.primitive_cube_add(size=10.0)
    bpy.context.view_layer.objects.active = rig
    settings(scene, studio=True)
    folder = tmp_path / "capture"
    before = {obj.name: obj.visible_camera for obj in scene.objects}
    assert bpy.ops.livehand.capture(folder=str(folder)) == {"FINISHED"}
    capture = inspect_capture(folder).capture
    assert progress_of(folder) == (len(capture.frames), len(capture.frames)) and len(capture.frames) >= 6
    data = builtin_hand("left")
    for frame in capture.frames:
        alpha = read_rgba8(capture.path(frame))[..., 3] >= 128
        pixels, _ = frame.camera.project(pose_vertices(data, capture.hand(frame)))
        rows, columns = np.nonzero(alpha)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(seen, np.concatenate([pixels.min(0), pixels.max(0)]), atol=2.5)
    # The artist's own scene is as it was, and nothing of the copy is left.
    assert {obj.name: obj.visible_camera for obj in scene.objects} == before
    assert not list(folder.glob(".scene*"))
    assert scene.livehand_training.capture == str(folder)
    document = json.loads((folder / "transforms.json").read_text())
    assert {"fl_x", "cx", "w", "transform_matrix", "file_path"} <= set(document["frames"][0])
    # The studio's light is told, and fits the pictures.
    assert [light.kind for light in capture.lights] == ["studio"] and not find_problems(folder).problems

    kept = {frame.image: capture.path(frame).stat().st_mtime_ns for frame in capture.frames}
    gone = capture.frames[2].image
    (folder / gone).unlink()
    assert bpy.ops.livehand.capture(folder=str(folder)) == {"FINISHED"}
    again = {frame.image: capture.path(frame).stat().st_mtime_ns for frame in read_capture(folder).frames}
    assert again.keys() == kept.keys() and [name for name in kept if again[name] != kept[name]] == [gone]
    # The same folder does not take other poses.
    rig.location.x += 0.5
    with pytest.raises(RuntimeError, match="other cameras or poses"):
        bpy.ops.livehand.capture(folder=str(folder))


def test_plans_of_own_cameras_and_animations(addon) -> None:
    import bpy

    from livehand_blender.capture.planning import image_counts, make_plan

    scene, rig = make_scene("")
    chosen = settings(scene, poses_from="ANIMATION", frame_step=5, cameras_from="COLLECTION", held_out_poses=2)
    scene.frame_start, scene.frame_end = 1, 20
    rig.location = (0.0, 0.0, 0.0)
    rig.keyframe_insert("location", frame=1)
    rig.location = (0.1, 0.0, 0.0)
    rig.keyframe_insert("location", frame=20)
    rig.scale = (2.0, 2.0, 2.0)
    cameras = bpy.data.collections.new("Cameras")
    scene.collection.children.link(cameras)
    for number in range(3):
        camera = bpy.data.objects.new(f"eye {number}", bpy.data.cameras.new("eye"))
        camera.location = (0.2 * number, -1.0, 0.0)
        camera.rotation_euler = (np.pi / 2, 0.0, 0.0)
        camera.data.shift_x = 0.1
        cameras.objects.link(camera)
    chosen.camera_collection = cameras
    bpy.context.view_layer.update()
    plan = make_plan(scene, rig)
    assert plan.frames == (1, 6, 11, 16) and plan.scale == pytest.approx(2.0)
    assert len(plan.shooting.rig.cameras) == 3 and len(plan.shooting.rig.held_out) == 1
    assert len(plan.shooting.held_out_poses) == 1 and len(plan.shooting.order) == sum(image_counts(chosen, 20))
    camera = plan.shooting.rig.cameras[1]
    np.testing.assert_allclose(camera.camera_to_world[:3, 3], [0.1, -0.5, 0.0], atol=1e-6)
    assert camera.cx == pytest.approx(0.5 * 42 - 0.1 * 64)
    moved = [pose.transl[0] for pose in plan.shooting.poses]
    assert moved[0] < moved[1] < moved[3] and scene.frame_current == 1
    assert plan.shooting.fingerprint() == make_plan(scene, rig).shooting.fingerprint()


def test_an_identity_brings_its_shape_and_betas_of_ones_own_stay(addon) -> None:
    import bpy

    from livehand_blender.capture.planning import make_plan
    from livehand_core.hand.looks import look_of

    scene, rig = make_scene("")
    rig.location = (0.3, 0.2, 1.0)
    chosen = settings(scene)
    plain = make_plan(scene, rig).shooting
    assert not any(pose.betas.any() for pose in plain.poses)
    chosen.identity = "old"
    old = make_plan(scene, rig).shooting
    data = builtin_hand("right")
    for before, after in zip(plain.poses, old.poses, strict=True):
        np.testing.assert_array_equal(after.betas, look_of("old").shape)
        np.testing.assert_array_equal(after.hand_pose, before.hand_pose)
        wrists = [data.rest_joints(pose.betas)[0] + pose.transl for pose in (before, after)]
        np.testing.assert_allclose(wrists[1], wrists[0], atol=1e-7)
    assert old.identity == "old" and old.fingerprint() != plain.fingerprint()
    chosen.look = "MESHES"
    assert not make_plan(scene, rig).shooting.poses[0].betas.any(), "the rig's meshes have the rig's shape"
    chosen.look = "BUILTIN"
    rig.livehand.betas[0] = 1.5
    bpy.context.view_layer.update()
    assert [pose.betas[0] for pose in make_plan(scene, rig).shooting.poses] == [1.5] * 3


def test_the_first_capture_takes_minutes(addon) -> None:
    """At 0.65 s a picture, as two cores take."""
    from livehand_blender.capture.planning import image_counts

    scene, _ = make_scene("")
    assert 300 <= sum(image_counts(scene.livehand_capture, 250)) <= 450


def test_a_small_capture_is_mostly_for_training(addon) -> None:
    from livehand_blender.capture.planning import image_counts, make_plan

    scene, rig = make_scene("")
    for cameras, poses in ((2, 2), (3, 3), (5, 4), (6, 12), (12, 6)):
        chosen = settings(
            scene, camera_count=cameras, pose_count=poses, cameras_per_pose=8, held_out_cameras=4, held_out_poses=4
        )
        plan = make_plan(scene, rig).shooting
        kept = [shot for shot in plan.order if plan.is_test(shot)]
        training, tests = image_counts(chosen, 1)
        assert (len(plan.order) - len(kept), len(kept)) == (training, tests)
        assert len(plan.rig.held_out) <= cameras / 3 and len(plan.held_out_poses) <= poses / 3
        assert training >= 4 and training >= (cameras * poses) // 3


def test_what_cannot_be_captured_is_refused(addon, tmp_path: Path) -> None:
    import bpy

    with pytest.raises(RuntimeError, match="No hand to capture"):
        bpy.ops.livehand.capture(folder=str(tmp_path))
    scene, rig = make_scene("")
    chosen = settings(scene, cameras_from="COLLECTION")
    with pytest.raises(RuntimeError, match="No collection of cameras"):
        bpy.ops.livehand.capture(folder=str(tmp_path))
    chosen.camera_collection = bpy.data.collections.new("Empty")
    with pytest.raises(RuntimeError, match="has 0 cameras"):
        bpy.ops.livehand.capture(folder=str(tmp_path))
    chosen.cameras_from = "DOME"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.livehand.capture(folder=str(blocked / "capture"))
    bpy.data.objects.remove(rig)
    with pytest.raises(RuntimeError, match="No hand to capture"):
        bpy.ops.livehand.capture(folder=str(tmp_path))


class Standing:
    """Stands for the hand, as what the scene holds."""

    fits_proxy, only_turns = False, False

    def pose(self, number: int, pose: Any) -> None:
        """Nothing moves."""


def test_a_full_disk_leaves_whole_pictures_only_and_the_capture_goes_on(addon, tmp_path: Path) -> None:
    from livehand_blender.capture.planning import make_plan
    from livehand_blender.capture.shoot import prepare_output, shoot

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        scene, rig = make_scene("")
        scene.render.engine = "CYCLES"
        scene.cycles.samples = 1
        prepare_output(scene, (42, 64))
        plan, folder, ballast = make_plan_of(make_plan, scene, rig), disk / "capture", disk / "ballast"

        def fill_up(done: int, _count: int) -> bool:
            if done == 2:
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
            return True

        with pytest.raises(LiveHandError, match=r"written whole|disk is full"):
            shoot(scene, plan, folder, Standing(), builtin_hand("right"), progress=fill_up)
        there = sorted(folder.rglob("*.png"))
        assert len(there) == 2 and all(is_complete(path) for path in there)
        assert not list(folder.rglob(".*.png")), "nothing half-written is left"
        times = [path.stat().st_mtime_ns for path in there]
        ballast.unlink()
        # What a former version left under its final name is no picture that is there.
        broken = folder / plan.image(*plan.order[3])
        broken.parent.mkdir(parents=True, exist_ok=True)
        broken.write_bytes(there[0].read_bytes()[:100])
        assert plan.order[3] in plan.missing(folder)
        assert shoot(scene, plan, folder, Standing(), builtin_hand("right")) == len(plan.order)
        assert all(is_complete(folder / plan.image(*entry)) for entry in plan.order)
        assert [path.stat().st_mtime_ns for path in there] == times
    finally:
        subprocess.run(["umount", disk], check=True)


def make_plan_of(make_plan: Any, scene: Any, rig: Any) -> Any:
    settings(scene)
    return make_plan(scene, rig).shooting


def test_a_capture_states_its_licence_and_the_built_in_skin_has_one(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.capture.planning import make_plan
    from livehand_blender.ui.capture_panels import LIVEHAND_PT_capture
    from livehand_blender.ui.training_panels import LIVEHAND_PT_training
    from tests.blender.layout import Layout, draw

    scene, rig = make_scene("")
    chosen = settings(scene, look="BUILTIN")
    assert make_plan(scene, rig).shooting.licence == "CC0-1.0"
    chosen.look = "MESHES"
    assert make_plan(scene, rig).shooting.licence == ""
    chosen.licence = " own use only "
    assert make_plan(scene, rig).shooting.licence == "own use only"
    shown: list[str] = []
    monkeypatch.setattr(Layout, "prop", lambda layout, owner, name, **options: shown.append(name))
    for panel in (LIVEHAND_PT_capture, LIVEHAND_PT_training):
        shown.clear()
        draw(panel, bpy.context)
        assert "licence" in shown, "in sight, not among what is folded in"
