"""*Hold*: fingers close on real meshes; *Push Apart*: what is drawn, and what its button writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture, mirror_hand_pose
from livehand_core.hand.limits import FINGERS
from tests.blender.hands import create, excess, shown

pytestmark = pytest.mark.bpy

CUP = (-0.1, -0.068, 0.0)


def posed(side: str = "right", name: str = "relaxed") -> Any:
    """A new hand in a gesture, the active object."""
    import bpy

    rig = create(side)
    assert bpy.ops.livehand.pose_preset(gesture=name.upper()) == {"FINISHED"}
    return rig


def thing(kind: str, side: str = "right") -> Any:
    """A new object to hold, before the palm."""
    import bpy

    mirror = -1.0 if side == "left" else 1.0
    if kind == "ball":
        bpy.ops.mesh.primitive_uv_sphere_add(
            radius=0.035, segments=48, ring_count=24, location=(-0.1 * mirror, -0.06, 0.0)
        )
    elif kind == "cup":
        bpy.ops.mesh.primitive_cylinder_add(vertices=48, radius=0.036, depth=0.09, end_fill_type="NOTHING")
        made = bpy.context.object
        made.location = (CUP[0] * mirror, CUP[1], CUP[2])
        modifier = made.modifiers.new("Solidify", "SOLIDIFY")
        modifier.thickness, modifier.offset = 0.003, -1.0
    else:
        radius, y = {"cylinder": (0.027, -0.05), "pencil": (0.004, -0.05)}[kind]
        x = {"cylinder": -0.1, "pencil": -0.122}[kind]
        bpy.ops.mesh.primitive_cylinder_add(vertices=48, radius=radius, depth=0.2, location=(x * mirror, y, 0.0))
    return bpy.context.object


def hold(rig: Any, *objects: Any, **settings: Any) -> set[str]:
    import bpy

    bpy.ops.object.select_all(action="DESELECT")
    for obj in (*objects, rig):
        obj.select_set(True)
    bpy.context.view_layer.objects.active = rig
    return bpy.ops.livehand.hold(**settings)


def distances(rig: Any, obj: Any) -> tuple[dict[str, float], float]:
    """Finger -> metres from its tip's vertices to the object, and how deep any vertex of a finger lies in it.

    By rays, and not by what the operator looks with.
    """
    import bpy
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    graph = bpy.context.evaluated_depsgraph_get()
    (proxy,) = (child for child in rig.children if child.type == "MESH")
    mesh = proxy.evaluated_get(graph)
    points = [proxy.evaluated_get(graph).matrix_world @ vertex.co for vertex in mesh.data.vertices]
    solid = obj.evaluated_get(graph)
    corners = [solid.matrix_world @ vertex.co for vertex in solid.data.vertices]
    tree = BVHTree.FromPolygons(corners, [tuple(face.vertices) for face in solid.data.polygons])

    def inside(point: Any) -> bool:
        votes = 0
        for direction in (Vector((0.31, 0.2, 0.93)), Vector((-0.5, 0.77, -0.4)), Vector((0.6, -0.7, 0.39))):
            hits, start = 0, point
            while (hit := tree.ray_cast(start, direction))[0] is not None:
                hits, start = hits + 1, hit[0] + 1e-6 * direction
            votes += hits % 2
        return votes >= 2

    weights = builtin_hand(rig.livehand.side.lower()).weights
    nearest = [tree.find_nearest(point)[3] for point in points]
    close = np.array(nearest) < 0.008
    deep = [nearest[number] for number in np.flatnonzero((weights[:, 0] < 0.3) & close) if inside(points[number])]
    tips = {
        finger: min(nearest[number] for number in np.flatnonzero(weights[:, 3 * index + 3] > 0.5))
        for index, finger in enumerate(FINGERS)
    }
    return tips, max(deep, default=0.0)


@pytest.mark.parametrize(
    ("kind", "side"), [("cylinder", "right"), ("ball", "left"), ("cup", "right"), ("pencil", "right")]
)
def test_all_tips_touch(addon, kind: str, side: str) -> None:
    """Every fingertip within 2 mm of the surface, nothing deeper than 1 mm, and within the joints' limits."""
    rig, obj = posed(side), thing(kind, side)
    assert hold(rig, obj) == {"FINISHED"}
    tips, deep = distances(rig, obj)
    assert max(tips.values()) < 0.002, tips
    assert deep < 0.001
    assert excess(shown(rig)).max() < 0.5


def test_some_fingers_and_keys(addon) -> None:
    """Those that were not chosen stay; keys only when they are asked for; one step back undoes it."""
    import bpy

    rig, obj = posed(), thing("ball")
    before = shown(rig).hand_pose
    bpy.ops.ed.undo_push()
    assert hold(rig, obj, fingers={"INDEX", "THUMB"}) == {"FINISHED"}
    after = shown(rig).hand_pose
    moved = np.abs(after - before).reshape(5, 3, 3).max(axis=(1, 2))
    assert (moved > 0.05).tolist() == [True, False, False, False, True]
    assert rig.animation_data.action is None
    assert hold(rig, obj, keyframe=True) == {"FINISHED"}
    assert rig.animation_data.action is not None


