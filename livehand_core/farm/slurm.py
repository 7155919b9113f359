"""A farm job for Slurm: an array of chunks, and a job after them that renders what is missing and makes the whole.

Standard library only. ``sbatch`` is called where it is there; the scripts lie in the job's folder for whoever submits
them elsewhere.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import LiveHandError
from ..files import atomic_path
from .job import JOB_FILE, Job

FOLDER = "slurm"
RENDER, MERGE = "render.sh", "merge.sh"
SUBMIT_SECONDS = 60.0

_SCRIPT = """\
#!/bin/sh
#SBATCH --job-name={name}
#SBATCH --output={log}
#SBATCH --open-mode=append
#SBATCH --requeue
{more}
# {what}
cd {folder} || exit 1
exec {command}
"""


def write_scripts(folder: Path, job: Job) -> None:
    """Write both scripts of a farm job. Raises LiveHandError when they cannot be written."""
    chunk = shlex.join(job.worker(JOB_FILE, "--chunk")) + f' "$SLURM_ARRAY_TASK_ID/{job.chunks}"'
    write_array(folder, job.name, chunk, shlex.join(job.worker(JOB_FILE, "--merge")), job.chunks)


def write_array(folder: Path, name: str, chunk: str, merge: str, count: int) -> None:
    """Write the script of an array of ``count`` tasks, and of the job after them.

    Args:
        folder: in which both run.
        name: of the jobs.
        chunk: a command line of sh; ``$SLURM_ARRAY_TASK_ID`` is 1 to ``count`` in it.
        merge: one that does what the tasks left undone, and what comes after them.

    Raises:
        LiveHandError: they cannot be written.
    """
    folder = folder.absolute()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name) or "livehand"
    array = f"#SBATCH --array=1-{count}\n"
    for file, command, more, log, what in (
        (RENDER, chunk, array, "render-%A_%a.log", "A share of the work; one that is queued again goes on."),
        (MERGE, merge, "", "merge-%j.log", "After the shares: the rest of those that died, then the whole."),
    ):
        values = {"name": name, "more": more, "what": what, "command": command, "folder": shlex.quote(str(folder))}
        with atomic_path(folder / FOLDER / file) as temporary:
            # sbatch takes spaces in a file's name by no way of quoting but its command line; %-signs are its own.
            temporary.write_text(_SCRIPT.format(log=f"{FOLDER}/{log}", **values), encoding="utf-8")


def submit(folder: Path, options: Sequence[str] = ()) -> tuple[str, str]:
    """Queue the chunks, and after all of them, however they end, the job that merges; gives both numbers.

    Args:
        options: of sbatch, for both: ``--partition=gpu`` and so on.

    Raises:
        LiveHandError: Slurm is not here, or refuses a job; then none is left in its queue.
    """
    if shutil.which("sbatch") is None:
        raise LiveHandError(
            "Slurm's sbatch is not installed here.",
            "Run this on a machine of the cluster (on Debian, 'apt-get install slurm-wlm munge' brings it), or hand "
            f"the scripts in {folder / FOLDER} to one.",
        )
    chunks = _sbatch(folder, RENDER, options)
    try:
        return chunks, _sbatch(folder, MERGE, [*options, f"--dependency=afterany:{chunks}"])
    except LiveHandError:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["scancel", chunks], capture_output=True, timeout=SUBMIT_SECONDS)
        raise


def _sbatch(folder: Path, script: str, options: Sequence[str]) -> str:
    command = ["sbatch", "--parsable", f"--chdir={folder.absolute()}", *options, f"{FOLDER}/{script}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SUBMIT_SECONDS, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise LiveHandError("Slurm does not answer.", "Is its controller running? 'sinfo' asks it.") from error
    job = done.stdout.strip().partition(";")[0]
    if done.returncode or not job.isdigit():
        reason = ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"])[-1]
        raise LiveHandError(
            f"Slurm refuses the job ({reason.removeprefix('sbatch: ').removeprefix('error: ')}).",
            f"Does 'sinfo' answer, and does sbatch know the options? The scripts are in {folder / FOLDER}.",
        )
    return job


def sbatch_option(text: str) -> str:
    """``time=60`` as an option of sbatch. Raises LiveHandError where it is none."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise LiveHandError(f"{text!r} is no option of Slurm.", "Write OPTION=VALUE, e.g. partition=gpu time=60.")
    return f"--{key.lstrip('-').replace('_', '-')}={value}"
