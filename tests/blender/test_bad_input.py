"""What goes away, is of another time or cannot be written while it is in use: one clear message, and life goes on."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.blender.helpers import make_scene, render_exr

pytestmark = pytest.mark.bpy


def _fails(match: str) -> None:
    import bpy

    with pytest.raises(RuntimeError, match=match) as caught:
        bpy.ops.render.render()
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 600


def test_an_avatar_file_deleted_or_renewed_between_frames(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    shutil.copy(tiny_avatar, mine)
    scene, _ = make_scene(mine)
    before = render_exr(scene, tmp_path / "before.exr")["Combined.A"]
    mine.unlink()
    _fails(r"mine\.safetensors")
    shutil.copy(tiny_avatar, mine)
    np.testing.assert_array_equal(render_exr(scene, tmp_path / "after.exr")["Combined.A"], before)


def test_an_avatar_of_a_newer_version_says_so(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    from livehand_core.avatars import load_avatar, save_avatar

    avatar = load_avatar(tiny_avatar)
    newer = replace(avatar, metadata=replace(avatar.metadata, format_version=99))
    save_avatar(tmp_path / "newer.safetensors", newer)
    make_scene(tmp_path / "newer.safetensors")
    _fails(r"newer")


def test_the_hand_and_the_camera_deleted_between_frames(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    scene, rig = make_scene(tiny_avatar)
    render_exr(scene, tmp_path / "before.exr")
    bpy.data.objects.remove(rig, do_unlink=True)
    _fails("no LiveHand hand")
    make_scene(tiny_avatar)
    render_exr(scene, tmp_path / "again.exr")
    bpy.data.objects.remove(scene.camera, do_unlink=True)
    _fails("[Cc]amera")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the engine's Python")
def test_the_engines_python_deleted_while_it_runs(
    fresh_engine, tiny_avatar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs goes on; the next engine cannot start, which is told, until its Python is back."""
    from livehand_core.engine import interpreters

    python = tmp_path / "engine_python"
    text = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    python.write_text(text)
    python.chmod(0o755)
    monkeypatch.setenv("LIVEHAND_PYTHON", str(python))
    # This Python, which would serve, is the last place that is looked in.
    monkeypatch.setattr(interpreters.sys, "executable", "")
    scene, _ = make_scene(tiny_avatar)
    before = render_exr(scene, tmp_path / "before.exr")["Combined.A"]
    python.unlink()
    np.testing.assert_array_equal(render_exr(scene, tmp_path / "meanwhile.exr")["Combined.A"], before)
    os.kill(fresh_engine.engine_client().start().pid, signal.SIGKILL)
    fresh_engine.close()
    _fails("engine_python is not there")
    python.write_text(text)
    python.chmod(0o755)
    np.testing.assert_array_equal(render_exr(scene, tmp_path / "after.exr")["Combined.A"], before)


def test_another_file_opened_while_a_capture_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The capture goes on in its own Blender, and its end touches nothing of the new file that it does not know."""
    import bpy

    from livehand_blender.capture import operators

    scene, _ = make_scene("")
    scene.name = "Shot"
    opened = threading.Event()
    monkeypatch.setattr(operators, "run", lambda job, captures, task: (opened.wait(60.0), 7)[1])
    operator = SimpleNamespace(folder=str(tmp_path / "capture"))
    task = operators.LIVEHAND_OT_capture.make_task(operator, bpy.context)
    task.start()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not task.take() and task.running
    opened.set()
    until = time.monotonic() + 60.0
    while not task.take():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert task.error == "" and task.answer == 7
    assert bpy.context.scene.livehand_training.capture == ""


def test_two_scenes_render_their_own_hands(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    first, _ = make_scene(tiny_avatar)
    alone = render_exr(first, tmp_path / "alone.exr")["Combined.A"]
    second = bpy.data.scenes.new("Second")
    for thing in list(first.objects):
        copy = thing.copy()
        second.collection.objects.link(copy)
        if thing == first.camera:
            second.camera = copy
    second.render.engine = "LIVEHAND"
    first_again = render_exr(first, tmp_path / "first.exr")["Combined.A"]
    np.testing.assert_array_equal(first_again, alone)


def test_a_log_that_cannot_be_written_is_no_reason_not_to_render(
    fresh_engine, tiny_avatar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(fresh_engine, "log_path", lambda: tmp_path / "file" / "engine.log")
    scene, _ = make_scene(tiny_avatar)
    assert render_exr(scene, tmp_path / "out.exr")["Combined.A"].max() > 0.0


def test_a_picture_that_cannot_be_written_is_told(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    scene, _ = make_scene(tiny_avatar)
    (tmp_path / "file").write_text("not a folder")
    scene.render.filepath = str(tmp_path / "file" / "out.png")
    with pytest.raises(RuntimeError):
        bpy.ops.render.render(write_still=True)
    scene.render.filepath = str(tmp_path / "out.png")
    assert bpy.ops.render.render(write_still=True) == {"FINISHED"}


def test_a_file_of_a_newer_add_on_opens(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    """Settings that this version does not know stay in the file and harm nothing."""
    import bpy

    _, rig = make_scene(tiny_avatar)
    name = rig.name
    rig["livehand_of_tomorrow"] = {"side": "RIGHT", "glow": 2.0}
    path = str(tmp_path / "tomorrow.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert bpy.data.objects[name]["livehand_of_tomorrow"]["glow"] == 2.0
    assert render_exr(bpy.context.scene, tmp_path / "out.exr")["Combined.A"].max() > 0.0


def test_folders_that_cannot_be_written_are_named(
    folder: Path, tiny_avatar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing and keeping avatars, starting a run: one message each, and nothing half done."""
    import bpy

    from livehand_blender import preferences

    run, capture = tmp_path / "run", tmp_path / "capture"
    run.mkdir()
    capture.mkdir()
    shutil.copy(tiny_avatar, run / "avatar.safetensors")
    (capture / "transforms.json").write_text("{}")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(preferences, "data_folder", lambda: tmp_path / "file")
    for attempt in (
        lambda: bpy.ops.livehand.avatar_import(filepath=str(tiny_avatar)),
        lambda: bpy.ops.livehand.train_to_avatar(path=str(run)),
        lambda: bpy.ops.livehand.train_start(capture=str(capture)),
    ):
        with pytest.raises(RuntimeError, match=r"file.*(cannot|could not) be") as caught:
            attempt()
        assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 600
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_linked_hand_renders_as_its_original(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    scene, rig = make_scene(tiny_avatar)
    name = rig.name
    original = render_exr(scene, tmp_path / "original.exr")["Combined.A"]
    library = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library, copy=True)
    bpy.data.objects.remove(rig, do_unlink=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = [name]
    linked = wanted.objects[0]
    assert linked.library is not None
    scene.collection.objects.link(linked)
    np.testing.assert_array_equal(render_exr(scene, tmp_path / "linked.exr")["Combined.A"], original)
    # Its file goes away while it is open, and the hand with it when that is opened again.
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "user.blend"))
    Path(library).unlink()
    render_exr(scene, tmp_path / "again.exr")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "user.blend"))
    _fails("no LiveHand hand")
