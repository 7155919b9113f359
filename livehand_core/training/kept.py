"""What was made of training images and can be made again, kept while there is room for it."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from ..captures.capture import CaptureFrame

T = TypeVar("T")

SHARE = 0.5
"""Of the memory that is free when a run starts, what its images may fill."""
USUAL_ROOM = 4 << 30
"""Bytes, where the system does not tell what is free."""


class Kept:
    """A store in which the least recently used goes when there is no more room. Any thread may use it.

    Args:
        room: bytes that are kept at most; what needs more by itself is made anew each time.
    """

    def __init__(self, room: int = USUAL_ROOM) -> None:
        self.room, self.held = room, 0
        self._known: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What is kept under a key, made where nothing is; ``size`` gives its bytes."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key][0]  # type: ignore[return-value]
        # Others go on meanwhile. Two that make the same at once make it equal.
        made = make()
        with self._lock:
            if key not in self._known:
                self._known[key] = made, size(made)
                self.held += self._known[key][1]
            while self.held > self.room:
                self.held -= self._known.popitem(last=False)[1][1]
        return made


def kept_for(
    frames: Sequence[CaptureFrame],
    factor: int,
    device: torch.device,
    wanted: float,
    processes: int,
    say: Callable[[str], None],
) -> Kept:
    """A run's store.

    Args:
        frames: of the images; factor: by which each is larger than its feature image.
        device: that holds them.
        wanted: GB (10^9 bytes); 0 for a share of what is free now.
        processes: that train together, each with a room of its own.
        say: told where not even the images find room.
    """
    room = round(1e9 * wanted / processes) if wanted else _room(device, processes)
    pixels = sum(frame.camera.width * frame.camera.height for frame in frames)
    needed = pixels * (4 + 8 / factor**2)
    if needed > room:
        say(
            f"the images take {needed / 1e9:.1f} GB, and {room / 1e9:.1f} GB of them are kept in memory: some are read "
            "again and again, which takes time"
        )
    return Kept(room)


def _room(device: torch.device, processes: int) -> int:
    """A process's share of what is free."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else _free()
    return USUAL_ROOM if free is None else round(SHARE * free / processes)


def _free() -> int | None:
    """Bytes of memory that nobody uses, or that this process may have yet; None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_free()
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        try:
            # macOS tells how much there is. Half of it is others'.
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        except (ValueError, OSError):
            return None
    return min(free, _allowed() or free)


def _allowed(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container may have yet; None without a limit."""
    try:
        most, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):
        return None
    return max(most - used, 0)


def _windows_free() -> int | None:
    import ctypes

    # MEMORYSTATUSEX: its own size and the load, then seven sizes, of which the second is what is free.
    status = (ctypes.c_uint64 * 8)()
    ctypes.c_uint32.from_buffer(status).value = ctypes.sizeof(status)
    library = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    return int(status[2]) if library.GlobalMemoryStatusEx(ctypes.byref(status)) else None
