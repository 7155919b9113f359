"""One camera that moves around a hand that keeps still: all its frames are views of one pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...errors import CaptureError
from ...poses import Side
from ...tracking.fit import fit
from ...tracking.hand_track import FIRST_STEPS
from ...tracking.many_views import SeenBy
from .fitting import WORTH, Moment, find_shape, fitted, moment_of, why_not
from .geometry import ShotCamera
from .instants import FASTEST, pace, still_instant
from .pipeline import Fitted, Run, check_side, metres, scaled
from .video import Video

MOST_VIEWS = 40
"""From which the pose is found; the others only have to agree."""

OFF = 0.06
"""Share of the hand's size by which the landmarks of a frame may be off the one pose."""

LEAST_WAY = 0.03
"""Metres that the camera must move."""

LEAST_TURN = np.radians(15.0)
"""By which the camera must go around the hand."""

STATIONARY = "One camera that keeps its place tells too little of a hand."
MOVE = "Film with two cameras, or move the camera around a hand that keeps still."


def fit_still(run: Run, side: Side, video: Video, shots: Mapping[int, ShotCamera], known: bool) -> Fitted:
    """The pose of the hand, and the frames that show it so.

    Args:
        shots: number of a frame -> the camera at that moment.
        known: whether the cameras' unit is the metre; else the hand's size tells it.

    Raises:
        CaptureError: the camera hardly moved, or the hand did.
    """
    wish, fast = run.wish, pace(video)
    usable = []
    for number, hand in enumerate(video.hands):
        if hand is None:
            continue
        if number not in shots:
            run.notes.skip(f"{video.name} frame {number}", "where the camera was is not known")
        elif np.nan_to_num(fast[number]) > FASTEST:
            run.notes.skip(f"{video.name} frame {number}", "the camera moves too fast: the hand is blurred")
        else:
            usable.append(number)
    if len(usable) < 2:
        raise CaptureError(
            f"{video.name} shows the hand in no two frames that are sharp and whose camera is known.", MOVE
        )
    some = _evenly(usable, MOST_VIEWS)
    moment = _moment(video, shots, some)
    if _turn(moment) < LEAST_TURN or (known and _way(moment) < LEAST_WAY):
        raise CaptureError(STATIONARY, MOVE)
    if reason := why_not(moment):
        raise CaptureError(f"The hand did not keep still, or the camera's places are wrong: {reason}.", MOVE)
    scale = 1.0 if known else metres(run, [moment], False)
    metric = {number: scaled(shots[number], scale) for number in usable}
    moment = _moment(video, metric, some)
    check_side([moment], side, wish)
    skeleton = find_shape([moment], side, wish.model, WORTH / len(some))
    at = fit(moment.problem(skeleton), None, FIRST_STEPS).placement
    good = []
    for number in usable:
        one = fitted(_moment(video, metric, [number]), skeleton, at)
        if one.error > OFF:
            run.notes.skip(f"{video.name} frame {number}", "the hand moved, or the camera's place is wrong")
        else:
            good.append(number)
    if len(good) < 0.5 * len(usable):
        raise CaptureError(
            f"The hand did not keep still: {len(usable) - len(good)} of {len(usable)} frames do not show one pose.",
            MOVE,
        )
    at = fit(_moment(video, metric, _evenly(good, MOST_VIEWS)).problem(skeleton), at, FIRST_STEPS).placement
    taken = good if not wish.poses else _evenly(good, wish.poses)
    one = fitted(_moment(video, metric, taken), skeleton, at)
    places = {number: metric[number] for number in taken}
    instants, needed = still_instant(one.pose, video, places, run.work / "frames")
    return Fitted(side, [video], places, [one], instants, needed, scale)


def _moment(video: Video, shots: Mapping[int, ShotCamera], numbers: list[int]) -> Moment:
    seen = []
    for number in numbers:
        hand, shot = video.hands[number], shots[number]
        assert hand is not None
        seen.append(SeenBy(shot.camera, replace(hand, image=shot.straight(hand.image))))
    if len(seen) == 1:
        return Moment(0.0, tuple(seen), (0,), np.full((21, 3), np.nan))
    return moment_of(0.0, tuple(seen), tuple(range(len(seen))))


def _turn(moment: Moment) -> float:
    """Radians between the two rays farthest apart to the middle of the hand; 0 where it is nowhere."""
    middle = np.nanmedian(moment.points, axis=0) if np.isfinite(moment.points).any() else np.full(3, np.nan)
    rays = middle - np.stack([one.camera.camera_to_world[:3, 3] for one in moment.seen])
    rays = rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-12)
    least = float((rays @ rays.T).min())
    return float(np.arccos(np.clip(least, -1.0, 1.0))) if np.isfinite(least) else 0.0


def _way(moment: Moment) -> float:
    """The longer side of the box in which the camera moved, in the cameras' unit."""
    places = np.stack([one.camera.camera_to_world[:3, 3] for one in moment.seen])
    return float(np.ptp(places, axis=0).max())


def _evenly(numbers: list[int], most: int) -> list[int]:
    count = min(most, len(numbers))
    return [numbers[(2 * k + 1) * len(numbers) // (2 * count)] for k in range(count)]
