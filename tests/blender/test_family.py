"""What belongs to a hand comes and goes with it: proxies, widgets, and what the artist keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.hands import create, mesh_points

pytestmark = pytest.mark.bpy


@pytest.fixture
def tidy(addon) -> Iterator[Any]:
    """What Blender's window has done a moment after objects have come or gone."""
    from livehand_blender.rig import family

    family._file_loaded()
    yield family.tidy
    family._file_loaded()


def proxy(rig: Any) -> Any:
    from livehand_blender.rig.armature import proxy_meshes

    (mesh,) = proxy_meshes(rig)
    return mesh


def choose(*objects: Any) -> None:
    """Select these alone; the first is active."""
    import bpy

    for obj in bpy.context.view_layer.objects:
        obj.select_set(obj in objects)
    bpy.context.view_layer.objects.active = objects[0]


def told(kept: Any) -> None:
    """A change of one object reaches the handler, as it does in a window."""
    import bpy

    from livehand_blender.rig import family

    kept.update_tag()
    bpy.app.handlers.depsgraph_update_post.append(family._changed)
    try:
        bpy.context.view_layer.update()
    finally:
        bpy.app.handlers.depsgraph_update_post.remove(family._changed)


def test_a_deleted_hand_takes_its_proxy_along(tidy) -> None:
    import bpy

    rig, other = create(), create("left")
    tidy()
    choose(rig)
    bpy.ops.object.delete()
    tidy()
    assert {obj.name for obj in bpy.context.scene.objects} == {other.name, proxy(other).name}


@pytest.mark.parametrize("kept", ["unparented", "shape", "material", "modifier", "fake user", "from a file", "asset"])
def test_a_mesh_that_the_artist_kept_stays(tidy, kept: str) -> None:
    import bpy

    rig = create()
    mesh = proxy(rig)
    lamp = bpy.data.objects.new("Lamp", None)
    bpy.context.scene.collection.objects.link(lamp)
    tidy()
    if kept == "unparented":
        mesh.parent = None
        told(mesh)
    elif kept == "shape":
        mesh.data.vertices[0].co.z += 0.01
    elif kept == "material":
        mesh.data.materials[0] = bpy.data.materials.new("Mine")
    elif kept == "modifier":
        mesh.modifiers.new("Mine", "SUBSURF")
    elif kept == "fake user":
        mesh.use_fake_user = True
    elif kept == "asset":
        mesh.asset_mark()
    name = mesh.name
    bpy.data.objects.remove(rig)
    if kept == "from a file":
        from livehand_blender.rig import family

        family._file_loaded()
        bpy.data.objects.remove(lamp)
    tidy()
    assert name in bpy.data.objects


def test_an_armature_duplicated_alone_gets_a_proxy_and_one_that_lost_it_stays_without(tidy) -> None:
    import bpy

    rig = create("right", [0.5] * 10)
    tidy()
    choose(rig)
    bpy.ops.object.duplicate()
    copy = bpy.context.object
    assert not copy.children
    tidy()
    np.testing.assert_allclose(mesh_points(copy), mesh_points(rig), atol=1e-6)
    copy.livehand.betas = (-1.0,) * 10
    assert np.abs(mesh_points(copy) - mesh_points(rig)).max() > 1e-3
    bpy.data.objects.remove(proxy(copy))
    tidy()
    assert not copy.children


@pytest.mark.parametrize("both", [True, False])
def test_a_linked_duplicates_proxy_has_its_own_shape(tidy, both: bool) -> None:
    import bpy

    rig = create()
    tidy()
    choose(rig, *([proxy(rig)] if both else []))
    bpy.ops.object.duplicate(linked=True)
    copy = bpy.context.object
    tidy()
    before = mesh_points(rig)
    np.testing.assert_allclose(mesh_points(copy), before, atol=1e-6)
    copy.livehand.betas = (2.0,) * 10
    assert np.abs(mesh_points(copy) - before).max() > 1e-3
    np.testing.assert_allclose(mesh_points(rig), before, atol=1e-6)


def test_an_appended_armature_gets_a_proxy_and_brings_no_widgets(tidy, tmp_path: Path) -> None:
    import bpy

    name = create().name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "hand.blend"), copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.append(directory=str(tmp_path / "hand.blend" / "Object") + "/", filename=name)
    tidy()
    rig = bpy.data.objects[name]
    assert {obj.name for obj in bpy.context.scene.objects} == {name, proxy(rig).name}
    assert rig.pose.bones["index_control.R"].custom_shape is not None


def test_a_proxy_can_be_made_again(addon) -> None:
    import bpy

    rig = create("left", [1.0] * 10)
    assert not bpy.ops.livehand.make_proxy.poll()
    before = mesh_points(rig)
    bpy.data.objects.remove(proxy(rig))
    assert bpy.ops.livehand.make_proxy() == {"FINISHED"}
    np.testing.assert_allclose(mesh_points(rig), before, atol=1e-6)
    assert not bpy.ops.livehand.make_proxy.poll()
