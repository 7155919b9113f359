"""Hands in the pictures of another engine: set up, rendered, removed without a trace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.exr import read_exr
from tests.blender.helpers import make_scene
from tests.blender.rigged import add_foot

pytestmark = pytest.mark.bpy


@pytest.fixture
def scene(addon, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hand at 0.5 m; a plate before its right half and another behind all of it; Cycles, one sample."""
    import bpy

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    scene, _ = make_scene(tiny_avatar)
    for name, place, colour in (
        ("Near", (0.91, -0.3, 0.0), (0.0, 0.0, 1.0)),
        ("Back", (0.0, 0.5, 0.0), (0.0, 1.0, 0.0)),
    ):
        bpy.ops.mesh.primitive_plane_add(size=2.0 if name == "Near" else 6.0, location=place, rotation=(1.5708, 0, 0))
        plate = bpy.context.object
        plate.name = name
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.node_tree.nodes.clear()
        glow = material.node_tree.nodes.new("ShaderNodeEmission")
        glow.inputs["Color"].default_value = (*colour, 1.0)
        output = material.node_tree.nodes.new("ShaderNodeOutputMaterial")
        material.node_tree.links.new(glow.outputs[0], output.inputs["Surface"])
        plate.data.materials.append(material)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    return scene


def _picture(scene: Any, path: Path) -> dict[str, np.ndarray]:
    import bpy

    from livehand_blender import compat

    compat.set_image_format(scene.render.image_settings, "OPEN_EXR")
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.filepath = str(path)
    assert bpy.ops.render.render(write_still=True) == {"FINISHED"}
    return read_exr(path)


def _trace(scene: Any) -> Any:
    """All that set-up could leave behind."""
    import bpy

    from livehand_blender import compat

    tree = compat.compositing_tree(scene)
    nodes = links = None
    if tree is not None:
        nodes = sorted((node.bl_idname, node.name, tuple(node.location), sorted(node.keys())) for node in tree.nodes)
        links = sorted(
            (link.from_node.name, link.from_socket.name, link.to_node.name, link.to_socket.name) for link in tree.links
        )
    names = [sorted(item.name for item in getattr(bpy.data, kind)) for kind in ("scenes", "node_groups", "objects")]
    objects = [(o.name, o.visible_camera, o.hide_render, sorted(o.keys())) for o in bpy.data.objects]
    stored = (scene.livehand.hand_scene, scene.livehand.before_compositing, scene.view_layers[0].use_pass_z)
    return nodes, links, names, objects, stored


def test_hands_are_merged_by_depth_and_removed_without_a_trace(scene, tmp_path: Path) -> None:
    import bpy

    plain = _picture(scene, tmp_path / "plain.exr")
    before = _trace(scene)
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    assert not any(mesh.visible_camera for mesh in bpy.data.objects if "Proxy" in mesh.name)
    hands = scene.livehand.hand_scene
    image = _picture(scene, tmp_path / "merged.exr")
    blue, red = image["B"], image["R"]
    # Before the camera: the near plate right of its edge, the hand left of it, the far plate around.
    plate = blue > 0.9
    edge = int(np.argmax(plate.any(axis=0)))
    assert 30 < edge < 45 and plate[:, edge + 1 :].all()
    left_hand = red[:, : edge - 1] > 0.02
    assert 0.02 < left_hand.mean() < 0.6
    assert np.all(red[:, edge + 1 :] < 1e-3), "behind the plate nothing of the hand shows"
    assert np.all(image["G"][:, : edge - 1][~left_hand] > 0.5)
    # The merge is plain arithmetic: the hand as its own scene renders it, over what is behind it.
    alone = _hand_alone(hands, tmp_path)
    whole = np.s_[:, : edge - 2]
    np.testing.assert_allclose(red[whole], alone["R"][whole], atol=2e-3)
    np.testing.assert_allclose(image["G"][whole], alone["G"][whole] + 1.0 - alone["A"][whole], atol=2e-3)

    assert bpy.ops.livehand.remove_compositing() == {"FINISHED"}
    assert _trace(scene) == before
    after = _picture(scene, tmp_path / "after.exr")
    for channel in "RGBA":
        np.testing.assert_allclose(after[channel], plain[channel], atol=1e-5)


