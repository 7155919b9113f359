"""What is lost while it is in use - avatar file, camera, armature - and training in the middle of changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import environment
import pytest
from gui import look
from gui.window import ADDON

from livehand_core.errors import TrainingError
from livehand_core.training.control import read_status
from tests.blender.helpers import WORKER
from tests.gui.stage import MIDDLE, Stage

AVATAR = environment.ROOT / "livehand_core" / "assets" / "default_avatar.safetensors"

NOTE = (
    f"from {ADDON}.render import notes\n"
    "result = notes.kept(next(region for region in bpy.context.area.regions if region.type == 'WINDOW'))\n"
)
"""What the view has to say."""

USE_WORKER = (
    f"from {ADDON}.training import runs\n"
    "runs.core_command = lambda python, arguments: [str(python), '-c', worker, *arguments]\n"
)
START = (
    "settings = bpy.context.scene.livehand_training\n"
    "settings.capture, settings.avatar_name = capture, name\n"
    "bpy.ops.livehand.train_start('INVOKE_DEFAULT')\n"
)


@pytest.mark.parametrize("overlays", [True, False])
def test_a_lost_avatar_file_is_one_clear_message(stage: Stage, overlays: bool) -> None:
    mine = stage.blender.folder / "mine.safetensors"
    shutil.copy(AVATAR, mine)
    rig = stage.hand()
    stage.live()
    stage.python("bpy.data.objects[rig].livehand.avatar = path", rig=rig, path=str(mine))
    assert stage.shows(rig), stage.matched(rig)
    box = stage.box()
    corner = (box[0] + 10.0, box[3] - 60.0, box[0] + 500.0, box[3] - 10.0)
    quiet = look.crop(stage.blender.still(), corner)
    stage.blender.ask("shading", kind="RENDERED", overlays=overlays, gizmos=False)
    lost = str(stage.blender.folder / "lost.safetensors")
    mine.unlink()
    stage.python("bpy.data.objects[rig].livehand.avatar = path", rig=rig, path=lost)
    assert stage.blender.wait_for(lambda: "lost.safetensors" in stage.python(NOTE), 60.0), stage.python(NOTE)
    stage.blender.still(20.0)
    written = look.crop(stage.blender.shot(f"losses_avatar_{overlays}"), corner)
    assert (written.min(axis=-1) > 0.8).sum() > (quiet.min(axis=-1) > 0.8).sum() + 200, "no message to be read"
    stage.python("bpy.data.objects[rig].livehand.avatar = ''", rig=rig)
    stage.blender.ask("shading", kind="RENDERED", overlays=False, gizmos=False)
    assert stage.blender.wait_for(lambda: stage.python(NOTE) == "", 60.0), stage.python(NOTE)
    # What had been asked for before failed as well.
    stage.forget_log()
    assert stage.shows(rig), stage.matched(rig)


def test_the_camera_deleted_while_the_view_looks_through_it(stage: Stage) -> None:
    rig = stage.hand()
    stage.camera()
    stage.live()
    front = [0.70710678, 0.70710678, 0.0, 0.0]
    stage.blender.ask("look_at", location=MIDDLE, distance=0.5, rotation=front, perspective="CAMERA")
    assert stage.shows(rig), stage.matched(rig)
    stage.python("bpy.data.objects.remove(bpy.context.scene.camera, do_unlink=True)")
    stage.blender.ask("look_at", location=MIDDLE, distance=0.5, rotation=front)
    assert stage.shows(rig), stage.matched(rig)
    stage.orbit(right=60.0, down=20.0, seconds=0.4)
    assert stage.shows(rig), stage.matched(rig)


def test_a_deleted_armature_takes_its_proxy_along_and_undo_brings_both(stage: Stage) -> None:
    rig = stage.hand()
    other = stage.hand(side="LEFT", location=(0.3, 0.0, 0.0))
    stage.python(
        "for obj in bpy.data.objects:\n"
        "    obj.select_set(obj.name == rig)\n"
        "bpy.context.view_layer.objects.active = bpy.data.objects[rig]\n"
        "bpy.ops.ed.undo_push(message='two hands')\n",
        rig=rig,
    )
    stage.display.move(*stage.middle())
    stage.display.focus()
    names = "result = sorted(obj.name for obj in bpy.context.scene.objects)"
    assert stage.python(names) == sorted([rig, f"{rig} Proxy", other, f"{other} Proxy"])
    for _ in range(2):
        stage.display.move(*stage.middle())
        stage.display.key("x")
        stage.blender.still(10.0, 0.5)
        stage.display.key("Return")
        assert stage.blender.wait_for(lambda: stage.python(names) == [other, f"{other} Proxy"], 20.0), stage.python(
            names
        )
        stage.display.key("ctrl+z")
        assert stage.blender.wait_for(lambda: len(stage.python(names)) == 4, 20.0), stage.python(names)


def test_training_goes_on_through_another_file_and_without_the_add_on(stage: Stage) -> None:
    capture = stage.blender.folder / "capture"
    capture.mkdir()
    (capture / "transforms.json").write_text("{}")
    stage.python(USE_WORKER, worker=WORKER)
    stage.python(START, capture=str(capture), name="First")
    # In the middle of the start, while its operator watches.
    stage.blender.ask("new_file")
    first = _run(stage, "First")
    assert stage.blender.wait_for(lambda: _state(first) == "training", 90.0), _state(first)
    stage.python("bpy.ops.preferences.addon_disable(module=name)", name=ADDON)
    stage.blender.still(10.0, 2.0)
    assert _state(first) == "training"
    stage.python("bpy.ops.preferences.addon_enable(module=name)", name=ADDON)
    stage.python("bpy.ops.livehand.train_order(path=path, order='STOP')", path=str(first))
    assert stage.blender.wait_for(lambda: _state(first) == "stopped", 60.0), _state(first)
    # As chosen, it ends with the add-on.
    stage.python("bpy.context.preferences.addons[name].preferences.keep_training = False", name=ADDON)
    stage.python(USE_WORKER, worker=WORKER)
    stage.python(START, capture=str(capture), name="Second")
    second = _run(stage, "Second")
    assert stage.blender.wait_for(lambda: _state(second) == "training", 90.0), _state(second)
    stage.python("bpy.ops.preferences.addon_disable(module=name)", name=ADDON)
    assert stage.blender.wait_for(lambda: _state(second) == "stopped", 60.0), _state(second)
    stage.python("bpy.ops.preferences.addon_enable(module=name)", name=ADDON)
    stage.python("bpy.context.preferences.addons[name].preferences.keep_training = True", name=ADDON)


def _run(stage: Stage, name: str) -> Path:
    folder = stage.python(f"from {ADDON}.preferences import run_folder\nresult = str(run_folder())")
    return Path(folder) / name


def _state(run: Path) -> str:
    try:
        return str(read_status(run).state)
    except TrainingError:
        return "none"
