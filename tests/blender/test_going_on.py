"""Training and captures go on after Blender is closed, however it ends, and another Blender finds and steers them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livehand_core.captures import going
from livehand_core.captures.capture import read_capture
from livehand_core.captures.shooting import progress_of
from livehand_core.errors import LiveHandError
from livehand_core.processes import is_running
from livehand_core.training.control import read_status
from tests.blender.helpers import ROOT

pytestmark = [pytest.mark.bpy, pytest.mark.skipif(os.name != "posix", reason="signals")]

BLENDER = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import bpy
import livehand_blender; livehand_blender.register()
from pathlib import Path
from livehand_blender import background, preferences
from livehand_blender.capture import operators, process
"""
STARTED = """
from livehand_core.captures.going import read_status
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
bpy.ops.livehand.add_hand(avatar="default", location=(0, 0, 0))
scene = bpy.context.scene
chosen = scene.livehand_capture
chosen.camera_count, chosen.pose_count, chosen.cameras_per_pose = 4, 6, 3
chosen.width, chosen.height, chosen.samples, chosen.studio = 42, 64, 1, True
folder = Path(sys.argv[1])
if sys.argv[2] == "stops":
    operators.preference = lambda name, default="": False
# What the panel's button does in a window.
job = process.Job(folder, scene.name, bpy.context.object.name)
process.save_copy(job)
captures = operators.captures_folder()
background.begin("capture", background.Task("The capture", lambda task: process.run(job, captures, task)))
while not (folder / "capture.json").is_file() or read_status(folder).made < 1:
    assert background.is_running("capture"), background.task("capture").error
    time.sleep(0.05)
print("GOING", flush=True)
if sys.argv[2] == "killed":
    time.sleep(100)
"""
FOLLOWED = """
import json
found = [(str(folder), status.state) for folder, status in process.look(operators.captures_folder())]
print("FOUND " + json.dumps(found), flush=True)
bpy.ops.livehand.add_hand(avatar="default", location=(0, 0, 0))
try:
    bpy.ops.livehand.capture(folder=sys.argv[1])
except RuntimeError as error:
    print("REFUSED", error, flush=True)
print("FOLLOWED", bpy.ops.livehand.capture_follow(folder=sys.argv[1]), flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Variables of Blenders that share a user's folder, and the add-on's own in it."""
    for name in ("user", "temporary"):
        (tmp_path / name).mkdir()
    kept = {"BLENDER_USER_RESOURCES": str(tmp_path / "user"), "TMPDIR": str(tmp_path / "temporary")}
    return {**os.environ, **kept, "LIVEHAND_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}


def until(done: Callable[[], bool], seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


def ended(folder: Path) -> bool:
    try:
        return not going.read_status(folder).alive and not is_running(folder)
    except LiveHandError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("how", ["closed", "killed", "stops"])
def test_a_capture_goes_on_without_its_blender(tmp_path: Path, home: dict[str, str], how: str) -> None:
    folder = tmp_path / "my captures" / "the h\u00e4nd"
    command = [sys.executable, "-c", BLENDER + STARTED, str(folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=home) as first:
        assert first.stdout is not None
        assert any(line.strip() == "GOING" for line in first.stdout)
        if how == "killed":
            first.send_signal(signal.SIGKILL)
        first.wait(60.0)
    planned = going.read_status(folder).planned
    if how == "stops":
        until(lambda: ended(folder))
        assert going.read_status(folder).state == "stopped" and not list(folder.glob(".scene*"))
        assert progress_of(folder) is not None and progress_of(folder)[0] < planned  # type: ignore[index]
        return
    assert is_running(folder), "the capture ended with its Blender, or is too short for this test"
    second = subprocess.run(
        [sys.executable, "-c", BLENDER + FOLLOWED, str(folder)], capture_output=True, text=True, env=home, timeout=300
    )
    assert second.returncode == 0, second.stdout + second.stderr
    lines = second.stdout.splitlines()
    found = json.loads(next(line for line in lines if line.startswith("FOUND ")).removeprefix("FOUND "))
    assert found == [[str(folder), "going"]]
    assert any("REFUSED" in line and "Another Blender captures" in line for line in lines), second.stdout
    assert "FOLLOWED {'FINISHED'}" in second.stdout
    assert going.read_status(folder).state == "done" and progress_of(folder) == (planned, planned)
    assert len(read_capture(folder).frames) == planned and not list(folder.glob(".scene*"))
    until(lambda: ended(folder))
    # A Blender that is killed is the only one that leaves anything.
    assert len(list((tmp_path / "temporary").glob("blender_*"))) == (how == "killed")


TRAINING = """
from livehand_core.training.control import read_status
scene = bpy.context.scene
settings = scene.livehand_training
settings.capture, settings.avatar_name, settings.minutes, settings.device = sys.argv[1], "mine", 60.0, "CPU"
settings.licence = "own use only"
settings.settings = "hidden=[16,16] tile=12 samples=4 coarse_samples=4 ray_steps=2"
assert bpy.ops.livehand.train_start() == {"FINISHED"}
print("RUN", preferences.run_folder() / "mine", flush=True)
"""
FOUND = """
from livehand_blender.training.runs import look
known = look(preferences.run_folder())
print("FOUND", [(run.folder.name, run.status.alive) for run in known], flush=True)
print("TOLD", bpy.ops.livehand.train_order(path=str(known[0].folder), order="STOP"), flush=True)
"""


@pytest.mark.slow
def test_a_run_goes_on_without_its_blender(tmp_path: Path, home: dict[str, str]) -> None:
    capture = tmp_path / "capture"
    making = [sys.executable, "-c", BLENDER + STARTED, str(capture), "closed"]
    subprocess.run(making, env=home, check=True, capture_output=True, timeout=300)
    until(lambda: ended(capture))
    first = [sys.executable, "-c", BLENDER + TRAINING, str(capture)]
    answer = subprocess.run(first, capture_output=True, text=True, env=home, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    run = Path(next(line for line in answer.stdout.splitlines() if line.startswith("RUN ")).removeprefix("RUN "))
    try:
        until(lambda: read_status(run).state == "training" and read_status(run).step > 2)
        second = [sys.executable, "-c", BLENDER + FOUND]
        answer = subprocess.run(second, capture_output=True, text=True, env=home, timeout=300)
        assert "FOUND [('mine', True)]" in answer.stdout and "TOLD {'FINISHED'}" in answer.stdout, answer
        until(lambda: read_status(run).state == "stopped")
        assert (run / "checkpoint.pt").is_file()
    finally:
        if is_running(run):
            os.kill(read_status(run).pid, signal.SIGKILL)
