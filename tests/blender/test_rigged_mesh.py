"""*Make Avatar from Rigged Mesh*: the model of a mesh, what is refused, its capture, its picture through an avatar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.checks import inspect_capture
from livehand_core.errors import LiveHandError, PoseError
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


def _flat(mesh: Any, _: Any) -> None:
    for vertex in mesh.data.vertices:
        vertex.co = (0.1, 0.2, 0.3)


def _scaled(_: Any, armature: Any) -> None:
    armature.pose.bones["ball"].scale = (1.3, 1.3, 1.3)


def _moved(_: Any, armature: Any) -> None:
    armature.pose.bones["toe"].location = (0.0, 0.03, 0.0)


def _crowded(mesh: Any, armature: Any, count: int = 295) -> None:
    """So many bones more, each with some vertex's weight."""
    import bpy

    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for number in range(count):
        bone = armature.data.edit_bones.new(f"hair {number}")
        bone.head, bone.tail = (0.0, 0.0, 0.2), (0.0, 0.0, 0.21)
        bone.parent = armature.data.edit_bones["shin"]
    bpy.ops.object.mode_set(mode="OBJECT")
    for number in range(count):
        group = mesh.vertex_groups.new(name=f"hair {number}")
        group.add([number % len(mesh.data.vertices)], 0.1, "REPLACE")


def _outside(mesh: Any, _: Any) -> None:
    for item in mesh.data.uv_layers[0].data:
        item.uv[1] += 0.5


def _folded(mesh: Any, _: Any) -> None:
    for item in mesh.data.uv_layers[0].data:
        item.uv[0] = 0.5


def _edited(mesh: Any, _: Any) -> None:
    import bpy

    bpy.context.view_layer.objects.active = mesh
    bpy.ops.object.mode_set(mode="EDIT")


