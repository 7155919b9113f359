"""``livehand train --slurm``: a run as a job of Slurm, queued again and resumed when its time ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LiveHandError, TrainingError
from ..interrupts import INTERRUPTED
from ..libraries import require
from ..processes import is_running
from .control import CHECKPOINT_FILE, give_order

DEFAULT_MINUTES = 60
SIGNAL_SECONDS = 90
"""How long before the end of its time a job is told: enough for a step, a checkpoint and the avatar's file."""

MOST_REQUEUES = 10_000
LOOK_SECONDS = 0.5


@dataclass
class SlurmRun:
    """What runs in the job: the training command, begun or resumed. Called by submitit, also to end it in time.

    Attributes:
        arguments: of ``livehand``.
        run: the run's folder.
    """

    arguments: list[str]
    run: str

    def __call__(self) -> str:
        """Train; gives ``"done"``, or ``"stopped"`` when someone gave that order.

        Raises:
            TrainingError: it failed; its log has said why.
        """
        command = [sys.executable, "-u", "-m", "livehand_core", *self.arguments]
        if (Path(self.run) / CHECKPOINT_FILE).is_file() and "--resume" not in command:
            command.append("--resume")
        # The signal that ends the job's time is for this process alone, though Slurm sends it to all.
        process = subprocess.Popen(command, preexec_fn=_deaf)
        signal.signal(signal.SIGTERM, lambda number, frame: self._stop())
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
        if process.returncode not in (0, INTERRUPTED):
            raise TrainingError(f"The run {self.run} has failed (exit code {process.returncode}).", "Its log says why.")
        return "done" if process.returncode == 0 else "stopped"

    def checkpoint(self) -> Any:
        """Called when the job's time is nearly over: the run writes its checkpoint and ends, and is queued again."""
        from submitit.helpers import DelayedSubmission

        self._stop()
        while is_running(Path(self.run)):
            time.sleep(LOOK_SECONDS)
        return DelayedSubmission(self)

    def _stop(self) -> None:
        with suppress(LiveHandError):
            give_order(Path(self.run), "stop")


def _deaf() -> None:
    """In a process that is being started, which hands it on to those that it starts."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def submit(arguments: Sequence[str], run: Path, wishes: Mapping[str, str], devices: int, resume: bool) -> str:
    """Hand a run to Slurm; gives the job's number.

    Args:
        arguments: of ``livehand``, without ``--slurm``.
        wishes: options of sbatch, with underscores: ``time`` in minutes, ``partition``, ``cpus_per_task`` and so on.
        devices: GPUs that are asked for, 0 for none.

    Raises:
        TrainingError: Slurm is not here or refuses the job, or the folder holds a run already.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise TrainingError(
            "Slurm's sbatch and srun are not here.",
            "Run this on a machine of the cluster (on Debian, 'apt-get install slurm-wlm munge' brings both); "
            "without Slurm leave out --slurm.",
        )
    require("slurm")
    import submitit

    if not resume and (run / CHECKPOINT_FILE).is_file():
        raise TrainingError(f"{run} holds a run already.", "Add --resume to go on with it, or choose another folder.")
    if is_running(run):
        raise TrainingError(f"Another process already trains in {run}.", f"See 'livehand train --status {run}'.")
    wishes = dict(wishes)
    minutes = _minutes(wishes.pop("time", str(DEFAULT_MINUTES)))
    if devices and not any("gpu" in wish for wish in (*wishes, *wishes.values())):
        wishes["gpus_per_node"] = str(devices)
    executor = submitit.SlurmExecutor(folder=run / "slurm", max_num_timeout=MOST_REQUEUES)
    executor.update_parameters(
        time=minutes,
        job_name=f"livehand {run.name}",
        signal_delay_s=min(SIGNAL_SECONDS, 30 * minutes),
        additional_parameters={"requeue": True, **wishes},
    )
    try:
        job = executor.submit(SlurmRun(list(arguments), str(run)))
    except Exception as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise TrainingError(f"Slurm refuses the job ({reason[0]}).", "See the options after --slurm.") from error
    return str(job.job_id)


def submit_command(given: Sequence[str], run: Path, options: Sequence[str], devices: int, resume: bool) -> int:
    """``--slurm OPTION=VALUE ...``: hand the rest of the command line to Slurm and say what became of it."""
    wishes = dict(_wish(option) for option in options)
    where = list(given).index("--slurm")
    arguments = [*given[:where], *given[where + 1 + len(options) :]]
    job = submit(arguments, run, wishes, devices, resume)
    print(f"Slurm's job {job} trains in {run}, and is queued again until it is done.")
    print(f"Its log: {run / 'slurm' / f'{job}_0_log.out'}. Watch it with: livehand train --status {run}")
    print(f"End it with: livehand train --stop {run} (--resume goes on), or scancel {job}.")
    return 0


def _wish(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not equals or not key or not value:
        raise TrainingError(f"{option!r} is not an option of Slurm.", "Write OPTION=VALUE, e.g. time=60 partition=gpu.")
    return key.lstrip("-").replace("-", "_"), value


def _minutes(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise TrainingError(f"time={text} is no time.", "Give whole minutes, e.g. time=60.")
    return int(text)
