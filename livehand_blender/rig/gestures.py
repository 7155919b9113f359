"""Named gestures as an enum and as poses, in NumPy alone (no bpy). Called by rig/operators."""

from __future__ import annotations

from dataclasses import replace

from livehand_core.hand.gestures import GESTURES, mirror_hand_pose
from livehand_core.poses import HandPose


def gesture_items() -> tuple[tuple[str, str, str, int], ...]:
    """Enum items of all gestures: identifier, label, description, number."""
    return tuple(
        (name.upper(), name.replace("_", " ").title(), f"The gesture {name.replace('_', ' ')!r}", number)
        for number, name in enumerate(GESTURES)
    )


def gesture_pose(identifier: str, current: HandPose) -> HandPose:
    """``current`` with its fingers in a gesture; wrist, shape and side stay.

    Args:
        identifier: identifier of one of :func:`gesture_items`.
    """
    fingers = GESTURES[identifier.lower()]
    return replace(current, hand_pose=fingers if current.side == "right" else mirror_hand_pose(fingers))
