"""Pictures in, poses of the hands out: ``HandTracker``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..poses import Side
from .hand_track import HandTrack
from .landmarks import HandLandmarks, LandmarkTracker
from .values import SourceFrame, TrackedFrame, TrackedHand, TrackingOptions, source_camera

_MEMORY = 0.95
"""Share of what was thought of a hand's side that is kept from picture to picture."""

SIDES: tuple[Side, Side] = ("right", "left")


class HandTracker:
    """Follows hands through the pictures of one source.

    Args:
        options: how.
        shapes: betas of hands that are known already, by side; others are calibrated where the options say so.
        landmarks: what finds the points; MediaPipe's networks by default.
        threads: of the processor.

    Raises:
        LibraryError: a library is missing; it says what to install.
    """

    def __init__(
        self,
        options: TrackingOptions = TrackingOptions(),  # noqa: B008
        shapes: Mapping[Side, np.ndarray] | None = None,
        landmarks: LandmarkTracker | None = None,
        threads: int = 2,
    ) -> None:
        self.options = options
        self._landmarks = landmarks or LandmarkTracker(options.count, options.detail, threads)
        self._shapes = dict(shapes or {})
        self._tracks: dict[Side, HandTrack] = {}
        self._evidence: defaultdict[int, float] = defaultdict(float)
        self._taken: dict[Side, int] = {}

    def __call__(self, frame: SourceFrame) -> TrackedFrame:
        """The hands of the next picture."""
        picture = np.ascontiguousarray(frame.picture[:, ::-1]) if self.options.mirror else frame.picture
        camera = source_camera(picture.shape[1], picture.shape[0], self.options.fov)
        found = self._sides(self._landmarks(picture, frame.time))
        hands: list[TrackedHand] = []
        for side in SIDES:
            if side in found:
                if side not in self._tracks:
                    self._tracks[side] = HandTrack(side, self.options, self._shapes.get(side))
                hands.append(self._tracks[side].seen(found[side], camera, frame.time))
            elif side in self._tracks and (held := self._tracks[side].hidden(frame.time)) is not None:
                hands.append(held)
        busy = any(track.calibrating for track in self._tracks.values())
        return TrackedFrame(frame.number, frame.time, camera, tuple(hands), busy)

    @property
    def tracks(self) -> Mapping[Side, HandTrack]:
        """The hands that were seen so far."""
        return self._tracks

    def set_smoothing(self, smoothing: float) -> None:
        """Change the smoothing from the next picture on.

        Raises:
            LiveHandError: it is not from 0 to 1.
        """
        self.options = replace(self.options, smoothing=smoothing)
        for track in self._tracks.values():
            track.smooth(smoothing)

    def _sides(self, found: Sequence[HandLandmarks]) -> dict[Side, HandLandmarks]:
        """Which hand is which. Where the options leave it open each keeps the side it was given, until the network has
        been of another mind for a while; of two of one side the one that was there first stays."""
        if self.options.hands in SIDES:
            return {self.options.hands: found[0]} if found else {}  # type: ignore[dict-item]
        for hand in found:
            sure = np.clip(hand.right, 0.01, 0.99)
            self._evidence[hand.track] = _MEMORY * self._evidence[hand.track] + float(np.log(sure / (1.0 - sure)))
        self._evidence = defaultdict(float, {hand.track: self._evidence[hand.track] for hand in found})
        answer: dict[Side, HandLandmarks] = {}
        known = self._taken.values()
        for hand in sorted(found, key=lambda hand: (hand.track not in known, -abs(self._evidence[hand.track]))):
            side: Side = "right" if self._evidence[hand.track] >= 0.0 else "left"
            if self.options.hands == "auto":
                side = self._only_side(hand, side)
            if side not in answer:
                answer[side] = hand
        self._taken = {side: hand.track for side, hand in answer.items()}
        return answer

    def _only_side(self, hand: HandLandmarks, likely: Side) -> Side:
        """The side of the one hand: what it was first, unless the evidence against that is strong."""
        known = next(iter(self._tracks), None)
        if known is None or known == likely:
            return likely
        if abs(self._evidence[hand.track]) > 12.0:
            # It was taken for the other hand, or the other one has come: what was known does not hold for it.
            self._tracks.clear()
            return likely
        return known