def test_under_ik(addon) -> None:
    """A rig whose fingers follow IK targets holds as one by rotations: targets go along."""
    import bpy

    rig, obj = posed(), thing("cylinder")
    assert bpy.ops.livehand.set_ik(influence=1.0) == {"FINISHED"} if bpy.context.object == rig else True
    bpy.context.view_layer.objects.active = rig
    assert bpy.ops.livehand.set_ik(influence=1.0) == {"FINISHED"}
    assert hold(rig, obj) == {"FINISHED"}
    tips, deep = distances(rig, obj)
    assert max(tips.values()) < 0.002 and deep < 0.0012


def test_scaled_things_and_hands(addon) -> None:
    """A ball squeezed to an egg, held by a hand twice life size, and several meshes at once."""
    rig, obj = posed(), thing("ball")
    rig.scale = (2.0, 2.0, 2.0)
    obj.location, obj.scale = 2.0 * obj.location, (1.9, 1.9, 2.6)
    other = thing("pencil")
    other.location.y = -0.8
    assert hold(rig, obj, other) == {"FINISHED"}
    tips, deep = distances(rig, obj)
    assert max(tips.values()) < 0.004 and deep < 0.002


def test_an_open_sheet(addon) -> None:
    """A sheet is touched from the palm's side, whichever way its normals show, and not passed through."""
    import bpy

    rig = posed()
    bpy.ops.mesh.primitive_plane_add(size=0.4, location=(-0.1, -0.075, 0.0), rotation=(np.pi / 2, 0.0, 0.0))
    sheet = bpy.context.object
    for _ in range(2):
        assert hold(rig, sheet) == {"FINISHED"}
        depth = min((point.y for point in mesh_of(rig)), default=0.0)
        assert -0.077 < depth < -0.073
        sheet.data.flip_normals()
        bpy.ops.livehand.pose_preset(gesture="RELAXED")


def mesh_of(rig: Any) -> list[Any]:
    import bpy

    (proxy,) = (child for child in rig.children if child.type == "MESH")
    mesh = proxy.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return [mesh.matrix_world @ vertex.co for vertex in mesh.data.vertices]


def _faceless(obj: Any) -> None:
    obj.data.clear_geometry()


def _away(obj: Any) -> None:
    obj.location.y -= 1.0


def _hidden(obj: Any) -> None:
    obj.hide_set(True)


def _in_the_palm(obj: Any) -> None:
    obj.location = (-0.05, 0.0, 0.0)


def _not_finite(obj: Any) -> None:
    obj.data.vertices[0].co.x = float("nan")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_faceless, "has no faces"),
        (_away, "No finger reaches"),
        (_hidden, "is hidden"),
        (_in_the_palm, "inside the palm"),
        (_not_finite, "not finite"),
    ],
)
def test_bad_things(addon, spoil: Any, words: str) -> None:
    """Each is refused by name, and the hand stays as it was."""
    rig, obj = posed(), thing("ball")
    before = shown(rig).hand_pose
    spoil(obj)
    with pytest.raises(RuntimeError, match=words):
        hold(rig, mesh=obj.name)
    np.testing.assert_allclose(shown(rig).hand_pose, before, atol=1e-6)


def test_nothing_chosen(addon) -> None:
    import bpy

    rig = posed()
    with pytest.raises(RuntimeError, match="No mesh to hold is chosen"):
        hold(rig)
    with pytest.raises(RuntimeError, match="no object 'Vase'"):
        hold(rig, mesh="Vase")
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    bpy.context.collection.objects.link(lamp)
    with pytest.raises(RuntimeError, match="'Lamp' is no mesh"):
        hold(rig, mesh="Lamp")
    with pytest.raises(RuntimeError, match="is the hand itself"):
        hold(rig, mesh=rig.name)
    rig.scale = (1.0, 2.0, 1.0)
    with pytest.raises(RuntimeError, match="non-uniform"):
        hold(rig, thing("ball"))


def test_push_apart_is_drawn_and_not_keyed(addon) -> None:
    """The option changes what is sent to be drawn, and no bone; its button gives the bones the same pose."""
    import bpy

    from livehand_blender.render.scene import visible_hands

    rig = posed(name="fist")
    before = shown(rig).hand_pose

    def drawn() -> np.ndarray:
        bpy.context.view_layer.update()
        (hand,) = visible_hands(bpy.context.evaluated_depsgraph_get())
        return hand.instance.pose.hand_pose

    np.testing.assert_allclose(drawn(), before, atol=1e-6)
    rig.livehand.push_apart = True
    apart = drawn()
    assert 0.01 < np.abs(apart - before).max() < 0.3
    np.testing.assert_array_equal(shown(rig).hand_pose, before)
    assert bpy.ops.livehand.apply_apart() == {"FINISHED"}
    np.testing.assert_allclose(shown(rig).hand_pose, apart, atol=0.02)
    rig.livehand.push_apart = False
    assert bpy.ops.livehand.pose_preset(gesture="OPEN") == {"FINISHED"}
    rig.livehand.push_apart = True
    np.testing.assert_allclose(mirror_hand_pose(mirror_hand_pose(drawn())), gesture("open"), atol=1e-5)
