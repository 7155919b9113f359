"""From videos to a capture, step by step; each step's result is kept, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...captures.capture import Capture, write_capture
from ...documents import Reader
from ...errors import CaptureError
from ...files import atomic_path
from ...hand.builtin import MODEL_ID
from ...poses import Side
from ...tracking.clip import Clip, Store, find_landmarks
from ...tracking.sources import Source, open_source
from ...tracking.values import TrackingOptions
from ..conventions import DataSet
from ..merge import merge
from ..parts import PARTS, part_path
from ..prepare import IMAGES, Settings, prepare
from ..source import Instant, Notes
from .board_sheet import Board
from .calibration_file import FoundCamera
from .fitting import FittedMoment, find_moments, find_shape, fit_clip, metres_of, other_side_fits, why_not
from .geometry import ShotCamera
from .hands import choose_hands
from .instants import extract, frame_path, make_instants, spread, usable
from .readings import settle
from .shape import kept_shape, reshaped
from .video import Video, without_jumps

WORK = ".footage"
"""In a capture's folder: what a run keeps for the next one."""

CAMERAS = "cameras.json"
"""In a capture's folder: the cameras that were used, for ``--calibration``."""

METRES = (0.65, 1.5)
"""Times the size of a usual hand between which the cameras' unit is believed."""

OVERLAP = 0.8
"""Intersection over union of mask and silhouette below which a picture is left out: fits to landmarks lie well."""

UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "feet": 0.3048}

FOOTAGE = Reader("The note of what a preparation was made of", CaptureError, "Remove it and prepare again.")


class Interrupted(Exception):
    """Somebody asked to stop; what was made so far is kept."""


@dataclass(frozen=True)
class Wish:
    """What is asked for; see ``livehand footage --help``.

    Attributes:
        videos: files or folders of pictures.
        capture: folder to write.
        calibration: files that tell cameras, or lenses only.
        board_in_videos: whether the board is seen in the videos; board_videos: it is seen in these, one a camera.
        colmap: whether pycolmap finds the cameras.
        board: as it was printed.
        hand: ``auto``, ``right`` or ``left``.
        model: of the hand.
        offsets: seconds at which each video begins; None finds them.
        reading: how the calibration's matrices are meant; empty finds out.
        unit: name of the cameras' unit; empty finds out.
        poses: most moments (of a still hand: most pictures) that are taken; 0 takes all.
        smoothing: 0 to 1.
        fps: of folders of pictures.
        detail: of the landmark network.
        refine: whether fits are made better by the outlines of the masks.
        workers: processes.
        identity, licence, consent: of the capture.
    """

    videos: tuple[Path, ...]
    capture: Path
    calibration: tuple[Path, ...] = ()
    board_in_videos: bool = False
    board_videos: tuple[Path, ...] = ()
    colmap: bool = False
    board: Board = Board()  # noqa: RUF009
    hand: str = "auto"
    model: str = MODEL_ID
    offsets: tuple[float, ...] | None = None
    reading: str = ""
    unit: str = ""
    poses: int = 120
    smoothing: float = 0.25
    fps: float | None = None
    detail: str = "full"
    refine: bool = True
    workers: int = 1
    identity: str = ""
    licence: str = ""
    consent: str = ""


@dataclass
class Run:
    """A run under way.

    Attributes:
        wish: what is asked for.
        tell: called with what is done, of how much, and what is being done.
        stop: whether it is to end.
        notes: what is left out.
        remarks: sentences for people.
    """

    wish: Wish
    tell: Callable[[int, int, str], None] = lambda done, of, text: None
    stop: Callable[[], bool] = lambda: False
    notes: Notes = field(default_factory=Notes)
    remarks: list[str] = field(default_factory=list)

    @property
    def work(self) -> Path:
        return self.wish.capture / WORK

    @contextmanager
    def source(self, index: int) -> Iterator[Source]:
        """A video, open.

        Raises:
            CaptureError: it is a camera.
            SourceError: it cannot be read.
        """
        source = open_source(self.wish.videos[index], self.wish.fps)
        try:
            if source.live:
                raise CaptureError("A camera has no end.", "Film first, then give the videos.")
            yield source
        finally:
            source.close()

    def check(self) -> None:
        """Raise Interrupted where it is to end."""
        if self.stop():
            raise Interrupted


@dataclass(frozen=True)
class Fitted:
    """The hand in the footage, ready to be made pictures of.

    Attributes:
        side: which hand.
        videos: with their offsets.
        shots: cameras by video; of a moving camera those by frame, of the one video.
        fits: the moments that are taken; one of a hand that keeps still.
        instants: of preparation.
        needed: numbers of the frames that they need, by video.
        scale: metres of the calibration's unit.
    """

    side: Side
    videos: list[Video]
    shots: dict[int, ShotCamera]
    fits: list[FittedMoment]
    instants: list[Instant]
    needed: dict[int, list[int]]
    scale: float


