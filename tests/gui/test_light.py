"""Lamps moved by the mouse, and the Light panel used by it: the hand in the view follows."""

from __future__ import annotations

import numpy as np
import pytest
from gui import look

from tests.gui.stage import WORLD, Stage

LAMP = (
    "lamp = bpy.data.objects.new('Lamp', bpy.data.lights.new('Lamp', kind))\n"
    "bpy.context.scene.collection.objects.link(lamp)\n"
    "lamp.location, lamp.data.energy = place, energy\n"
    "lamp.rotation_euler = (0.0, 1.2, 0.0)\n"
    "bpy.ops.object.select_all(action='DESELECT')\n"
    "lamp.select_set(True)\n"
    "bpy.context.view_layer.objects.active = lamp\n"
)
"""A lamp to the right of the hand, selected; a sun shines from there."""

OVERLAY = (
    "bpy.context.scene.livehand.overlay = True\n"
    "for mesh in bpy.data.objects[rig].children_recursive:\n"
    "    mesh.hide_viewport = mesh.type == 'MESH'\n"
)


def brightness(stage: Stage, rig: str) -> tuple[float, float]:
    """Mean of the hand's left and right third on the display: fingers and wrist."""
    image = stage.display.look()
    hand = look.silhouette(stage.blender.ask("triangles", rig=rig), image.shape)
    columns = np.flatnonzero(hand.any(axis=0))
    left, right = np.quantile(columns, (1.0 / 3.0, 2.0 / 3.0)).astype(int)
    return float(image[:, :left][hand[:, :left]].mean()), float(image[:, right:][hand[:, right:]].mean())


@pytest.mark.parametrize("shading", ["rendered", "overlay"])
@pytest.mark.parametrize("kind", ["POINT", "SUN"])
def test_the_light_follows_a_lamp_that_the_mouse_moves(stage: Stage, kind: str, shading: str) -> None:
    rig = stage.hand()
    if shading == "rendered":
        stage.live()
    else:
        stage.python(OVERLAY, rig=rig)
        stage.blender.ask("shading", kind="SOLID", overlays=False, gizmos=False)
    assert stage.shows(rig), stage.matched(rig)
    stage.python(WORLD, value=0.01)
    stage.python(LAMP, kind=kind, place=(0.1, -0.15, 0.05), energy=3.0 if kind == "POINT" else 4.0)
    name = f"light_{kind.lower()}_{shading}"

    def lit() -> tuple[float, float]:
        return brightness(stage, rig)

    assert stage.blender.wait_for(lambda: lit()[1] > 1.3 * lit()[0], 60.0), lit()
    stage.blender.still()
    stage.blender.shot(f"{name}_before")
    x, y = stage.middle()
    stage.display.move(x + 100.0, y + 30.0)
    # A lamp that is grabbed follows the mouse; a sun is turned about the view's axis, by half a circle of the mouse.
    stage.display.key("g" if kind == "POINT" else "r")
    way = [(100.0, 30.0), (50.0, 90.0), (-20.0, 110.0), (-100.0, 70.0), (-180.0, 40.0), (-260.0, 30.0)]
    for right, down in way:
        stage.display.move(x + right, y + down)
    assert stage.blender.wait_for(lambda: lit()[0] > 1.3 * lit()[1], 60.0), "the hand's light stayed behind the lamp"
    stage.blender.shot(f"{name}_during")
    stage.display.click(x + way[-1][0], y + way[-1][1])
    stage.blender.still()
    stage.blender.shot(f"{name}_after")
    left, right = lit()
    assert left > 1.3 * right
    # As a person takes it back.
    stage.display.key("ctrl+z")
    assert stage.blender.wait_for(lambda: lit()[1] > 1.3 * lit()[0], 60.0), lit()
