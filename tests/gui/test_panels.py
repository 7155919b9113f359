"""Every panel drawn in a real window: no error in the console, and text on it. The screenshots are for people."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from gui import look
from gui.window import ADDON

from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH
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


def test_files_dropped_into_the_view(stage: Stage) -> None:
    """What Blender does once a file is let go over the view; by mouse, a second X client must offer the file."""
    rig = stage.hand()
    folder = stage.blender.folder / "dropped"
    folder.mkdir(exist_ok=True)
    shutil.copy(DEFAULT_AVATAR_PATH, folder / "Gift.safetensors")
    stage.python("bpy.ops.livehand.export_motion(filepath=path, frame_start=1, frame_end=3)", path=f"{folder}/take.npz")
    drop = "bpy.ops.wm.drop_import_file('INVOKE_DEFAULT', directory=folder, files=[{'name': name}])"
    stage.python(drop, folder=f"{folder}/", name="Gift.safetensors")
    given = "result = bpy.data.objects[rig].livehand.avatar"
    assert stage.blender.wait_for(lambda: stage.python(given, rig=rig).endswith("Gift.safetensors"), 60.0)
    assert "Gift" in stage.python("result = [item.name for item in bpy.context.window_manager.livehand_avatars]")
    stage.python(drop, folder=f"{folder}/", name="take.npz")
    stage.blender.still()
    stage.blender.shot("panels_dropped")
    # A motion has settings to choose: Blender asks for them before it reads.
    stage.display.key("Return")
    moved = "data = bpy.data.objects[rig].animation_data; result = bool(data and data.action)"
    assert stage.blender.wait_for(lambda: stage.python(moved, rig=rig), 30.0)


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
