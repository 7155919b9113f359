"""The overlay: the neural hand in views of other engines, at its place and behind what stands before it."""

from __future__ import annotations

import numpy as np
import pytest
from gui import look

from tests.gui.stage import Stage

EEVEE = "bpy.context.scene.render.engine = 'BLENDER_EEVEE' if bpy.app.version >= (5, 0, 0) else 'BLENDER_EEVEE_NEXT'\n"
NO_LINES = (
    "overlay = bpy.context.space_data.overlay\n"
    "for name in ('floor', 'axis_x', 'axis_y', 'bones', 'extras', 'cursor', 'outline_selected', 'text', 'stats',\n"
    "             'object_origins', 'relationship_lines'):\n"
    "    setattr(overlay, f'show_{name}', False)\n"
)
"""Overlays are on, but nothing of them is seen."""

WALL = (
    "bpy.ops.mesh.primitive_cube_add(size=0.08, location=place)\n"
    "wall = bpy.context.object\n"
    "material = bpy.data.materials.new('Blue')\n"
    "material.diffuse_color = (0.1, 0.2, 0.8, 1.0)\n"
    "for node in material.node_tree.nodes if material.node_tree else ():\n"
    "    if node.type == 'BSDF_PRINCIPLED':\n"
    "        node.inputs['Base Color'].default_value = (0.1, 0.2, 0.8, 1.0)\n"
    "wall.data.materials.append(material)\n"
    "bpy.context.space_data.shading.color_type = 'MATERIAL'\n"
    "result = wall.name\n"
)


def _show(stage: Stage, kind: str, overlays: bool = False) -> None:
    """Turn the view to a shading: SOLID, MATERIAL, or EEVEE for the rendered one of that engine."""
    if kind == "EEVEE":
        stage.python(EEVEE)
        stage.python(
            "light = bpy.data.objects.new('Sun', bpy.data.lights.new('Sun', 'SUN'))\n"
            "bpy.context.scene.collection.objects.link(light)\n"
            "light.rotation_euler, light.data.energy = (1.2, 0.0, -0.4), 3.0\n"
        )
    stage.blender.ask("shading", kind="RENDERED" if kind == "EEVEE" else kind, overlays=overlays, gizmos=False)
    if overlays:
        stage.python(NO_LINES)


@pytest.mark.parametrize("kind", ["SOLID", "MATERIAL", "EEVEE"])
def test_the_hand_lies_in_other_shadings(stage: Stage, kind: str) -> None:
    rig = stage.hand()
    _show(stage, kind)
    stage.blender.still()
    assert stage.matched(rig).covered < 0.2, "skin without the overlay"
    stage.python("bpy.context.scene.livehand.overlay = True")
    assert stage.shows(rig), stage.matched(rig)
    stage.orbit(right=140.0, down=60.0)
    assert stage.shows(rig), stage.matched(rig)
    stage.blender.still()
    stage.blender.shot(f"overlay_{kind.lower()}")
    stage.python("bpy.context.scene.livehand.overlay = False")
    assert stage.blender.wait_for(lambda: stage.matched(rig).covered < 0.2, 30.0), stage.matched(rig)


@pytest.mark.parametrize("kind", ["SOLID", "EEVEE"])
def test_an_object_before_the_hand_hides_it(stage: Stage, kind: str) -> None:
    rig = stage.hand()
    # EEVEE keeps depths for Blender's overlays only.
    _show(stage, kind, overlays=kind == "EEVEE")
    stage.python("bpy.context.scene.livehand.overlay = True")
    assert stage.shows(rig), stage.matched(rig)
    wall = stage.python(WALL, place=(-0.12, -0.1, 0.0))
    stage.blender.still(calm=2.0)
    image = stage.blender.shot(f"overlay_hidden_{kind.lower()}")
    hand = look.silhouette(stage.blender.ask("triangles", rig=rig), image.shape)
    before = _box_on_screen(stage, wall, image.shape)
    skin = look.skin(image) & look.box_mask(image.shape, stage.box())
    assert (hand & before).sum() > 4000, "the wall does not stand before the hand"
    assert (skin & before).sum() < 0.02 * (hand & before).sum(), "the hand shines through"
    assert look.match(skin & ~before, hand & ~before).good, look.match(skin & ~before, hand & ~before)
    # Behind the hand it hides nothing.
    stage.python("bpy.data.objects[name].location.y = 0.2", name=wall)
    assert stage.shows(rig), stage.matched(rig)
    stage.blender.still()
    stage.blender.shot(f"overlay_before_{kind.lower()}")


def _box_on_screen(stage: Stage, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels inside the projected front face of a cube that is seen from the front, a little smaller."""
    corners = stage.python(
        "cube = bpy.data.objects[name]\n"
        "result = [list(cube.matrix_world @ mathutils.Vector(corner)) for corner in cube.bound_box]",
        name=name,
    )
    points = np.array([stage.blender.ask("project", point=corner) for corner in corners if corner[1] < -0.1])
    left, top = points.min(axis=0) + 4.0
    right, bottom = points.max(axis=0) - 4.0
    return look.box_mask(shape, (left, top, right, bottom))
