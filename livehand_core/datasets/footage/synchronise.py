"""When each video began: the offset at which the hand's landmarks meet their epipolar lines best.

Cameras whose places are known need no clap: of a moving hand only the right moment fits the geometry of two views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .geometry import ShotCamera, epipolar_distances
from .video import Video, at_times

SEARCH_SECONDS = 10.0
"""Offsets to both sides that are tried."""

LEAST_SHARE, LEAST_FRAMES = 0.3, 12
"""Of the shorter video's seen frames that must meet the other video's, and how many at least."""

FRAMES = 120
"""Of a video that are compared at each offset, evenly spread."""

CONTRAST = 1.25
"""By how much the median of all offsets must be worse than the best one; less tells nothing."""


@dataclass(frozen=True)
class Offset:
    """What was found for a video.

    Attributes:
        seconds: after the first video's beginning at which it begins.
        pixels: distance from the epipolar lines at that offset, median.
        sure: whether another offset would have been clearly worse; a hand that keeps still tells nothing.
    """

    seconds: float
    pixels: float
    sure: bool


def find_offset(
    placed: Sequence[tuple[Video, ShotCamera]], new: tuple[Video, ShotCamera], search: float = SEARCH_SECONDS
) -> Offset | None:
    """The offset of a video against others whose offsets are known; None where the hand is not seen in common.

    Args:
        placed: videos with their offsets, and their cameras.
        new: the video and its camera.
        search: seconds to both sides that are tried.
    """
    step = 1.0 / max(new[0].fps, *(video.fps for video, _ in placed))
    tracks = [_Track.of(video, shot) for video, shot in placed]
    own = new[0].track(new[1])

    def cost(offset: float) -> float:
        costs = [_distance(track, new, own, offset) for track in tracks]
        return float(np.mean(known)) if (known := [c for c in costs if np.isfinite(c)]) else np.inf

    offsets = step * np.arange(-int(search / step), int(search / step) + 1)
    costs = np.array([cost(offset) for offset in offsets])
    if not np.isfinite(costs).any():
        return None
    at = int(np.argmin(costs))
    usual = float(np.median(costs[np.isfinite(costs)]))
    if usual < CONTRAST * costs[at] or np.isfinite(costs).sum() < 3:
        return Offset(0.0, cost(0.0), False)
    return Offset(float(offsets[at] + step * _vertex(costs, at)), float(costs[at]), True)


@dataclass(frozen=True)
class _Track:
    """Some frames of a video, evenly spread over those in which the hand is seen: (n,) common times, (n, 21, 2)."""

    shot: ShotCamera
    times: np.ndarray
    pixels: np.ndarray

    @classmethod
    def of(cls, video: Video, shot: ShotCamera) -> _Track:
        pixels = video.track(shot)
        seen = np.flatnonzero(np.isfinite(pixels).all(axis=(1, 2)))
        some = seen[np.unique(np.linspace(0, len(seen) - 1, min(FRAMES, len(seen))).astype(int))] if len(seen) else seen
        return cls(shot, video.common_times[some], pixels[some])


def _distance(track: _Track, new: tuple[Video, ShotCamera], own: np.ndarray, offset: float) -> float:
    """Pixels off the epipolar lines; infinite where too few frames are common."""
    other = at_times(new[0].shifted(offset), own, track.times)
    both = np.isfinite(other).all(axis=(1, 2))
    if both.sum() < max(LEAST_SHARE * len(track.times), min(LEAST_FRAMES, len(track.times)), 1):
        return float("inf")
    off = epipolar_distances(track.shot.camera, new[1].camera, track.pixels[both], other[both])
    # The mean of medians: a frame's outliers do not count, and all its motion does.
    return float(np.median(off, axis=1).mean())


def _vertex(costs: np.ndarray, at: int) -> float:
    """Where between its neighbours a parabola through three costs is least, in steps from the middle one."""
    if not 0 < at < len(costs) - 1 or not np.isfinite(costs[at - 1 : at + 2]).all():
        return 0.0
    before, here, after = costs[at - 1 : at + 2]
    bend = before - 2.0 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend > 0.0 else 0.0