def names_of(videos: Sequence[Path]) -> list[str]:
    """The cameras' names: those of their videos, numbered where two are alike."""
    stems = [path.stem or path.name for path in videos]
    return [stem if stems.count(stem) == 1 else f"{stem}_{index}" for index, stem in enumerate(stems)]


def begin(capture: Path, names: Sequence[str]) -> None:
    """Refuse a folder that holds something else.

    Raises:
        CaptureError: it does.
    """
    path, told = capture / "source.json", {"set": "footage", "videos": list(names)}
    if path.is_file():
        known = FOOTAGE.json(path)
        if known == told:
            return
        if (capture / PARTS).exists():
            raise CaptureError(f"{capture} holds a preparation of {known}, not of {told}.", "Choose another folder.")
    elif (capture / "transforms.json").exists():
        raise CaptureError(f"{capture} holds another capture.", "Choose another folder.")
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(told), encoding="utf-8")


def look(run: Run) -> tuple[Side, list[Video]]:
    """Find the hand in all frames of all videos.

    Raises:
        Interrupted: what was found is kept.
        LiveHandError: a video cannot be read, or shows no hand.
    """
    clips, rates, names = [], [], names_of(run.wish.videos)
    options = TrackingOptions(hands="both", detail=run.wish.detail)  # type: ignore[arg-type]
    for index, name in enumerate(names):
        with run.source(index) as source:
            told = Path(run.wish.videos[index]).stat()
            record = {
                "bytes": told.st_size,
                "changed": told.st_mtime_ns,
                "detail": run.wish.detail,
                "fps": run.wish.fps,
            }
            store = Store(run.work / "landmarks" / name, record)
            clip = find_landmarks(source, options, store, partial(_looking, run, name), run.stop)
            if clip is None:
                raise Interrupted
            if (kept := len(store.read())) < len(clip):
                store.write(clip, kept)
            clips.append(clip)
            rates.append(source.fps)
            run.remarks += clip.warnings
    side, hands = choose_hands(clips, names, run.wish.hand, run.notes)
    videos = [_video(*parts) for parts in zip(names, clips, rates, hands, strict=True)]
    return side, [without_jumps(video) for video in videos]


def _looking(run: Run, name: str, done: int, of: int) -> None:
    run.tell(done, of, f"looking at {name}")


def _video(name: str, clip: Clip, rate: float, hands: list[Any]) -> Video:
    times = np.array(clip.times) - clip.times[0]
    # What a container says of its rate may be wrong; its frames' times are right.
    fps = 1.0 / float(np.median(np.diff(times))) if len(times) > 2 else rate
    return Video(name, clip.width, clip.height, fps, times, tuple(hands))


def fit_moving(run: Run, side: Side, videos: list[Video], found: Sequence[FoundCamera], known: bool | None) -> Fitted:
    """The moving hand before several fixed cameras.

    Args:
        found: of the camera of each video.
        known: whether their unit is the metre; None where it may be one of the usual ones.

    Raises:
        CaptureError: the cameras do not fit the videos, or the hand is hardly ever seen by two.
    """
    wish = run.wish
    shots, videos, remarks = settle(found, videos, wish.reading, wish.offsets)
    run.remarks += remarks
    scale = 1.0 if known else metres(run, [m for m in find_moments(videos, shots) if not why_not(m)], known is None)
    shots = [scaled(shot, scale) for shot in shots]
    moments = []
    for moment in find_moments(videos, shots):
        if reason := why_not(moment):
            run.notes.skip(f"{moment.time:.3f} s", reason)
        else:
            moments.append(moment)
    check_side(moments, side, wish)
    run.check()
    skeleton = find_shape(moments, side, wish.model)
    fps = min(video.fps for video in videos)
    fits = fit_clip(moments, skeleton, wish.smoothing, fps, lambda done: _fitting(run, done, len(moments)))
    chosen = spread(usable(fits, videos, run.notes), videos, wish.poses)
    if not chosen:
        raise CaptureError("At no moment the hand is seen well.", "Let it move more slowly, in better light.")
    instants, needed = make_instants(chosen, videos, shots, run.work / "frames", run.notes)
    return Fitted(side, videos, dict(enumerate(shots)), chosen, instants, needed, scale)


def _fitting(run: Run, done: int, of: int) -> None:
    run.tell(done, of, "fitting")
    run.check()