def test_a_held_out_hand_cuts_the_scene_only_where_it_is_in_front(scene, tmp_path: Path) -> None:
    """Behind the near plate nothing is cut; the far plate has a hole of the hand's very opacity."""
    import bpy

    scene.render.film_transparent = True
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    seen = _hand_alone(scene.livehand.hand_scene, tmp_path)["A"]
    next(obj for obj in scene.objects if obj.type == "ARMATURE").is_holdout = True
    image = _picture(scene, tmp_path / "cut.exr")
    edge = int(np.argmax((image["B"] > 0.9).any(axis=0)))
    assert 30 < edge < 45 and seen[:, edge + 2 :].max() > 0.9 < seen[:, : edge - 2].max()
    for channel, wanted in (("R", 0.0), ("G", 0.0), ("B", 1.0), ("A", 1.0)):
        np.testing.assert_allclose(image[channel][:, edge + 2 :], wanted, atol=2e-3, err_msg=channel)
    left = 1.0 - seen[:, : edge - 2]
    for channel, part in (("R", 0.0 * left), ("G", left), ("B", 0.0 * left), ("A", left)):
        np.testing.assert_allclose(image[channel][:, : edge - 2], part, atol=2e-3, err_msg=channel)


def _hand_alone(hands: Any, tmp_path: Path) -> dict[str, np.ndarray]:
    import bpy

    from livehand_blender import compat

    compat.set_image_format(hands.render.image_settings, "OPEN_EXR")
    hands.render.image_settings.color_mode = "RGBA"
    hands.render.filepath = str(tmp_path / "alone.exr")
    bpy.ops.render.render(write_still=True, scene=hands.name)
    return read_exr(tmp_path / "alone.exr")


