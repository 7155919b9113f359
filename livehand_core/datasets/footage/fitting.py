"""The hand over a whole clip: triangulated landmarks, one shape, a pose at each moment, all of it smooth.

The moments are those of the slowest video's frames; the others' landmarks are interpolated to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...hand.library import find_hand
from ...poses import HandPose, Side
from ...tracking.calibration import calibrate_shape
from ...tracking.fit import fit
from ...tracking.hand_track import FIRST_STEPS
from ...tracking.landmarks import HandLandmarks
from ...tracking.many_views import SeenBy, ViewsProblem
from ...tracking.offline import smoothed_placements
from ...tracking.skeleton import PALM_LANDMARKS, Placement, Skeleton, palm_length
from .geometry import ShotCamera, triangulate
from .video import Video, at_times

TOLERANCE = 0.08
"""Share of the hand's size in the picture within which a view agrees with the others on a landmark."""

LEAST_POINTS = 12
"""Of 21 landmarks on which two views must agree."""

SAMPLES = 40
"""Moments from which the shape is found."""

WORTH = 6.0
"""Independent pictures that they count as: several cameras tell sizes."""

STEPS = 10
WORST = 0.12
"""Share of the hand's size that the fitted points may be off the landmarks."""

OTHER_SIDE = 0.8
"""A hand that the other side's model fits so much better is of the other side."""

SIDE_SAMPLES = 12


@dataclass(frozen=True)
class Moment:
    """What all cameras see at one time.

    Attributes:
        time: seconds since the first video's beginning.
        seen: by the cameras that see the hand; ``views``: which they are.
        points: (21, 3) triangulated landmarks in the cameras' world, NaN where no two views agree.
        off: median distance of the triangulated landmarks in the pictures, in shares of the hand's size; NaN without.
    """

    time: float
    seen: tuple[SeenBy, ...]
    views: tuple[int, ...]
    points: np.ndarray
    off: float = float("nan")

    def problem(self, skeleton: Skeleton, last: np.ndarray | None = None) -> ViewsProblem:
        """The fit of a hand to it."""
        return ViewsProblem(skeleton, self.seen, self.points, last)


@dataclass(frozen=True)
class FittedMoment:
    """A pose, and how well it lies on what was seen.

    Attributes:
        moment: what was seen.
        pose: in the cameras' world, metres.
        off: (V, 21) pixels between the fitted points and each view's landmarks.
        error: mean of that in shares of the hand's size.
    """

    moment: Moment
    pose: HandPose
    off: np.ndarray
    error: float


def find_moments(videos: Sequence[Video], shots: Sequence[ShotCamera]) -> list[Moment]:
    """What the fixed cameras of several videos see together, at the times of the slowest video's frames."""
    slowest = min(videos, key=lambda video: video.fps)
    times = slowest.common_times
    tracks = [at_times(video, video.track(shot), times) for video, shot in zip(videos, shots, strict=True)]
    nearest = [np.abs(video.common_times[:, None] - times).argmin(axis=0) for video in videos]
    moments = []
    for index, time in enumerate(times):
        views = tuple(view for view, track in enumerate(tracks) if np.isfinite(track[index]).all())
        seen = tuple(
            _seen(shots[view], tracks[view][index], videos[view].hands[nearest[view][index]]) for view in views
        )
        moments.append(moment_of(float(time), seen, views))
    return moments


def moment_of(time: float, seen: tuple[SeenBy, ...], views: tuple[int, ...]) -> Moment:
    """A moment with its landmarks triangulated."""
    if len(seen) < 2:
        return Moment(time, seen, views, np.full((21, 3), np.nan))
    size = float(np.median([one.landmarks.size for one in seen]))
    pixels = np.stack([one.landmarks.image for one in seen])
    found = triangulate([one.camera for one in seen], pixels, TOLERANCE * size)
    known = found.off[np.isfinite(found.off)]
    return Moment(time, seen, views, found.points, float(np.median(known)) / size if len(known) else float("nan"))


