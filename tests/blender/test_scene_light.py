"""The light that a scene gives its hands: worlds, lamps that move or are linked, probes, and what frames carry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.lighting import sky
from livehand_core.lights import KEY_LAMPS, Light
from tests.blender.helpers import make_scene
from tests.blender.layout import draw
from tests.blender.lit_ball import RADIUS, ball_scene, rendered
from tests.blender.lit_hands import answering, bringing_their_own
from tests.blender.test_lights import check, lamp

pytestmark = pytest.mark.bpy

GREY = 0.05
"""Of each channel of a new world."""


def world_of(strength: float = 1.0) -> tuple[Any, Any]:
    """A new world of the scene, and its Background node."""
    import bpy

    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    bpy.context.scene.world = world
    node = world.node_tree.nodes["Background"]
    node.inputs["Strength"].default_value = strength
    return world, node


def panorama(
    world: Any, node: Any, kind: str = "POINT", rotation: tuple[float, float, float] = (0.3, -0.5, 1.1)
) -> Any:
    """A turned panorama as the world's colour; the texture node."""
    from livehand_blender.capture.lighting import float_image

    tree = world.node_tree
    texture, mapping = tree.nodes.new("ShaderNodeTexEnvironment"), tree.nodes.new("ShaderNodeMapping")
    texture.image = float_image("sky", sky(np.random.default_rng(4)))
    mapping.vector_type = kind
    mapping.inputs["Rotation"].default_value = (0.3, -0.5, 1.1)
    tree.links.new(tree.nodes.new("ShaderNodeTexCoord").outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], node.inputs["Color"])
    return texture


def light_of(scene: Any, rig: Any) -> Any:
    import bpy

    from livehand_blender.render.light import hand_light, hand_middle

    bpy.context.view_layer.update()
    return hand_light(bpy.context.evaluated_depsgraph_get(), rig, hand_middle(rig))


def facing(light: Light) -> np.ndarray:
    """(3,) mean irradiance over all normals there could be, at the default hand."""
    return np.asarray(light.ambient((-0.09, 0.0, 0.0)))


def test_worlds_of_one_colour(addon) -> None:
    from livehand_blender.render.world import world_light

    world, node = world_of(0.5)
    node.inputs["Color"].default_value = (0.2, 0.4, 0.8, 1.0)
    np.testing.assert_allclose(world_light(world).ambient(np.zeros(3)), [0.1, 0.2, 0.4], rtol=1e-6)
    assert world_light(None).is_dark
    world.node_tree.links.clear()
    assert world_light(world) is None, "what the output does not show is not the world"


@pytest.mark.parametrize("kind", ["POINT", "TEXTURE", "VECTOR"])
def test_turned_panoramas_are_what_cycles_shows(addon, tmp_path: Path, kind: str) -> None:
    from livehand_blender.render.world import world_light

    scene = ball_scene()
    world, node = world_of(0.7)
    panorama(world, node, kind)
    check(scene, tmp_path, world_light(world), pixels=0.1)


def test_worlds_that_only_a_render_tells(addon) -> None:
    from livehand_blender.render.world import world_light

    world, node = world_of()
    texture = panorama(world, node)
    mapping = next(found for found in world.node_tree.nodes if found.type == "MAPPING")
    mapping.inputs["Scale"].default_value = (1.0, 2.0, 1.0)
    assert world_light(world) is None
    mapping.inputs["Scale"].default_value = (1.0, 1.0, 1.0)
    texture.projection = "MIRROR_BALL"
    assert world_light(world) is None
    gradient = world.node_tree.nodes.new("ShaderNodeTexGradient")
    world.node_tree.links.new(gradient.outputs["Color"], node.inputs["Color"])
    assert world_light(world) is None


def test_a_missing_panorama_is_told_and_the_rest_goes_on(addon) -> None:
    import bpy

    scene, rig = make_scene("")
    world, node = world_of()
    panorama(world, node).image = bpy.data.images.new("gone", 0, 0)
    lamp("POINT", energy=20.0)
    found = light_of(scene, rig)
    assert "'gone'" in found.notes[0] and "missing" in found.notes[0] and len(found.light.lamps) == 1


