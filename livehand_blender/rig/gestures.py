"""Named gestures as an enum and as poses, in NumPy alone (no bpy). Called by the rig's operators."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from livehand_core.hand.gestures import GESTURES, gesture
from livehand_core.hand.limits import FINGERS
from livehand_core.poses import HandPose
from livehand_core.rotations import slerp


def gesture_items() -> tuple[tuple[str, str, str, int], ...]:
    """Enum items of all gestures: identifier, label, description, number."""
    return tuple(
        (name.upper(), gesture_label(name), f"The gesture {gesture_label(name).lower()!r}", number)
        for number, name in enumerate(GESTURES)
    )


def gesture_label(name: str) -> str:
    """A gesture's name as artists read it."""
    return name.replace("_", " ").title()


def gesture_pose(
    identifier: str, current: HandPose, blend: float = 1.0, fingers: Collection[str] = FINGERS
) -> HandPose:
    """``current`` with fingers on their way to a gesture; wrist, shape and side stay.

    Args:
        identifier: identifier of one of :func:`gesture_items`.
        current: the pose to start from.
        blend: 0 for the current pose, 1 for the gesture.
        fingers: the fingers that move.
    """
    goal = slerp(current.hand_pose, gesture(identifier.lower(), current.side), blend)
    moves = np.repeat([finger in fingers for finger in FINGERS], 3)
    return replace(current, hand_pose=np.where(moves[:, None], goal, current.hand_pose))
