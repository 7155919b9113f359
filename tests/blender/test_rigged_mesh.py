"""*Make Avatar from Rigged Mesh*: the model of a mesh, what is refused, its capture, its picture through an avatar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.checks import inspect_capture
from livehand_core.errors import HandModelError, LiveHandError, PoseError
from livehand_core.hand.skinning import pose_vertices
from tests.blender.helpers import make_scene
from tests.blender.rigged import BONES, add_foot, key_range

pytestmark = pytest.mark.bpy


@pytest.fixture
def foot(addon: None) -> tuple[Any, Any, Any]:
    """An empty scene with the foot: (scene, mesh, armature)."""
    import bpy

    scene = bpy.context.scene
    return (scene, *add_foot(scene))


def shown(armature: Any, model: Any, mesh: Any) -> tuple[Any, float]:
    import bpy

    from livehand_blender.parts.rigged import RestShape, pose_of

    bpy.context.view_layer.update()
    evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return pose_of(evaluated, model.joint_names, model.parents, RestShape.of(mesh, armature).size)


@pytest.mark.parametrize("size", [1.0, 12.0])
def test_the_model_is_posed_as_blender_poses_the_mesh(addon: None, size: float) -> None:
    import bpy

    from livehand_blender.parts.rigged import model_of

    mesh, armature = add_foot(bpy.context.scene, size)
    armature.location, armature.rotation_euler, armature.scale = (0.3, -0.2, 0.1), (0.2, -0.4, 0.7), (1.5, 1.5, 1.5)
    model, notes = model_of(mesh)
    assert model.joint_names == BONES and notes == ()
    assert np.ptp(model.v_template, axis=0).max() == pytest.approx(0.2)
    for number, bone in enumerate(BONES):
        armature.pose.bones[bone].rotation_mode = "XYZ"
        armature.pose.bones[bone].rotation_euler = (0.3 - 0.1 * number, 0.2, -0.15 * number)
    armature.pose.bones["control"].rotation_mode = "XYZ"
    armature.pose.bones["control"].rotation_euler = (0.0, 0.3, 0.2)
    pose, scale = shown(armature, model, mesh)
    evaluated = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    matrix = np.array(evaluated.matrix_world)
    there = np.array([vertex.co for vertex in evaluated.data.vertices]) @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(scale * pose_vertices(model, pose), there, atol=2e-5 * size)


def _no_uv(mesh: Any, _: Any) -> None:
    mesh.data.uv_layers.remove(mesh.data.uv_layers[0])


def _bare(mesh: Any, _: Any) -> None:
    for group in mesh.vertex_groups:
        group.remove([3, 4])


def _stacked(mesh: Any, _: Any) -> None:
    layer = mesh.data.uv_layers[0].data
    for item in layer:
        item.uv[0] = item.uv[0] % 0.33


def _several(mesh: Any, _: Any) -> None:
    import bpy

    other = bpy.data.objects.new("Second", bpy.data.armatures.new("Second"))
    mesh.modifiers.new("Second", "ARMATURE").object = other


def _no_armature(mesh: Any, _: Any) -> None:
    mesh.modifiers.clear()


def _unweighted(mesh: Any, _: Any) -> None:
    mesh.vertex_groups.clear()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_no_uv, "no UV map"),
        (_bare, r"2 vertices .* no weight"),
        (_stacked, "overlap"),
        (_several, r"Several armatures .* Second"),
        (_no_armature, "No armature moves"),
        (_unweighted, "no weights of bones"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    foot: tuple[Any, Any, Any], spoil: Callable[[Any, Any], None], reason: str
) -> None:
    from livehand_blender.parts.rigged import model_of

    _, mesh, armature = foot
    spoil(mesh, armature)
    with pytest.raises(HandModelError, match=reason):
        model_of(mesh)


def test_bones_that_are_scaled_or_moved_are_refused(foot: tuple[Any, Any, Any]) -> None:
    from livehand_blender.parts.rigged import model_of

    _, mesh, armature = foot
    model, _ = model_of(mesh)
    armature.pose.bones["ball"].scale = (1.3, 1.3, 1.3)
    with pytest.raises(PoseError, match=r"'ball' .* scaled by 1\.3"):
        shown(armature, model, mesh)
    armature.pose.bones["ball"].scale = (1.0, 1.0, 1.0)
    armature.pose.bones["toe"].location = (0.0, 0.03, 0.0)
    with pytest.raises(PoseError, match=r"'toe' .* moved off 'ball'"):
        shown(armature, model, mesh)


def test_a_mesh_with_edges_of_three_faces_is_told_and_allowed(foot: tuple[Any, Any, Any]) -> None:
    import bmesh

    from livehand_blender.parts.rigged import model_of

    _, mesh, _ = foot
    made = bmesh.new()
    made.from_mesh(mesh.data)
    made.verts.ensure_lookup_table()
    layer, groups = made.loops.layers.uv.verify(), made.verts.layers.deform.verify()
    fin = made.verts.new((0.1, 0.0, 0.2))
    made.verts.ensure_lookup_table()
    fin[groups][0] = 1.0
    face = made.faces.new((made.verts[0], made.verts[1], fin))
    for loop, uv in zip(face.loops, ((0.97, 0.01), (0.99, 0.01), (0.98, 0.03)), strict=True):
        loop[layer].uv = uv
    face = made.faces.new((made.verts[12], made.verts[0], fin))
    for loop, uv in zip(face.loops, ((0.97, 0.05), (0.99, 0.05), (0.98, 0.07)), strict=True):
        loop[layer].uv = uv
    made.to_mesh(mesh.data)
    made.free()
    _, notes = model_of(mesh)
    assert len(notes) == 1 and "more than two faces" in notes[0]


def test_the_button_captures_the_mesh_in_poses_of_its_action(
    foot: tuple[Any, Any, Any], folder: Path, tmp_path: Path
) -> None:
    import bpy

    scene, mesh, armature = foot
    key_range(scene, armature)
    lamp = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    scene.collection.objects.link(lamp)
    settings = scene.livehand_capture
    settings.camera_count, settings.pose_count, settings.cameras_per_pose = 4, 3, 2
    settings.held_out_cameras = settings.held_out_poses = 1
    settings.width = settings.height = 64
    settings.samples, settings.licence = 1, "CC0-1.0"
    bpy.context.view_layer.objects.active = mesh
    assert bpy.ops.livehand.part_capture(folder=str(tmp_path / "capture")) == {"FINISHED"}
    assert scene.livehand_training.capture == str(tmp_path / "capture")
    found = inspect_capture(tmp_path / "capture")
    assert found.capture.hand_model.startswith("part:Foot-") and len(found.capture.frames) >= 4
    assert found.overlap is not None and found.overlap > 0.85
    angles = np.stack([pose.hand_pose for pose in found.capture.poses.poses])
    assert np.ptp(angles, axis=0).max() > 0.05 and np.abs(angles).max() < 0.6
    # The artist's own scene is as it was.
    assert armature.animation_data is not None and armature.animation_data.action is not None


def test_bones_without_a_range_are_refused(foot: tuple[Any, Any, Any]) -> None:
    from livehand_blender.parts.capture import make_part_plan

    scene, mesh, _ = foot
    with pytest.raises(LiveHandError, match="Nothing shows how far"):
        make_part_plan(scene, mesh)


def test_the_engine_draws_the_mesh_through_its_avatar_until_its_rest_pose_changes(engine: Any, tmp_path: Path) -> None:
    import bpy

    from livehand_blender.parts.rigged import model_of
    from livehand_blender.render.scene import frame_request
    from livehand_core.avatars import new_avatar, save_avatar

    scene, rig = make_scene("default")
    bpy.data.objects.remove(rig)
    mesh, armature = add_foot(scene)
    model, _ = model_of(mesh)
    path = tmp_path / "foot.safetensors"
    avatar = new_avatar(model, name="foot", licence="CC0-1.0")
    # Dense wherever rays look.
    avatar.field_state["density.bias"].fill_(5000.0)
    save_avatar(path, avatar)
    bpy.context.view_layer.objects.active = mesh
    assert bpy.ops.livehand.part_use(filepath=str(path)) == {"FINISHED"}
    scene.camera.location = (0.0, -0.9, 0.1)
    armature.pose.bones["ankle"].rotation_mode = "XYZ"
    armature.pose.bones["ankle"].rotation_euler = (0.4, 0.0, 0.0)
    request = frame_request(bpy.context.evaluated_depsgraph_get())
    (hand,) = request.hands
    assert hand.avatar == str(path) and hand.pose.hand_pose.shape == (4, 3)
    assert hand.pose.hand_pose[0, 0] == pytest.approx(0.4, abs=1e-5)
    scene.render.filepath = str(tmp_path / "picture.png")
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(str(tmp_path / "picture.png"))
    alpha = np.array(picture.pixels[:]).reshape(-1, 4)[:, 3]
    assert alpha.max() > 0.0

    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    armature.data.edit_bones["heel"].head.z += 0.01
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(LiveHandError, match="rest pose has changed: heel by"):
        frame_request(bpy.context.evaluated_depsgraph_get())
    bpy.context.view_layer.objects.active = mesh
    with pytest.raises(RuntimeError, match="rest pose has changed: heel by"):
        bpy.ops.livehand.part_use(filepath=str(path))
