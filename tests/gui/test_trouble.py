"""What must not crash or hang Blender: deaths, deletions and changes of mind in the middle of live work."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from gui.window import ADDON
from image_checks import describe

from tests.gui.stage import Stage


def _engine(stage: Stage) -> int:
    """Process of the engine."""
    number = stage.python(
        f"from {ADDON}.render import session\ninfo = session.engine_client().info\nresult = info and info.pid"
    )
    assert isinstance(number, int), "the engine does not run"
    return number


def test_a_killed_engine_comes_back(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    first = _engine(stage)
    os.kill(first, signal.SIGKILL)
    stage.orbit(right=120.0, down=40.0)
    assert stage.shows(rig), stage.matched(rig)
    assert _engine(stage) != first
    assert not Path(f"/proc/{first}").exists() or first not in stage.blender.children()


def test_deleted_hands_leave_the_view(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    stage.display.move(*stage.middle())
    stage.display.key("x")
    stage.blender.still(10.0, 0.5)
    stage.display.key("Return")
    gone = "result = name not in bpy.data.objects or not bpy.data.objects[name].users_scene"
    assert stage.blender.wait_for(lambda: stage.python(gone, name=rig), 30.0)
    assert stage.shows_none(), f"{stage.skin_pixels()} pixels of skin are left"
    stage.blender.shot("trouble_deleted")


def test_undo_brings_a_deleted_hand_back(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    stage.python("bpy.ops.ed.undo_push(message='before')")
    assert stage.shows(rig), stage.matched(rig)
    for _ in range(2):
        stage.display.move(*stage.middle())
        stage.display.key("x")
        stage.blender.still(10.0, 0.5)
        stage.display.key("Return")
        assert stage.shows_none(), f"{stage.skin_pixels()} pixels of skin are left"
        stage.display.key("ctrl+z")
        assert stage.blender.wait_for(lambda: stage.python("result = name in bpy.data.objects", name=rig), 30.0)
        assert stage.shows(rig), stage.matched(rig)


def test_undo_of_a_pose_is_seen(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    open_hand = stage.skin_pixels()
    # From Python an operator leaves no step by itself.
    stage.python(
        "bpy.ops.ed.undo_push(message='open')\nbpy.ops.livehand.pose_preset('EXEC_DEFAULT', True, gesture='FIST')"
    )
    assert stage.shows(rig), stage.matched(rig)
    stage.blender.still()
    fist = stage.skin_pixels()
    assert fist < 0.9 * open_hand
    stage.display.move(*stage.middle())
    stage.display.key("ctrl+z")
    assert stage.blender.wait_for(lambda: stage.skin_pixels() > 0.95 * open_hand, 60.0)
    assert stage.shows(rig), stage.matched(rig)


def test_another_file_opened_while_the_view_renders(stage: Stage) -> None:
    path = stage.blender.folder / "other.blend"
    other = stage.hand(side="LEFT", location=(-0.18, 0.0, 0.0))
    stage.live()
    stage.python("bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)", path=str(path))
    stage.blender.ask("new_file")
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    stage.orbit(right=200.0, down=20.0, seconds=0.4)
    stage.blender.ask("open_file", path=str(path))
    stage.blender.ask("shading", kind="RENDERED", overlays=False, gizmos=False)
    assert stage.python("result = name in bpy.data.objects", name=other)
    assert stage.shows(other), stage.matched(other)


def test_the_add_on_disabled_and_enabled_while_the_view_renders(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    engine = _engine(stage)
    stage.orbit(right=200.0, down=20.0, seconds=0.4)
    stage.python("bpy.ops.preferences.addon_disable(module=name)", name=ADDON)
    assert stage.blender.wait_for(lambda: engine not in stage.blender.children(), 30.0), (
        "the engine outlived the add-on"
    )
    time.sleep(1.0)
    stage.orbit(right=-100.0, down=0.0, seconds=0.4)
    stage.blender.shot("trouble_disabled")
    stage.python("bpy.ops.preferences.addon_enable(module=name)", name=ADDON)
    stage.live()
    assert stage.shows(rig), stage.matched(rig)


def test_the_add_on_disabled_while_rendering(stage: Stage) -> None:
    """An animation runs in Blender's render thread when the add-on is told to go: it goes when that has ended.

    Whether Blender goes on with the animation or stops it after the frame is its own affair.
    """
    stage.hand()
    stage.camera()
    out = stage.blender.folder / "animation"
    stage.python(
        "bpy.ops.livehand.use_engine()\n"
        "scene = bpy.context.scene\n"
        "scene.render.resolution_x, scene.render.resolution_y = 256, 160\n"
        "scene.frame_start, scene.frame_end = 1, 8\n"
        "scene.render.filepath = path\n",
        path=f"{out}/frame_",
    )
    stage.display.move(*stage.middle())
    stage.display.key("ctrl+F12")
    assert stage.happened("render_init"), stage.blender.ask("history")
    assert stage.blender.wait_for(lambda: len(list(out.glob("*.png"))) >= 2, 90.0), "no frame was written"
    stage.python("bpy.ops.preferences.addon_disable(module=name)", name=ADDON)
    ended = {"render_complete", "render_cancel"}
    assert stage.blender.wait_for(lambda: bool(ended & set(stage.blender.ask("history"))), 180.0), "it never ended"
    frames = sorted(out.glob("*.png"))
    assert len(frames) >= 2 and all(describe(frame).shows_hand for frame in frames)
    assert stage.blender.wait_for(lambda: not stage.python("result = hasattr(bpy.types, 'LIVEHAND_PT_hand')"), 30.0)
    stage.blender.still(20.0)
    stage.blender.shot("trouble_disabled_rendering")
    stage.display.key("Escape")
    stage.python("bpy.ops.preferences.addon_enable(module=name)", name=ADDON)
    stage.clear()
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)


def test_closed_while_rendering(stage: Stage) -> None:
    stage.hand()
    stage.camera()
    stage.python(
        "bpy.ops.livehand.use_engine()\nbpy.context.scene.render.filepath = path", path="/tmp/livehand_closed_"
    )
    stage.display.move(*stage.middle())
    stage.display.key("F12")
    assert stage.happened("render_init"), stage.blender.ask("history")
    children = stage.blender.children()
    assert stage.blender.quit() == 0
    assert _gone(children), "a process outlived Blender"


def test_closing_leaves_no_process_and_no_memory(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    children = stage.blender.children()
    assert _engine(stage) in children
    mapped = _shared_blocks(stage.blender.pid)
    stage.orbit(right=200.0, down=20.0, seconds=0.4)
    assert stage.blender.quit() == 0
    assert _gone(children), "a process outlived Blender"
    assert not [block for block in mapped if block.exists()]


def test_a_killed_blender_leaves_no_process_and_no_memory(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    children, mapped = stage.blender.children(), _shared_blocks(stage.blender.pid)
    stage.blender.kill()
    assert _gone(children), "a process outlived Blender"
    assert not [block for block in mapped if block.exists()]


def _gone(processes: list[int], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(Path(f"/proc/{number}").exists() for number in processes):
            return True
        time.sleep(0.2)
    return False


def _shared_blocks(process: int) -> list[Path]:
    """The engine's shared memory that a process has mapped and that still has a name."""
    lines = Path(f"/proc/{process}/maps").read_text(encoding="utf-8").splitlines()
    names = {line.split()[-1] for line in lines if "/dev/shm/lh_" in line}
    return [Path(name) for name in sorted(names) if Path(name).exists()]
