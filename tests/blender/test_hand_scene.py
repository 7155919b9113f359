"""The hand scene takes over everything of its main scene, copies get their own, and removal gives everything back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.exr import read_exr
from tests.blender.helpers import make_scene, render_exr

pytestmark = pytest.mark.bpy


@pytest.fixture
def scene(addon, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import bpy

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    scene, _ = make_scene(tiny_avatar, width=48, height=32)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    bpy.ops.livehand.setup_compositing()
    return scene


def _proxy(scene: Any) -> Any:
    return next(obj for obj in scene.objects if obj.type == "MESH")


def _other(prop: Any, value: Any) -> Any:
    """Another value of a property, None where it has only one."""
    if prop.type == "BOOLEAN":
        return not value
    if prop.type in {"INT", "FLOAT"}:
        low, high = prop.hard_min, prop.hard_max
        step = 1 if prop.type == "INT" else 0.25
        return value + step if value + step <= high else value - step if value - step >= low else None
    if prop.type == "ENUM" and not prop.is_enum_flag:
        return next((item.identifier for item in prop.enum_items if item.identifier != value), None)
    return None


def _change(source: Any, path: str, but: frozenset[str]) -> list[str]:
    """Change every simple property of a piece of data; the paths of those that took it."""
    changed = []
    for prop in source.bl_rna.properties:
        where = path + prop.identifier
        if prop.is_readonly or prop.is_runtime or where in but or getattr(prop, "is_array", False):
            continue
        if prop.type in {"POINTER", "COLLECTION", "STRING"}:
            continue
        before = getattr(source, prop.identifier)
        wanted = _other(prop, before)
        if wanted is not None:
            try:
                setattr(source, prop.identifier, wanted)
            except (TypeError, ValueError):
                continue
            if getattr(source, prop.identifier) != before:
                changed.append(prop.identifier)
    return changed


def test_every_setting_of_the_scene_is_taken_over(scene) -> None:
    from livehand_blender.compositing.hand_scene import _OWN, _OWN_LAYER
    from livehand_blender.compositing.operators import follow_all

    hands = scene.livehand.hand_scene
    pieces = {
        "": (scene, hands, _OWN),
        "render.": (scene.render, hands.render, _OWN),
        "unit_settings.": (scene.unit_settings, hands.unit_settings, _OWN),
        "layer.": (scene.view_layers[0], hands.view_layers[0], _OWN_LAYER),
    }
    counted = {}
    for path, (ours, _, but) in pieces.items():
        counted[path] = _change(ours, path, but)
    follow_all()
    follow_all()
    missing = [
        path + name
        for path, (ours, theirs, _) in pieces.items()
        for name in counted[path]
        if getattr(ours, name) != getattr(theirs, name)
    ]
    assert missing == []
    assert sum(map(len, counted.values())) > 150, "most of RNA was tried"
    assert hands.render.engine == "LIVEHAND" and hands.render.film_transparent


def test_what_is_followed_once_is_not_written_again(scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_blender.compositing.hand_scene import follow

    scene["note"], scene.timeline_markers.new("here", frame=3).name = {"a": [1, 2]}, "there"
    hands = scene.livehand.hand_scene
    assert follow(scene, hands)
    assert not follow(scene, hands), "or Blender would never idle again"
    assert hands["note"].to_dict() == {"a": [1, 2]}


def _layers(scene: Any) -> Any:
    """A second view layer without the first hand, and a second hand in both."""
    import bpy

    collection = bpy.data.collections.new("First")
    scene.collection.children.link(collection)
    for obj in [obj for obj in scene.objects if obj.type != "CAMERA"]:
        scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    other = scene.view_layers.new("Other")
    other.layer_collection.children["First"].exclude = True
    avatar = next(obj for obj in scene.objects if obj.type == "ARMATURE").livehand.avatar
    bpy.ops.livehand.add_hand(avatar=avatar, location=(0.0, 0.0, 0.1))
    return other


def test_every_view_layer_gets_its_own_hands(scene, tmp_path: Path) -> None:
    import bpy

    from livehand_blender import compat

    other = _layers(scene)
    tree = compat.compositing_tree(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene, layers.layer = scene, other.name
    viewer = tree.nodes.new("CompositorNodeViewer")
    tree.links.new(layers.outputs["Image"], viewer.inputs["Image"])
    output = next(node for node in tree.nodes if node.bl_idname in {"CompositorNodeComposite", "NodeGroupOutput"})
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}, "nodes that came later are taken in"
    merges = [node for node in tree.nodes if node.bl_idname == "CompositorNodeGroup"]
    assert len(merges) == 2 and viewer.inputs["Image"].links[0].from_node in merges
    scene.render.film_transparent = True
    pictures = []
    for merge in sorted(merges, key=lambda node: node.inputs["Image"].links[0].from_node.layer):
        tree.links.new(merge.outputs["Image"], output.inputs["Image"])
        compat.set_image_format(scene.render.image_settings, "OPEN_EXR")
        scene.render.image_settings.color_mode = "RGBA"
        scene.render.filepath = str(tmp_path / "picture.exr")
        bpy.ops.render.render(write_still=True)
        pictures.append(read_exr(tmp_path / "picture.exr")["A"])
    scene.render.engine = "LIVEHAND"
    direct = render_exr(scene, tmp_path / "direct.exr")
    del direct
    images = read_exr(tmp_path / "direct.exr")
    for picture, layer in zip(pictures, sorted(layer.name for layer in scene.view_layers), strict=True):
        np.testing.assert_allclose(picture, images[f"{layer}.Combined.A"], atol=2e-3, err_msg=layer)
    assert pictures[0].sum() < 0.9 * pictures[1].sum() and pictures[0].max() > 0.1


@pytest.mark.parametrize("kind", ["FULL_COPY", "LINK_COPY"])
def test_a_copied_scene_has_a_hand_scene_of_its_own(scene, kind: str) -> None:
    import bpy

    from livehand_blender.compositing.operators import follow_all

    hands, proxy = scene.livehand.hand_scene, _proxy(scene)
    bpy.ops.scene.new(type=kind)
    copy = bpy.context.scene
    assert copy != scene
    copy.render.resolution_x = 99
    follow_all()
    follow_all()
    assert scene.livehand.hand_scene == hands and hands.render.resolution_x == 48
    if copy.livehand.hand_scene is not None:
        assert copy.livehand.hand_scene != hands and copy.livehand.hand_scene.render.resolution_x == 99
        assert bpy.ops.livehand.remove_compositing() == {"FINISHED"}
    assert hands.name in bpy.data.scenes and scene.livehand.hand_scene == hands
    assert not proxy.visible_camera, "the first scene still composites it"
    assert _proxy(copy).visible_camera == (_proxy(copy) != proxy)
    bpy.context.window.scene = scene
    assert bpy.ops.livehand.remove_compositing() == {"FINISHED"} and proxy.visible_camera


def test_removing_in_a_full_copy_at_once_leaves_the_first_scene_alone(scene) -> None:
    import bpy

    hands = scene.livehand.hand_scene
    bpy.ops.scene.new(type="FULL_COPY")
    if bpy.ops.livehand.remove_compositing.poll():
        bpy.ops.livehand.remove_compositing()
    assert hands.name in bpy.data.scenes and scene.livehand.hand_scene == hands


def test_overridden_proxies_are_given_back_after_a_reload(addon, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    source, rig = make_scene(tiny_avatar)
    collection = bpy.data.collections.new("Hand")
    source.collection.children.link(collection)
    for obj in (rig, *rig.children):
        source.collection.objects.unlink(obj)
        collection.objects.link(obj)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.collections = ["Hand"]
    scene = bpy.context.scene
    linked = wanted.collections[0]
    # Blender 5.3 overrides only what stands in the scene.
    scene.collection.children.link(linked)
    linked.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    scene.collection.children.unlink(linked)
    scene.render.engine = "CYCLES"
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    proxy = next(obj for obj in scene.objects if obj.type == "MESH" and obj.override_library)
    assert not proxy.visible_camera
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    proxy = next(obj for obj in bpy.context.scene.objects if obj.type == "MESH" and obj.override_library)
    assert not proxy.visible_camera
    assert bpy.ops.livehand.remove_compositing() == {"FINISHED"} and proxy.visible_camera


def test_a_hand_deleted_in_the_main_scene_is_gone(scene) -> None:
    import bpy

    from livehand_blender.compositing.operators import follow_all

    rig = next(obj for obj in scene.objects if obj.type == "ARMATURE")
    name = rig.name
    scene.collection.objects.unlink(rig)
    follow_all()
    assert name not in bpy.data.objects


def test_render_with_livehand_says_what_it_does_to_compositing(scene) -> None:
    import bpy

    with pytest.raises(RuntimeError, match="Remove Compositing first"):
        bpy.ops.livehand.use_engine()
    assert scene.render.engine == "CYCLES" and scene.livehand.hand_scene is not None
    assert bpy.ops.livehand.use_engine(remove_compositing=True) == {"FINISHED"}
    assert scene.render.engine == "LIVEHAND" and len(bpy.data.scenes) == 1