def test_a_lamp_that_moves_or_hides_lights_anew_at_once(addon) -> None:
    import bpy

    scene, rig = make_scene("")
    world_of(0.0)
    obj = lamp("POINT", energy=20.0, place=(0.0, -1.0, 0.0))
    before = facing(light_of(scene, rig).light)
    obj.location = (0.0, -2.0, 0.0)
    after = facing(light_of(scene, rig).light)
    assert after[0] == pytest.approx(before[0] / 4.0, rel=0.02)
    scene.livehand.light_strength = 2.0
    np.testing.assert_allclose(facing(light_of(scene, rig).light), 2.0 * after)
    obj.data.energy = -1.0
    assert "negative" in light_of(scene, rig).notes[0]
    obj.data.energy = 20.0
    obj.hide_viewport = True
    found = light_of(scene, rig)
    assert found.light.is_dark and "No light reaches" in found.notes[0] and len(found.notes) == 1
    obj.hide_viewport = False
    apart = bpy.data.collections.new("apart")
    scene.collection.children.link(apart)
    apart.objects.link(obj)
    scene.collection.objects.unlink(obj)
    assert not light_of(scene, rig).light.is_dark
    bpy.context.view_layer.layer_collection.children["apart"].exclude = True
    assert light_of(scene, rig).light.is_dark


def test_a_thousand_lamps(addon) -> None:
    scene, rig = make_scene("")
    world_of(0.0)
    for number in range(60):
        lamp("POINT", energy=1.0, place=(math.sin(number), math.cos(number), 0.5))
    found = light_of(scene, rig).light
    assert len(found.lamps) == KEY_LAMPS and found.harmonics[0].min() > 0.0


def test_light_linking(addon) -> None:
    import bpy

    scene, rig = make_scene("")
    world_of(0.0)
    obj = lamp("POINT", energy=20.0)
    if not hasattr(obj, "light_linking"):
        pytest.skip("this Blender has no light linking")
    other = bpy.data.objects.new("other", bpy.data.meshes.new("other"))
    linked = bpy.data.collections.new("linked")
    obj.light_linking.receiver_collection = linked
    linked.objects.link(other)
    assert light_of(scene, rig).light.is_dark, "only what is in the collection is lit"
    linked.objects.link(rig.children[0])
    assert not light_of(scene, rig).light.is_dark
    for entry in linked.collection_objects:
        entry.light_linking.link_state = "EXCLUDE"
    assert light_of(scene, rig).light.is_dark
    linked.objects.unlink(rig.children[0])
    assert not light_of(scene, rig).light.is_dark, "a collection that only excludes lights all others"


