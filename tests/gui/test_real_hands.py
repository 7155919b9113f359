"""*From Footage* clicked in a real window: files are chosen, progress, figures and overlays are shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gui import look
from gui.window import ADDON

from tests.datasets.footage.test_film import write_calibration
from tests.datasets.footage.world import camera, gesturing, shoot
from tests.gui.stage import Stage

PANEL = "bpy.ops.wm.call_panel('INVOKE_DEFAULT', name='LIVEHAND_PT_real_captures')"
BROWSER = (
    "areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]\n"
    "area = next((one for one in areas if one.type == 'FILE_BROWSER'), None)\n"
)
OPEN = BROWSER + "result = area is not None and area.spaces.active.active_operator is not None"
CHOOSE = BROWSER + (
    "area.spaces.active.params.directory = folder.encode()\n"
    "wish = area.spaces.active.active_operator\n"
    "wish.cameras, wish.calibration, wish.poses, wish.licence, wish.capture = 'FILES', rig, 1, 'CC0-1.0', capture\n"
    "area.tag_redraw()\n"
)
STATE = (
    "import sys\n"
    "known = sys.modules[f'{name}.background'].task('prepare')\n"
    "result = None if known is None else [known.running, known.progress, known.error, known.was_cancelled]\n"
)


@pytest.fixture(scope="module")
def films(pictures: Path) -> Path:
    folder = pictures / "footage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    film = gesturing(12)
    for name, degrees in (("one", -30.0), ("two", 28.0)):
        shoot(folder / f"{name}.mp4", list(film.poses), [camera(degrees)] * 12, film.fps)
    write_calibration(folder / "rig.json")
    return folder


def test_videos_are_chosen_and_become_a_capture_with_overlays(stage: Stage, films: Path) -> None:
    stage.python(PANEL)
    stage.blender.still(20.0, 0.5)
    # The panel opens with its first button below the mouse.
    stage.display.click(*stage.middle())
    assert stage.blender.wait_for(lambda: stage.python(OPEN), 60.0), "the button opened no chooser"
    stage.python(CHOOSE, folder=str(films), rig=str(films / "rig.json"), capture=str(films / "capture"))
    stage.blender.still(20.0, 1.0)
    stage.display.move(*stage.middle())
    stage.display.key("a")
    stage.blender.still(10.0, 0.5)
    stage.blender.shot("real_chosen")
    stage.display.key("Return")
    assert stage.blender.wait_for(lambda: stage.python(STATE, name=ADDON) is not None, 30.0)
    stage.display.move(*stage.middle())
    stage.python(PANEL)
    stage.blender.still(5.0, 0.5)
    stage.blender.shot("real_going")
    assert stage.blender.wait_for(lambda: not stage.python(STATE, name=ADDON)[0], 600.0)
    running, progress, error, cancelled = stage.python(STATE, name=ADDON)
    assert not running and not error and not cancelled and progress > 0.9
    stage.blender.still(10.0, 0.5)
    stage.display.move(*stage.middle())
    stage.python(PANEL)
    stage.blender.still(20.0, 0.5)
    stage.blender.shot("real_done")
    before = stage.display.look()
    stage.display.key("Escape")
    stage.python("bpy.ops.livehand.show_overlays('INVOKE_DEFAULT', folder=folder)", folder=str(films / "capture"))
    seen = stage.blender.wait_for(
        lambda: int(look.skin(stage.display.look()).sum()) > int(look.skin(before).sum()) + 500, 60.0
    )
    stage.blender.shot("real_overlays")
    assert seen, "the overlays' window shows no hand"
