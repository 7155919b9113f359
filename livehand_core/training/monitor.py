"""The training process's side of ``control``: it tells how the run stands, and heeds orders to pause or stop."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ..errors import LiveHandError
from ..processes import clear_order, read_order
from .control import RunStatus, State, forget_old_orders, write_status

WRITE_SECONDS = 1.0
PAUSE_POLL_SECONDS = 0.2


class Stage(Protocol):
    """How far the first stage of a run is."""

    @property
    def step(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class Progressing(Protocol):
    """What a Trainer tells of itself."""

    step: int
    seconds: float

    @property
    def progress(self) -> float: ...
    @property
    def first_stage(self) -> Stage | None: ...


class Monitor:
    """Writes ``status.json`` about once a second, from a thread of its own.

    Before the first step of training there is nothing to save: a stop then interrupts the main thread.

    Args:
        run: the run's folder, whose lock is held.
        status: what does not change: name, capture, preset, device.
        stopping: also asked whether to stop; a signal handler's answer.
    """

    def __init__(self, run: Path, status: RunStatus, stopping: Callable[[], bool]) -> None:
        self._run, self._stopping = run, stopping
        self._status = replace(status, pid=os.getpid(), state="starting")
        self._trainer: Progressing | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        forget_old_orders(run)
        write_status(run, self._status)
        self._thread = threading.Thread(target=self._write_now_and_then, name="livehand-status", daemon=True)
        self._thread.start()

    def watch(self, trainer: Progressing) -> None:
        """Take steps, time and progress from this trainer from now on."""
        self._trainer = trainer

    def tell(self, **changes: Any) -> None:
        """Change fields of the status: ``state``, ``message``, ``loss``, ``psnr`` and so on."""
        with self._lock:
            self._status = replace(self._status, **changes)

    def stop_asked(self) -> bool:
        """Whether the run is to end: a signal came, or the order was given."""
        return self._stopping() or read_order(self._run) == "stop"

    def point(self, before_pause: Callable[[], None] = lambda: None) -> None:
        """A point of the run where it may pause: returns at once, or when it is to go on or to stop.

        Args:
            before_pause: called once before waiting, e.g. to write a checkpoint.
        """
        if read_order(self._run) != "pause" or self._stopping():
            return
        before = self._status.state
        before_pause()
        self.tell(state="paused")
        while read_order(self._run) == "pause" and not self._stopping():
            time.sleep(PAUSE_POLL_SECONDS)
        self.tell(state=before)

    def close(self, state: State, message: str = "") -> None:
        """Write the last status."""
        self._ended.set()
        self._thread.join()
        self.tell(state=state, message=message)
        clear_order(self._run)
        write_status(self._run, self._current())

    def _write_now_and_then(self) -> None:
        # The first interrupt sets the signal handler's flag, the second raises KeyboardInterrupt.
        interrupts = 2
        while not self._ended.wait(WRITE_SECONDS):
            # A full disk is found by whoever writes the checkpoint; the status is not worth ending the run.
            with suppress(LiveHandError):
                write_status(self._run, self._current())
            if interrupts and self._status.state in ("starting", "rays") and self.stop_asked():
                interrupts -= 1
                _interrupt()

    def _current(self) -> RunStatus:
        with self._lock:
            status, trainer = self._status, self._trainer
        if trainer is None:
            return status
        if (first := trainer.first_stage) is not None:
            return _in_first_stage(status, trainer, first)
        progress, seconds = trainer.progress, trainer.seconds
        left = seconds / progress * (1.0 - progress) if progress > 0.0 and status.alive else -1.0
        return replace(status, step=trainer.step, progress=progress, seconds=seconds, seconds_left=left)


def _in_first_stage(status: RunStatus, trainer: Progressing, first: Stage) -> RunStatus:
    """The status while single rays are trained on. Where steps are counted, the stage is all that can be told of."""
    if not status.alive:
        # It ended before there was a checkpoint: nothing is kept.
        return status
    progress, seconds = trainer.progress, trainer.seconds
    if progress == 0.0:
        progress, seconds = first.step / max(first.steps, 1), first.seconds
    left = seconds / progress * (1.0 - progress) if progress > 0.0 else -1.0
    return replace(
        status, step=first.step, steps=first.steps, progress=progress, seconds=first.seconds, seconds_left=left
    )


def _interrupt() -> None:
    """As Ctrl-C does; on POSIX a true signal, which also ends a wait."""
    if os.name == "nt":
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)
