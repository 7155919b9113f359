"""Runs from the panel: started, seen, steered and kept; what cannot be started says why; nothing is left behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livehand_core.training.control import RunStatus, locked, read_status, write_status
from tests.blender.helpers import WORKER

pytestmark = pytest.mark.bpy


def until(done: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def ended() -> Iterator[None]:
    """No process of training outlives the test."""
    from livehand_blender.training import runs

    yield
    runs.stop_own()
    for process in list(runs._processes.values()):
        process.wait(120.0)
    runs._processes.clear()


@pytest.fixture
def worker(ended: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the training command, one that only tells and obeys."""
    from livehand_blender.training import runs

    monkeypatch.setattr(runs, "core_command", lambda python, arguments: [str(python), "-c", WORKER, *arguments])


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A folder that looks like a capture from outside."""
    path = tmp_path / "a capture"
    path.mkdir()
    (path / "transforms.json").write_text("{}")
    return path


def test_a_run_is_started_paused_and_stopped(folder: Path, worker: None, capture: Path) -> None:
    import bpy

    from livehand_blender.training.runs import look

    scene = bpy.context.scene
    scene.livehand_training.capture, scene.livehand_training.avatar_name = str(capture), "My/Hand"
    assert bpy.ops.livehand.train_start() == {"FINISHED"}
    run = folder / "runs" / "My_Hand"
    until(lambda: read_status(run).state == "training")
    assert [(known.folder, known.status.alive) for known in look(folder / "runs")] == [(run, True)]
    assert bpy.ops.livehand.train_order(path=str(run), order="PAUSE") == {"FINISHED"}
    until(lambda: read_status(run).state == "paused")
    # A running one is neither resumed nor deleted, and a second one gets a folder of its own.
    with pytest.raises(RuntimeError, match="is running"):
        bpy.ops.livehand.train_resume(path=str(run))
    with pytest.raises(RuntimeError, match="is running"):
        bpy.ops.livehand.train_delete(path=str(run))
    assert bpy.ops.livehand.train_start() == {"FINISHED"}
    until(lambda: len(look(folder / "runs")) == 2)
    # Another file in the middle of it changes nothing.
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.ops.livehand.train_order(path=str(run), order="GO") == {"FINISHED"}
    until(lambda: read_status(run).state == "training")
    assert bpy.ops.livehand.train_order(path=str(run), order="STOP") == {"FINISHED"}
    until(lambda: read_status(run).state == "stopped")
    with pytest.raises(RuntimeError, match="not running"):
        bpy.ops.livehand.train_order(path=str(run), order="STOP")
    assert bpy.ops.livehand.train_delete(path=str(run)) == {"FINISHED"} and not run.exists()


def test_captures_of_several_people(folder: Path, capture: Path, tmp_path: Path, monkeypatch) -> None:
    import bpy

    from livehand_blender.training import operators

    started = []
    monkeypatch.setattr(operators, "start", lambda *all_of_it: started.append(all_of_it))
    other = tmp_path / "another capture"
    other.mkdir()
    settings = bpy.context.scene.livehand_training
    settings.capture = str(capture)
    bpy.ops.livehand.train_capture_add()
    with pytest.raises(RuntimeError, match="further capture has no folder"):
        bpy.ops.livehand.train_start()
    settings.more_captures[0].path = str(other)
    with pytest.raises(RuntimeError, match="another capture holds no capture"):
        bpy.ops.livehand.train_start()
    (other / "transforms.json").write_text("{}")
    bpy.ops.livehand.train_start()
    settings.more_captures[0].identity = "Ben B."
    bpy.ops.livehand.train_start()
    bpy.ops.livehand.train_capture_remove(index=-1)
    with pytest.raises(RuntimeError, match="no such capture"):
        bpy.ops.livehand.train_capture_remove(index=0)
    bpy.ops.livehand.train_start()
    plain, named, alone = (arguments for _, _, arguments, _ in started)
    assert plain[:2] == [str(capture), str(other)] and "--identities" not in plain
    assert named[named.index("--identities") :][:3] == ["--identities", "", "Ben B."]
    assert alone[:2] == [str(capture), "--preset"]
    status = started[1][3]
    assert (status.capture, status.more_captures) == (str(capture), (str(other),))
    assert status.identities == ("", "Ben B.") and status.preset == "standard"


def test_what_cannot_be_started_says_why(folder: Path, capture: Path, tmp_path: Path) -> None:
    import bpy

    settings = bpy.context.scene.livehand_training
    with pytest.raises(RuntimeError, match="No capture is chosen"):
        bpy.ops.livehand.train_start()
    with pytest.raises(RuntimeError, match="holds no capture"):
        bpy.ops.livehand.train_start(capture=str(tmp_path / "gone"))
    settings.settings = "tile='64"
    with pytest.raises(RuntimeError, match="settings cannot be read"):
        bpy.ops.livehand.train_start(capture=str(capture))
    settings.settings = ""
    with pytest.raises(RuntimeError, match="holds no training run"):
        bpy.ops.livehand.train_resume(path=str(tmp_path / "gone"))
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.livehand.train_to_avatar(path=str(tmp_path / "gone"))


@pytest.mark.slow
def test_a_run_that_fails_tells_its_reason(folder: Path, capture: Path) -> None:
    import bpy

    from livehand_blender.training.runs import look

    bpy.ops.livehand.train_start(capture=str(capture))
    until(lambda: not look(folder / "runs")[0].status.alive)
    status = look(folder / "runs")[0].status
    assert status.state == "failed" and "no list of frames" in status.message


@pytest.mark.slow
def test_a_capture_deleted_while_a_run_needs_it(folder: Path, ended: None, tmp_path: Path) -> None:
    """A real run stops with one message and keeps what it learnt; it goes on once the capture is back."""
    import bpy

    from livehand_blender.training.runs import look
    from tests.blender.helpers import make_scene

    scene, _ = make_scene("")
    numbers = {"camera_count": 3, "pose_count": 3, "cameras_per_pose": 2, "width": 42, "height": 64, "samples": 1}
    for name, value in ({"look": "MESHES", "held_out_cameras": 1, "held_out_poses": 1} | numbers).items():
        setattr(scene.livehand_capture, name, value)
    capture, away = tmp_path / "capture", tmp_path / "elsewhere"
    assert bpy.ops.livehand.capture(folder=str(capture)) == {"FINISHED"}
    training = scene.livehand_training
    training.capture, training.avatar_name, training.minutes = str(capture), "short", 20.0
    training.licence = "own use only"
    training.settings = "hidden=[16,16] tile=12 samples=4 coarse_samples=4 ray_steps=2 preview_minutes=0.03"
    assert bpy.ops.livehand.train_start() == {"FINISHED"}
    run = folder / "runs" / "short"
    until(lambda: read_status(run).step > 3, 240.0)
    capture.rename(away)
    # Its images are in memory: only pictures of it fail, and that is said.
    until(lambda: "No preview" in read_status(run).message, 240.0)
    reached = read_status(run).step
    assert read_status(run).state == "training" and str(capture) in read_status(run).message
    assert bpy.ops.livehand.train_order(path=str(run), order="STOP") == {"FINISHED"}
    until(lambda: not look(folder / "runs")[0].status.alive)
    assert read_status(run).state == "stopped" and look(folder / "runs")[0].resumable
    with pytest.raises(RuntimeError, match=r"capture.*(holds no capture|does not exist)") as caught:
        bpy.ops.livehand.train_resume(path=str(run))
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 600
    away.rename(capture)
    assert bpy.ops.livehand.train_resume(path=str(run)) == {"FINISHED"}
    until(lambda: read_status(run).state == "training" and read_status(run).step >= reached, 240.0)
    assert bpy.ops.livehand.train_order(path=str(run), order="STOP") == {"FINISHED"}
    until(lambda: not look(folder / "runs")[0].status.alive)


def test_a_process_that_dies_at_once_is_told_by_its_last_words(
    folder: Path,
    capture: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import bpy

    from livehand_blender.training import runs

    code = "raise SystemExit('no module named torch')"
    monkeypatch.setattr(runs, "core_command", lambda python, arguments: [sys.executable, "-c", code])
    bpy.ops.livehand.train_start(capture=str(capture))
    until(lambda: not runs.look(folder / "runs")[0].status.alive)
    assert runs.look(folder / "runs")[0].status.message == "no module named torch"


def test_the_result_becomes_an_avatar_with_one_click(folder: Path, tiny_avatar: Path) -> None:
    import bpy

    from tests.blender.helpers import make_scene

    run = folder / "runs" / "Done Hand"
    run.mkdir(parents=True)
    write_status(run, RunStatus("done", "Done Hand", progress=1.0))
    (run / "avatar.safetensors").write_bytes(tiny_avatar.read_bytes())
    _, rig = make_scene("")
    assert bpy.ops.livehand.train_follow(path=str(run)) == {"FINISHED"}
    assert rig.livehand.avatar == str(run / "avatar.safetensors")
    assert bpy.ops.livehand.train_to_avatar(path=str(run)) == {"FINISHED"}
    kept = folder / "avatars" / "Done Hand.safetensors"
    assert rig.livehand.avatar == str(kept) and kept.is_file()
    assert [item.name for item in bpy.context.window_manager.livehand_avatars] == ["Default", "Done Hand"]


def test_runs_of_other_versions_and_damaged_ones_are_listed_with_the_reason(folder: Path) -> None:
    from livehand_blender.training.runs import Watcher, look

    run = folder / "runs" / "newer"
    with locked(run):
        (run / "status.json").write_text('{"format_version": 99, "state": "training"}')
    assert "newer LiveHand" in look(folder / "runs")[0].status.message
    watcher = Watcher()
    watcher.ask(folder / "runs")
    until(watcher.changed)
    assert watcher.run(run) is not None and not watcher.changed()


def test_bad_images_are_skipped_when_the_panel_says_so(
    folder: Path, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bpy

    from livehand_blender.training import operators

    started: list[list[str]] = []
    monkeypatch.setattr(operators, "start", lambda folder, python, arguments, status: started.append(list(arguments)))
    settings = bpy.context.scene.livehand_training
    settings.capture = str(capture)
    for skip in (False, True):
        settings.skip_bad = skip
        assert bpy.ops.livehand.train_start() == {"FINISHED"}
    assert ["--skip-bad" in arguments for arguments in started] == [False, True]
