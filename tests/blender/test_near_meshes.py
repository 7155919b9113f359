"""Meshes that stand in a hand's light: which are sent, as what, and that those that rest cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from livehand_core.occluders import Occluder
from tests.blender.helpers import make_scene
from tests.blender.lit_hands import answering, request_now
from tests.blender.test_lights import lamp
from tests.blender.test_scene_light import world_of

pytestmark = pytest.mark.bpy

HERE = (-0.09, 0.0, 0.0)
"""Middle of the default hand."""


@pytest.fixture
def scene(addon: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hand that answers to light in a white world."""
    answering(monkeypatch)
    found, _ = make_scene("")
    world_of(1.0)
    return found


def ball(name: str, place: tuple[float, float, float], radius: float = 0.03, segments: int = 16) -> Any:
    import bpy

    bpy.ops.mesh.primitive_uv_sphere_add(segments=segments, ring_count=segments // 2, radius=radius, location=place)
    bpy.context.object.name = name
    return bpy.context.object


def names() -> list[str]:
    return sorted(occluder.name for occluder in request_now().occluders)


def one() -> Occluder:
    (found,) = request_now().occluders
    return found


def test_what_stands_near_is_sent_in_world_space(scene: Any) -> None:
    cup = ball("cup", (0.0, -0.2, 0.0))
    cup.scale = (1.0, 2.0, 1.0)
    found = one()
    assert found.name == "cup" and found.sky
    np.testing.assert_allclose(found.vertices.mean(axis=0), (0.0, -0.2, 0.0), atol=1e-3)
    np.testing.assert_allclose(np.ptp(found.vertices, axis=0), (0.06, 0.12, 0.06), atol=1e-3)


def test_hands_and_what_casts_no_shadow_are_not(scene: Any) -> None:
    import bpy

    from livehand_blender.rig.armature import create_hand

    create_hand(bpy.context, "left").location = (0.0, 0.1, 0.1)
    assert names() == [], "hands go by their poses"
    ball("far", (3.0, 0.0, 0.0))
    hidden, unrendered, shadowless, glass = (ball(name, (0.0, -0.2, 0.0)) for name in "abcd")
    hidden.hide_viewport, unrendered.hide_render, shadowless.visible_shadow = True, True, False
    clear = bpy.data.materials.new("clear")
    clear.use_nodes = True
    output = clear.node_tree.get_output_node("ALL")
    clear.node_tree.links.new(clear.node_tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], output.inputs[0])
    glass.data.materials.append(clear)
    assert names() == []
    hidden.hide_viewport = False
    assert names() == ["a"]
    apart = bpy.data.collections.new("apart")
    scene.collection.children.link(apart)
    apart.objects.link(hidden)
    scene.collection.objects.unlink(hidden)
    assert names() == ["a"]
    bpy.context.view_layer.layer_collection.children["apart"].exclude = True
    assert names() == []


def test_what_stands_between_a_lamp_and_the_hand_is_sent_and_no_other(scene: Any) -> None:
    lamp("POINT", place=(HERE[0], -2.0, 0.0), energy=10.0)
    ball("on the way", (HERE[0], -1.5, 0.0))
    ball("beside", (1.0, -1.5, 0.0))
    ball("behind the lamp", (HERE[0], -3.0, 0.0))
    assert names() == ["on the way"]
    lamp("SUN", place=(0.0, 0.0, 1.0), energy=1.0)
    ball("roof", (HERE[0], 0.0, 30.0), 1.0)
    ball("below", (HERE[0], 0.0, -30.0), 1.0)
    assert names() == ["on the way", "roof"]


def test_modifiers_instances_curves_and_edit_mode(scene: Any) -> None:
    import bpy

    cup = ball("cup", (0.0, -0.2, 0.0))
    before = one()
    array = cup.modifiers.new("Array", "ARRAY")
    array.count = 3
    assert len(one().faces) == 3 * len(before.faces)
    array.show_viewport = False
    bpy.ops.object.mode_set(mode="EDIT")
    assert len(one().faces) == len(before.faces)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.data.objects.remove(cup)
    inside = bpy.data.collections.new("inside")
    inside.objects.link(ball("grain", (0.0, 0.0, 0.0), 0.01))
    bpy.context.scene.collection.objects.unlink(bpy.data.objects["grain"])
    for number in range(2):
        shower = bpy.data.objects.new(f"shower {number}", None)
        shower.instance_type, shower.instance_collection = "COLLECTION", inside
        shower.location = (0.1 * number, -0.2, 0.0)
        scene.collection.objects.link(shower)
    middles = sorted(float(mesh.vertices[:, 0].mean()) for mesh in request_now().occluders)
    np.testing.assert_allclose(middles, [0.0, 0.1], atol=1e-3)
    bpy.data.objects["shower 1"].hide_render = True
    assert len(names()) == 1
    bpy.data.objects["shower 1"].hide_render = False
    bpy.ops.curve.primitive_bezier_circle_add(radius=0.05, location=(0.0, 0.2, 0.0))
    assert len(names()) == 2, "a bare curve has no surface"
    bpy.context.object.data.bevel_depth = 0.01
    assert len(names()) == 3


