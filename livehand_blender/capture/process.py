"""A capture in a Blender of its own, so that the artist's stays free: the copy of the scene, the process, progress."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from livehand_core.errors import CaptureError, LiveHandError

from ..background import Task, TaskCancelled
from ..environment.lines import run_lines
from ..preferences import PACKAGE
from .planning import make_plan
from .shoot import shoot
from .subjects import prepare_scene

COPY = ".scene.blend"


@dataclass(frozen=True)
class Job:
    """One capture: the copy of the scene is in ``folder``."""

    folder: Path
    scene: str
    rig: str


def save_copy(job: Job) -> None:
    """Write the copy of the open file that the other Blender photographs. On the main thread.

    Raises:
        CaptureError: the folder cannot be written.
    """
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(job.folder / COPY), copy=True, check_existing=False, compress=False)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip()
        raise CaptureError(
            f"{job.folder} cannot be written ({reason}).", "Choose a folder you may write to."
        ) from error


def run(job: Job, task: Task[int]) -> int:
    """Start the other Blender and follow it to its end; how many pictures there are. On a thread.

    Raises:
        CaptureError: it failed; the message is its own.
        TaskCancelled: the task was cancelled; what is there stays, and the same capture goes on with it.
    """
    told: dict[str, Any] = {}

    def take(line: str) -> None:
        if not line.startswith("LIVEHAND "):
            return
        told.update(json.loads(line.removeprefix("LIVEHAND ")))
        if told.get("done"):
            count = told["whole"]
            part = (told["there"] + told["done"]) / max(count, 1)
            task.tell(part, f"Picture {told['there'] + told['done']} of {count}")
        elif "stage" in told:
            task.tell(task.progress, told["stage"])

    task.tell(0.0, "Starting a Blender for the capture")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    try:
        code, lines = run_lines(
            child_command(job), environment, job.folder / "capture.log", task.cancelled, take, hold_input=True
        )
    except LiveHandError as error:
        if task.cancelled():
            raise TaskCancelled("The capture was cancelled. Capture again to go on with it.") from error
        raise
    finally:
        for name in (COPY, COPY + "1"):
            (job.folder / name).unlink(missing_ok=True)
    if "error" in told:
        raise CaptureError(str(told["error"]))
    if code != 0 or "made" not in told:
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        raise CaptureError(f"The Blender that captures ended unexpectedly ({last}).", "Its log is in the folder.")
    return int(told["made"])


def child_command(job: Job) -> list[str]:
    """The command line of the other Blender: this very program, or Python where Blender is a module."""
    script = str(Path(__file__).with_name("child.py"))
    words = ["--", PACKAGE, str(job.folder / COPY), job.scene, job.rig, str(job.folder)]
    if bpy.app.binary_path:
        return [bpy.app.binary_path, "-b", "--python", script, *words]
    return [sys.executable, script, *words]


def photograph(scene: Any, rig: Any, folder: Path, say: Callable[[dict[str, Any]], None]) -> int:
    """What the other Blender does. Changes the scene."""
    say({"stage": "Choosing cameras and poses"})
    plan = make_plan(scene, rig)
    say({"stage": "Making the scene ready"})
    subject = prepare_scene(scene, rig, plan, plan.data)
    whole = len(plan.shooting.order)

    say({"stage": "Taking the first picture"})

    def told(done: int, count: int) -> bool:
        say({"done": done, "whole": whole, "there": whole - count})
        return True

    return shoot(scene, plan.shooting, folder, subject, plan.data, plan.scale, told)
