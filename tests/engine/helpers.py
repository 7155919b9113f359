"""What the engine's tests share: requests for the fake backend, and looks at processes and shared memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from livehand_core.cameras import Camera
from livehand_core.engine.client import EngineClient
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.poses import HandPose

FOLDER = Path(__file__).resolve().parent
FAKE = ("--backend", "fake_backends:FakeBackend")
FAKE_ENVIRONMENT = {"PYTHONPATH": str(FOLDER)}

MakeRequest = Callable[..., FrameRequest]
MakeClient = Callable[..., EngineClient]
WriteScript = Callable[[str], Path]


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until a condition holds; whether it did in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def shared_blocks() -> set[str]:
    """Names of the engine's shared memory on this machine (Linux only), but for what another run of tests holds now."""
    folder = Path("/dev/shm")
    found = {path.name for path in folder.glob("lh_*")} if folder.is_dir() else set()
    return found - set().union(*map(_held, _strangers())) if found else found


def _strangers() -> list[Path]:
    """Folders in /proc of the processes that neither are this one nor come of it."""
    parents, found = {}, list(Path("/proc").glob("[0-9]*"))
    for folder in found:
        with suppress(OSError, IndexError):
            parents[folder.name] = (folder / "stat").read_text().rpartition(")")[2].split()[1]

    def ours(pid: str) -> bool:
        while pid in parents and pid != str(os.getpid()):
            pid = parents[pid]
        return pid == str(os.getpid())

    # An engine whose Blender was killed belongs to nobody: what it holds is a leak all the same.
    return [folder for folder in found if not ours(folder.name) and parents.get(folder.name, "1") != "1"]


def _held(process: Path) -> set[str]:
    """Names of the engine's blocks that a process has mapped."""
    try:
        lines = (process / "maps").read_text().splitlines()
    except OSError:
        return set()
    return {line.split("/dev/shm/")[1].split()[0] for line in lines if "/dev/shm/lh_" in line}


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def make_request(
    avatar: str = "", focal: float = 1.0, width: int = 16, height: int = 8, passes: tuple[str, ...] = ("rgba", "depth")
) -> FrameRequest:
    """A frame whose fake images hold ``focal``; ``avatar`` says what the fake backend does."""
    camera = Camera(width, height, focal, focal, 1.0, 1.0, np.eye(4))
    return FrameRequest(camera, (HandInstance(HandPose.rest(), avatar),), passes)
