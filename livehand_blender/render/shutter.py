"""Motion blur: at which moments the shutter is open, without bpy. Called by render/engine."""

from __future__ import annotations

import math


def shutter_times(frame: float, position: str, shutter: float, steps: int) -> list[float]:
    """Moments at which a frame with motion blur is sampled, evenly over the time that the shutter is open.

    Args:
        frame: the frame, with its subframe.
        position: ``START``, ``CENTER`` or ``END``: where in the open time the frame lies.
        shutter: open time in frames.
        steps: number of moments.

    Example:
        >>> shutter_times(10.0, "CENTER", 0.5, 2)
        [9.875, 10.125]
    """
    begin = {"START": 0.0, "CENTER": -0.5, "END": -1.0}[position] * shutter
    return [frame + begin + shutter * (step + 0.5) / steps for step in range(steps)]


def split_frame(time: float) -> tuple[int, float]:
    """Whole frame and subframe in [0, 1) of a moment, as Blender sets them."""
    whole = math.floor(time)
    return whole, time - whole
