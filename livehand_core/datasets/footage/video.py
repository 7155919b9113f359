"""What is known of one video of the footage: when its frames were taken, and the hand's landmarks in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...tracking.landmarks import HandLandmarks
from .geometry import ShotCamera

LONGEST_GAP = 2.6
"""Frame periods over which landmarks are interpolated."""

FAST = 85.0
"""Per cent of the landmarks that are slower than a frame is said to be."""

SETTLED = 0.5
"""Share of the hand's size that landmarks may move from frame to frame; more is another hand, or a mistake."""


@dataclass(frozen=True)
class Video:
    """One video.

    Attributes:
        name: unique; of the camera in the capture.
        width, height: pixels.
        fps: frames a second, about.
        times: (n,) seconds of its frames since its own first one.
        hands: the hand in each frame, None where it is not seen; pixels as the lens drew them.
        offset: seconds after the first video's beginning at which it begins.
    """

    name: str
    width: int
    height: int
    fps: float
    times: np.ndarray
    hands: tuple[HandLandmarks | None, ...]
    offset: float = 0.0

    @property
    def common_times(self) -> np.ndarray:
        """(n,) seconds since the first video's beginning."""
        return self.times + self.offset

    def shifted(self, offset: float) -> Video:
        """The same video, begun at another time."""
        return replace(self, offset=offset)

    def track(self, shot: ShotCamera) -> np.ndarray:
        """(n, 21, 2) pixels of the landmarks, freed of the lens; NaN where the hand is not seen."""
        unseen = np.full((21, 2), np.nan)
        return shot.straight(np.stack([unseen if hand is None else hand.image for hand in self.hands]))

    @property
    def sizes(self) -> np.ndarray:
        """(n,) of the hand in each picture, pixels; NaN where it is not seen."""
        return np.array([np.nan if hand is None else hand.size for hand in self.hands])


def at_times(video: Video, track: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(m, 21, 2) of a track at common times, on the straight way between frames; NaN where it is not known.

    Args:
        track: (n, 21, 2) of the video's frames.
        times: (m,) seconds since the first video's beginning.
    """
    own, last = video.common_times, len(video.times) - 1
    after = np.clip(np.searchsorted(own, times), 1, last) if last else np.zeros(len(times), np.int64)
    before = np.maximum(after - 1, 0)
    gap = own[after] - own[before]
    share = np.divide(times - own[before], gap, out=np.zeros_like(times), where=gap > 0.0)
    slack = 0.1 / video.fps
    inside = (times >= own[0] - slack) & (times <= own[last] + slack) & (gap <= LONGEST_GAP / video.fps)
    share = np.clip(share, 0.0, 1.0)[:, None, None]
    first, second = track[before], track[after]
    with np.errstate(invalid="ignore"):
        answer = np.where(
            share < 1e-6, first, np.where(share > 1.0 - 1e-6, second, (1.0 - share) * first + share * second)
        )
    answer[~inside] = np.nan
    return answer


def speeds(video: Video, track: np.ndarray) -> np.ndarray:
    """(n,) pixels a second at which the landmarks of each frame move; NaN where it is not known.

    That of the fastest but some: a finger that moves alone is blurred, too.
    """
    if len(track) < 2:
        return np.zeros(len(track))
    step = np.percentile(np.linalg.norm(np.diff(track, axis=0), axis=2), FAST, axis=1) / np.maximum(
        np.diff(video.times), 1e-6
    )
    padded = np.concatenate([[np.nan], step, [np.nan]])
    pair = np.stack([padded[:-1], padded[1:]])
    with np.errstate(all="ignore"):
        return np.asarray(
            np.where(np.isnan(pair).all(axis=0), np.nan, np.nanmax(np.nan_to_num(pair, nan=-1.0), axis=0))
        )


def without_jumps(video: Video) -> Video:
    """The video without the frames in which the landmarks jump away from both neighbours and back."""
    kept: list[HandLandmarks | None] = list(video.hands)
    for index in range(1, len(kept) - 1):
        before, hand, after = video.hands[index - 1 : index + 2]
        if before is None or hand is None or after is None:
            continue
        middle = 0.5 * (before.image + after.image)
        straight = np.linalg.norm(after.image - before.image, axis=1).mean()
        if np.linalg.norm(hand.image - middle, axis=1).mean() > straight + SETTLED * hand.size:
            kept[index] = None
    return replace(video, hands=tuple(kept))


def common_span(videos: Sequence[Video]) -> tuple[float, float]:
    """Seconds between which all videos have frames; the end is before the beginning where they do not overlap."""
    return max(float(v.common_times[0]) for v in videos), min(float(v.common_times[-1]) for v in videos)
