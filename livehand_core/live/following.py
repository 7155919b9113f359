"""The tracker on a thread of the window's own process: the newest tracked frame, with its picture."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from ..errors import LiveHandError
from ..tracking.server import Rate
from ..tracking.sources import Newest
from ..tracking.tracker import HandTracker
from ..tracking.values import TrackedFrame, TrackingOptions


@dataclass(frozen=True)
class Followed:
    """A picture and what was tracked in it.

    Attributes:
        picture: (H, W, 3) uint8 RGB, flipped where the options say so.
        tracked: its hands.
        came: the moment (``time.monotonic``) at which the picture came.
    """

    picture: np.ndarray
    tracked: TrackedFrame
    came: float


class Follower:
    """Tracks the newest pictures of a source.

    Args:
        newest: the source; closed at the end.
        options: of the tracker.
        threads: of the processor for the networks.
    """

    def __init__(self, newest: Newest, options: TrackingOptions, threads: int = 1) -> None:
        self._newest, self._threads = newest, threads
        self._changed = threading.Condition()
        self._options = options
        self._wanted: TrackingOptions | None = None
        self._followed: Followed | None = None
        self._over = False
        self._rate = Rate()
        self.rate = 0.0
        """Pictures tracked a second."""
        self.error: LiveHandError | None = None
        self._thread = threading.Thread(target=self._run, name="livehand-follower", daemon=True)
        self._thread.start()

    @property
    def options(self) -> TrackingOptions:
        """As they are from the next picture on."""
        with self._changed:
            return self._wanted or self._options

    def change(self, options: TrackingOptions) -> None:
        """Take other options from the next picture on; another mirror or other hands begin anew."""
        with self._changed:
            self._wanted = options

    def take(self) -> Followed | None:
        """The newest picture that was not taken yet. Never waits. Raises what ended the tracking."""
        with self._changed:
            followed, self._followed = self._followed, None
            if followed is None and self.error is not None:
                raise self.error
            return followed

    @property
    def over(self) -> bool:
        """Whether the source has ended and its last picture was taken; one that failed has :meth:`take` say so."""
        with self._changed:
            return self._over and self._followed is None and self.error is None

    def close(self) -> None:
        """Switch the source off."""
        self._newest.close()
        self._thread.join(3.0)

    def _run(self) -> None:
        try:
            tracker = HandTracker(self._options, threads=self._threads)
            while not self._newest.over:
                tracker = self._changed_tracker(tracker)
                taken = self._newest.take(0.1)
                if taken is None:
                    continue
                frame, came = taken
                tracked = tracker(frame)
                mirror = tracker.options.mirror
                picture = np.ascontiguousarray(frame.picture[:, ::-1]) if mirror else frame.picture
                with self._changed:
                    self._followed = Followed(picture, tracked, came)
                    self.rate = self._rate.count()
        except LiveHandError as error:
            self.error = error
        except Exception as error:
            self.error = LiveHandError(f"The tracker failed ({error!r}).", "Start again; report it if it recurs.")
        finally:
            with self._changed:
                self._over = True

    def _changed_tracker(self, tracker: HandTracker) -> HandTracker:
        with self._changed:
            wanted, self._wanted = self._wanted, None
            if wanted is None:
                return tracker
            old, self._options = self._options, wanted
        if (old.mirror, old.hands) == (wanted.mirror, wanted.hands):
            tracker.set_smoothing(wanted.smoothing)
            return tracker
        return HandTracker(wanted, threads=self._threads)
