"""Mesh from Avatar: the object that the operator makes, where it lies, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy


@pytest.fixture(scope="module")
def solid_avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained avatar file of the built-in hand, made solid."""
    from livehand_core.avatars import new_avatar, save_avatar
    from livehand_core.hand.builtin import builtin_hand
    from tests.core.conftest import solid

    path = tmp_path_factory.mktemp("avatar") / "solid.safetensors"
    save_avatar(path, solid(new_avatar(builtin_hand("right"))))
    return path


def meshes() -> list:
    import bpy

    return [thing for thing in bpy.data.objects if thing.type == "MESH" and " Mesh" in thing.name]


def points(thing) -> np.ndarray:
    """In the world."""
    places = np.empty((len(thing.data.vertices), 3), np.float32)
    thing.data.vertices.foreach_get("co", places.reshape(-1))
    matrix = np.array(thing.matrix_world)
    return places @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_mesh_lies_on_the_posed_hand(folder: Path, solid_avatar: Path, side: str) -> None:
    import bpy

    from livehand_blender.rig.pose import read_pose
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.hand.skinning import pose_vertices

    scene, rig = make_scene(solid_avatar, side)
    rig.location, rig.rotation_euler, rig.scale = (0.3, -0.2, 0.1), (0.5, 0.2, -1.0), (2.0, 2.0, 2.0)
    bpy.ops.livehand.pose_preset(gesture="POINT")
    bpy.context.view_layer.update()
    scene.livehand_mesh.resolution = 8e-3
    assert bpy.ops.livehand.mesh_from_avatar() == {"FINISHED"}
    (thing,) = meshes()
    bpy.context.view_layer.update()
    pose, scale = read_pose(rig)
    proxy = scale * pose_vertices(builtin_hand(side), pose)
    found = points(thing)
    assert np.allclose([found.min(axis=0), found.max(axis=0)], [proxy.min(axis=0), proxy.max(axis=0)], atol=8e-3)
    assert np.allclose(thing.matrix_world.translation, rig.location, atol=1e-6)
    normals = np.empty((len(thing.data.vertices), 3), np.float32)
    thing.data.vertex_normals.foreach_get("vector", normals.reshape(-1))
    outwards = (normals @ np.array(rig.matrix_world)[:3, :3].T * (found - proxy.mean(axis=0))).sum(axis=1)
    assert (outwards > 0.0).mean() > 0.7


def test_its_colours_reach_its_material(folder: Path, solid_avatar: Path) -> None:
    import bpy

    make_scene(solid_avatar)
    for _ in range(2):
        assert bpy.ops.livehand.mesh_from_avatar(resolution=10e-3) == {"FINISHED"}
    first, second = meshes()
    assert first.data.materials[0] == second.data.materials[0]
    (material,) = first.data.materials
    nodes = {node.type: node for node in material.node_tree.nodes}
    assert nodes["VERTEX_COLOR"].layer_name == first.data.color_attributes.active_color.name
    assert nodes["BSDF_PRINCIPLED"].inputs["Base Color"].is_linked
    colours = np.empty((len(first.data.vertices), 4), np.float32)
    first.data.color_attributes[0].data.foreach_get("color_srgb", colours.reshape(-1))
    assert colours[:, :3].std() > 0.0 and (colours[:, 3] == 1.0).all()


def test_what_the_process_says_is_reported(folder: Path, solid_avatar: Path) -> None:
    import bpy

    _, rig = make_scene(solid_avatar)
    with pytest.raises(RuntimeError, match="Choose a lower threshold"):
        bpy.ops.livehand.mesh_from_avatar(resolution=10e-3, threshold=1e12)
    rig.livehand.avatar = "/gone.safetensors"
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.livehand.mesh_from_avatar(resolution=10e-3)
    assert not meshes()


def test_a_cancelled_task_ends_its_process(folder: Path, solid_avatar: Path) -> None:
    import time

    from livehand_blender.background import Task, TaskCancelled
    from livehand_blender.meshes.extraction import Wish, extract
    from livehand_core.frames import HandInstance
    from livehand_core.poses import HandPose

    wish = Wish(HandInstance(HandPose.rest(), str(solid_avatar)), 0.2e-3, 0.0, "", folder / "environment")
    told: list[float] = []

    def work(task: Task) -> object:
        task.cancel()
        told.append(time.monotonic())
        return extract(wish, task)

    with pytest.raises(TaskCancelled):
        Task("The mesh", work).run_here()
    assert time.monotonic() - told[0] < 20.0


def test_the_panel_draws(folder: Path, solid_avatar: Path) -> None:
    import bpy

    from livehand_blender.ui.mesh_panels import LIVEHAND_PT_mesh
    from tests.blender.layout import draw

    assert not LIVEHAND_PT_mesh.poll(bpy.context) and not bpy.ops.livehand.mesh_from_avatar.poll()
    make_scene(solid_avatar)
    assert LIVEHAND_PT_mesh.poll(bpy.context)
    assert "Mesh from Avatar" in draw(LIVEHAND_PT_mesh, bpy.context)
    for name in ("Export Rigged Mesh...", "Export Splats..."):
        assert name in draw(LIVEHAND_PT_mesh, bpy.context)


