"""Blender's own importers on our mesh files: size, place, colours, normals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_core.meshes import Mesh, write_mesh
from livehand_core.meshes.mesh import vertex_normals
from livehand_core.meshes.volume import Grid, surface

pytestmark = pytest.mark.bpy


@pytest.fixture(scope="module")
def egg() -> Mesh:
    """An egg with its long axis along x and its middle off the origin, its colour by place."""
    middle, axes = np.array([0.05, -0.02, 0.11]), np.array([0.09, 0.03, 0.05])
    grid = Grid.around(middle - axes - 0.01, middle + axes + 0.01, 4e-3)
    vertices, faces = surface(
        grid, grid.middles()[0], lambda x: np.clip(1.0 - np.linalg.norm((x - middle) / axes, axis=1), -1.0, 1.0)
    )
    colours = np.clip(0.5 + (vertices - middle) / (2.2 * axes), 0.0, 1.0).astype(np.float32)
    return Mesh(vertices.astype(np.float32), faces, vertex_normals(vertices, faces), colours)


@pytest.mark.parametrize("suffix", ["obj", "ply", "glb"])
def test_blender_opens_it_with_place_size_and_colours(egg: Mesh, suffix: str, tmp_path: Path) -> None:
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    path = str(tmp_path / f"egg.{suffix}")
    write_mesh(path, egg)
    if suffix == "glb":
        bpy.ops.import_scene.gltf(filepath=path)
    else:
        getattr(bpy.ops.wm, f"{suffix}_import")(filepath=path)
    (found,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    mesh = found.data
    assert (len(mesh.vertices), len(mesh.polygons)) == (len(egg.vertices), len(egg.faces))
    matrix = np.array(found.matrix_world)
    places = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", places.reshape(-1))
    places = places @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.allclose(places, egg.vertices, atol=2e-6)
    normals = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertex_normals.foreach_get("vector", normals.reshape(-1))
    assert ((normals @ matrix[:3, :3].T * egg.normals).sum(axis=1) > 0.9).all()
    attribute = mesh.color_attributes[0]
    colours = np.empty((len(attribute.data), 4), np.float32)
    attribute.data.foreach_get("color_srgb", colours.reshape(-1))
    corner_of = np.array([loop.vertex_index for loop in mesh.loops])
    expected = egg.colours[corner_of] if attribute.domain == "CORNER" else egg.colours
    assert np.abs(colours[:, :3] - expected).max() < 1.5 / 255.0
    assert mesh.color_attributes.active_color is not None


def test_blender_poses_a_rigged_hand_onto_the_proxy(tmp_path: Path) -> None:
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.hand.skinning import pose_vertices
    from livehand_core.meshes.rig import rigged_proxy, vertices_of
    from livehand_core.meshes.skinned_gltf import write_rigged
    from tests.meshes.test_rigged import moving

    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    data, poses = builtin_hand("right"), moving(6)
    write_rigged(tmp_path / "hand.glb", rigged_proxy(data, poses, 24.0))
    bpy.context.scene.render.fps = 24
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "hand.glb"))
    (found,) = (thing for thing in bpy.data.objects if thing.type == "MESH" and thing.find_armature())
    assert len(found.find_armature().pose.bones) == 16
    own = vertices_of(data)
    first = int(found.find_armature().animation_data.action.frame_range[0])
    for frame, pose in enumerate(poses):
        bpy.context.scene.frame_set(first + frame)
        shown = found.evaluated_get(bpy.context.evaluated_depsgraph_get())
        places = np.empty((len(own), 3), np.float32)
        shown.data.vertices.foreach_get("co", places.reshape(-1))
        matrix = np.array(shown.matrix_world)
        places = places @ matrix[:3, :3].T + matrix[:3, 3]
        # Half a millimetre is asked for.
        assert np.linalg.norm(places - pose_vertices(data, pose)[own], axis=1).max() < 1e-4
