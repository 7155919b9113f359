"""A clip's landmarks to motions: a pass forward that fits each frame, and one that smooths over the whole clip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..cameras import Camera
from ..errors import PoseError
from ..hand.library import find_hand
from ..poses import PoseSequence, Side
from .calibration import calibrate
from .clip import Clip
from .fit import Fit
from .hand_track import GOOD_ERROR, WORST_ERROR, followed_or_anew
from .landmarks import HandLandmarks
from .skeleton import Placement, Skeleton
from .smoothing import smoothed, smoothed_rotations
from .values import TrackingOptions, source_camera

CALIBRATION_PICTURES = 40
_STEPS = 8
_FILLED = 0.02
"""Weight, beside a seen frame's 1, of what is put in for a frame in which the hand was not seen."""


@dataclass(frozen=True)
class Take:
    """The motion of one hand in a clip.

    Attributes:
        sequence: poses in the camera's axes (x right, y down, z away), at a constant rate from the clip's first frame.
        confidence: (n,) of each pose, 0 where the hand was not seen.
        error: (n,) mean distance of the fitted points from the landmarks in shares of the hand's size; NaN where it was
            not seen.
        camera: that sees the poses.
    """

    sequence: PoseSequence
    confidence: np.ndarray
    error: np.ndarray
    camera: Camera

    @property
    def side(self) -> Side:
        """Which hand."""
        return self.sequence.poses[0].side


def takes_of(
    clip: Clip,
    fps: float,
    options: TrackingOptions,
    shapes: Mapping[Side, np.ndarray] | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Take, ...]:
    """The motion of each hand of a clip, the right one first.

    Args:
        clip: what was seen.
        fps: of the motions.
        options: how.
        shapes: betas that are known already.
        progress: frames done and in all.

    Raises:
        PoseError: no hand was seen.
    """
    camera = source_camera(clip.width, clip.height, options.fov)
    by_side = hands_by_side(clip, options)
    if not by_side:
        raise PoseError(
            f"No hand was found in {len(clip)} frames.", "Let the hand be larger in the picture, and in better light."
        )
    total = sum(len(frames) for frames in by_side.values())
    done = 0
    takes = []
    for side, frames in sorted(by_side.items(), reverse=True):
        skeleton = Skeleton(find_hand(options.model, side), (shapes or {}).get(side))
        if options.calibrate and side not in (shapes or {}):
            skeleton = calibrate(skeleton, camera, _samples(frames))
        fits: dict[int, Fit] = {}
        for index, hand in sorted(frames.items()):
            fits[index] = followed_or_anew(skeleton, camera, hand, fits.get(index - 1), _STEPS)
            done += 1
            progress(done, total)
        takes.append(_take(clip, skeleton, frames, fits, fps, options, camera))
    return tuple(takes)


def hands_by_side(clip: Clip, options: TrackingOptions) -> dict[Side, dict[int, HandLandmarks]]:
    """The hand of each side by number of the frame. Each hand that was followed is of the side that the network takes
    it for over all its frames; a single hand's side may be told."""
    evidence: defaultdict[int, float] = defaultdict(float)
    for hands in clip.hands:
        for hand in hands:
            sure = float(np.clip(hand.right, 0.01, 0.99))
            evidence[hand.track] += hand.presence * float(np.log(sure / (1.0 - sure)))
    answer: dict[Side, dict[int, HandLandmarks]] = {"right": {}, "left": {}}
    only: Side = "right" if sum(evidence.values()) >= 0.0 else "left"
    only = options.hands if options.hands in ("right", "left") else only  # type: ignore[assignment]
    for index, hands in enumerate(clip.hands):
        for hand in sorted(hands, key=lambda hand: -abs(evidence[hand.track])):
            side: Side = "right" if evidence[hand.track] >= 0.0 else "left"
            answer[side if options.hands == "both" else only].setdefault(index, hand)
    return {side: frames for side, frames in answer.items() if frames}


def _samples(frames: Mapping[int, HandLandmarks]) -> list[HandLandmarks]:
    """Frames from all over the clip that the network is sure of."""
    sure = [hand for _, hand in sorted(frames.items()) if hand.presence > 0.9] or list(frames.values())
    count = min(len(sure), CALIBRATION_PICTURES)
    return [sure[(2 * k + 1) * len(sure) // (2 * count)] for k in range(count)]


def _take(
    clip: Clip,
    skeleton: Skeleton,
    frames: Mapping[int, HandLandmarks],
    fits: Mapping[int, Fit],
    fps: float,
    options: TrackingOptions,
    camera: Camera,
) -> Take:
    """The second pass: a constant rate, gaps filled, all of it smooth."""
    count = max(1, round((clip.times[-1] - clip.times[0]) * fps) + 1)
    slots: dict[int, int] = {}
    for index in sorted(fits):
        slots.setdefault(min(round((clip.times[index] - clip.times[0]) * fps), count - 1), index)
    seen = np.array(sorted(slots))
    trust = [np.clip((WORST_ERROR - fits[slots[s]].error) / (WORST_ERROR - GOOD_ERROR), 0.0, 1.0) for s in seen]
    confidence, error = np.zeros(count), np.full(count, np.nan)
    confidence[seen] = [frames[slots[s]].presence * t for s, t in zip(seen, trust, strict=True)]
    error[seen] = [fits[slots[s]].error for s in seen]
    weights = np.full(count, _FILLED)
    weights[seen] = np.maximum(confidence[seen] ** 2, _FILLED)
    placements = smoothed_placements(
        {s: fits[slots[s]].placement for s in seen.tolist()}, weights, options.smoothing, fps
    )
    poses = tuple(skeleton.pose(at) for at in placements)
    return Take(PoseSequence(poses, fps), confidence, error, camera)


def smoothed_placements(
    found: Mapping[int, Placement], weights: np.ndarray, smoothing: float, fps: float
) -> list[Placement]:
    """The placements of all frames: gaps filled, all of it smooth.

    Args:
        found: by number of the frame.
        weights: (n,) of each frame.
        smoothing: 0 to 1.
        fps: frames a second.
    """
    seen, count = np.array(sorted(found)), len(weights)
    known = [found[index] for index in seen.tolist()]
    angles = _filled(seen, np.stack([at.angles for at in known]), count)
    wrists = _filled(seen, np.stack([at.wrist for at in known]), count)
    turns = _nearest_rotations(_filled(seen, np.stack([at.rotation.reshape(9) for at in known]), count))
    angles = smoothed(angles, weights, smoothing, fps)
    wrists = smoothed(wrists, weights, smoothing, fps)
    turns = smoothed_rotations(turns, weights, smoothing, fps)
    return [Placement(*parts) for parts in zip(turns, wrists, angles, strict=True)]


def _filled(seen: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Values of all frames: between seen ones on the straight way, before and after them as the nearest one."""
    every = np.arange(count)
    return np.stack([np.interp(every, seen, column) for column in values.T], axis=1)


def _nearest_rotations(entries: np.ndarray) -> np.ndarray:
    u, _, v = np.linalg.svd(entries.reshape(-1, 3, 3))
    u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
    return np.asarray(u @ v)