def test_the_artists_nodes_stay(scene) -> None:
    import bpy

    from livehand_blender import compat

    tree = compat.make_compositing_tree(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene, layers.location = scene, (10.0, 20.0)
    blur = tree.nodes.new("CompositorNodeBlur")
    viewer = tree.nodes.new("CompositorNodeViewer")
    output = compat.output_node(tree)
    tree.links.new(layers.outputs["Image"], blur.inputs["Image"])
    tree.links.new(layers.outputs["Image"], viewer.inputs["Image"])
    tree.links.new(blur.outputs["Image"], output.inputs["Image"])
    before = _trace(scene)
    bpy.ops.livehand.setup_compositing()
    group = next(node for node in tree.nodes if node.bl_idname == "CompositorNodeGroup")
    assert [link.from_node for link in blur.inputs["Image"].links] == [group]
    assert [link.from_node for link in viewer.inputs["Image"].links] == [group]
    assert [link.from_node for link in output.inputs["Image"].links] == [blur]
    # What is put between afterwards stays there.
    crop = tree.nodes.new("CompositorNodeFlip")
    tree.links.new(group.outputs["Image"], crop.inputs["Image"])
    tree.links.new(crop.outputs["Image"], blur.inputs["Image"])
    bpy.ops.livehand.remove_compositing()
    assert [link.from_node for link in crop.inputs["Image"].links] == [layers]
    tree.links.new(layers.outputs["Image"], blur.inputs["Image"])
    tree.nodes.remove(crop)
    assert _trace(scene) == before


def test_the_hand_scene_follows(scene, tiny_avatar: Path) -> None:
    import bpy

    from livehand_blender.compositing.operators import follow_all
    from livehand_blender.rig.armature import create_hand

    bpy.ops.livehand.setup_compositing()
    hands = scene.livehand.hand_scene
    scene.render.resolution_x, scene.frame_end = 99, 12
    second = create_hand(bpy.context, "left", avatar=str(tiny_avatar))
    camera = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(camera)
    scene.timeline_markers.new("cut", frame=5).camera = camera
    scene.camera = camera
    follow_all()
    assert (hands.render.resolution_x, hands.frame_end, hands.camera) == (99, 12, camera)
    assert second in set(hands.objects) and hands.timeline_markers[0].camera == camera
    assert not any(child.visible_camera for child in second.children if child.type == "MESH")
    bpy.data.objects.remove(second)
    follow_all()
    assert len([o for o in hands.objects if o.type == "ARMATURE"]) == 1


def test_bad_scenes_are_told_and_left_alone(scene) -> None:
    import bpy

    from livehand_blender import compat

    def fails(match: str) -> None:
        before = _trace(scene)
        with pytest.raises(RuntimeError, match=match):
            bpy.ops.livehand.setup_compositing()
        assert _trace(scene) == before

    tree = compat.make_compositing_tree(scene)
    tree.nodes.new("CompositorNodeRLayers").scene = scene
    fails("does not use its Render Layers")
    scene.render.engine = "LIVEHAND"
    fails("renders with LiveHand already")
    scene.render.engine = "CYCLES"
    tree.nodes.clear()
    compat.drop_compositing_tree(scene)
    rig = next(o for o in scene.objects if o.type == "ARMATURE")
    bpy.ops.livehand.setup_compositing()
    fails("has LiveHand compositing")
    # The hand scene is deleted by hand, then even the rig: removal still cleans up.
    bpy.data.scenes.remove(scene.livehand.hand_scene)
    bpy.data.objects.remove(rig)
    assert bpy.ops.livehand.remove_compositing() == {"FINISHED"}
    assert compat.compositing_tree(scene) is None and not bpy.data.node_groups
    assert not bpy.ops.livehand.remove_compositing.poll()
    fails("no LiveHand hand")


def test_a_mesh_with_an_avatar_of_its_own_is_drawn_by_that_alone(scene, tmp_path: Path) -> None:
    """Its own surface is left to shadows; without its avatar, and without compositing, it is seen again."""
    import bpy

    from livehand_blender.compositing import setup
    from livehand_blender.parts.rigged import model_of
    from livehand_core.avatars import new_avatar, save_avatar

    foot, armature = add_foot(scene)
    armature.location = (-0.16, -0.05, -0.08)
    tree = foot.data.materials[0].node_tree
    glow = tree.nodes.new("ShaderNodeEmission")
    glow.inputs["Color"].default_value = (1.0, 0.0, 1.0, 1.0)
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    tree.links.new(glow.outputs[0], output.inputs["Surface"])
    avatar = new_avatar(model_of(foot)[0], name="foot", licence="CC0-1.0")
    avatar.field_state["density.bias"].fill_(5000.0)
    save_avatar(tmp_path / "foot.safetensors", avatar)
    foot.livehand_part.avatar = str(tmp_path / "foot.safetensors")
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    image = _picture(scene, tmp_path / "merged.exr")
    alone = _hand_alone(scene.livehand.hand_scene, tmp_path)
    covered = alone["A"] > 0.99
    assert covered[:, :20].sum() > 20, "the foot's avatar is drawn"
    glowing = (image["R"] > 0.99) & (image["B"] > 0.99)
    assert not glowing.any()
    np.testing.assert_allclose(image["R"][:, :28][covered[:, :28]], alone["R"][:, :28][covered[:, :28]], atol=2e-3)

    foot.livehand_part.avatar = ""
    again = _picture(scene, tmp_path / "again.exr")
    assert foot.visible_camera and ((again["R"] > 0.99) & (again["B"] > 0.99)).sum() > 20
    foot.livehand_part.avatar = str(tmp_path / "foot.safetensors")
    setup.keep_up(scene)
    # A copy of what is hidden is hidden itself, and seen again like it.
    later = foot.copy()
    scene.collection.objects.link(later)
    setup.keep_up(scene)
    assert not any(mesh.visible_camera for mesh in (foot, later))
    assert bpy.ops.livehand.remove_compositing() == {"FINISHED"}
    assert all(mesh.visible_camera for mesh in (foot, later))
