"""Where to compute: frames on a GPU or the processor, torch on CUDA or the processor. Libraries load when needed."""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .errors import DeviceError

INSTRUCTIONS_VARIABLE = "LIVEHAND_INSTRUCTIONS"
"""Which set of vector instructions the processor's kernels use, of those that it has; the best one where unset."""

INSTRUCTIONS = ("avx512-vnni", "avx-vnni", "avx512", "avx2", "neon-i8mm", "neon-dot", "plain")
"""Their names; ``kernels/target.py`` says what they are."""

_GPU_NAME = re.compile(r"gpu(:(software|\d{1,3}))?")


def add_instructions(parser: argparse._ActionsContainer) -> None:
    """Add ``--instructions`` to a command's options; :func:`choose_instructions` heeds it."""
    parser.add_argument(
        "--instructions",
        choices=INSTRUCTIONS,
        help="instruction set of the processor's kernels; by default the best that it has",
    )


def choose_instructions(name: str | None) -> None:
    """Let the kernels of this process, and of those that it starts, use a set of instructions; before any is loaded."""
    if name:
        os.environ[INSTRUCTIONS_VARIABLE] = name


def pick_renderer(name: str) -> str:
    """Where frames are drawn; ``"auto"`` is the first GPU that can be used, else the processor.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"gpu"``, ``"gpu:1"``, ``"gpu:software"`` (for tests; never taken by itself); or
            torch's ``"cuda"`` and ``"cuda:1"``, on which plain torch draws.

    Raises:
        DeviceError: an unknown name, or a device that is not there.
    """
    from .rendering.gpu.adapters import choose, survey

    if name == "auto":
        return "gpu" if survey().usable else "cpu"
    if _GPU_NAME.fullmatch(name):
        choose(name)
        return name
    if name.partition(":")[0] in ("cpu", "cuda"):
        return pick_device(name)
    raise DeviceError(f"The device {name!r} is unknown or not supported.", "Use auto, gpu, gpu:1 or cpu.")


def pick_device(name: str) -> str:
    """Where torch computes, in its words; ``"auto"`` is CUDA when there is one.

    Raises:
        DeviceError: an unknown name, or a device that is not there.
    """
    if name == "auto":
        return "cuda" if cuda_devices() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return "cpu"
    if kind != "cuda" or (index and not index.isdigit()):
        raise DeviceError(f"The device {name!r} is unknown or not supported.", "Use auto, cpu or cuda.")
    if int(index or 0) >= cuda_devices():
        raise DeviceError(f"The device {name!r} is not there.", "Install a CUDA build of torch, or use the CPU.")
    return name


@cache
def cuda_devices() -> int:
    """Number of CUDA devices that torch can use here.

    Asks the driver first, and torch's version file: importing torch takes seconds, which most machines can do without.
    """
    if not _torch_has_cuda() or not _driver_devices():
        return 0
    import torch

    return torch.cuda.device_count()


def _torch_has_cuda() -> bool:
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        version = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return True
    return "cuda: Optional[str] = None" not in version and "cuda = None" not in version


def _driver_devices() -> int:
    """What the CUDA driver counts; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return 0
        return count.value
    except (OSError, AttributeError):
        return 0
