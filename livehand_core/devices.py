"""Where to compute: the processor, or a CUDA device. Torch loads only when there may be one."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .errors import DeviceError


def pick_device(name: str) -> str:
    """The device of a name, in torch's words; ``"auto"`` is CUDA when there is one.

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
