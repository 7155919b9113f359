"""Starts the processes of a run on several devices with torchrun, and waits for them. Called by the command."""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import LiveHandError, TrainingError
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require
from .control import CHECKPOINT_FILE, RunStatus, give_order, read_status

LOOK_SECONDS = 0.2
FAILED = 2


def train_on_devices(arguments: Sequence[str], run: Path, count: int, device: str) -> int:
    """Train with ``count`` processes of this machine; gives the exit code.

    What they have to say comes from the first of them. Ctrl-C and SIGTERM end the run after its step.

    Args:
        arguments: of ``livehand``, for each process.

    Raises:
        DeviceError: there are too few devices.
        TrainingError: the processes died without a word.
    """
    require("training")
    from .devices import device_of

    device_of(device, count)
    # Each process has its part of the cores; torchrun would say so at length.
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // count, 1)))
    failed: dict[int, int] = {}
    agent = threading.Thread(target=_torchrun, args=(arguments, count, failed), name="livehand-torchrun", daemon=True)
    with interruptible("the processes stop after this step") as stop:
        agent.start()
        told = False
        while agent.is_alive():
            agent.join(LOOK_SECONDS)
            if stop() and not told:
                told = True
                with suppress(LiveHandError):
                    give_order(run, "stop")
    return _outcome(run, failed)


def _torchrun(arguments: Sequence[str], count: int, failed: dict[int, int]) -> None:
    """Run the processes until all have ended; ``failed`` takes the exit codes of those that failed, by rank.

    As ``torchrun --standalone``. On a thread it leaves the signals to the main one.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-u", "-m", "livehand_core", *arguments)
    except ChildFailedError as error:
        failed.update({rank: failure.exitcode for rank, failure in error.failures.items()})


def _outcome(run: Path, failed: dict[int, int]) -> int:
    if not failed:
        return 0
    try:
        status = read_status(run)
    except LiveHandError:
        status = RunStatus("failed")
    if status.state == "stopped":
        return INTERRUPTED
    if status.state in ("failed", "done"):
        # The first process has said why.
        return FAILED
    kept = (run / CHECKPOINT_FILE).is_file()
    raise TrainingError(
        f"The processes that train in {run} have ended unexpectedly "
        f"({', '.join(f'{rank}: exit code {code}' for rank, code in sorted(failed.items()))}).",
        "What its last checkpoint holds is kept: resume it." if kept else "Start it again.",
    )