def _mirrored(mesh: Any, _: Any) -> None:
    mesh.modifiers.new("Mirror", "MIRROR").use_axis = (False, False, True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_no_uv, "no UV map"),
        (_folded, "100 % of .* no area in its UV map"),
        (_edited, "is being edited"),
        (_mirrored, r"show \d+ % of 'Foot' away"),
        (_bare, r"2 vertices .* no weight"),
        (_stacked, "overlap"),
        (_several, r"Several armatures .* Second"),
        (_no_armature, "No armature moves"),
        (_unweighted, "no weights of bones"),
        (_flat, "has no extent"),
        (_scaled, r"'ball' .* scaled by 1\.3"),
        (_moved, r"'toe' .* moved off 'ball'"),
        (_crowded, "300 joints; 255 are possible"),
        (_outside, "leave the unit square"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_at_the_button(
    foot: tuple[Any, Any, Any], tmp_path: Path, spoil: Callable[[Any, Any], None], reason: str
) -> None:
    import bpy

    scene, mesh, armature = foot
    key_range(scene, armature)
    scene.frame_set(11)
    scene.livehand_capture.licence = "CC0-1.0"
    spoil(mesh, armature)
    bpy.context.view_layer.objects.active = mesh
    with pytest.raises(RuntimeError, match=reason):
        bpy.ops.livehand.part_capture(folder=str(tmp_path / "capture"))
    assert not (tmp_path / "capture").exists()


def test_two_hundred_bones_are_a_part(foot: tuple[Any, Any, Any]) -> None:
    from livehand_blender.parts.rigged import model_of

    _, mesh, armature = foot
    _crowded(mesh, armature, 195)
    model, _ = model_of(mesh)
    assert model.joint_count == 200


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


@pytest.mark.parametrize("many", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_button_captures_the_mesh_in_poses_of_its_action(
    foot: tuple[Any, Any, Any], folder: Path, tmp_path: Path, many: bool
) -> None:
    import bpy

    scene, mesh, armature = foot
    armature.location = (0.4, 0.0, 0.2)
    key_range(scene, armature)
    scene.livehand_capture.many_lights = many
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
    assert bool(found.capture.lights) == many
    for frame in found.capture.frames:
        picture = found.capture.image(frame)
        # Lit, wherever the part stands: the studio and its lights are about it.
        assert not many or picture[..., :3][picture[..., 3] > 0.9].mean() > 0.02
    angles = np.stack([pose.hand_pose for pose in found.capture.poses.poses])
    assert np.ptp(angles, axis=0).max() > 0.05 and np.abs(angles).max() < 0.6
    # The artist's own scene is as it was.
    assert armature.animation_data is not None and armature.animation_data.action is not None


def test_pictures_of_a_scene_that_is_kept_are_those_of_one_that_is_not(
    foot: tuple[Any, Any, Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where they are not, as older meshes were one picture late, nothing is kept any more."""
    from livehand_blender.capture import shoot
    from livehand_blender.capture.shoot import Kept

    scene, _, armature = foot
    eye = shoot._add_camera(scene)
    eye.location, eye.rotation_euler = (0.0, -0.9, 0.1), (np.pi / 2.0, 0.0, 0.0)
    shoot.prepare_output(scene, (32, 32))
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.render.threads_mode, scene.render.threads = "FIXED", 1

    def pictures(kept: Kept, name: str) -> list[np.ndarray]:
        answer = []
        for number, (change, height, turn) in enumerate(
            [("first", 0.1, 0.0), ("camera", 0.0, 0.0), ("pose", 0.1, 0.9), ("camera", 0.2, 0.9), ("pose", 0.1, -0.5)]
        ):
            eye.location[2] = height
            armature.pose.bones["ankle"].rotation_mode = "XYZ"
            armature.pose.bones["ankle"].rotation_euler[0] = turn
            kept.render_to(tmp_path / f"{name}{number}.png", change)
            answer.append(shoot._pixels(tmp_path / f"{name}{number}.png"))
        return answer

    plain, kept = pictures(Kept(scene, False), "plain"), Kept(scene, True)
    for one, other in zip(plain, pictures(kept, "kept"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert kept._keep and any(np.abs(plain[0] - one).max() > 0.1 for one in plain[1:])

    late = Kept(scene, True)
    render, seen = shoot._render_to, []

    def one_late(scene: Any, path: Path) -> None:
        render(scene, path)
        seen.append(path.read_bytes())
        if scene.render.use_persistent_data:
            path.write_bytes(seen[max(len(seen) - 2, 0)])

    monkeypatch.setattr(shoot, "_render_to", one_late)
    for one, other in zip(plain, pictures(late, "late"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not late._keep


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


def test_a_part_that_answers_to_light_stands_in_the_scenes(engine: Any, tmp_path: Path) -> None:
    """Its own mesh keeps no light from it; a red lamp makes it red."""
    import bpy

    from livehand_blender.parts.rigged import model_of
    from livehand_blender.render.scene import frame_request
    from livehand_core.avatars import new_avatar, save_avatar
    from livehand_core.avatars.metadata import Architecture
    from livehand_core.networks import SuperResolutionConfig
    from livehand_core.networks.config import LIT_CHANNELS

    scene, _ = make_scene("default")
    for obj in [obj for obj in scene.objects if obj.type != "CAMERA"]:
        bpy.data.objects.remove(obj)
    mesh, _ = add_foot(scene)
    model, _ = model_of(mesh)
    avatar = new_avatar(
        model, Architecture(super_resolution=SuperResolutionConfig(out_channels=LIT_CHANNELS)), licence="CC0-1.0"
    )
    avatar.field_state["density.bias"].fill_(5000.0)
    save_avatar(tmp_path / "foot.safetensors", avatar)
    mesh.livehand_part.avatar = str(tmp_path / "foot.safetensors")
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    scene.collection.objects.link(lamp)
    lamp.location, lamp.data.energy, lamp.data.color = (0.0, -1.0, 0.3), 30.0, (1.0, 0.05, 0.05)
    scene.camera.location = (0.0, -0.9, 0.1)
    bpy.context.view_layer.update()
    request = frame_request(bpy.context.evaluated_depsgraph_get())
    (hand,) = request.hands
    assert hand.light is not None and len(hand.light.lamps) == 1 and not request.occluders
    red, _, blue = hand.light.lamps[0].colour
    assert red > 10.0 * blue > 0.0
    scene.render.filepath = str(tmp_path / "picture.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(tmp_path / "picture.png"))
    seen = np.array(image.pixels[:]).reshape(-1, 4)
    seen = seen[seen[:, 3] > 0.5]
    assert len(seen) > 20 and seen[:, 0].mean() > 2.0 * seen[:, 2].mean()
