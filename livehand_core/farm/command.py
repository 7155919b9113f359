"""``livehand farm JOB``: how a farm job stands, and running it here, by OpenJD or by Slurm."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from ..errors import LiveHandError
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require
from .job import Job, missing_frames, read_job
from .openjd import TEMPLATE_FILE


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Show how a farm job is doing, or run it. A job is a folder that Blender's panel Render on Farm writes, or "
        "'livehand_batch FILE --output ... --write-job FOLDER'. Whatever runs it, frames that are there stay, and two "
        "workers never write one frame."
    )
    parser.add_argument("job", type=Path, metavar="JOB", help="folder of the job")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--local", type=int, metavar="N", help="render it here with N workers at once")
    way.add_argument("--openjd", action="store_true", help="render it here by OpenJD's own runner")
    way.add_argument(
        "--slurm", nargs="*", metavar="OPTION=VALUE", help="queue it in Slurm; options of sbatch, e.g. partition=gpu"
    )


def run(args: argparse.Namespace) -> int:
    """Do so; 0 when it was done, 130 when interrupted."""
    folder, job = read_job(args.job)
    if args.slurm is not None:
        from .slurm import sbatch_option, submit

        chunks, merge = submit(folder, [sbatch_option(wish) for wish in args.slurm])
        print(f"Slurm's array {chunks} renders {job.chunks} chunks; job {merge} then merges. See 'squeue'.")
        return 0
    if args.openjd:
        return _openjd(folder)
    if args.local is not None:
        return _here(folder, job, args.local)
    print(describe(folder, job))
    return 0


def describe(folder: Path, job: Job) -> str:
    """How a job stands, in a few lines."""
    missing, output = missing_frames(folder, job), job.output_in(folder)
    count = len(job.frame_list)
    lines = [
        f"{job.name}: {count - len(missing)} of {count} frames are there, in {job.chunks} chunks.",
        f"Scene {job.scene}, engine {job.engine}, LiveHand {job.addon_version}; pictures {output.pattern}.",
    ]
    for avatar in job.avatars:
        lines.append(f"Avatar {avatar.name}: {avatar.content_hash[:16]}, licence {avatar.licence or 'not stated'}.")
    if output.movie is not None:
        lines.append(f"Video {output.movie}: {'there' if output.movie.is_file() else 'not yet made'}.")
    if job.outside:
        lines.append(f"Not packed, so workers must reach: {', '.join(job.outside)}.")
    return "\n".join(lines)


def _here(folder: Path, job: Job, workers: int) -> int:
    from .local import run_here

    if workers < 1:
        raise LiveHandError(f"{workers} workers cannot render.", "Give --local 1 or more.")

    def say(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)

    with interruptible("stopping the workers") as stop:
        try:
            run_here(folder, job, workers, say, stop)
        except KeyboardInterrupt:
            return INTERRUPTED
    print(describe(folder, job))
    return 0


def _openjd(folder: Path) -> int:
    require("openjd")
    # The program beside this Python, which comes with the package.
    program = Path(sys.executable).with_name("openjd.exe" if os.name == "nt" else "openjd")
    command = [str(program), "run", str(folder / TEMPLATE_FILE), "--run-dependencies", "--step", "Merge"]
    return subprocess.run(command, cwd=folder).returncode
