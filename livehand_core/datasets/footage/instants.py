"""Which moments of the footage become pictures of the capture, and their frames as files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...errors import CaptureError
from ...files import atomic_path
from ...poses import HandPose
from ...rotations import axis_angle_to_matrix
from ...tracking.sources import Source
from ..source import Instant, Notes, View
from .fitting import WORST, FittedMoment
from .geometry import ShotCamera
from .video import Video, speeds

FASTEST = 2.0
"""The hand's own sizes a second at which it may move in a picture; faster it is blurred."""

ASTRAY = 0.012
"""Share of the hand's size by which it may have moved between the moment and the frame that stands for it."""

POSE_WEIGHT = 0.06
"""Metres that the hand's parts move by, about, when a joint bends by one radian."""


def usable(fits: Sequence[FittedMoment], videos: Sequence[Video], notes: Notes) -> list[FittedMoment]:
    """The moments that are fitted well and at which the hand is not too fast for its pictures."""
    paces = [pace(video) for video in videos]
    kept = []
    for one in fits:
        name = moment_name(one)
        if one.error > WORST:
            notes.skip(name, "the fitted hand lies off the landmarks")
        elif max(_at(videos[view], paces[view], one.moment.time) for view in one.moment.views) > FASTEST:
            notes.skip(name, "the hand moves too fast: it is blurred")
        else:
            kept.append(one)
    return kept


def moment_name(one: FittedMoment) -> str:
    """For people: ``3.267 s``."""
    return f"{one.moment.time:.3f} s"


def spread(fits: Sequence[FittedMoment], videos: Sequence[Video], most: int) -> list[FittedMoment]:
    """At most so many moments: evenly spread over what the hand does, and of each part the calmest.

    Args:
        most: 0 takes all.
    """
    if most <= 0 or len(fits) <= most:
        return list(fits)
    paces = [pace(video) for video in videos]
    calm = [max(_at(videos[view], paces[view], one.moment.time) for view in one.moment.views) for one in fits]
    steps = [_apart(a.pose, b.pose) for a, b in pairwise(fits)]
    # Time counts a little, too: a hand at rest is looked at now and then.
    way = np.concatenate([[0.0], np.cumsum(np.array(steps) + 0.02 * max(float(np.mean(steps)), 1e-9))])
    part = np.minimum((way / way[-1] * most).astype(int), most - 1)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, number in enumerate(part.tolist()):
        groups[number].append(index)

    def rank(index: int) -> tuple[float, int]:
        return calm[index] + 10.0 * fits[index].error, index

    best = {min(group, key=rank) for group in groups.values()}
    # Parts in which nothing is usable leave room for more of the others.
    best |= set(sorted(set(range(len(fits))) - best, key=rank)[: most - len(best)])
    return [fits[index] for index in sorted(best)]


def make_instants(
    fits: Sequence[FittedMoment], videos: Sequence[Video], shots: Sequence[ShotCamera], frames: Path, notes: Notes
) -> tuple[list[Instant], dict[int, list[int]]]:
    """The instants, and by video the numbers of the frames that they need.

    Args:
        frames: folder in which the frames will lie.
    """
    paces = [pace(video) for video in videos]
    needed: dict[int, list[int]] = defaultdict(list)
    instants = []
    for one in fits:
        views = []
        for view in one.moment.views:
            video = videos[view]
            number = int(np.abs(video.common_times - one.moment.time).argmin())
            away = abs(float(video.common_times[number]) - one.moment.time)
            if away * np.nan_to_num(paces[view][number]) > ASTRAY:
                notes.skip(
                    f"{video.name} frame {number}", "it was taken before or after the moment, and the hand moves"
                )
                continue
            needed[view].append(number)
            views.append(_view(frames, video, number, shots[view], video.name))
        if views:
            instants.append(Instant(f"{round(1000.0 * one.moment.time):07d}", one.pose, tuple(views)))
    if not instants:
        raise CaptureError(
            "No moment is left for the capture.", "Keep the hand calm for moments, and let two cameras see it."
        )
    return instants, dict(needed)


def frame_path(frames: Path, video: Video, number: int) -> Path:
    """Where a frame of a video lies as a picture."""
    return frames / video.name / f"frame{number:06d}.png"


def extract(
    source: Source,
    video: Video,
    numbers: Sequence[int],
    frames: Path,
    stop: Callable[[], bool],
    tell: Callable[[int], None],
) -> bool:
    """Write frames of a video as pictures, those that are not there yet; False when ``stop`` said so.

    Raises:
        LiveHandError: the disk is full or the folder cannot be written, or the video ends too soon.
    """
    import cv2

    missing = {number for number in numbers if not frame_path(frames, video, number).is_file()}
    if not missing:
        return True
    for index, frame in enumerate(source):
        if stop():
            return False
        if index in missing:
            good, content = cv2.imencode(".png", frame.picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
            assert good
            with atomic_path(frame_path(frames, video, index)) as temporary:
                temporary.write_bytes(content.tobytes())
            missing.discard(index)
            tell(len(numbers) - len(missing))
        if not missing:
            return True
    raise CaptureError(f"{source.name} ended before frame {min(missing)}.", "Was the video changed meanwhile?")


def still_instant(
    pose: HandPose, video: Video, shots: dict[int, ShotCamera], frames: Path
) -> tuple[list[Instant], dict[int, list[int]]]:
    """The one instant of a hand that keeps still, seen by one camera at many places."""
    views = tuple(
        _view(frames, video, number, shot, f"{video.name}_{number:06d}") for number, shot in sorted(shots.items())
    )
    return [Instant("still", pose, views)], {0: sorted(shots)}


def _view(frames: Path, video: Video, number: int, shot: ShotCamera, name: str) -> View:
    hand = video.hands[number]
    landmarks = None if hand is None else shot.straight(hand.image)
    if landmarks is not None and not np.isfinite(landmarks).all():
        landmarks = None
    return View(frame_path(frames, video, number), shot.camera, name, shot.lens, landmarks=landmarks)


def pace(video: Video) -> np.ndarray:
    """(n,) hand's sizes a second; NaN where it is not known."""
    image = np.stack([np.full((21, 2), np.nan) if hand is None else hand.image for hand in video.hands])
    return speeds(video, image) / video.sizes


def _at(video: Video, pace: np.ndarray, time: float) -> float:
    return float(np.nan_to_num(pace[int(np.abs(video.common_times - time).argmin())]))


def _apart(first: HandPose, second: HandPose) -> float:
    """Metres by which a hand's parts move between two poses, about."""
    turned = axis_angle_to_matrix(second.global_orient) @ axis_angle_to_matrix(first.global_orient).T
    angle = float(np.arccos(np.clip(0.5 * (np.trace(turned) - 1.0), -1.0, 1.0)))
    bent = float(np.linalg.norm(second.hand_pose - first.hand_pose))
    moved = float(np.linalg.norm(second.transl - first.transl))
    return moved + POSE_WEIGHT * (angle + bent)
