"""A hand in the scene's light in a real window: a lamp that is moved by mouse lights it anew at once."""

from __future__ import annotations

import os

import numpy as np
import pytest
from gui import look

from tests.gui.stage import Stage

LAMP = (
    "lamp = bpy.data.objects.new('Lamp', bpy.data.lights.new('Lamp', 'POINT'))\n"
    "bpy.context.scene.collection.objects.link(lamp)\n"
    "lamp.location, lamp.data.energy, lamp.data.shadow_soft_size = (-0.3, -0.3, 0.0), 3.0, 0.02\n"
    "for thing in bpy.context.selected_objects:\n"
    "    thing.select_set(False)\n"
    "lamp.select_set(True)\n"
    "bpy.context.view_layer.objects.active = lamp\n"
)

ANSWERS = (
    "import importlib\n"
    "light = importlib.import_module(addon + '.render.light')\n"
    "result = light.answers(bpy.data.objects[rig].livehand.avatar or 'default')\n"
)


def bright(stage: Stage, rig: str) -> tuple[float, float]:
    """Mean of the hand's left and of its right half on the display."""
    image = stage.display.look()
    hand = look.silhouette(stage.blender.ask("triangles", rig=rig), image.shape) & look.box_mask(
        image.shape, stage.box()
    )
    columns = np.flatnonzero(hand.any(axis=0))
    middle = columns[len(columns) // 2]
    left, right = hand.copy(), hand.copy()
    left[:, middle:] = right[:, :middle] = False
    return float(image[left][:, :3].mean()), float(image[right][:, :3].mean())


def test_a_lamp_moved_by_mouse_moves_the_light(stage: Stage) -> None:
    from gui.window import ADDON

    rig = stage.hand()
    # Another avatar than the one that ships inside, as Blender's machine sees its path.
    stage.python("bpy.data.objects[rig].livehand.avatar = avatar", rig=rig, avatar=os.environ.get("LIT_AVATAR", ""))
    if not stage.python(ANSWERS, addon=ADDON, rig=rig):
        pytest.skip("the avatar that ships inside brings its own light along")
    stage.python(LAMP)
    stage.live()
    assert stage.blender.wait_for(lambda: max(bright(stage, rig)) > 20.0, 300.0)
    stage.blender.still()
    stage.blender.shot("light_left")
    before = bright(stage, rig)
    assert before[0] > before[1], "the lamp stands on the left"
    x, y = stage.middle()
    stage.display.move(x, y)
    stage.display.key("g")
    stage.display.key("x")
    for step in range(20):
        stage.display.move(x + 20.0 * step, y)
    stage.blender.shot("light_moving")
    stage.display.click(x + 380.0, y)
    assert stage.blender.wait_for(lambda: bright(stage, rig)[1] > bright(stage, rig)[0], 60.0)
    stage.blender.still()
    stage.blender.shot("light_right")
    stage.python("bpy.data.objects['Lamp'].hide_viewport = True; bpy.context.scene.world = None")
    assert stage.blender.wait_for(lambda: max(bright(stage, rig)) < 20.0, 60.0), "no light, a black hand"
    stage.blender.still()
    stage.blender.shot("light_none")
