"""Where a hand goes on a character's wrist, in NumPy alone (no bpy). Called by rig/attach."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from livehand_core.errors import PoseError
from livehand_core.poses import Side

_WORDS = {"index": ("index", "point"), "pinky": ("pinky", "little", "small")}


def side_of_name(name: str) -> Side | None:
    """The side that a bone's name tells (``hand.R``, ``LeftHand``, ``wrist_l``); None if it tells none."""
    lower = name.lower()
    for side in ("right", "left"):
        letter = side[0]
        ends = lower.endswith((f".{letter}", f"_{letter}", f"-{letter}", f" {letter}"))
        if ends or lower.startswith((f"{letter}.", f"{letter}_")) or side in lower:
            return "right" if side == "right" else "left"
    return None


def guess_wrist(names: list[str], side: Side) -> str:
    """The bone that is most likely a character's wrist of one side; empty when none looks like it."""
    for word in ("hand", "wrist"):
        fits = [name for name in names if word in name.lower() and side_of_name(name) == side]
        # The plainest name is the hand itself: hand.R before ORG-hand.R, hand_ik.R or hand_thumb.R.
        if fits:
            return min(fits, key=len)
    return ""


def find_knuckles(heads: Mapping[str, np.ndarray], wrist: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the index and the little finger begin, among the bones below a wrist.

    Args:
        heads: (3,) head of each bone below the wrist, by name.
        wrist: (3,) the wrist.

    Returns:
        The two knuckles: of each finger's bones that which starts nearest to the wrist but outside the palm's first
        third, or the nearest. None when the names tell neither.
    """
    found = []
    for words in _WORDS.values():
        own = [head for name, head in heads.items() if any(word in name.lower() for word in words)]
        if not own:
            return None
        distance = np.array([np.linalg.norm(head - wrist) for head in own])
        outside = distance > distance.max() / 3.0
        found.append(own[int(np.argmin(np.where(outside, distance, np.inf)))])
    return found[0], found[1]


def placement(
    wrist: np.ndarray,
    along: np.ndarray,
    thumbwards: np.ndarray,
    side: Side,
    scale: float = 1.0,
    roll: float = 0.0,
    name: str = "the bone",
) -> np.ndarray:
    """World matrix of a hand rig at a character's wrist.

    Args:
        wrist: (3,) world position of the wrist.
        along: (3,) direction from the wrist to the fingers.
        thumbwards: (3,) direction from the little finger to the index finger.
        side: the rig's side.
        scale: the rig's size.
        roll: radians about ``along`` on top.
        name: what is looked at, for the message.

    Returns:
        (4, 4) float64.

    Raises:
        PoseError: the two directions are parallel or of no length.
    """
    first = np.asarray(along, dtype=np.float64)
    first = first / max(float(np.linalg.norm(first)), 1e-12)
    second = thumbwards - first * (first @ thumbwards)
    length = float(np.linalg.norm(second))
    if not length > 1e-9:
        raise PoseError(f"The fingers of {name} do not show which way its palm faces.", "Attach without aligning.")
    second = second / length
    turned = np.cos(roll) * second + np.sin(roll) * np.cross(first, second)
    there = np.stack([first, turned, np.cross(first, turned)], axis=1)
    rest_along = np.array([-1.0 if side == "right" else 1.0, 0.0, 0.0])
    rest_thumb = np.array([0.0, 0.0, 1.0])
    here = np.stack([rest_along, rest_thumb, np.cross(rest_along, rest_thumb)], axis=1)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * there @ here.T
    matrix[:3, 3] = wrist
    return matrix
