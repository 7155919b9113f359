"""The landmarks of a whole source, found once and kept beside the output, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import Reader
from ..errors import LiveHandError
from ..files import atomic_path, write_arrays
from .landmarks import HandLandmarks, LandmarkTracker, taken
from .sources import Source
from .values import TrackingOptions

PART = 120
"""Frames in a file of what was found."""

REACH = 15
"""Frames that a hand which appears is followed backwards through at most: it was there before it was noticed."""

_FOUND = Reader("The landmarks", LiveHandError, "Delete the folder and track again.")
_RECORD = "source.json"


@dataclass
class Clip:
    """What was seen in a source.

    Attributes:
        width, height: of its pictures; of the first one where they differ.
        times: (n) seconds of each frame.
        hands: the hands of each frame.
        warnings: what a person should know about the source.
    """

    width: int = 0
    height: int = 0
    times: list[float] = field(default_factory=list)
    hands: list[tuple[HandLandmarks, ...]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.times)


class Store:
    """Where the landmarks of an unfinished run are kept.

    Args:
        folder: for this run alone.
        record: plain values that decide what is found; another record's landmarks are not used.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self._folder, self._record = folder, record

    def read(self) -> Clip:
        """What an earlier run of the same record found; empty where there is none."""
        clip = Clip()
        path = self._folder / _RECORD
        try:
            if not path.is_file() or _FOUND.json(path) != self._record:
                return clip
            for part in sorted(self._folder.glob("part_*.npz")):
                _append(clip, _FOUND.arrays(part))
        except (LiveHandError, LookupError, ValueError):
            return Clip()
        return clip

    def begin(self) -> None:
        """Make the folder; what is there of another record goes."""
        self.discard()
        with atomic_path(self._folder / _RECORD) as temporary:
            temporary.write_text(json.dumps(self._record), encoding="utf-8")

    def write(self, clip: Clip, first: int, end: int | None = None) -> None:
        """Keep the frames from ``first`` on, up to ``end``."""
        rows = [(index, hand) for index, hands in enumerate(clip.hands[first:end]) for hand in hands]
        table = {
            "size": np.array([clip.width, clip.height]),
            "times": np.array(clip.times[first:end]),
            "frame": np.array([index for index, _ in rows], np.int64),
            "image": np.array([hand.image for _, hand in rows]).reshape(-1, 21, 2),
            "world": np.array([hand.world for _, hand in rows]).reshape(-1, 21, 3),
            "score": np.array([(hand.presence, hand.right, hand.track) for _, hand in rows]).reshape(-1, 3),
        }
        write_arrays(self._folder / f"part_{first:08d}.npz", table)

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


def find_landmarks(
    source: Source,
    options: TrackingOptions,
    store: Store,
    progress: Callable[[int, int], None] = lambda done, of: None,
    stop: Callable[[], bool] = lambda: False,
    threads: int = 2,
) -> Clip | None:
    """The landmarks of all frames; None when ``stop`` said so, what was found being kept.

    Raises:
        LiveHandError: the source fails, the disk is full, or a library is missing.
    """
    tracker = LandmarkTracker(options.count, options.detail, threads)
    clip = store.read()
    known = kept = len(clip)
    if known:
        tracks = [hand.track for hands in clip.hands for hand in hands]
        tracker.resume(clip.hands[-1], max(tracks, default=0), clip.times[-1], max(clip.width, clip.height))
    else:
        store.begin()
    before: deque[np.ndarray] = deque(maxlen=REACH)
    for index, frame in enumerate(source):
        if index < known:
            continue
        if stop():
            store.write(clip, kept)
            return None
        picture = np.ascontiguousarray(frame.picture[:, ::-1]) if options.mirror else frame.picture
        if not clip.width:
            clip.height, clip.width = picture.shape[:2]
        clip.times.append(frame.time)
        clip.hands.append(_in_size(tracker(picture, frame.time), picture, clip))
        _follow_back(tracker, before, clip, options.count)
        before.append(picture)
        if len(clip) - kept >= PART + REACH:
            store.write(clip, kept, kept + PART)
            kept += PART
        progress(len(clip), max(source.count or 0, len(clip) + 1))
    if not clip.times:
        raise LiveHandError(f"{source.name} holds no pictures.", "Give another source.")
    progress(len(clip), len(clip))
    clip.warnings += source.warnings
    return clip


def _follow_back(tracker: LandmarkTracker, before: Sequence[np.ndarray], clip: Clip, most: int) -> None:
    """Look for the hands that are new in the clip's last frame in the pictures before it, the last one first."""
    last = len(clip) - 1
    known = {hand.track for hand in clip.hands[last - 1]} if last else set()
    for hand in clip.hands[last]:
        for back, picture in enumerate(reversed(before), 1):
            there = clip.hands[last - back]
            same_size = picture.shape[:2] == (clip.height, clip.width)
            if hand.track in known or len(there) >= most or not same_size:
                break
            earlier = tracker.nearby(picture, hand)
            if earlier is None or taken(earlier, there):
                break
            clip.hands[last - back] = (*there, earlier)
            hand = earlier


def _in_size(hands: Sequence[HandLandmarks], picture: np.ndarray, clip: Clip) -> tuple[HandLandmarks, ...]:
    """Hands of a picture of another size, as the clip's size would show them."""
    height, width = picture.shape[:2]
    if (width, height) == (clip.width, clip.height):
        return tuple(hands)
    scale = np.array([clip.width / width, clip.height / height])
    return tuple(HandLandmarks(h.image * scale, h.world, h.presence, h.right, h.track) for h in hands)


def _append(clip: Clip, found: dict[str, np.ndarray]) -> None:
    times = found["times"]
    hands: list[list[HandLandmarks]] = [[] for _ in times]
    rows = zip(found["frame"], found["image"], found["world"], found["score"], strict=True)
    for index, image, world, (presence, right, track) in rows:
        hands[int(index)].append(HandLandmarks(image, world, float(presence), float(right), int(track)))
    clip.width, clip.height = (int(n) for n in found["size"])
    clip.times += [float(time) for time in times]
    clip.hands += [tuple(one) for one in hands]
