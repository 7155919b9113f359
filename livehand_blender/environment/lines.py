"""Running a program whose lines are read as they come, and which can be ended at any moment. No bpy."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livehand_core.engine.interpreters import child_environment, core_command, kill, start_options
from livehand_core.errors import EngineError, LiveHandError
from livehand_core.progress import MACHINE_LINE

if TYPE_CHECKING:
    from ..background import Task

POLL_SECONDS = 0.1


def run_lines(
    command: Sequence[str],
    environment: dict[str, str],
    log: Path | None,
    cancelled: Callable[[], bool],
    take: Callable[[str], None] = lambda line: None,
) -> tuple[int, list[str]]:
    """Run a program to its end; (exit code, its last lines, errors among them).

    Args:
        log: file that its lines are appended to.
        cancelled: asked ten times a second; True ends the program and all it has started.
        take: called with each line.

    Raises:
        EngineError: it cannot be started, the log cannot be written, or it was cancelled.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            **start_options(),
        )
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be started ({error.strerror}).", "Choose another Python.") from error
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    pipe = process.stdout

    def read() -> None:
        for line in pipe:
            lines.put(line.decode(errors="replace").rstrip())
        lines.put(None)

    threading.Thread(target=read, name="livehand lines", daemon=True).start()
    last: list[str] = []
    try:
        while True:
            if cancelled():
                raise EngineError("It was cancelled.")
            try:
                line = lines.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                break
            take(line)
            if not line.startswith("Progress "):
                last = [*last[-40:], line]
                _append(log, line)
        return process.wait(), last
    finally:
        kill(process)
        process.wait()


def run_core(
    python: Path,
    words: Sequence[str],
    task: Task[Any],
    tell: Callable[[dict[str, Any]], None] = lambda told: None,
    log: Path | None = None,
) -> list[str]:
    """Run a command of the core for a task; the last lines that it wrote.

    Args:
        words: of the command line; with ``--machine`` among them it tells its progress.
        tell: takes each line of progress: a step's ``text``, how much of it is ``done``, and ``of`` how much; of some
            commands also what was ``found``.
        log: file that its lines are appended to.

    Raises:
        EngineError: it cannot be started, or the log cannot be written.
        LiveHandError: it failed; the message is its own.
        TaskCancelled: the task was cancelled.
    """

    def take(line: str) -> None:
        if line.startswith(MACHINE_LINE):
            tell(json.loads(line.removeprefix(MACHINE_LINE)))

    command, environment = core_command(python, [*words]), child_environment(python)
    try:
        code, lines = run_lines(command, environment, log, task.cancelled, take)
    except EngineError:
        task.check()
        raise
    task.check()
    if code != 0:
        raise LiveHandError(f"{failure_line(lines).removeprefix('livehand: ')}.")
    return lines


def failure_line(lines: Sequence[str]) -> str:
    """The line that tells most of what a program says when it fails."""
    errors = [line for line in lines if line.lower().lstrip().startswith("error")]
    chosen = (errors or [line for line in lines if line.strip()] or ["it said nothing"])[-1].strip()
    return chosen.removeprefix("ERROR: ").rstrip(".")


def _append(log: Path | None, line: str) -> None:
    if log is None:
        return
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    except OSError as error:
        raise EngineError(f"{log} cannot be written ({error.strerror}).", "Make its folder writable.") from error