def test_the_rigged_mesh_of_the_hand_is_written_and_moves_as_it_does(folder: Path, solid_avatar: Path) -> None:
    import bpy

    from livehand_blender.rig.pose import read_pose
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.hand.skinning import pose_vertices

    scene, rig = make_scene(solid_avatar)
    rig.location, rig.scale = (0.3, -0.2, 0.1), (2.0, 2.0, 2.0)
    scene.frame_start, scene.frame_end = 1, 3
    rig.keyframe_insert("location", frame=1)
    rig.location.x = 0.5
    rig.keyframe_insert("location", frame=3)
    bpy.ops.livehand.pose_preset(gesture="FIST")
    out = folder / "hand.glb"
    assert bpy.ops.livehand.export_rigged_mesh(filepath=str(out), texture=64) == {"FINISHED"}
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=str(out))
    (found,) = (one for one in set(bpy.data.objects) - before if one.type == "MESH" and one.find_armature())
    (image,) = (node.image for node in found.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE")
    assert tuple(image.size) == (64, 64)
    for frame in (1, 3):
        scene.frame_set(frame)
        pose, scale = read_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))
        proxy = scale * pose_vertices(builtin_hand("right"), pose)
        # The importer's keys begin at frame 1 or 0, by Blender's version.
        action = found.find_armature().animation_data.action
        scene.frame_set(frame - 1 + int(action.frame_range[0]))
        shown = points(found.evaluated_get(bpy.context.evaluated_depsgraph_get()))
        assert np.allclose([shown.min(axis=0), shown.max(axis=0)], [proxy.min(axis=0), proxy.max(axis=0)], atol=5e-4)


@pytest.mark.parametrize("animated", [False, True])
def test_splats_of_the_hand_are_written_where_it_stands(folder: Path, solid_avatar: Path, animated: bool) -> None:
    import bpy

    from livehand_blender.rig.pose import read_pose
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.hand.skinning import pose_vertices
    from livehand_core.splats.cloud import read_splats

    scene, rig = make_scene(solid_avatar)
    rig.location, rig.scale = (0.3, -0.2, 0.1), (2.0, 2.0, 2.0)
    scene.frame_start, scene.frame_end = 3, 4 if animated else 3
    out = folder / "hand.ply"
    assert bpy.ops.livehand.export_splats(filepath=str(out), count=1500, steps=4, animated=animated) == {"FINISHED"}
    files = [folder / "hand" / f"{number:04}.ply" for number in (1, 2)] if animated else [out]
    assert all(file.is_file() for file in files)
    pose, scale = read_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    proxy, places = scale * pose_vertices(builtin_hand("right"), pose), read_splats(files[-1]).places
    assert np.allclose([places.min(axis=0), places.max(axis=0)], [proxy.min(axis=0), proxy.max(axis=0)], atol=0.02)


def test_tint_and_wrist_go_along(folder: Path, solid_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is the hand as it is drawn, but for the cover over an arm, which is not there."""
    import json

    import bpy

    from livehand_blender.meshes import export

    told: list[dict] = []

    def run(_python, words, *_) -> None:
        told.extend(json.loads(Path(words[words.index("--hand") + 1]).read_text()))

    monkeypatch.setattr(export, "run_core", run)
    _, rig = make_scene(solid_avatar)
    for operator in (bpy.ops.livehand.export_splats, bpy.ops.livehand.export_rigged_mesh):
        operator(filepath=str(folder / "a"), animated=False)
    rig.livehand.tint, rig.livehand.wrist = (0.5, 1.0, 2.0), "ARM"
    bpy.ops.livehand.export_splats(filepath=str(folder / "a"))
    assert [hand["tint"] for hand in told] == [[1.0] * 3, [1.0] * 3, [0.5, 1.0, 2.0]]
    assert told[0]["wrist"] is None and told[2]["wrist"]["cover"] == 0.0 < told[2]["wrist"]["length"]


def test_progress_goes_on_through_frames_and_compiling() -> None:
    from livehand_blender.background import Task
    from livehand_blender.meshes.extraction import tell_splats
    from livehand_core.compilation import COMPILING

    task = Task("Splats", lambda task: None)
    seen = []
    for done, text in ((0, "pictures of frame 1 of 2"), (4, "splats of frame 1 of 2"), (3, COMPILING),
                       (0, "pictures of frame 2 of 2"), (4, "splats of frame 2 of 2")):  # fmt: skip
        tell_splats({"done": done, "of": 4, "text": text}, task)
        seen.append(task.progress)
    assert seen == sorted(seen) and seen[1:3] == [0.5, 0.5] and seen[-1] == 1.0
    assert task.text == "Fitting splats, frame 2 of 2"
