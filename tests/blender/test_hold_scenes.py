"""*Hold* and *Push Apart* in files as they come: linked and overridden, undone and redone, meshes in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.hands import create, shown
from tests.blender.test_hold import distances, hold, posed, thing

pytestmark = pytest.mark.bpy


def linked(path: Path) -> list[Any]:
    """All objects of a file, linked into an empty scene."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(path), link=True) as (found, wanted):
        wanted.objects = found.objects
    for obj in wanted.objects:
        bpy.context.scene.collection.objects.link(obj)
    return list(wanted.objects)


def overridden(path: Path) -> Any:
    """The hand of a file as a library override."""
    import bpy

    armature = next(obj for obj in linked(path) if obj.type == "ARMATURE")
    scene = bpy.context.scene
    armature.override_hierarchy_create(scene, bpy.context.view_layer)
    for obj in [obj for obj in scene.objects if obj.library is not None]:
        scene.collection.objects.unlink(obj)
    return next(obj for obj in scene.objects if obj.type == "ARMATURE")


def saved(path: Path) -> Path:
    import bpy

    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


@pytest.mark.parametrize("override", [False, True])
def test_linked_things_are_held(addon, tmp_path: Path, override: bool) -> None:
    """They are read and not changed, so no override is needed."""
    import bpy

    thing("ball")
    (obj,) = linked(saved(tmp_path / "ball.blend"))
    if override:
        obj = obj.override_create(remap_local_usages=True)
    rig = posed()
    assert hold(rig, mesh=obj.name) == {"FINISHED"}
    tips, deep = distances(rig, obj)
    assert max(tips.values()) < 0.002 and deep < 0.001
    assert bpy.data.objects[obj.name].data.library is not None


def test_overridden_hands_hold_and_keep_it(addon, tmp_path: Path) -> None:
    """The pose is the override's, and is there when the file is opened again; without an override it is refused."""
    import bpy

    posed()
    path = saved(tmp_path / "hand.blend")
    linked(path)
    rig = next(obj for obj in bpy.context.scene.objects if obj.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    for operator in (bpy.ops.livehand.hold, bpy.ops.livehand.apply_apart):
        with pytest.raises(RuntimeError, match="make a library override first"):
            operator()
    rig, obj = overridden(path), thing("ball")
    assert hold(rig, obj) == {"FINISHED"}
    held = shown(rig).hand_pose
    rig.livehand.push_apart = True
    assert distances(rig, obj)[1] < 0.001
    bpy.ops.wm.open_mainfile(filepath=str(saved(tmp_path / "shot.blend")))
    rig = next(obj for obj in bpy.context.scene.objects if obj.type == "ARMATURE")
    np.testing.assert_allclose(shown(rig).hand_pose, held, atol=1e-6)
    assert rig.livehand.push_apart


def test_undone_and_redone(addon) -> None:
    """Hold, the switch of Push Apart and its button are a step each, there and back."""
    import bpy

    from livehand_blender.render.scene import visible_hands

    rig, obj = posed(), thing("ball")
    name, other = rig.name, obj.name

    def state() -> np.ndarray:
        rig = bpy.data.objects[name]
        pose = shown(rig).hand_pose
        (hand,) = visible_hands(bpy.context.evaluated_depsgraph_get())
        return np.concatenate([pose.ravel(), hand.instance.pose.hand_pose.ravel()])

    def switch() -> None:
        bpy.data.objects[name].livehand.push_apart = True

    def fist() -> None:
        bpy.context.view_layer.objects.active = bpy.data.objects[name]
        bpy.ops.livehand.pose_preset(gesture="FIST")

    steps: list[Callable[[], Any]] = [
        lambda: hold(bpy.data.objects[name], bpy.data.objects[other]),
        fist,
        switch,
        lambda: bpy.ops.livehand.apply_apart(),
    ]
    bpy.ops.ed.undo_push(message="start")
    states = [state()]
    for step in steps:
        step()
        bpy.ops.ed.undo_push(message="step")
        states.append(state())
    assert all(np.abs(one - other).max() > 0.01 for one, other in itertools.pairwise(states))
    for wanted in states[-2::-1]:
        bpy.ops.ed.undo()
        np.testing.assert_allclose(state(), wanted, atol=1e-6)
    for wanted in states[1:]:
        bpy.ops.ed.redo()
        np.testing.assert_allclose(state(), wanted, atol=1e-6)


def _inner_face(work: Any) -> None:
    work.verts.ensure_lookup_table()
    work.faces.new([work.verts[number] for number in (100, 300, 600)])


def _loose_edge(work: Any) -> None:
    work.edges.new([work.verts.new((0.2, 0.0, 0.0)), work.verts.new((0.3, 0.0, 0.0))])


def _loose_triangle(work: Any) -> None:
    work.faces.new([work.verts.new(place) for place in ((0.0, 0.0, 0.2), (0.02, 0.0, 0.2), (0.0, 0.02, 0.2))])


def _both_sides(work: Any) -> None:
    import bmesh

    made = bmesh.ops.duplicate(work, geom=work.faces[:])["geom"]
    bmesh.ops.reverse_faces(work, faces=[one for one in made if isinstance(one, bmesh.types.BMFace)])


def _hole(work: Any) -> None:
    import bmesh

    work.faces.ensure_lookup_table()
    bmesh.ops.delete(work, geom=[work.faces[0]], context="FACES")


def _no_width(work: Any) -> None:
    work.verts.ensure_lookup_table()
    work.faces.new([work.verts[0], work.verts[1], work.verts.new(work.verts[0].co)])


@pytest.mark.parametrize("spoil", [_inner_face, _loose_edge, _loose_triangle, _both_sides, _hole, _no_width])
def test_broken_meshes_are_held_as_what_they_show(addon, spoil: Callable[[Any], None]) -> None:
    """A ball with faces inside it, beside it, doubled, missing or without area: the tips touch it, none goes in."""
    import bmesh

    rig, obj, sound = posed(), thing("ball"), thing("ball")
    work = bmesh.new()
    work.from_mesh(obj.data)
    spoil(work)
    work.to_mesh(obj.data)
    work.free()
    assert hold(rig, obj) == {"FINISHED"}
    tips, deep = distances(rig, sound)
    assert max(tips.values()) < 0.002 and deep < 0.001


def test_a_thing_inside_a_finger_comes_to_lie_outside(addon) -> None:
    """The finger gives way to what began inside its tip."""
    import bpy

    rig = posed()
    bone = rig.pose.bones["index3.R"]
    place = rig.matrix_world @ ((bone.head + bone.tail) / 2.0)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.004, location=place)
    obj = bpy.context.object
    assert hold(rig, obj, fingers={"INDEX"}) == {"FINISHED"}
    tips, deep = distances(rig, obj)
    assert tips["index"] < 0.002 and deep < 0.001


def test_push_apart_names_a_hand_that_cannot_be_read(addon) -> None:
    """Another hand of no uniform scale; the hand stays as it was."""
    import bpy

    rig, other = posed(name="fist"), create("left")
    other.scale = (1.0, 2.0, 1.0)
    bpy.context.view_layer.objects.active = rig
    before = shown(rig).hand_pose
    with pytest.raises(RuntimeError, match=r"'LiveHand Left'.*non-uniform|non-uniform.*'LiveHand Left'"):
        bpy.ops.livehand.apply_apart()
    np.testing.assert_allclose(shown(rig).hand_pose, before, atol=1e-6)