def test_frames_carry_the_light_of_each_hand_whose_avatar_answers_to_it(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.render.scene import frame_request, visible_hands
    from livehand_blender.rig.armature import create_hand

    scene, _ = make_scene("")
    second = create_hand(bpy.context, "left")
    second.location = (0.1, 0.3, 0.0)
    world_of(0.0)
    obj = lamp("POINT", energy=20.0, place=(0.0, -0.5, 0.0))
    bpy.context.view_layer.update()

    def depsgraph() -> Any:
        bpy.context.view_layer.update()
        return bpy.context.evaluated_depsgraph_get()

    bringing_their_own(monkeypatch)
    request = frame_request(depsgraph())
    assert all(request.light_of(hand) is None for hand in request.hands), "avatars that bring their own need none"
    answering(monkeypatch)
    request = frame_request(depsgraph())
    found = [request.light_of(hand) for hand in request.hands]
    assert len(found) == 2 and None not in found
    point = {hand.pose.side: np.array(hand.pose.transl) for hand in request.hands}
    assert set(point) == {"left", "right"}
    states = [hand.state for hand in visible_hands(depsgraph())]
    obj.location = (0.0, -0.6, 0.0)
    moved = [hand.state for hand in visible_hands(depsgraph())]
    assert all(before != after for before, after in zip(states, moved, strict=True))
    scene.livehand.light = "TRAINED"
    request = frame_request(depsgraph())
    assert all(request.light_of(hand) is None for hand in request.hands)


def test_the_panel_draws_the_light_and_says_what_changes_nothing(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    bringing_their_own(monkeypatch)

    from livehand_blender.ui.light_panels import LIVEHAND_PT_light

    scene, rig = make_scene("")
    world_of(0.5)
    drawn = " ".join(draw(LIVEHAND_PT_light, bpy.context))
    assert "brings its own light along" in drawn and "Probe Light" in drawn and "Lamps and world, exact." in drawn
    bpy.ops.mesh.primitive_plane_add(size=2.0, location=(0.0, 0.0, -0.3))
    bpy.context.view_layer.objects.active = rig
    assert "not probed yet" in " ".join(draw(LIVEHAND_PT_light, bpy.context))
    scene.livehand.light = "TRAINED"
    drawn = " ".join(draw(LIVEHAND_PT_light, bpy.context))
    assert "Probe Light" not in drawn and "brings its own light along" in drawn


@pytest.mark.slow
def test_a_probe_sees_what_stands_around_the_hand(addon, tmp_path: Path) -> None:
    """A lit wall and a floor give a white ball at the hand's place what the probe says, within a tenth."""
    import bpy

    scene, rig = make_scene("")
    for mesh in rig.children:
        # As compositing leaves it: it shades, and no camera sees it.
        mesh.visible_camera = False
    world_of(0.2)
    bpy.ops.mesh.primitive_plane_add(size=1.0, location=(0.5, 0.0, 0.0), rotation=(0.0, -0.5 * math.pi, 0.0))
    glow = bpy.data.materials.new("glow")
    glow.use_nodes = True
    shader = next(node for node in glow.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Emission Color"].default_value = (1.0, 0.5, 0.2, 1.0)
    shader.inputs["Emission Strength"].default_value = 3.0
    bpy.context.object.data.materials.append(glow)
    lamp("SUN", energy=1.0, place=(0.0, 0.0, 1.0))
    bpy.context.view_layer.objects.active = rig
    assert light_of(scene, rig).source == "none"
    assert bpy.ops.livehand.probe_light() == {"FINISHED"}
    found = light_of(scene, rig)
    assert found.source == "probe" and len(found.light.lamps) <= 2
    point = np.array(list(_points(scene)))
    rig.location.x += 0.2
    assert light_of(scene, rig).source == "old"
    rig.location.x -= 0.2

    rig.hide_render = rig.children[0].hide_render = True
    scene.render.engine = "CYCLES"
    ball = _ball_at(point)
    seen, normals = rendered(scene, tmp_path)
    ours = found.light.irradiance(point + RADIUS * normals, normals) / math.pi
    np.testing.assert_allclose(ours.mean(axis=0), seen.mean(axis=0), rtol=0.1)
    assert seen.mean(axis=0)[0] > 1.2 * seen.mean(axis=0)[2], "the wall's colour is there"
    bpy.data.objects.remove(ball)
    # What was probed goes with the file.
    assert scene.livehand.light_probes and len(scene.livehand.light_probes) < 5000


def _points(scene: Any) -> tuple[float, ...]:
    from livehand_blender.render.light import probes

    ((probe,),) = probes(scene).values()
    return probe.point


def _ball_at(point: np.ndarray) -> Any:
    """The white ball and its eye, there."""
    import bpy

    scene = ball_scene()
    ball = bpy.context.object
    ball.location = tuple(point)
    scene.camera.location = (point[0], point[1], point[2] + 0.3)
    scene.cycles.max_bounces = 3
    world_of(0.2)
    return ball


def test_a_probe_that_fails_leaves_the_light_that_was_there(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.render import probe

    scene, rig = make_scene("")
    world_of(0.3)
    monkeypatch.setattr(probe.prober, "run", lambda *arguments: (False, ["out of memory"]))
    with pytest.raises(RuntimeError, match=r"could not be probed \(out of memory\)"):
        bpy.ops.livehand.probe_light()
    np.testing.assert_allclose(facing(light_of(scene, rig).light), 0.3 * GREY, rtol=1e-5)
    rig.hide_viewport = True
    with pytest.raises(RuntimeError, match="No hand is seen"):
        bpy.ops.livehand.probe_light()