def why_not(moment: Moment) -> str:
    """Why a moment cannot be fitted; empty where it can."""
    if len(moment.seen) < 2:
        return "no camera sees the hand" if not moment.seen else "only one camera sees the hand"
    known = np.isfinite(moment.points).all(axis=1)
    if known.sum() < LEAST_POINTS or known[list(PALM_LANDMARKS)].sum() < 4:
        return "the cameras do not agree on where the hand's landmarks are"
    return ""


def metres_of(moments: Sequence[Moment], model: str) -> float:
    """Metres of one unit of the cameras' world, by the size of a usual hand. NaN where no palm is triangulated."""
    skeleton = Skeleton(find_hand(model, "right"))
    flat = Placement(np.eye(3), np.zeros(3), np.clip(np.zeros(skeleton.count), skeleton.low, skeleton.high))
    usual = palm_length(skeleton.posed(flat).points)
    found = np.array([palm_length(moment.points) for moment in moments])
    found = found[np.isfinite(found)]
    return usual / float(np.median(found)) if len(found) else float("nan")


def other_side_fits(moments: Sequence[Moment], side: Side, model: str) -> bool:
    """Whether the landmarks in space are rather those of the other hand: cameras that are placed tell it for sure."""
    other: Side = "left" if side == "right" else "right"
    some = _spread(moments, SIDE_SAMPLES)
    errors = {
        name: float(np.median([fit(moment.problem(Skeleton(find_hand(model, name)))).error for moment in some]))
        for name in (side, other)
    }
    return errors[other] < OTHER_SIDE * errors[side]


def find_shape(moments: Sequence[Moment], side: Side, model: str, worth: float = WORTH) -> Skeleton:
    """The hand with the one shape that explains moments from all over the clip."""
    return calibrate_shape(
        Skeleton(find_hand(model, side)), [partial(_problem, one) for one in _spread(moments, SAMPLES)], worth
    )


def fit_clip(
    moments: Sequence[Moment], skeleton: Skeleton, smoothing: float, fps: float, progress: Callable[[int], None]
) -> list[FittedMoment]:
    """The hand at each moment that can be fitted, smooth over time.

    Args:
        moments: in the order of time, evenly spaced but for those left out.
        skeleton: of the hand, with its shape.
        smoothing: 0 to 1.
        fps: moments a second.
        progress: called with the number of moments that are fitted.
    """
    slots = [round((moment.time - moments[0].time) * fps) for moment in moments]
    found: dict[int, Placement] = {}
    weights = np.full(slots[-1] + 1, 0.02)
    for count, (slot, moment) in enumerate(zip(slots, moments, strict=True), 1):
        before = found.get(slot - 1)
        at = fit(moment.problem(skeleton, None if before is None else before.angles), before, STEPS)
        if before is not None and at.error > 0.5 * WORST:
            anew = fit(moment.problem(skeleton), None, FIRST_STEPS)
            at = anew if anew.error < at.error else at
        found[slot] = at.placement
        weights[slot] = max(1.0 - at.error / WORST, 0.02)
        progress(count)
    calm = smoothed_placements(found, weights, smoothing, fps)
    return [fitted(moment, skeleton, calm[slot]) for slot, moment in zip(slots, moments, strict=True)]


def fitted(moment: Moment, skeleton: Skeleton, at: Placement) -> FittedMoment:
    """A placement with what it is off."""
    problem = moment.problem(skeleton)
    return FittedMoment(moment, skeleton.pose(at), problem.pixels_off(at), problem.error(at))


def _problem(moment: Moment, skeleton: Skeleton) -> ViewsProblem:
    return moment.problem(skeleton)


def _spread(moments: Sequence[Moment], most: int) -> list[Moment]:
    """At most so many moments from all over the clip; rather those that more cameras see."""
    views = max(len(moment.seen) for moment in moments)
    best = [moment for moment in moments if len(moment.seen) == views]
    best = best if len(best) >= most else list(moments)
    count = min(most, len(best))
    return [best[(2 * k + 1) * len(best) // (2 * count)] for k in range(count)]


def _seen(shot: ShotCamera, image: np.ndarray, hand: HandLandmarks | None) -> SeenBy:
    assert hand is not None
    return SeenBy(shot.camera, replace(hand, image=image))
