"""One hand from picture to picture: which side it is, its shape, its pose, held while it is hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cameras import Camera
from ..hand.library import find_hand
from ..poses import HandPose, Side, interpolate
from .calibration import calibrate
from .fit import Fit, Problem, fit
from .landmarks import HandLandmarks
from .skeleton import Placement, Skeleton
from .smoothing import OneEuro, OneEuroRotation
from .values import TrackedHand, TrackingOptions

FOLLOWING_STEPS, FIRST_STEPS = 4, 20
GOOD_ERROR, WORST_ERROR = 0.04, 0.15
"""Errors of the fit, in shares of the hand's size, up to which it is trusted fully and from which on not at all."""

RECOVERY_SECONDS = 0.25
"""In which a hand that was hidden goes from the pose that was held to the one that is seen."""

CALIBRATION_SECONDS, CALIBRATION_PICTURES = 2.0, 20
_HALF_LIFE = 0.5
"""Seconds in which the confidence of a held pose halves."""


def followed_or_anew(skeleton: Skeleton, camera: Camera, hand: HandLandmarks, before: Fit | None, steps: int) -> Fit:
    """The fit from the one before, in so many steps; and anew where that leads nowhere."""
    followed = None
    if before is not None:
        start = before.placement
        followed = fit(Problem(skeleton, camera, hand, start.angles), start, steps)
        if followed.error < GOOD_ERROR:
            return followed
    anew = fit(Problem(skeleton, camera, hand), None, FIRST_STEPS)
    return anew if followed is None or anew.error < 0.8 * followed.error else followed


class HandTrack:
    """One hand of one side.

    Args:
        side: which hand.
        options: of the tracker.
        shape: (10,) betas that are known already, such as from an earlier film of the same hand.
    """

    def __init__(self, side: Side, options: TrackingOptions, shape: np.ndarray | None = None) -> None:
        self._options = options
        self._skeleton = Skeleton(find_hand(options.model, side), shape)
        self._angles = OneEuro(options.smoothing, unit=1.0)
        self._wrist = OneEuro(options.smoothing, unit=0.2)
        self._rotation = OneEuroRotation(options.smoothing)
        self._fit: Fit | None = None
        self._last: TrackedHand | None = None
        self._seen_at = self._found_at = -np.inf
        self._sure = 0.0
        self._held: HandPose | None = None
        self._samples: list[HandLandmarks] = []
        self._first = 0.0
        self.calibrating = options.calibrate and shape is None

    @property
    def betas(self) -> np.ndarray:
        """(10,) of the hand."""
        return self._skeleton.betas

    @property
    def raw(self) -> Fit | None:
        """What the last picture in which the hand was seen gave, before filters."""
        return self._fit

    @property
    def skeleton(self) -> Skeleton:
        """Of the hand, with its shape."""
        return self._skeleton

    def smooth(self, smoothing: float) -> None:
        """Set the smoothing, 0 to 1."""
        for part in (self._angles, self._wrist, self._rotation):
            part.smoothing = smoothing

    def seen(self, hand: HandLandmarks, camera: Camera, time: float) -> TrackedHand:
        """The hand in a picture in which it was found."""
        if self._last is not None and self._last.state == "held":
            self._forget_motion()
            self._held, self._found_at = self._last.pose, time
        found = followed_or_anew(self._skeleton, camera, hand, self._fit, FOLLOWING_STEPS)
        self._fit = found
        self._calibrate(hand, camera, time)
        at = found.placement
        calm = Placement(self._rotation(at.rotation, time), self._wrist(at.wrist, time), self._angles(at.angles, time))
        pose = self._recovered(self._skeleton.pose(calm), time)
        trust = float(np.clip((WORST_ERROR - found.error) / (WORST_ERROR - GOOD_ERROR), 0.0, 1.0))
        self._seen_at, self._sure = time, hand.presence * trust
        self._last = TrackedHand(pose, self._sure, "tracked", hand.image, found.error)
        return self._last

    def hidden(self, time: float) -> TrackedHand | None:
        """The hand in a picture in which it was not found: its last pose; None when that is too long ago."""
        hold = self._options.hold
        if self._last is None or (hold is not None and time - self._seen_at > hold):
            return None
        faded = self._sure * 0.5 ** ((time - self._seen_at) / _HALF_LIFE)
        self._last = replace(self._last, state="held", confidence=faded)
        return self._last

    def _calibrate(self, hand: HandLandmarks, camera: Camera, time: float) -> None:
        """Gather pictures, and find the shape when there are enough or time is up."""
        if not self.calibrating:
            return
        if not self._samples:
            self._first = time
        if time - self._first >= len(self._samples) * CALIBRATION_SECONDS / CALIBRATION_PICTURES:
            self._samples.append(hand)
        if time - self._first < CALIBRATION_SECONDS:
            return
        self._skeleton = calibrate(self._skeleton, camera, self._samples)
        self.calibrating = False
        self._samples.clear()

    def _forget_motion(self) -> None:
        """The hand comes back from somewhere else: filters and warm start begin anew."""
        for part in (self._angles, self._wrist, self._rotation):
            part.forget()
        self._fit = None

    def _recovered(self, pose: HandPose, time: float) -> HandPose:
        """On the way from the held pose to the one that is seen."""
        if self._held is None:
            return pose
        share = (time - self._found_at) / RECOVERY_SECONDS
        if share >= 1.0:
            self._held = None
            return pose
        return interpolate(self._held, pose, share * share * (3.0 - 2.0 * share))
