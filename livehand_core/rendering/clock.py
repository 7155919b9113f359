"""Time spent by stage, and the question whether the caller still wants the picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import RenderCancelled

STAGES = ("skinning", "light", "raster", "nearest", "field", "integrate", "super_resolution", "compose")


class Clock:
    """Collects seconds by stage, and lines for the user in ``notes``.

    Args:
        cancelled: asked by :meth:`check`; None never stops.
        wait: called at the end of each stage, for a device whose work goes on behind the caller's back.
    """

    def __init__(self, cancelled: Callable[[], bool] | None = None, wait: Callable[[], object] | None = None) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.notes: list[str] = []
        self._last = dict.fromkeys(STAGES, 0.0)
        self._cancelled, self._wait = cancelled, wait

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
            if self._wait is not None:
                self._wait()
            self._last[name] = time.perf_counter() - start
            self.seconds[name] += self._last[name]

    def move(self, source: str, target: str, share: float) -> None:
        """Count a share of the source's last run as the target's, for stages that take turns within one call."""
        seconds = share * self._last[source]
        self.seconds[source] -= seconds
        self.seconds[target] += seconds
