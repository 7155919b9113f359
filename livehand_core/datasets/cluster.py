"""``livehand dataset ... --slurm N``: instants shared out to an array of Slurm, and a job after it that ends the work.

Each task is this command with ``--part``; the job after them is the command itself, which prepares what tasks that died
left undone, and makes the capture: the same folder as one machine makes.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ..errors import CaptureError
from ..farm.slurm import sbatch_option, submit, write_array


def submit_preparation(args: argparse.Namespace) -> int:
    """Queue the work of a command line and say what became of it.

    Raises:
        CaptureError: the number of tasks is none.
        LiveHandError: Slurm is not here or refuses the jobs.
    """
    count, *wishes = args.slurm
    if not count.isdigit() or not int(count):
        raise CaptureError(f"--slurm {count} is no number of tasks.", "Give --slurm 4 time=30, for example.")
    options = [sbatch_option(wish) for wish in wishes]
    words = shlex.join([sys.executable, "-m", "livehand_core", *_arguments(args)])
    share = f'{words} --part "$SLURM_ARRAY_TASK_ID/{count}"'
    write_array(args.capture, f"dataset {args.capture.name}", share, words, int(count))
    shares, merge = submit(args.capture, options)
    print(f"Slurm's array {shares} prepares, and job {merge} after it makes the capture {args.capture}.")
    print(f"Their logs: {args.capture / 'slurm'}. End them with: scancel {shares} {merge}")
    return 0


def _arguments(args: argparse.Namespace) -> list[str]:
    """The command line without ``--slurm``; paths are absolute, since the jobs run elsewhere."""
    given = list(args.given)
    where = given.index("--slurm")
    rest = [*given[:where], *given[where + 1 + len(args.slurm) :]]
    paths = {str(path) for path in (args.folder, args.capture, args.poses, args.published) if path is not None}
    return [str(Path(word).absolute()) if word in paths else word for word in rest]
