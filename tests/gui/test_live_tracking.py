"""A film moves the hand in a real window: started, recorded, played back, undone; and what goes wrong meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui import look

from tests.gui.stage import Stage
from tests.tracking import films

SETTINGS = (
    "live = bpy.context.scene.livehand_live\n"
    "live.source, live.path, live.detail, live.loop = 'FILE', film, 'LITE', True\n"
)
STATE = (
    "from bl_ext.user_default.livehand.live import session\n"
    "known = session.current()\n"
    "bone = bpy.data.objects[rig].pose.bones['index1.R']\n"
    "result = [session.running(), known is not None and known.newest is not None, session.message(),\n"
    "          [round(v, 4) for row in bone.matrix for v in row]]\n"
)


@pytest.fixture(scope="module")
def film(pictures: Path) -> Path:
    path = pictures / "film.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    return films.write_film(path, films.moving(60, lambda i: (60.0 * np.sin(i / 8.0), 0.0, 25.0 * np.sin(i / 8.0))))


def state(stage: Stage, rig: str) -> Any:
    return stage.blender.python(STATE, rig=rig)


def press(stage: Stage, operator: str) -> None:
    """What a click on a button of the panel Live does."""
    stage.blender.python(f"bpy.ops.livehand.{operator}('INVOKE_DEFAULT')")


def wait(stage: Stage, rig: str, index: int = 1, seconds: float = 120.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = state(stage, rig)
        if now[index]:
            return now
        time.sleep(0.3)
    raise AssertionError(f"nothing came: {now}")


def test_the_hand_follows_the_film_and_a_take_plays_back(stage: Stage, film: Path) -> None:
    rig = stage.hand()
    stage.blender.ask("sidebar", category="LiveHand")
    stage.blender.still()
    stage.blender.python(SETTINGS, film=str(film))
    before = state(stage, rig)[3]
    press(stage, "live_start")
    wait(stage, rig)
    first = stage.blender.shot("tracking_live")
    time.sleep(1.0)
    second = stage.blender.shot("tracking_live_later")
    assert look.changed(first, second).any(), "the hand moves on the screen"
    assert state(stage, rig)[3] != before
    press(stage, "live_record")
    time.sleep(3.0)
    stage.blender.shot("tracking_recording")
    press(stage, "live_record")
    press(stage, "live_stop")
    name, frames = stage.blender.python(
        "action = bpy.data.objects[rig].animation_data.action\nresult = [action.name, list(action.frame_range)]",
        rig=rig,
    )
    assert name == "Take 001" and frames[1] - frames[0] > 20
    assert not state(stage, rig)[0]
    places = []
    for frame in np.linspace(frames[0], frames[1], 5):
        stage.blender.python("bpy.context.scene.frame_set(int(frame))", frame=float(frame))
        places.append(state(stage, rig)[3])
    assert len({tuple(place) for place in places}) > 3
    stage.blender.shot("tracking_playback")


def test_undo_takes_a_take_back_in_one_step(stage: Stage, film: Path) -> None:
    rig = stage.hand()
    stage.blender.python(SETTINGS, film=str(film))
    stage.blender.python("bpy.ops.ed.undo_push(message='before')")
    press(stage, "live_start")
    wait(stage, rig)
    press(stage, "live_record")
    time.sleep(1.5)
    press(stage, "live_record")
    press(stage, "live_stop")
    assert stage.blender.python("result = len(bpy.data.actions)") == 1
    # Stop is a step of its own, the take is the one before it.
    stage.display.move(*stage.middle())
    stage.display.key("ctrl+z", "ctrl+z")
    stage.blender.still()
    assert stage.blender.python("result = [a.name for a in bpy.data.actions]") == []


def test_a_deleted_hand_and_another_file_end_it(stage: Stage, film: Path) -> None:
    rig = stage.hand()
    stage.blender.python(SETTINGS, film=str(film))
    press(stage, "live_start")
    wait(stage, rig)
    stage.blender.python("bpy.data.objects.remove(bpy.data.objects[rig])", rig=rig)
    code = "from bl_ext.user_default.livehand.live import session\nresult = [session.running(), session.message()]"
    assert stage.blender.wait_for(lambda: not stage.blender.python(code)[0], 20.0)
    assert "is gone" in stage.blender.python(code)[1]
    rig = stage.hand()
    stage.blender.python(SETTINGS, film=str(film))
    press(stage, "live_start")
    wait(stage, rig)
    stage.blender.ask("new_file")
    assert not stage.blender.python(code)[0]
