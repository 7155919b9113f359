"""How large a live picture may be to hold the chosen rate, without bpy. Called by render/live."""

from __future__ import annotations

import time
from dataclasses import dataclass

OVERHEAD_SECONDS = 0.004
"""Transport of a live picture and the wait for the next look at the answers, beside the engine's own stages."""

LEAST_PART = 0.25
"""Part of a picture's time that is always the engine's, however slowly the window itself is drawn: a rate that the
window cannot hold is no reason for the smallest picture."""

SMALLEST_SIDE = 192
"""Longer side in pixels below which a moving picture is never made."""

_DEAD_BAND = 0.85
"""A picture that takes between this part of its time and all of it keeps its size: no flicker between two sizes."""

_FASTEST_GROWTH, _FASTEST_SHRINKING = 1.25, 0.5


@dataclass
class Pace:
    """The share of the full width and height that moving pictures get, steered by how long they take.

    Example:
        >>> pace = Pace()
        >>> pace.learn(seconds=0.4, rate=10.0)      # four times too slow: half the width, half the height
        >>> pace.share
        0.5

    Attributes:
        share: part of the full width and height, at most 1.
    """

    share: float = 0.5

    def learn(self, seconds: float, rate: float, drawing: float = 0.0) -> None:
        """Take note of a moving picture.

        Args:
            seconds: what it took the engine.
            rate: pictures a second that are wanted.
            drawing: what it took to draw the window. It counts in full, as if the engine waited meanwhile: where
                drawing takes long, it is done by the processor that the engine computes on.
        """
        used = (seconds + OVERHEAD_SECONDS) * rate / max(1.0 - drawing * rate, LEAST_PART)
        if _DEAD_BAND <= used <= 1.0:
            return
        # Time goes with the number of pixels. Aiming at the middle of the band keeps noise inside it.
        factor = (0.5 * (1.0 + _DEAD_BAND) / max(used, 1e-3)) ** 0.5
        self.share = min(max(self.share * min(max(factor, _FASTEST_SHRINKING), _FASTEST_GROWTH), 0.02), 1.0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Size in pixels of a moving picture whose full size is ``width`` x ``height``."""
        share = min(max(self.share, SMALLEST_SIDE / max(width, height)), 1.0)
        return max(round(width * share), 1), max(round(height * share), 1)


class Drawing:
    """How long Blender takes to draw its window: from the call that draws a view to the next look at the timers.

    Attributes:
        seconds: the mean of the last few times, 0 before the first.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def begins(self) -> None:
        """The view is drawn now."""
        self._began = self._began or time.perf_counter()

    def over(self) -> None:
        """Blender does other things again."""
        if self._began:
            took = time.perf_counter() - self._began
            self.seconds = took if self.seconds == 0.0 else 0.75 * self.seconds + 0.25 * took
            self._began = 0.0
