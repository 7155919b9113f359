"""A capture in a Blender of its own, so that the artist's stays free: the copy of the scene, the process, its progress.

The process tells through files in the capture's folder, so it is followed by the Blender that started it, or, when that
was closed, by another one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bpy

from livehand_core.captures.going import CaptureStatus, read_status, stop, taken, write_status
from livehand_core.documents import Reader
from livehand_core.engine.interpreters import kill, start_options
from livehand_core.errors import CaptureError, LiveHandError
from livehand_core.files import atomic_path
from livehand_core.processes import clear_order, is_running

from ..background import Task, TaskCancelled
from ..preferences import PACKAGE

COPY = ".scene.blend"
LOG = "capture.log"
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 10.0
"""How long a capture that is to stop may take for the picture it is at."""

STARTED = "started.txt"
STARTED_MOST = 50
FOLDERS = Reader("The list of captures", limit=1 << 20)


@dataclass(frozen=True)
class Job:
    """One capture: the copy of the scene is in ``folder``."""

    folder: Path
    scene: str
    rig: str


_own: dict[Path, subprocess.Popen[bytes]] = {}


def save_copy(job: Job) -> None:
    """Write the copy of the open file that the other Blender photographs. On the main thread.

    Raises:
        CaptureError: the folder cannot be written, or a capture goes on in it.
    """
    if is_running(job.folder):
        raise taken(job.folder)
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(job.folder / COPY), copy=True, check_existing=False, compress=False)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip()
        raise CaptureError(
            f"{job.folder} cannot be written ({reason}).", "Choose a folder you may write to."
        ) from error


def start(job: Job, captures: Path) -> None:
    """Start the other Blender, as a process that outlives this one.

    Args:
        captures: folder of the add-on's own captures, where those in other folders are noted.

    Raises:
        CaptureError: it cannot be started.
        LiveHandError: a folder cannot be written.
    """
    clear_order(job.folder)
    write_status(job.folder, CaptureStatus("starting", message="Starting a Blender for the capture"))
    _note(captures, job.folder)
    try:
        with (job.folder / LOG).open("ab") as log:
            _own[job.folder] = subprocess.Popen(
                child_command(job), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **start_options()
            )
    except OSError as error:
        write_status(job.folder, CaptureStatus("failed", message=f"{error.strerror}"))
        raise CaptureError(f"Another Blender cannot be started ({error.strerror}).", "Check the system.") from error


def run(job: Job, captures: Path, task: Task[int]) -> int:
    """Start the other Blender and follow it to its end; how many pictures there are. On a thread.

    Raises:
        CaptureError: it failed; the message is its own.
        TaskCancelled: the task was cancelled; what is there stays, and the same capture goes on with it.
    """
    start(job, captures)
    return follow(job.folder, task)


def follow(folder: Path, task: Task[int]) -> int:
    """Follow a capture to its end, whoever started it. Raises as :func:`run` does."""
    try:
        while (status := _now(folder)).alive:
            task.tell(max(status.progress, task.progress), status.line())
            task.check()
            time.sleep(POLL_SECONDS)
    except TaskCancelled as error:
        _end(folder)
        raise TaskCancelled("The capture was cancelled. Capture again to go on with it.") from error
    except LiveHandError:
        raise
    except BaseException:
        # A script that is interrupted waits no longer, and wants no more of it.
        _end(folder)
        raise
    if status.state == "stopped":
        raise TaskCancelled("The capture was stopped. Capture again to go on with it.")
    if status.state != "done":
        raise CaptureError(status.message or "The capture failed.")
    return status.made


def stop_own() -> None:
    """Ask every capture that this Blender started to end; it can be gone on with."""
    for folder, process in _own.items():
        if process.poll() is None:
            with suppress(LiveHandError):
                stop(folder)


def look(captures: Path) -> list[tuple[Path, CaptureStatus]]:
    """The captures that go on: those in the add-on's own folder, and those noted there."""
    with suppress(OSError):
        folders = [Path(entry.path) for entry in os.scandir(captures) if entry.is_dir()]
        found = []
        for folder in dict.fromkeys([*folders, *_noted(captures)]):
            with suppress(LiveHandError):
                if (status := read_status(folder)).alive:
                    found.append((folder, status))
        return found
    return []


def _now(folder: Path) -> CaptureStatus:
    """How a capture stands; one of our own that has ended without a word failed."""
    process = _own.get(folder)
    ended = process is not None and process.poll() is not None
    status = read_status(folder)
    if ended:
        _own.pop(folder, None)
        if is_running(folder):
            raise taken(folder)
        if status.alive or status.state == "interrupted":
            message = f"The Blender that captures ended unexpectedly ({_last_words(folder)})."
            status = CaptureStatus("failed", status.made, status.planned, f"{message} Its log is in the folder.")
            write_status(folder, status)
            _remove_copy(folder)
    return status


def _end(folder: Path) -> None:
    """Have a capture end after its picture; one of our own that does not is killed."""
    with suppress(LiveHandError):
        stop(folder)
    process = _own.pop(folder, None)
    if process is None:
        return
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        process.wait()
        _remove_copy(folder)


def _remove_copy(folder: Path) -> None:
    for name in (COPY, COPY + "1"):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _noted(captures: Path) -> list[Path]:
    try:
        return [Path(line) for line in FOLDERS.text(captures / STARTED).splitlines() if line.strip()]
    except LiveHandError:
        return []


def _note(captures: Path, folder: Path) -> None:
    """Remember a capture in a folder of its own, so that another Blender finds it."""
    if folder.parent == captures:
        return
    known = [path for path in _noted(captures) if path != folder]
    with atomic_path(captures / STARTED) as temporary:
        lines = [str(path) for path in [*known, folder][-STARTED_MOST:]]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def child_command(job: Job) -> list[str]:
    """The command line of the other Blender: this very program, or Python where Blender is a module."""
    script = str(Path(__file__).with_name("child.py"))
    words = ["--", PACKAGE, str(job.folder / COPY), job.scene, job.rig, str(job.folder)]
    if bpy.app.binary_path:
        return [bpy.app.binary_path, "-b", "--python", script, *words]
    return [sys.executable, script, *words]
