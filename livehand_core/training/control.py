"""A run as seen from outside: how far it is, whether its process lives, and how to pause, stop or go on with it.

Everything goes through small files in the run's folder, so a run can be watched and steered by a terminal, by Blender,
and by a Blender that was started after it. Standard library only; the training process writes through ``monitor``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from ..documents import Reader
from ..errors import LiveHandError, TrainingError
from ..files import atomic_path
from ..processes import Order, clear_order, held, is_running, is_young, write_order
from ..progress import duration
from ..records import build

FORMAT_VERSION = 1
STATUS_FILE = "status.json"
LOG_FILE = "train.log"
AVATAR_FILE = "avatar.safetensors"
CHECKPOINT_FILE = "checkpoint.pt"
CURVES_FILE = "curves.png"
PREVIEW_FILE = "preview.png"

STATUS = Reader(
    "The status", TrainingError, "Delete it: the run's checkpoint is another file, and can be resumed.", limit=1 << 20
)


State = Literal["starting", "rays", "training", "paused", "done", "stopped", "interrupted", "failed"]
ALIVE: tuple[State, ...] = ("starting", "rays", "training", "paused")


@dataclass(frozen=True)
class RunStatus:
    """What a run says of itself.

    Attributes:
        state: ``"interrupted"`` is never written: it is what a run has become whose process died.
        name: of the avatar.
        capture: folder that it is trained on; ``more_captures``: those beside it.
        identities: names given to the captures' identities, one a folder; none where they name themselves.
        preset, device: as chosen.
        step: optimiser steps done; of the first stage, on single rays, while it goes on.
        steps: how many there will be, 0 where time decides.
        progress: part of the run that is done, 0 to 1.
        seconds: training time so far; ``seconds_left``: what the rest will take, negative when unknown.
        loss, psnr: the newest training loss, and PSNR in dB on training views; None before the first.
        held_out_psnr: PSNR in dB of the newest preview on new cameras and poses (full image); None without.
        message: one line for people: an error, or what is being done.
        skip_bad: whether it goes on without images that cannot be used.
        pid: of the training process.
        updated: time of writing, seconds since the epoch.
    """

    state: State
    name: str = ""
    capture: str = ""
    more_captures: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    preset: str = ""
    device: str = ""
    step: int = 0
    steps: int = 0
    progress: float = 0.0
    seconds: float = 0.0
    seconds_left: float = -1.0
    loss: float | None = None
    psnr: float | None = None
    held_out_psnr: float | None = None
    message: str = ""
    skip_bad: bool = False
    pid: int = 0
    updated: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.progress <= 1.0:
            raise ValueError(f"a progress of {self.progress}")

    @property
    def alive(self) -> bool:
        """Whether a process works on the run."""
        return self.state in ALIVE


def write_status(run: Path, status: RunStatus) -> None:
    """Write the status with the time of now. Raises LiveHandError when the folder cannot be written."""
    document = {"format_version": FORMAT_VERSION, **asdict(replace(status, updated=time.time()))}
    with atomic_path(run / STATUS_FILE) as temporary:
        temporary.write_text(json.dumps(document), encoding="utf-8")


def read_status(run: Path) -> RunStatus:
    """How a run stands; a run whose process has died without a word is ``"interrupted"``.

    Raises:
        TrainingError: the folder holds no run, or one of a newer version.
    """
    path = run / STATUS_FILE
    if not os.path.lexists(path) and (run / CHECKPOINT_FILE).is_file():
        # Of a version that wrote no status, and took no lock.
        return RunStatus("stopped", run.name)
    looked_into = run if os.path.lexists(run) else run.parent
    if not os.path.lexists(path) and os.access(looked_into, os.X_OK):
        raise TrainingError(f"{run} holds no training run.", "Give the folder of a run.")
    document = STATUS.json(path)
    version = document.pop("format_version", None) if isinstance(document, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise TrainingError(
            f"The run {run} was written by a newer LiveHand (format version {version}).", "Update LiveHand."
        )
    try:
        status = build(RunStatus, document, unknown="pass")
    except ValueError as error:
        raise STATUS.damaged(path, error) from error
    fresh = status.state == "starting" and is_young(status.updated)
    if status.alive and not fresh and not is_running(run):
        return replace(status, state="interrupted", seconds_left=-1.0, message="Its process has ended unexpectedly.")
    return status


def find_runs(folder: Path) -> list[Path]:
    """The runs directly below a folder, the one that was worked on last first; nothing when there is no such folder."""
    found = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        times = []
        for name in (STATUS_FILE, CHECKPOINT_FILE):
            try:
                times.append(os.stat(os.path.join(entry.path, name)).st_mtime)
            except OSError:
                continue
        if times:
            found.append((max(times), Path(entry.path)))
    return [path for _, path in sorted(found, reverse=True)]


def give_order(run: Path, order: Order) -> None:
    """Ask the run's process to pause, to go on, or to stop after its step.

    Raises:
        TrainingError: no process works on the run.
        LiveHandError: the folder cannot be written.
    """
    status = read_status(run)
    if not status.alive:
        raise TrainingError(f"The run {run} is not running (it is {status.state}).", "Resume it first.")
    write_order(run, order)


def forget_old_orders(run: Path) -> None:
    """Forget what an earlier process was told; an order to the run that is just being started counts."""
    try:
        status = read_status(run)
    except LiveHandError:
        clear_order(run)
        return
    if status.state != "starting" or not is_young(status.updated):
        clear_order(run)


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run's lock within the block, so that only one process works on a run.

    Raises:
        TrainingError: another process works on it.
        LiveHandError: the folder cannot be written.
    """
    busy = TrainingError(
        f"Another process is already training in {run}.", "Stop it with 'livehand train --stop RUN', or wait for it."
    )
    with held(run, busy):
        yield


def describe(status: RunStatus) -> str:
    """The status as one line."""
    of = f" of {status.steps}" if status.steps else ""
    parts = [status.state, f"step {status.step}{of}", f"{100.0 * status.progress:.0f} %"]
    if status.seconds_left >= 0.0:
        parts.append(f"{duration(status.seconds_left)} left")
    parts += [f"loss {status.loss:.5f}"] if status.loss is not None else []
    parts += [f"{status.psnr:.2f} dB"] if status.psnr is not None else []
    parts += [f"held out {status.held_out_psnr:.2f} dB"] if status.held_out_psnr is not None else []
    return ", ".join(parts) + (f": {status.message}" if status.message else "")
