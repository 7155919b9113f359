"""A renderer's GPU as long as it serves, and what there is to tell about frames that the processor drew instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...avatars.arrays import AvatarArrays
from ...hand.data import ProxyModel
from ...workers import Workers
from ..thresholds import EARLY_TERMINATION, Precision
from .adapters import choose
from .device import Gpu, GpuFull, GpuLost
from .hand import GpuHand, refusal
from .trial import Trial


class GpuSession:
    """A GPU that may fail: after a loss the processor goes on for good, without memory for one frame.

    Args:
        device: its name, see ``adapters.choose``.
        precision: ``"fast"`` keeps activations in float16 where the GPU has it, and ends rays sooner.
        required: whether somebody asked for it by name, even if its driver has ended processes lately.

    Raises:
        DeviceError: there is no such GPU, or its driver gives no device.
    """

    def __init__(self, device: str, precision: Precision, required: bool) -> None:
        adapter = choose(device)
        trial = Trial(adapter)
        if trial.failed and not required:
            raise GpuLost(
                f"{adapter.name} ended the processes that last drew on it.", "Choose it by name to try again."
            )
        self._gpu: Gpu | None = Gpu(adapter, trial)
        self._precision: Precision = precision
        self._notes: list[str] = []
        self._away = False

    @property
    def serves(self) -> bool:
        """Whether frames are drawn on it now."""
        return self._gpu is not None and not self._away

    def hand(self, arrays: AvatarArrays, data: ProxyModel, workers: Workers) -> GpuHand | None:
        """The avatar on the GPU; None, and a note why, when its form is left to the processor."""
        if self._gpu is None or self._away:
            return None
        why = refusal(arrays, self._gpu.limits["max-compute-workgroup-storage-size"])
        if why:
            self._notes.append(f"The avatar {arrays.metadata.name!r} is drawn on the processor: {why}.")
            return None
        self._gpu.forget_bindings()
        threshold = EARLY_TERMINATION[self._precision]
        return GpuHand(arrays, data, self._gpu, self._precision == "fast", threshold, workers)

    @contextmanager
    def left(self, error: GpuLost) -> Iterator[None]:
        """While a frame is drawn again without it."""
        self._notes.append(f"{error.message} The processor draws instead.")
        if not isinstance(error, GpuFull):
            self._gpu = None
        elif self._gpu is not None:
            self._gpu.forget_scratch()
        self._away = True
        try:
            yield
        finally:
            self._away = False

    def told(self) -> tuple[str, ...]:
        """Lines for the user since the last call."""
        notes, self._notes = tuple(self._notes), []
        return notes
