"""Runs a process of mutants to its last seed, whatever happens to it: a crash or a hang is a fault of its seed."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TESTS = f"""
import sys, types
# A package of this name may be installed.
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = [{str(ROOT / "tests")!r}]
"""
"""How a program given by ``python -c`` comes by the modules of the tests."""
START_SECONDS = 120.0
"""That a process may take to its first seed: torch or Blender is imported."""
HANG_SECONDS = 20.0
"""Of the processor that reading one file may take; a machine with other work gives it in its own time."""
SILENT_SECONDS = 200.0
"""Without a word, however little it computes."""
LAST_SECONDS = 60.0


@dataclass
class Tally:
    """What came of a number of mutants.

    Attributes:
        tried: by kind; ``refused``: those that ended in an error for people, the others gave a reading.
        crashes, hangs, executed, others: faults, each with its seed.
    """

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All faults."""
        return [*self.crashes, *self.hangs, *self.executed, *self.others]

    def take(self, told: dict[str, Any]) -> None:
        """Count the answer to a seed."""
        if "refused" not in told:
            return
        self.tried[told["kind"]] += 1
        self.refused[told["kind"]] += told["refused"]
        if "fault" in told:
            line = f"seed {told['seed']}, {told['kind']}: {told['fault']}"
            (self.executed if told["fault"].startswith("code was executed") else self.others).append(line)


def here() -> dict[str, str]:
    """Variables for a process of this project."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "PYTHONFAULTHANDLER": "1"}


def watched(script: str, sound: Path, work: Path, first: int, count: int) -> Tally:
    """Try ``count`` seeds from ``first`` on by a script of this folder, in as many processes as it takes.

    Args:
        sound: folder of sound files; it stays as it is.
        work: folder that copies of it are made in.
    """
    tally, seed = Tally(), first
    while seed < first + count:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(sound, work)
        seed = _process(script, work, seed, first + count, tally)
    return tally


def _next(lines: queue.Queue[bytes | None], pid: int, limit: float) -> bytes | None:
    """The process's next line, None at its end. Raises queue.Empty when it hangs."""
    spent, until = _computed(pid), time.monotonic() + SILENT_SECONDS
    while True:
        try:
            return lines.get(timeout=1.0)
        except queue.Empty:
            if _computed(pid) - spent > limit or time.monotonic() > until:
                raise


def _computed(pid: int) -> float:
    """Seconds of the processor that a process has had."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _process(script: str, work: Path, first: int, end: int, tally: Tally) -> int:
    """Run one process; the seed that the next one begins with."""
    command = [sys.executable, str(ROOT / "tests" / "chaos" / script), str(work), str(first), str(end - first)]
    errors = work.with_name(f"{work.name}.log")
    with errors.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=here(), start_new_session=True
        )
    lines: queue.Queue[bytes | None] = queue.Queue()
    assert process.stdout is not None
    pipe = process.stdout

    def read() -> None:
        for line in pipe:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    current: dict[str, Any] = {"seed": first - 1, "kind": "start"}
    hung = False
    try:
        while True:
            at_last = current["seed"] == end - 1 and "refused" in current
            limit = START_SECONDS if current["seed"] < first else LAST_SECONDS if at_last else HANG_SECONDS
            line = _next(lines, process.pid, limit)
            if line is None:
                break
            if line.startswith(b'{"seed"'):
                current = json.loads(line)
                tally.take(current)
    except queue.Empty:
        hung = True
    finally:
        if process.poll() is None and hung:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        pipe.close()
    if hung or code != 0:
        said = errors.read_text(errors="replace").strip()[-1500:]
        where = f"seed {current['seed']}, {current['kind']}"
        (tally.hangs if hung else tally.crashes).append(f"{where}: {'hangs' if hung else f'code {code}'}; {said}")
        if current["seed"] < first:
            raise RuntimeError(f"The mutants do not start: {said}")
    return int(current["seed"]) + 1
