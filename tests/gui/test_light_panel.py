"""The Light panel clicked: whose light, how strong, probed and baked, with a picture of what was found."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from tests.gui.stage import WORLD, Stage
from tests.gui.test_light import brightness

SCENE = """
bpy.context.scene.frame_end = 11
bpy.ops.mesh.primitive_cube_add(size=0.4, location=(-0.09, 0.0, -0.4))
red = bpy.data.materials.new("Red")
red.use_nodes = True
for node in red.node_tree.nodes:
    if node.type == "BSDF_PRINCIPLED":
        node.inputs["Base Color"].default_value = (0.9, 0.02, 0.02, 1.0)
bpy.context.object.data.materials.append(red)
bpy.context.object.hide_select = True
for other in bpy.context.scene.objects:
    other.select_set(other.name == rig)
bpy.context.view_layer.objects.active = bpy.data.objects[rig]
bpy.ops.ed.undo_push(message="cube")
"""
"""A red block below the hand, which only a probe sees."""

Spot = tuple[float, float]
TRAINED, STRENGTH, PROBE, BAKE = (72.0, 2.0), (20.0, 28.0), (30.0, 253.0), (-23.0, 279.0)
"""Pixels from the mouse to a button of the panel, which opens with *Scene*, its first one, below the mouse."""

PROBING = (
    "import sys\n"
    "inside = {name.rpartition('livehand.')[2]: found for name, found in sys.modules.items() if 'livehand.' in name}\n"
    "result = inside['background'].is_running(inside['render.probe'].PROBE_KEY)\n"
)
SETTING = "result = getattr(bpy.context.scene.livehand, name)"


@pytest.mark.timeout(1200)
def test_the_light_panel(stage: Stage) -> None:
    rig = stage.hand()
    stage.python(SCENE, rig=rig)
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    x, y = stage.middle()
    corner = x - 330.0, y - 200.0

    def opened(name: str) -> np.ndarray:
        stage.panel("LIVEHAND_PT_light", corner)
        return stage.blender.shot(f"light_panel_{name}")

    def click(spot: Spot) -> None:
        stage.display.click(corner[0] + spot[0], corner[1] + spot[1])

    def setting(name: str) -> object:
        return stage.python(SETTING, name=name)

    def probes() -> int:
        return sum(len(of) for of in json.loads(str(setting("light_probes")) or "{}").values())

    def until(seen: Callable[[], bool]) -> None:
        assert stage.blender.wait_for(seen, 300.0)

    # Looked for by itself: a panorama of 64 x 32, the red block below.
    until(lambda: probes() == 1 and not stage.python(PROBING))
    before = sum(brightness(stage, rig))
    shown = opened("scene")
    left, top = (int(value) for value in corner)
    panel = shown[top + 50 : top + 170, left - 90 : left + 130]
    reddish = (panel[..., 0] > panel[..., 1] + 0.1).mean(axis=1)
    assert reddish[60:].max() > 0.2 and reddish[:30].max() < 0.05, "no picture of the red block below"
    click(TRAINED)
    until(lambda: setting("light") == "TRAINED")
    stage.python(WORLD, value=0.05)
    stage.blender.still(20.0, 1.0)
    stage.blender.shot("light_panel_trained")
    # Its own light is as bright as before, though the scene's has gone.
    assert sum(brightness(stage, rig)) > 0.7 * before
    click((0.0, 0.0))
    until(lambda: setting("light") == "SCENE")
    until(lambda: sum(brightness(stage, rig)) < 0.6 * before and not stage.python(PROBING))
    dark = sum(brightness(stage, rig))
    opened("dark")
    click(STRENGTH)
    stage.blender.still(5.0, 0.3)
    stage.display.key("ctrl+a")
    stage.display.type("4")
    stage.display.key("Return")
    until(lambda: setting("light_strength") == 4.0)
    until(lambda: sum(brightness(stage, rig)) > 1.4 * dark)
    stage.blender.shot("light_panel_strength")
    click(PROBE)
    until(lambda: bool(stage.python(PROBING)))
    stage.blender.shot("light_panel_probing")
    until(lambda: not stage.python(PROBING))
    assert probes() == 1
    opened("probed")
    click(BAKE)
    until(lambda: probes() == 2)
    stage.blender.still(20.0, 1.0)
    opened("baked")
    assert stage.matched(rig).good
