"""Time spent by stage, and the question whether the caller still wants the picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..errors import RenderCancelled

STAGES = ("skinning", "raster", "nearest", "field", "integrate", "super_resolution", "compose")


class Clock:
    """Collects seconds by stage.

    Args:
        device: on CUDA every stage waits for the device, so that the times are true.
        cancelled: asked by :meth:`check`; None never stops.
    """

    def __init__(self, device: torch.device | str = "cpu", cancelled: Callable[[], bool] | None = None) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._cuda = torch.device(device).type == "cuda"
        self._cancelled = cancelled

    def check(self) -> None:
        """Raises RenderCancelled when the caller asked to stop."""
        if self._cancelled is not None and self._cancelled():
            raise RenderCancelled("The render was cancelled.")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            if self._cuda:
                torch.cuda.synchronize()
            self.seconds[name] += time.perf_counter() - start
