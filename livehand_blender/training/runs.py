"""Starting runs and watching all of a folder, without bpy. What is read from disk is read on a thread."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from livehand_core.captures.capture import TRANSFORMS
from livehand_core.engine.interpreters import child_environment, core_command, start_options
from livehand_core.errors import LiveHandError, TrainingError
from livehand_core.files import safe_name
from livehand_core.processes import clear_order
from livehand_core.training.control import (
    AVATAR_FILE,
    CHECKPOINT_FILE,
    LOG_FILE,
    RunStatus,
    find_runs,
    give_order,
    read_status,
    write_status,
)


@dataclass(frozen=True)
class Run:
    """One run of the list.

    Attributes:
        folder: where it lies.
        status: how it stands; with the state ``"failed"`` and a message when its folder cannot be read.
        avatar: whether there is an avatar to look at.
        resumable: whether there is a checkpoint to go on from.
    """

    folder: Path
    status: RunStatus
    avatar: bool = False
    resumable: bool = False


_processes: dict[Path, subprocess.Popen[bytes]] = {}


def check_capture_folders(folders: Sequence[Path]) -> None:
    """Raises TrainingError where there is no capture; their content is read by the training process."""
    for folder in folders:
        if not (folder / TRANSFORMS).is_file():
            raise TrainingError(
                f"{folder} holds no capture ({TRANSFORMS}).", "Choose a capture's folder, or capture a hand."
            )


def new_folder(runs: Path, name: str) -> Path:
    """A folder for a new run, named after its avatar, that is not there yet."""
    stem = safe_name(name, "avatar")
    folder, number = runs / stem, 2
    while folder.exists():
        folder = runs / f"{stem} {number}"
        number += 1
    return folder


def start(folder: Path, python: Path, arguments: Sequence[str], status: RunStatus) -> None:
    """Start ``livehand train`` as a process that outlives this one.

    Args:
        arguments: all but ``--out``.
        status: what the list shows until the process itself tells.

    Raises:
        TrainingError: the process cannot be started.
        LiveHandError: the folder cannot be written.
    """
    clear_order(folder)
    write_status(folder, replace(status, state="starting", message="Starting.", seconds_left=-1.0))
    command = core_command(python, ["train", *arguments, "--out", str(folder)])
    try:
        with (folder / LOG_FILE).open("ab") as log:
            _processes[folder] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(python),
                **start_options(),
            )
    except OSError as error:
        write_status(folder, replace(status, state="failed", message=f"{error.strerror}"))
        raise TrainingError(f"{python} cannot be started ({error.strerror}).", "Check the engine's Python.") from error


def stop_own() -> None:
    """Ask every run that this Blender started to end cleanly; it can be resumed."""
    for folder, process in _processes.items():
        if process.poll() is None:
            try:
                give_order(folder, "stop")
            except LiveHandError:
                process.terminate()


def look(runs: Path) -> list[Run]:
    """Every run of the folder, newest first. Reads the disk: not on the main thread."""
    found = []
    for folder in find_runs(runs):
        _bury(folder)
        try:
            status = read_status(folder)
        except LiveHandError as error:
            status = RunStatus("failed", folder.name, message=str(error))
        there = [(folder / name).is_file() for name in (AVATAR_FILE, CHECKPOINT_FILE)]
        found.append(Run(folder, status, *there))
    return found


def _bury(folder: Path) -> None:
    """Tell what a process said last that has ended before it could tell for itself."""
    process = _processes.get(folder)
    if process is None or process.poll() is None:
        return
    del _processes[folder]
    try:
        status = read_status(folder)
        if status.state == "starting":
            lines = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            said = lines[-1] if lines else f"It ended with status {process.returncode} and said nothing."
            write_status(folder, replace(status, state="failed", message=said))
    except (OSError, LiveHandError):
        return


class Watcher:
    """Keeps what :func:`look` found last; looking happens on a thread."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.problem = ""
        self._thread: threading.Thread | None = None
        self._fresh = False

    def ask(self, folder: Path) -> None:
        """Look again, unless someone is looking."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, args=(folder,), name="livehand runs", daemon=True)
            self._thread.start()

    def changed(self) -> bool:
        """Whether there is something new since the last call."""
        fresh, self._fresh = self._fresh, False
        return fresh

    def run(self, folder: Path) -> Run | None:
        """What is known of a run."""
        return next((run for run in self.runs if run.folder == folder), None)

    def _look(self, folder: Path) -> None:
        found = look(folder)
        if found != self.runs:
            self.runs, self._fresh = found, True
