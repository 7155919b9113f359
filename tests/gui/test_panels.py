"""Every panel drawn in a real window: no error in the console, and text on it. The screenshots are for people."""

from __future__ import annotations

import numpy as np
import pytest
from gui import look
from gui.window import ADDON

from tests.gui.stage import Stage


def _text(image: np.ndarray, box: list[float]) -> float:
    """Part of the pixels of a region that are as bright as writing."""
    return float((look.crop(image, box).min(axis=-1) > 0.6).mean())


def test_the_sidebar_from_top_to_bottom(stage: Stage) -> None:
    stage.hand()
    stage.live()
    stage.blender.ask("sidebar", category="LiveHand")
    stage.blender.still()
    assert stage.blender.ask("sidebar", category="LiveHand") == "LiveHand"
    stage.blender.still()
    box = stage.blender.ask("region_box", region="UI")
    x, y = (box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0
    seen: list[np.ndarray] = []
    for page in range(6):
        image = stage.blender.shot(f"panels_sidebar_{page}")
        assert _text(image, box) > 0.005, "no writing in the sidebar"
        if seen and not look.changed(seen[-1], look.crop(image, box)).any():
            break
        seen.append(look.crop(image, box))
        for _ in range(12):
            stage.display.click(x, y, button=5)
        stage.blender.still()
    assert seen


def test_the_sidebar_without_a_hand(stage: Stage) -> None:
    stage.blender.ask("sidebar", category="LiveHand")
    stage.blender.still()
    stage.blender.ask("sidebar", category="LiveHand")
    stage.blender.still()
    image = stage.blender.shot("panels_sidebar_empty")
    assert _text(image, stage.blender.ask("region_box", region="UI")) > 0.003


@pytest.mark.parametrize("tab", ["RENDER", "OUTPUT", "VIEW_LAYER", "OBJECT", "DATA"])
def test_the_properties_editor(stage: Stage, tab: str) -> None:
    stage.hand()
    stage.camera()
    stage.live()
    stage.blender.ask("properties_tab", tab=tab)
    stage.blender.still()
    image = stage.blender.shot(f"panels_properties_{tab.lower()}")
    assert _text(image, stage.blender.ask("region_box", area="PROPERTIES")) > 0.005


def test_the_preferences(stage: Stage) -> None:
    stage.python(
        "area = bpy.context.area\n"
        "area.type = 'PREFERENCES'\n"
        "bpy.context.preferences.active_section = 'ADDONS'\n"
        "bpy.context.window_manager.addon_search = 'LiveHand'\n"
        "bpy.ops.preferences.addon_expand(module=name)\n",
        name=ADDON,
    )
    stage.blender.still()
    image = stage.blender.shot("panels_preferences")
    assert _text(image, stage.blender.ask("region_box", area="PREFERENCES")) > 0.003
    stage.blender.ask("new_file")
