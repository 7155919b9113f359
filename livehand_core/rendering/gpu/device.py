"""A GPU: its buffers and kernels, and a frame's dispatches as one submission with one wait at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ...errors import DeviceError
from .adapters import Adapter
from .shaders import Constants, source
from .trial import Trial

PARAMETERS = 1 << 20
"""Bytes for the parameters of all dispatches of a frame."""

ROW = 4096
"""Workgroups in a row of a dispatch, as in ``common.wgsl``."""

GROUPS_KEPT = 4096
"""Bindings that are kept for the next frame; frames of one size take the same again."""

_serial = count()


class GpuLost(DeviceError):
    """The GPU has gone; the processor can go on."""


class GpuFull(GpuLost):
    """This frame is too large for the GPU, or other programs have its memory; another frame may not be."""


@dataclass(frozen=True)
class Buffer:
    """Memory of the GPU.

    Attributes:
        handle: wgpu's own.
        size: bytes.
        serial: unlike that of any other.
    """

    handle: Any
    size: int
    serial: int


@dataclass(frozen=True)
class Kernel:
    """A compiled entry point. ``bindings`` is a letter a buffer: r for read, w for read and write."""

    pipeline: Any
    layout: Any
    bindings: str
    serial: int


class Gpu:
    """A device with what was compiled for it. One thread at a time.

    Args:
        adapter: which; see ``adapters.choose``.
        trial: begun before the first kernel is compiled, and ended when a frame has come.

    Attributes:
        limits: wgpu's names -> numbers.
        has_half: whether kernels may use float16.

    Raises:
        GpuLost: the driver gives no device.
    """

    def __init__(self, adapter: Adapter, trial: Trial | None = None) -> None:
        import wgpu

        self.adapter, self._trial = adapter, trial
        self._usage, self._stage = wgpu.BufferUsage, wgpu.ShaderStage
        self.has_half = "shader-f16" in adapter.handle.features
        names = ("max-storage-buffer-binding-size", "max-buffer-size", "max-compute-workgroup-storage-size")
        self.limits = {name: int(adapter.handle.limits[name]) for name in names}
        features = ["shader-f16"] if self.has_half else []
        try:
            self._device = adapter.handle.request_device_sync(
                required_features=features, required_limits=dict(self.limits)
            )
        except Exception as error:
            raise GpuLost(f"{adapter.name} gives no device ({_first_line(error)}).", "Use the CPU.") from error
        self._kernels: dict[tuple[Any, ...], Kernel] = {}
        self._scratch: dict[str, Buffer] = {}
        self._parameters = self.buffer(PARAMETERS)
        self._staging: Buffer | None = None
        self._groups: dict[tuple[Any, ...], Any] = {}

    @property
    def largest(self) -> int:
        """Bytes of the largest buffer that a kernel can have."""
        return min(self.limits["max-storage-buffer-binding-size"], self.limits["max-buffer-size"])

    def buffer(self, size: int) -> Buffer:
        """A new one of at least ``size`` bytes.

        Raises:
            GpuFull: there is no memory for it, or a kernel cannot have so much.
        """
        size = max(-(-size // 16) * 16, 16)
        if size > self.largest:
            raise GpuFull(
                f"A part of {size / 2**20:.0f} MiB is more than {self.adapter.name} takes.", "Render smaller."
            )
        usage = self._usage.STORAGE | self._usage.COPY_DST | self._usage.COPY_SRC | self._usage.INDIRECT
        with told(self.adapter):
            return Buffer(self._device.create_buffer(size=size, usage=usage), size, next(_serial))

    def upload(self, values: np.ndarray, into: Buffer | None = None, offset: int = 0) -> Buffer:
        """An array's bytes in a new buffer, or at ``offset`` in one that is there."""
        values = np.ascontiguousarray(values)
        target = into or self.buffer(values.nbytes)
        if values.nbytes:
            data = values.tobytes() + b"\0" * (-values.nbytes % 4)
            with told(self.adapter):
                self._device.queue.write_buffer(target.handle, offset, data)
        return target

    def scratch(self, name: str, size: int) -> Buffer:
        """Memory that keeps its place from frame to frame and grows when more is asked for, without its content."""
        known = self._scratch.get(name)
        if known is None or known.size < size:
            # What an animation needs moves up and down: a little more than now is soon enough.
            room = min(size if known is None else size * 5 // 4, self.largest)
            known = self._scratch[name] = self.buffer(max(room, size))
            self._groups.clear()
        return known

    def forget_bindings(self) -> None:
        """Let go of buffers that only bindings still hold: those of avatars that are not drawn any more."""
        self._groups.clear()

    def forget_scratch(self) -> None:
        """Give the memory of the frames so far back to other programs."""
        self._scratch.clear()
        self._groups.clear()
        self._staging = None

    def kernel(self, files: Sequence[str], entry: str, bindings: str, constants: Constants) -> Kernel:
        """The entry point of some shader files, compiled at the first call.

        Args:
            files: names without ending, in order; ``common`` goes first by itself.
            entry: point.
            bindings: see :class:`Kernel`; the first is the dispatch's parameters, which are not counted here.
            constants: what the files leave open.
        """
        key = (tuple(files), entry, bindings, tuple(sorted(constants.items())))
        if key not in self._kernels:
            self._kernels[key] = self._compile(source(files, constants), entry, "r" + bindings)
        return self._kernels[key]

    def _compile(self, text: str, entry: str, bindings: str) -> Kernel:
        if self._trial is not None:
            self._trial.begin()
        kinds = {"r": "read-only-storage", "w": "storage"}
        entries = [
            {"binding": number, "visibility": self._stage.COMPUTE, "buffer": {"type": kinds[letter]}}
            for number, letter in enumerate(bindings)
        ]
        try:
            layout = self._device.create_bind_group_layout(entries=entries)
            pipeline = self._device.create_compute_pipeline(
                layout=self._device.create_pipeline_layout(bind_group_layouts=[layout]),
                compute={"module": self._device.create_shader_module(code=text), "entry_point": entry},
            )
        except Exception as error:
            # Drivers have compilers of their own, and each its own mistakes.
            logging.exception("A kernel of the GPU was not compiled")
            raise GpuLost(
                f"{self.adapter.name} does not compile {entry!r} ({_first_line(error)}).", "Use the CPU."
            ) from error
        return Kernel(pipeline, layout, bindings, next(_serial))

    def bound(self, kernel: Kernel, offset: int, size: int, buffers: Sequence[Buffer]) -> Any:
        """wgpu's group of a dispatch's parameters and buffers; the same again for the same ones."""
        key = (kernel.serial, offset, size, *(buffer.serial for buffer in buffers))
        if key not in self._groups:
            if len(self._groups) > GROUPS_KEPT:
                self._groups.clear()
            places = [(self._parameters, offset, size), *((buffer, 0, buffer.size) for buffer in buffers)]
            entries = [
                {"binding": number, "resource": {"buffer": buffer.handle, "offset": start, "size": length}}
                for number, (buffer, start, length) in enumerate(places)
            ]
            assert len(places) == len(kernel.bindings)
            self._groups[key] = self._device.create_bind_group(layout=kernel.layout, entries=entries)
        return self._groups[key]

    def submit(
        self,
        record: Recorder,
        wanted: Sequence[tuple[Buffer, int]],
        check: Callable[[], object] = lambda: None,
    ) -> bytearray:
        """Run a frame's dispatches and wait for the first bytes of some buffers.

        Args:
            record: of the frame. Where it was cut, what came before is waited for: a driver resets a GPU that works on
                one submission for seconds, and a frame that is not wanted any more ends there.
            wanted: buffers and how many of their bytes.
            check: called at each cut; what it raises ends the frame.

        Returns:
            The bytes, one buffer's after the other's.

        Raises:
            GpuLost: the device has gone or has no memory.
        """
        with told(self.adapter):
            self._device.queue.write_buffer(self._parameters.handle, 0, bytes(record.parameters))
        *parts, last = record.parts
        for part in parts:
            self._run(part, [(self._parameters, 16)])
            check()
        answer = self._run(last, wanted)
        if self._trial is not None:
            self._trial.end()
            self._trial = None
        return answer

    def _run(self, dispatches: Sequence[Dispatch], wanted: Sequence[tuple[Buffer, int]]) -> bytearray:
        """Submit, and wait for some buffers' first bytes."""
        total = sum(size for _, size in wanted)
        with told(self.adapter):
            encoder = self._encoded(dispatches)
            staging, start = self._staged(total), 0
            for buffer, size in wanted:
                encoder.copy_buffer_to_buffer(buffer.handle, 0, staging, start, size)
                start += size
            self._device.queue.submit([encoder.finish()])
            staging.map_sync("READ", 0, total)
            try:
                return bytearray(staging.read_mapped(0, total, copy=False))
            finally:
                staging.unmap()

    def _encoded(self, dispatches: Sequence[Dispatch]) -> Any:
        encoder = self._device.create_command_encoder()
        run = encoder.begin_compute_pass()
        for dispatch in dispatches:
            run.set_pipeline(dispatch.kernel.pipeline)
            run.set_bind_group(0, self.bound(dispatch.kernel, dispatch.offset, dispatch.size, dispatch.buffers))
            if dispatch.work is None:
                run.dispatch_workgroups(*dispatch.groups)
            else:
                run.dispatch_workgroups_indirect(dispatch.work[0].handle, dispatch.work[1])
        run.end()
        return encoder

    def _staged(self, size: int) -> Any:
        if self._staging is None or self._staging.size < size:
            usage = self._usage.MAP_READ | self._usage.COPY_DST
            size = -(-size * 5 // 4 // 16) * 16
            self._staging = Buffer(self._device.create_buffer(size=size, usage=usage), size, next(_serial))
        return self._staging.handle


@dataclass(frozen=True)
class Dispatch:
    """One run of a kernel.

    Attributes:
        kernel: which.
        offset, size: of its parameters, in bytes.
        buffers: bound after them.
        groups: workgroups by axis.
        work: a buffer and an offset in bytes where these three numbers stand, in place of ``groups``.
    """

    kernel: Kernel
    offset: int
    size: int
    buffers: tuple[Buffer, ...]
    groups: tuple[int, int, int] = (1, 1, 1)
    work: tuple[Buffer, int] | None = None


class Recorder:
    """Collects a frame's dispatches and their parameters; large frames are cut into parts."""

    ALIGNMENT = 256

    def __init__(self) -> None:
        self.parameters = bytearray()
        self.parts: list[list[Dispatch]] = [[]]

    def cut(self) -> None:
        """Begin another part of the frame."""
        self.parts.append([])

    def run(
        self,
        kernel: Kernel,
        parameters: np.ndarray | bytes,
        buffers: Sequence[Buffer],
        groups: tuple[int, int, int] = (1, 1, 1),
        work: tuple[Buffer, int] | None = None,
    ) -> None:
        """Add one; see :class:`Dispatch`."""
        data = parameters if isinstance(parameters, bytes) else parameters.tobytes()
        data += b"\0" * (-len(data) % 16)
        start = len(self.parameters)
        self.parameters += data + b"\0" * (-len(data) % self.ALIGNMENT)
        if len(self.parameters) > PARAMETERS:
            raise GpuFull("The frame has too many parts for the GPU.", "Render smaller.")
        self.parts[-1].append(Dispatch(kernel, start, len(data), tuple(buffers), groups, work))


def row_groups(groups: int) -> tuple[int, int, int]:
    """Workgroups of a dispatch that counts them through, ROW in a row."""
    return min(groups, ROW), -(-groups // ROW), 1


def tiles(width: int, height: int, depth: int = 1) -> tuple[int, int, int]:
    """Workgroups of 8 x 8 pixels over an image."""
    return -(-width // 8), -(-height // 8), depth


@contextmanager
def told(adapter: Adapter) -> Iterator[None]:
    """Errors of the driver as GpuLost; mistakes of ours, which it calls validation errors, stay what they are."""
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        if type(error).__name__ == "GPUValidationError" and "lost" not in str(error).lower():
            raise
        if isinstance(error, (TypeError, AssertionError, KeyError)):
            raise
        if isinstance(error, MemoryError):
            raise GpuFull(f"{adapter.name} has no memory left.", "Close other programs that use it.") from error
        raise GpuLost(f"{adapter.name} does not answer ({_first_line(error)}).", "Use the CPU.") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def packed(**values: Any) -> bytes:
    """Numbers and arrays as a shader's struct lays them out, 4 bytes each: int as u32, float as f32."""
    parts = []
    for value in values.values():
        array = np.asarray(value)
        parts.append(array.astype(np.uint32 if array.dtype.kind in "iub" else np.float32).tobytes())
    return b"".join(parts)