def test_what_rests_is_read_once_and_what_moves_or_changes_anew(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.render import near

    cup, rig = ball("cup", (0.0, -0.2, 0.0)), bpy.data.objects["LiveHand Right"]
    reads: list[int] = []
    read = near._read
    monkeypatch.setattr(near, "_read", lambda *arguments: (reads.append(1), read(*arguments))[1])
    first = one()
    count = len(reads)
    assert one() is first
    rig.pose.bones[3].rotation_mode = "XYZ"
    rig.pose.bones[3].rotation_euler = (0.2, 0.0, 0.0)
    assert one() is first and len(reads) == count
    cup.location.x = 0.01
    moved = one()
    assert moved != first and len(reads) == count, "only its place is another"
    cup.data.vertices[0].co.z += 0.02
    cup.data.update()
    assert one() != moved and len(reads) > count
    rig.location.x = 0.03
    assert one().name == "cup"


def test_a_hand_that_moves_a_little_leaves_a_small_mesh_the_same(scene: Any) -> None:
    import bpy

    ball("cup", (0.0, -0.2, 0.0))
    first, rig = one(), bpy.data.objects["LiveHand Right"]
    for step in range(12):
        rig.location = (0.01 * step, 0.002 * step, 0.0)
        assert one() == first


def test_large_meshes_are_cut_and_reduced_and_keep_their_form(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_blender.render import near

    budget = 2000
    monkeypatch.setattr(near, "BUDGET", budget)
    monkeypatch.setattr(near, "WHOLE", 200)
    ball("planet", (0.0, -0.5, 0.0), 0.4, 128)
    found = one()
    assert 0.3 * budget < len(found.faces) <= budget
    away = np.linalg.norm(found.vertices - (0.0, -0.5, 0.0), axis=1)
    np.testing.assert_allclose(away, 0.4, atol=0.01)
    assert found.vertices[:, 1].min() > -0.8, "the far side is left out"
    ball("moon", (0.0, 0.25, 0.0), 0.1, 64)
    sizes = {mesh.name: len(mesh.faces) for mesh in request_now().occluders}
    assert set(sizes) == {"planet", "moon"} and sum(sizes.values()) <= budget and min(sizes.values()) > 0.1 * budget


def test_a_fine_mesh_that_moves_is_reduced_once(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_blender.render import near

    made: list[int] = []
    reduced = near.reduced
    monkeypatch.setattr(near, "reduced", lambda *given: (made.append(1), reduced(*given))[1])
    cup = ball("cup", (0.0, -0.2, 0.0), 0.04, 128)
    for step in range(4):
        cup.location.x, cup.rotation_euler.z = 0.01 * step, 0.3 * step
        found = one()
        assert 1000 < len(found.faces) <= near.WHOLE
        away = np.linalg.norm(found.vertices - np.array(cup.location), axis=1)
        np.testing.assert_allclose(away, 0.04, atol=5e-4)
    assert len(made) == 1
    cup.scale = (4.0, 4.0, 4.0)
    assert 0 < len(one().faces) < near.WHOLE, "of what is large the part near the hand is taken, as fine as it is"


def test_too_many_meshes_and_broken_ones_are_told(scene: Any) -> None:
    import bpy

    from livehand_blender.render.near import MOST_MESHES
    from livehand_blender.render.scene import read_frame

    seed = ball("seed", (0.0, -0.2, 0.0), 0.002, 4)
    for number in range(MOST_MESHES + 10):
        copy = seed.copy()
        copy.location.z = 0.0005 * number
        scene.collection.objects.link(copy)
    broken = ball("broken", (0.0, 0.2, 0.0))
    broken.data.vertices[3].co.x = float("nan")
    bpy.context.view_layer.update()
    read = read_frame(bpy.context.evaluated_depsgraph_get())
    assert len(read.request.occluders) == MOST_MESHES
    assert any(f"only the nearest {MOST_MESHES}" in note for note in read.notes)
    assert any("'broken' has points that are not finite" in note for note in read.notes)


def test_hands_with_a_light_of_their_own_cost_nothing_more(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_blender.render import scene as reading

    ball("cup", (0.0, -0.2, 0.0))

    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing of the light is looked at")

    scene.livehand.light = "TRAINED"
    monkeypatch.setattr(reading, "hand_lights", refuse)
    monkeypatch.setattr(reading, "near_meshes", refuse)
    request = request_now()
    assert request.occluders == () and all(request.light_of(hand) is None for hand in request.hands)
    scene.livehand.light = "SCENE"
    with pytest.raises(AssertionError):
        request_now()
    monkeypatch.setattr(reading, "answers", lambda avatar: False)
    assert request_now().occluders == ()


def test_reduction_keeps_within_any_number() -> None:
    from livehand_blender.render.reduction import reduced

    random = np.random.default_rng(0)
    vertices, faces = random.normal(size=(300, 3)), random.integers(0, 300, (5000, 3))
    for most in (1, 10, 500, 4000):
        points, few = reduced(vertices, faces, most)
        assert len(few) <= most and (few < len(points)).all() and np.isfinite(points).all()
    points, few = reduced(np.zeros((3, 3)), np.array([[0, 1, 2]]), 1)
    assert len(few) <= 1
