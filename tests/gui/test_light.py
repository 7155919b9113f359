"""Lamps moved by the mouse: the light on the hand in the view follows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gui import look

from tests.gui.stage import WORLD, Stage

LAMP = (
    "lamp = bpy.data.objects.new('Lamp', bpy.data.lights.new('Lamp', kind))\n"
    "bpy.context.scene.collection.objects.link(lamp)\n"
    "lamp.location, lamp.data.energy = place, energy\n"
    "lamp.rotation_euler = (1.5707963, 0.0, 0.0)\n"
    "bpy.ops.object.select_all(action='DESELECT')\n"
    "lamp.select_set(True)\n"
    "bpy.context.view_layer.objects.active = lamp\n"
    "bpy.ops.ed.undo_push(message='lamp')\n"
)
"""A lamp, selected: a point shines from its place, a sun from the front."""

OVERLAY = (
    "bpy.context.scene.livehand.overlay = True\n"
    "for mesh in bpy.data.objects[rig].children_recursive:\n"
    "    mesh.hide_viewport = mesh.type == 'MESH'\n"
)

Path = list[tuple[float, float]]
"""Of the mouse, in pixels from the view's middle."""

ALONG: Path = [(300.0 - 60.0 * step, 30.0 + 8.0 * (step % 3)) for step in range(14)]
AROUND: Path = [(200.0 * math.cos(0.25 * step), -200.0 * math.sin(0.25 * step)) for step in range(7)]


def brightness(stage: Stage, rig: str) -> tuple[float, float]:
    """Mean of the hand's left and right third on the display: fingers and wrist."""
    image = stage.display.look()
    hand = look.silhouette(stage.blender.ask("triangles", rig=rig), image.shape)
    columns = np.flatnonzero(hand.any(axis=0))
    left, right = np.quantile(columns, (1.0 / 3.0, 2.0 / 3.0)).astype(int)
    return float(image[:, :left][hand[:, :left]].mean()), float(image[:, right:][hand[:, right:]].mean())


@pytest.mark.parametrize("shading", ["rendered", "overlay"])
@pytest.mark.parametrize(
    "kind, place, energy, keys, path",
    [
        ("POINT", (0.1, -0.15, 0.05), 3.0, ("g",), ALONG),
        ("SUN", (-0.09, -0.15, 0.0), 3.0, ("r", "x"), AROUND),
    ],
)
def test_the_light_follows_a_lamp_that_the_mouse_moves(
    stage: Stage, kind: str, place: tuple[float, ...], energy: float, keys: tuple[str, ...], path: Path, shading: str
) -> None:
    """A point lamp goes from the wrist to the fingers, a sun from the front turns to the side."""
    rig = stage.hand()
    if shading == "rendered":
        stage.live()
    else:
        stage.python(OVERLAY, rig=rig)
        stage.blender.ask("shading", kind="SOLID", overlays=False, gizmos=False)
    assert stage.shows(rig), stage.matched(rig)
    stage.python(WORLD, value=0.01)
    stage.python(LAMP, kind=kind, place=place, energy=energy)
    stage.blender.still()
    name = f"light_{kind.lower()}_{shading}"
    stage.blender.shot(f"{name}_before")

    def lit() -> float:
        left, right = brightness(stage, rig)
        return right / left if kind == "POINT" else left + right

    before, (x, y) = lit(), stage.middle()
    places = [(x + right, y + down) for right, down in path]
    stage.display.move(*places[0])
    stage.display.focus()
    stage.display.key(*keys)
    for here in places:
        stage.display.move(*here)
    # What the mouse has done is not confirmed yet.
    assert stage.blender.wait_for(lambda: lit() < 0.6 * before, 30.0), (before, lit())
    stage.blender.shot(f"{name}_during")
    stage.display.click(*places[-1])
    stage.blender.still()
    stage.blender.shot(f"{name}_after")
    assert lit() < 0.6 * before
    stage.display.key("ctrl+z")
    assert stage.blender.wait_for(lambda: abs(lit() / before - 1.0) < 0.1, 60.0), (before, lit())


@pytest.mark.parametrize("overlays", [False, True])
def test_a_hand_in_the_dark_hides_the_background_of_a_solid_view(stage: Stage, overlays: bool) -> None:
    rig = stage.hand()
    stage.python(OVERLAY, rig=rig)
    stage.blender.ask("shading", kind="SOLID", overlays=overlays, gizmos=False)
    assert stage.shows(rig), stage.matched(rig)
    stage.python(WORLD, value=0.0)
    assert stage.blender.wait_for(lambda: max(brightness(stage, rig)) < 0.15, 30.0), brightness(stage, rig)
    stage.blender.shot(f"light_none_{'with' if overlays else 'without'}_overlays")
