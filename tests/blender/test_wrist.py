"""A hand on an arm: how its wrist fades, and its tint by one click."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.blender.hands import create

pytestmark = pytest.mark.bpy

SKIN = (0.3, 0.18, 0.12)


def arm(colour: tuple[float, ...] = SKIN) -> Any:
    """A forearm's tube at the wrist of a right hand, of one colour."""
    import bpy

    bpy.ops.mesh.primitive_cylinder_add(vertices=24, radius=0.026, depth=0.2, location=(0.11, 0.0, 0.0))
    made = bpy.context.object
    made.rotation_euler = (0.0, np.pi / 2, 0.0)
    material = bpy.data.materials.new("Skin")
    material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    made.data.materials.append(material)
    return made


def shader_of(obj: Any) -> tuple[Any, Any]:
    tree = obj.data.materials[0].node_tree
    return tree, next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")


def match(rig: Any, **settings: Any) -> set[str]:
    import bpy

    bpy.context.view_layer.objects.active = rig
    return bpy.ops.livehand.match_colour(**settings)


@pytest.fixture
def own_colour(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """What the hand's own skin is said to be."""
    from livehand_blender.render import wrist

    colour = np.array([0.4, 0.3, 0.2])
    monkeypatch.setattr(wrist, "wrist_colour", lambda rig: colour)
    return colour


def test_fade_and_tint_are_sent(addon) -> None:
    """What the panel sets goes into the request, and a view is drawn anew when it changes."""
    import bpy

    from livehand_blender.render.scene import visible_hands

    rig = create()

    def hand() -> Any:
        bpy.context.view_layer.update()
        return visible_hands(bpy.context.evaluated_depsgraph_get())[0]

    before = hand()
    assert before.instance.wrist is None and before.instance.tint == (1.0, 1.0, 1.0)
    rig.livehand.wrist = "ARM"
    covered = hand()
    assert covered.instance.wrist.cover > 0.0 and covered.state != before.state
    rig.livehand.wrist, rig.livehand.wrist_length = "SLEEVE", 0.01
    assert hand().instance.wrist.cover == 0.0 and hand().instance.wrist.length == pytest.approx(0.01)
    rig.livehand.tint = (0.5, 1.0, 2.0)
    assert hand().instance.tint == (0.5, 1.0, 2.0)


@pytest.mark.parametrize("source", ["value", "rgb", "image", "attribute"])
def test_the_arms_colour_is_read(addon, own_colour: np.ndarray, source: str) -> None:
    """From the material's own colour, a colour node, an image in sRGB and a colour attribute."""
    import bpy

    from livehand_core.passes import linear_to_srgb

    rig, obj = create(), arm()
    tree, shader = shader_of(obj)
    if source != "value":
        shader.inputs["Base Color"].default_value = (0.9, 0.9, 0.9, 1.0)
    if source == "rgb":
        node = tree.nodes.new("ShaderNodeRGB")
        node.outputs[0].default_value = (*SKIN, 1.0)
    elif source == "image":
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = bpy.data.images.new("Skin", 4, 4)
        node.image.pixels.foreach_set(np.tile([*linear_to_srgb(np.array(SKIN)), 1.0], 16).astype(np.float32))
    elif source == "attribute":
        node = tree.nodes.new("ShaderNodeVertexColor")
        layer = obj.data.color_attributes.new("Skin", "FLOAT_COLOR", "POINT")
        for entry in layer.data:
            entry.color = (*SKIN, 1.0)
        node.layer_name = "Skin"
    if source != "value":
        tree.links.new(node.outputs[0], shader.inputs["Base Color"])
    assert match(rig, mesh=obj.name) == {"FINISHED"}
    np.testing.assert_allclose(np.array(rig.livehand.tint) * own_colour, SKIN, rtol=0.02)


def test_bad_arms(addon, own_colour: np.ndarray) -> None:
    """An arm elsewhere, none at all, the hand itself, and a colour that nodes make: refused, and the tint stays."""
    import bpy

    rig, obj = create(), arm()
    bpy.ops.object.select_all(action="DESELECT")
    with pytest.raises(RuntimeError, match="No arm is chosen"):
        match(rig)
    with pytest.raises(RuntimeError, match="no mesh of an arm"):
        match(rig, mesh=rig.name)
    tree, shader = shader_of(obj)
    tree.links.new(tree.nodes.new("ShaderNodeTexNoise").outputs["Color"], shader.inputs["Base Color"])
    with pytest.raises(RuntimeError, match="nodes that are not followed"):
        match(rig, mesh=obj.name)
    obj.location.x += 1.0
    with pytest.raises(RuntimeError, match="no skin within"):
        match(rig, mesh=obj.name)
    assert tuple(rig.livehand.tint) == (1.0, 1.0, 1.0)


def test_matched_skin_has_the_arms_colour(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn in even white light with the tint, the wrist of the avatar that ships inside is as the arm's material."""
    from livehand_blender.render import wrist
    from livehand_core.rendering import Renderer

    renderer = Renderer("cpu")
    tint = [(1.0, 1.0, 1.0)]

    def render(request: Any, _cancelled: Any) -> Any:
        from dataclasses import replace

        return renderer.render(replace(request, hands=(replace(request.hands[0], tint=tint[0]),))), 0.0

    monkeypatch.setattr(wrist.session, "render", render)
    rig, obj = create(), arm()
    assert match(rig, mesh=obj.name) == {"FINISHED"}
    tint[0] = tuple(rig.livehand.tint)
    np.testing.assert_allclose(wrist.wrist_colour(rig), SKIN, rtol=0.05)
