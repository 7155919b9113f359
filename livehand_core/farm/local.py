"""A farm job on this machine: workers for its chunks, started again when they die, and the merge at the end."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..engine.interpreters import start_options
from ..errors import LiveHandError
from ..files import unwritable
from .job import JOB_FILE, Job

MOST_TRIES = 3
LOOK_SECONDS = 0.2
END_SECONDS = 20.0
WRONG_CALL = 2


@dataclass
class Worker:
    """A process at work on a chunk."""

    chunk: int
    process: subprocess.Popen[bytes]
    log: IO[bytes]


def run_here(folder: Path, job: Job, workers: int, say: Callable[[str], None], stop: Callable[[], bool]) -> None:
    """Render all chunks with so many workers at once, and merge. Logs go to ``logs/`` in the job's folder.

    A chunk whose worker died or failed is given to another, up to three times in all; frames that are there stay.

    Raises:
        KeyboardInterrupt: ``stop`` said so; the workers were ended, and what is whole stays.
        LiveHandError: a chunk or the merge has failed for good; the message names its log.
    """
    waiting, tries = deque(range(1, job.chunks + 1)), dict.fromkeys(range(1, job.chunks + 1), 0)
    running: list[Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                chunk = waiting.popleft()
                tries[chunk] += 1
                running.append(_start(folder, job, chunk))
            for worker in [worker for worker in running if worker.process.poll() is not None]:
                running.remove(worker)
                worker.log.close()
                code = worker.process.returncode
                if code == 0:
                    say(f"chunk {worker.chunk} of {job.chunks} is rendered")
                elif code == WRONG_CALL or tries[worker.chunk] >= MOST_TRIES:
                    raise _failed(f"Chunk {worker.chunk}", code, _log(folder, worker.chunk))
                else:
                    say(f"chunk {worker.chunk}: its worker ended with code {code}; the rest is given to another")
                    waiting.append(worker.chunk)
            if stop():
                raise KeyboardInterrupt
            time.sleep(LOOK_SECONDS)
    finally:
        _end(running)
    say("merging")
    merging = _start(folder, job, 0)
    try:
        while merging.process.poll() is None:
            if stop():
                raise KeyboardInterrupt
            time.sleep(LOOK_SECONDS)
    finally:
        _end([merging])
    if merging.process.returncode:
        raise _failed("The merge", merging.process.returncode, _log(folder, 0))


def _start(folder: Path, job: Job, chunk: int) -> Worker:
    """A worker for a chunk; for 0 the one that merges."""
    path = _log(folder, chunk)
    try:
        path.parent.mkdir(exist_ok=True)
        log = path.open("ab")
    except OSError as error:
        raise unwritable(error, path) from error
    command = job.worker(JOB_FILE, *(("--chunk", f"{chunk}/{job.chunks}") if chunk else ("--merge",)))
    try:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **start_options()
        )
    except OSError as error:
        log.close()
        raise LiveHandError(
            f"{command[0]} cannot be started ({error.strerror}).", "Is Blender on the path of this machine?"
        ) from error
    return Worker(chunk, process, log)


def _log(folder: Path, chunk: int) -> Path:
    return folder / "logs" / (f"chunk-{chunk:04d}.log" if chunk else "merge.log")


def _failed(what: str, code: int, log: Path) -> LiveHandError:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return LiveHandError(f"{what} has failed with code {code} ({lines[-1] if lines else 'no word'}).", f"See {log}.")


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.terminate()
    for worker in workers:
        try:
            worker.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.log.close()