def check_side(moments: Sequence[Any], side: Side, wish: Wish) -> None:
    """Raises CaptureError where landmarks in space are those of the other hand."""
    if other_side_fits(moments, side, wish.model):
        other = "left" if side == "right" else "right"
        raise CaptureError(
            f"The hand is a {other} one: in space its landmarks do not bend as those of a {side} one.",
            f"Choose --hand {other}; mirrored videos have to be mirrored back first.",
        )


def metres(run: Run, moments: Sequence[Any], usual: bool) -> float:
    """Metres of one unit of the cameras' world: as told, or such that the hand has a hand's size.

    Args:
        usual: whether it is rather a metre, centimetre or millimetre where that makes a hand of likely size.
    """
    if run.wish.unit:
        return UNITS[run.wish.unit]
    by_hand = metres_of(moments, run.wish.model)
    if not np.isfinite(by_hand):
        raise CaptureError(
            "Two cameras never see the whole hand.", "Place them so that both see it, 20 to 90 degrees apart."
        )
    for name in ("metres", "centimetres", "millimetres") if usual else ():
        if METRES[0] < UNITS[name] / by_hand < METRES[1]:
            return UNITS[name]
    run.remarks.append(f"the cameras' unit is taken for {1000.0 * by_hand:.4g} mm: a hand of usual size")
    return by_hand


def scaled(shot: ShotCamera, factor: float) -> ShotCamera:
    """A camera in a world of another unit."""
    matrix = shot.camera.camera_to_world.copy()
    matrix[:3, 3] *= factor
    return replace(shot, camera=replace(shot.camera, camera_to_world=matrix))


def make_capture(run: Run, fitted: Fitted) -> Capture:
    """Frames, masks, pictures, and the capture of all.

    Raises:
        Interrupted: what was prepared is kept.
        LiveHandError: the disk is full, or no picture is left.
    """
    wish = run.wish
    for view, numbers in sorted(fitted.needed.items()):
        take_frames(run, view, fitted.videos[view], numbers)
    _remove_others(wish.capture, fitted.instants)
    settings = Settings(
        wish.model, cropped=True, refine=wish.refine, views_to_refine=2, keep_shape=True, overlap=OVERLAP
    )
    instants, total = fitted.instants, len(fitted.instants)
    if wish.refine:
        betas = kept_shape(run.work / "shape.json", instants, settings, partial(_shaping, run), run.check)
        instants = [reshaped(instant, betas, wish.model) for instant in instants]

    def until() -> Iterator[Instant]:
        for instant in instants:
            if run.stop():
                return
            yield replace(instant, identity=wish.identity)

    prepare(wish.capture, until(), settings, wish.workers, lambda done: run.tell(done, total, "cutting out hands"))
    run.check()
    row = DataSet("footage", f"own footage: {', '.join(v.name for v in fitted.videos)}", wish.licence, wish.model)
    capture = replace(merge(wish.capture, row, run.notes.left_out), consent=wish.consent)
    write_capture(capture)
    write_cameras(wish.capture / CAMERAS, fitted)
    return capture


def _shaping(run: Run, done: int, of: int) -> None:
    run.tell(done, of, "finding the shape")


def take_frames(run: Run, view: int, video: Video, numbers: Sequence[int]) -> list[Path]:
    """Write frames of a video as pictures; their paths.

    Raises:
        Interrupted: those that are written are kept.
        LiveHandError: the disk is full, or the video cannot be read.
    """
    frames, text = run.work / "frames", f"taking frames of {video.name}"
    with run.source(view) as source:
        if not extract(source, video, numbers, frames, run.stop, lambda done: run.tell(done, len(numbers), text)):
            raise Interrupted
    return [frame_path(frames, video, number) for number in numbers]


def _remove_others(capture: Path, instants: Sequence[Instant]) -> None:
    """Remove parts and pictures of an earlier run with other settings."""
    kept = {part_path(capture, instant.name) for instant in instants}
    for path in (capture / PARTS).glob("*.json"):
        if path not in kept:
            path.unlink()
            shutil.rmtree(capture / IMAGES / path.stem, ignore_errors=True)


def write_cameras(path: Path, fitted: Fitted) -> None:
    """Write the cameras of a fixed rig, for the next film. Raises LiveHandError where the file cannot be written."""
    if len(fitted.videos) < 2:
        return
    told = {
        video.name: {
            "camera": shot.camera.to_json(),
            "radial": list(shot.lens.radial),
            "tangential": list(shot.lens.tangential),
            "fisheye": shot.lens.fisheye,
            "offset": video.offset,
        }
        for video, shot in zip(fitted.videos, fitted.shots.values(), strict=True)
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"cameras": told}, indent=1), encoding="utf-8")
