"""Which of the hands in the videos is the one: one side of all videos, and in no frame two hands at one place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...errors import CaptureError
from ...poses import Side
from ...tracking.clip import Clip
from ...tracking.landmarks import HandLandmarks
from ..source import Notes

BOTH = 0.05
"""Share of a video's frames that show two hands from which on it is a video of two hands."""

GHOST = 0.6
"""Share of a hand's box that another one covers, and of its frames, from which on they are the same hand."""

NEAR = 0.1
"""Share of the hand's box that another hand may cover."""


def choose_hands(
    clips: Sequence[Clip], names: Sequence[str], asked: str, notes: Notes
) -> tuple[Side, list[list[HandLandmarks | None]]]:
    """The side, and the hand in each frame of each video, None where it is not seen.

    Where a video shows one hand at a time that is the hand, whatever a network takes it for from behind; where it shows
    two, they are told apart.

    Args:
        clips: what was seen in each video.
        names: of the videos.
        asked: ``right``, ``left``, or ``auto`` where the videos tell.
        notes: take what is left out.

    Raises:
        CaptureError: no hand is seen, or two sides and nobody says which is meant.
    """
    for clip, name in zip(clips, names, strict=True):
        if not any(clip.hands):
            raise CaptureError(
                f"No hand was found in the {len(clip)} frames of {name}.",
                "Let the hand be larger in the picture, in better light, and not covered.",
            )
    clips = [_without_ghosts(clip) for clip in clips]
    evidence = [_evidence(clip) for clip in clips]
    several = [sum(len(hands) > 1 for hands in clip.hands) > BOTH * len(clip) for clip in clips]
    if asked == "auto":
        if any(several):
            raise CaptureError(
                f"{' and '.join(n for n, two in zip(names, several, strict=True) if two)} show two hands.",
                "Say which is meant: --hand right or --hand left.",
            )
        asked = "right" if sum(sum(own.values()) for own in evidence) >= 0.0 else "left"
    side: Side = "left" if asked == "left" else "right"
    sign = 1.0 if side == "right" else -1.0
    chosen = [
        _of_side(clip, {track: sign * worth for track, worth in own.items()}, two, name, notes)
        for clip, own, two, name in zip(clips, evidence, several, names, strict=True)
    ]
    for own, name in zip(chosen, names, strict=True):
        if not any(hand is not None for hand in own):
            raise CaptureError(f"No {side} hand was found in {name}.", "Choose the other --hand, or another video.")
    return side, chosen


def _without_ghosts(clip: Clip) -> Clip:
    """The clip without hands that hardly ever are anywhere but on another, longer seen one: the same, found twice."""
    frames, doubled = Counter[int](), Counter[int]()
    for hands in clip.hands:
        frames.update(hand.track for hand in hands)
    for hands in clip.hands:
        for hand in hands:
            others = [other for other in hands if frames[other.track] > frames[hand.track]]
            doubled[hand.track] += any(_covered(hand, other) > GHOST for other in others)
    ghosts = {track for track, count in doubled.items() if count > GHOST * frames[track]}
    return replace(clip, hands=[tuple(hand for hand in hands if hand.track not in ghosts) for hands in clip.hands])


def _evidence(clip: Clip) -> dict[int, float]:
    """Number of each hand that was followed -> above 0 for a right one, below for a left one."""
    answer: defaultdict[int, float] = defaultdict(float)
    for hands in clip.hands:
        for hand in hands:
            sure = float(np.clip(hand.right, 0.01, 0.99))
            answer[hand.track] += hand.presence * float(np.log(sure / (1.0 - sure)))
    return dict(answer)


def _of_side(clip: Clip, worth: dict[int, float], two: bool, name: str, notes: Notes) -> list[HandLandmarks | None]:
    chosen: list[HandLandmarks | None] = []
    for index, hands in enumerate(clip.hands):
        own = [hand for hand in hands if not two or worth[hand.track] > 0.0]
        if not own:
            notes.skip(f"{name} frame {index}", "only the other hand is seen" if hands else "no hand is found")
            chosen.append(None)
            continue
        hand = max(own, key=lambda hand: worth[hand.track])
        if any(_covered(hand, other) > NEAR for other in hands if other is not hand):
            notes.skip(f"{name} frame {index}", "another hand is beside or before the hand")
            chosen.append(None)
            continue
        chosen.append(hand)
    return chosen


def _covered(hand: HandLandmarks, other: HandLandmarks) -> float:
    """Share of the box of a hand's landmarks that another one's covers."""
    low = np.maximum(hand.image.min(axis=0), other.image.min(axis=0))
    high = np.minimum(hand.image.max(axis=0), other.image.max(axis=0))
    own = np.prod(np.maximum(np.ptp(hand.image, axis=0), 1.0))
    return float(np.prod(np.maximum(high - low, 0.0)) / own)
