"""What a benchmark ran on, and how much memory a process holds. Standard library and NumPy only."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__

_INTERESTING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "avx_vnni", "asimd", "i8mm")
_PACKAGES = ("torch", "numba", "numpy")


def describe() -> dict[str, Any]:
    """Processor, cores, instruction sets, the one that the kernels use, system and versions, as plain values."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "instructions": _instructions(),
        "kernels": _kernels(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "livehand": __version__,
        **{name: _version(name) for name in _PACKAGES},
    }


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resident_mb(pid: int) -> float | None:
    """Memory that a process holds, shared memory included, in MB; None where the system does not tell (not Linux)."""
    return _status_mb(pid, "VmRSS")


def peak_resident_mb(pid: int) -> float | None:
    """The most that it held so far."""
    return _status_mb(pid, "VmHWM")


def _status_mb(pid: int, key: str) -> float | None:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _instructions() -> list[str]:
    """The instruction sets that matter here, as Linux names them; empty where it cannot be read."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    known: set[str] = set()
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            known |= set(line.partition(":")[2].split())
    return [name for name in _INTERESTING if name in known]


def _kernels() -> str:
    """The instructions that the processor's kernels use; empty where numba is not installed."""
    try:
        from ..kernels.target import instructions
    except ImportError:
        return ""
    return instructions().name


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
