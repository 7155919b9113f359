"""Which GPUs there are, and why one is not taken. Imports wgpu only when asked."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from ...errors import DeviceError

BACKENDS = ("Vulkan", "Metal", "D3D12")
"""What kernels are run over, the first of which that an adapter offers."""

REMEDY = "Update the GPU's driver, or use the CPU."

NEEDED = {
    "max-compute-workgroup-storage-size": 16384,
    "max-compute-invocations-per-workgroup": 256,
    "max-storage-buffers-per-shader-stage": 8,
    "max-storage-buffer-binding-size": 1 << 27,
}
"""Limits below which no frame can be drawn."""


@dataclass(frozen=True)
class Adapter:
    """A GPU with its driver, or software that stands for one.

    Attributes:
        name: e.g. ``"NVIDIA RTX A4000"``.
        driver: its own words, may be empty.
        backend: one of BACKENDS, or another that cannot be used.
        software: whether it computes on the processor.
        refusal: why it cannot be used; empty when it can.
        handle: wgpu's own.
    """

    name: str
    driver: str
    backend: str
    software: bool
    refusal: str
    handle: Any = None

    @property
    def description(self) -> str:
        """For people."""
        return ", ".join(part for part in (self.name, self.backend, self.driver) if part)


@dataclass(frozen=True)
class Survey:
    """What a look at this machine's GPUs found.

    Attributes:
        usable: GPUs that frames can be drawn on, discrete ones first.
        software: usable ones that compute on the processor; taken only when they are asked for by name.
        refused: one line for each adapter that cannot be used, or for the library that is missing.
    """

    usable: tuple[Adapter, ...] = ()
    software: tuple[Adapter, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why what was found is not taken by itself, a line each."""
        slow = "computes on the processor, whose own kernels are faster"
        return (*self.refused, *(f"{adapter.description}: {slow}" for adapter in self.software))


@cache
def survey() -> Survey:
    """Look once a process."""
    try:
        import wgpu
        from wgpu.backends.wgpu_native.extras import set_instance_extras

        set_instance_extras(backends=["Vulkan", "Metal", "DX12"])
        with _runtime_folder():
            handles = wgpu.gpu.enumerate_adapters_sync()
    except ImportError as error:
        return Survey(refused=(f"wgpu is not installed ({error})",))
    except Exception as error:
        # A damaged driver may fail in any way, and the processor can still draw.
        return Survey(refused=(f"GPUs cannot be listed ({error})",))
    order = {"DiscreteGPU": 0, "IntegratedGPU": 1}
    ranked = sorted(handles, key=lambda handle: order.get(handle.info["adapter_type"], 2))
    return sorted_out([_adapter(handle) for handle in ranked])


@contextmanager
def _runtime_folder() -> Iterator[None]:
    """With a folder where Mesa's drivers look for a display; without one they complain on standard error."""
    name = "XDG_RUNTIME_DIR"
    if name in os.environ or sys.platform != "linux":
        yield
        return
    os.environ[name] = tempfile.gettempdir()
    try:
        yield
    finally:
        del os.environ[name]


def sorted_out(adapters: Sequence[Adapter]) -> Survey:
    """Every GPU once, over the best of its backends."""
    usable: dict[str, Adapter] = {}
    software: dict[str, Adapter] = {}
    refused: dict[str, str] = {}
    for adapter in sorted(adapters, key=lambda one: BACKENDS.index(one.backend) if one.backend in BACKENDS else 9):
        if adapter.refusal:
            refused.setdefault(adapter.name, f"{adapter.description}: {adapter.refusal}")
        else:
            (software if adapter.software else usable).setdefault(_key(adapter, adapters), adapter)
    taken = {adapter.name for adapter in (*usable.values(), *software.values())}
    lines = tuple(line for name, line in refused.items() if name not in taken)
    ranked = sorted(usable.values(), key=list(adapters).index)
    return Survey(tuple(ranked), tuple(software.values()), lines)


def _key(adapter: Adapter, adapters: Sequence[Adapter]) -> str:
    """Two GPUs of one name over one backend are two; one GPU over two backends is one."""
    twins = [other for other in adapters if (other.name, other.backend) == (adapter.name, adapter.backend)]
    return f"{adapter.name} {next(k for k, other in enumerate(twins) if other is adapter)}"


def choose(wanted: str) -> Adapter:
    """The adapter of a device's name.

    Args:
        wanted: ``"gpu"``, ``"gpu:1"`` or ``"gpu:software"``.

    Raises:
        DeviceError: it is not there; the message says what was found in its place.
    """
    found = survey()
    _, _, which = wanted.partition(":")
    candidates = found.software if which == "software" else found.usable
    number = 0 if which in ("", "software") else int(which)
    if number < len(candidates):
        return candidates[number]
    reasons = found.refused if which == "software" else found.reasons
    why = "; ".join(reasons) or "none was found"
    raise DeviceError(f"The device {wanted!r} is not there ({why}).", REMEDY)


def _adapter(handle: Any) -> Adapter:
    info = handle.info
    software = info["adapter_type"] == "CPU"
    return Adapter(info["device"], info["description"], info["backend_type"], software, _refusal(handle), handle)


def _refusal(handle: Any) -> str:
    """Why kernels cannot run on an adapter; empty when they can."""
    backend = handle.info["backend_type"]
    if backend not in BACKENDS:
        return f"{backend} has no kernels of the kind that are needed"
    small = [f"{name} is {handle.limits[name]}" for name, least in NEEDED.items() if handle.limits[name] < least]
    return f"its limits are too low ({', '.join(small)})" if small else ""
