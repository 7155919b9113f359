"""The Blender of its own that probes: started when needed, and kept through a render that needs it frame by frame.

Each job brings its own copy of the scene, so nothing of an earlier one is left. Called by render/probe.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from livehand_core.engine.interpreters import kill, start_options
from livehand_core.errors import EngineError

from ..registration import handlers, leaving, registration

POLL_SECONDS = 0.1
OVER = "LiveHand probe over"
"""What it says when a job is done."""

_LAST = 40
"""Lines that are kept for messages."""


class Prober:
    """A process that takes the names of job files on its input, as render/probe_child does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._kept = False

    def run(self, job: Path, cancelled: Callable[[], bool], heard: Callable[[str], None]) -> tuple[bool, list[str]]:
        """Do a job; whether it was done, and the last lines that were said.

        Args:
            cancelled: asked ten times a second; True ends the process.
            heard: called with each line.

        Raises:
            EngineError: the process cannot be started, or it was cancelled.
        """
        last: list[str] = []
        with self._lock:
            done = False
            try:
                self._ask(job)
                while not cancelled():
                    try:
                        line = self._lines.get(timeout=POLL_SECONDS)
                    except queue.Empty:
                        continue
                    if line is None or line == OVER:
                        done = line == OVER
                        return done, last
                    last = [*last[1 - _LAST :], line]
                    heard(line)
                raise EngineError("It was cancelled.")
            finally:
                if not (done and self._kept):
                    self._end()

    def keep(self, kept: bool) -> None:
        """Have the process wait for further jobs, or end when none is at work."""
        self._kept = kept
        if not kept and self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def _ask(self, job: Path) -> None:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._start()
        assert self._process is not None and self._process.stdin is not None
        # Where it has just ended, what it said last tells why.
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{job}\n".encode())
            self._process.stdin.flush()

    def _start(self) -> None:
        script = str(Path(__file__).with_name("probe_child.py"))
        program = [bpy.app.binary_path, "-b", "--factory-startup", "--python"] if bpy.app.binary_path else []
        command = [*(program or [sys.executable]), script]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(os.environ),
                **start_options(),
            )
        except OSError as error:
            raise EngineError(f"{command[0]} cannot be started ({error.strerror}).", "Start Blender again.") from error
        pipe, lines = self._process.stdout, queue.Queue[str | None]()
        self._lines = lines

        def read() -> None:
            for line in pipe or ():
                lines.put(line.decode(errors="replace").rstrip())
            lines.put(None)

        threading.Thread(target=read, name="livehand prober", daemon=True).start()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            kill(process)
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()


prober = Prober()


@bpy.app.handlers.persistent
def _render_begins(*_: Any) -> None:
    prober.keep(True)


@bpy.app.handlers.persistent
def _render_ends(*_: Any) -> None:
    prober.keep(False)


register, unregister = registration(
    leaving(lambda: prober.keep(False)),
    handlers(("render_init", _render_begins), ("render_complete", _render_ends), ("render_cancel", _render_ends)),
)
