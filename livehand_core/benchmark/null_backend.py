"""An engine backend that draws nothing: what is left of a frame's time is the way there and back. For the benchmark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import EngineError, LiveHandError
from ..frames import FrameRequest
from ..passes import PASSES, RenderPasses

ARGUMENTS = ("--backend", f"{__name__}:NullBackend")
"""What makes the engine run with this backend."""


class NullBackend:
    """Answers every request with images of its size, filled with ones."""

    def __init__(self) -> None:
        self._images: dict[tuple[int, int, int], np.ndarray] = {}

    def open(self, device: str) -> tuple[str, list[str]]:
        """Ready at once."""
        return "none", [device]

    def render(self, request: FrameRequest, cancelled: Callable[[], bool]) -> RenderPasses:
        """The images, made once for each size."""
        images = {}
        for name in request.passes:
            shape = (request.camera.height, request.camera.width, PASSES[name].channels)
            if shape not in self._images:
                self._images[shape] = np.ones(shape, dtype=np.float32)
            images[name] = self._images[shape]
        return RenderPasses(images, {})

    def explain(self, error: Exception) -> tuple[LiveHandError, bool]:
        """An error of this backend ends its engine."""
        if isinstance(error, LiveHandError):
            return error, True
        return EngineError(f"The benchmark's engine failed ({error!r})."), False
