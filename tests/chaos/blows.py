"""What is done to an engine in the middle of a frame, and what a process may not have more of afterwards. Linux."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

RUBBISH = (
    *(b"Traceback (most recent call last)\n", b"\x00" * 100),
    *(b"LHE\x01\xff\xff\xff\xff", b"LHE\x01\x02\x00\x00\x00{}"),
)


def killed(pid: int, rng: random.Random) -> None:
    os.kill(pid, rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT]))


def stopped(pid: int, rng: random.Random) -> None:
    os.kill(pid, signal.SIGSTOP)


def fed(pid: int, rng: random.Random) -> None:
    """Rubbish on the way to the engine, as if its client wrote it."""
    _write(_pipe(pid, os.O_RDONLY), rng.choice(RUBBISH))


def speaking(pid: int, rng: random.Random) -> None:
    """Rubbish on the way from the engine, as if a library printed it."""
    _write(_pipe(pid, os.O_WRONLY), rng.choice(RUBBISH))


BLOWS: dict[str, Callable[[int, random.Random], None]] = {
    "killed": killed,
    "stopped": stopped,
    "fed": fed,
    "speaking": speaking,
}


def strike(name: str, pid: int, rng: random.Random, soonest: float, latest: float) -> threading.Thread:
    """Have a blow fall on an engine between two times from now, on a thread that is given."""

    def wait() -> None:
        time.sleep(rng.uniform(soonest, latest))
        BLOWS[name](pid, rng)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def held() -> tuple[int, int, int]:
    """What this process holds: open files, threads, children that have not been seen off."""
    files = len(os.listdir("/proc/self/fd"))
    tasks = os.listdir("/proc/self/task")
    children = {pid for task in tasks for pid in Path(f"/proc/self/task/{task}/children").read_text().split()}
    return files, threading.active_count(), len(children)


def _pipe(pid: int, mode: int) -> str:
    """The engine's pipe for one direction; its standard streams are others."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        flags = int(Path(f"/proc/{pid}/fdinfo/{name}").read_text().split("flags:")[1].split()[0], 8)
        if int(name) > 2 and os.readlink(path).startswith("pipe:") and flags & os.O_ACCMODE == mode:
            return path
    raise AssertionError(f"process {pid} has no such pipe")


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
