"""``livehand track INPUT -o motion.npz``: the hands in a video as motion."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LiveHandError
from ..files import check_writable
from ..hand.builtin import MODEL_ID
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require

if TYPE_CHECKING:
    from .values import TrackingOptions


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Track the hands in a video and write their motion, for Blender's Import, livehand render and other tools. "
        "Frames in which a hand is hidden are filled in. A run that is stopped goes on when it is given again."
    )
    parser.add_argument("input", help="a video, a folder of pictures, or one picture")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help=".npz, or .json as InterHand2.6M has it"
    )
    parser.add_argument(
        "--overlay", type=Path, metavar="VIDEO", help="also write a video with the hand drawn over it, as a check"
    )
    add_tracking_arguments(parser)
    parser.add_argument("--fps", type=float, help="frames a second of the motion (the video's)")
    parser.add_argument("--model", default=MODEL_ID, metavar="NAME", help=f"hand model: mano, {MODEL_ID}")
    parser.add_argument("--keep-shape", action="store_true", help="do not find the hand's proportions")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the processor (2)")
    parser.add_argument("--machine", action="store_true", help="print the progress as lines of JSON, for programs")


def add_tracking_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that ``livehand track`` and ``livehand live`` share."""
    from .values import HANDS

    parser.add_argument("--hands", choices=HANDS, default="auto", help="which hand it is; auto finds out (auto)")
    parser.add_argument("--mirror", action="store_true", help="the pictures are mirrored, as a selfie is")
    parser.add_argument("--smoothing", type=float, default=0.5, metavar="S", help="0, as measured, to 1, calm (0.5)")
    parser.add_argument("--fov", type=float, default=60.0, metavar="DEGREES", help="of the camera's longer side (60)")
    parser.add_argument("--detail", choices=("full", "lite"), default="full", help="exact, or at half the cost (full)")


def run(args: argparse.Namespace) -> int:
    """Track; 0 when all is written, 130 when it was interrupted."""
    require("tracking")
    from .takes import check_suffix
    from .values import TrackingOptions

    options = TrackingOptions(
        args.hands, args.mirror, args.smoothing, args.fov, args.detail, args.model, not args.keep_shape
    )
    check_suffix(args.out)
    for path in (args.out, args.overlay):
        if path is not None and path.exists() and not args.overwrite:
            raise LiveHandError(f"{path} already exists.", "Give another name, or --overwrite.")
    check_writable(args.out, args.overlay)
    if args.overlay is not None:
        _check_overlay(args.overlay)
    with interruptible("stopping; the same command goes on from here") as stop:
        return _track(args, options, stop)


def _track(args: argparse.Namespace, options: TrackingOptions, stop: Callable[[], bool]) -> int:
    from ..progress import Progress
    from ..views.film import write_video
    from .clip import Store, find_landmarks
    from .offline import takes_of
    from .overlay import overlaid
    from .sources import open_source
    from .takes import write_takes

    source = open_source(args.input, args.fps)
    if source.live:
        source.close()
        raise LiveHandError("A camera has no end.", "Record it with livehand live, or give a video.")
    store = Store(args.out.with_name(f".{args.out.name}.tracking"), _record(args))
    progress = Progress("frames", args.machine)
    try:
        clip = find_landmarks(
            source, options, store, lambda done, of: progress(done, of, "looking"), stop, args.threads
        )
        if clip is None:
            return INTERRUPTED
        fps = args.fps or source.fps
        takes = takes_of(clip, fps, options, progress=lambda done, of: progress(done, of, "fitting"))
    finally:
        progress.close()
        source.close()
    paths = write_takes(args.out, takes, args.model)
    store.discard()
    for line in clip.warnings:
        print(f"livehand: {line}", file=sys.stderr)
    if args.overlay is not None:
        again = open_source(args.input, args.fps)
        try:
            write_video(args.overlay, overlaid(again, takes, options.mirror, args.model), fps)
        finally:
            again.close()
    for take, path in zip(takes, paths if len(paths) == len(takes) else paths * len(takes), strict=True):
        seen = take.confidence > 0.0
        print(
            f"{path}: {take.side} hand in {seen.sum()} of {len(seen)} frames, {take.sequence.fps:g} a second; "
            f"landmarks off by {100.0 * take.error[seen].mean():.1f} % of the hand's size"
        )
    return 0


def _check_overlay(path: Path) -> None:
    """Raises LiveHandError where the overlay could not be written."""
    from ..views.film import FORMATS, check_video

    if path.suffix.lower() not in FORMATS:
        raise LiveHandError(f"{path.name} is not a video that can be written.", f"Name it {', '.join(FORMATS)}.")
    check_video()


def _record(args: argparse.Namespace) -> dict[str, object]:
    """What decides which landmarks are found."""
    path = Path(args.input)
    told = path.stat() if path.exists() else None
    return {
        "input": str(path.absolute()),
        "bytes": told.st_size if told else 0,
        "changed": told.st_mtime_ns if told else 0,
        "both": args.hands == "both",
        "mirror": args.mirror,
        "detail": args.detail,
        "fps": args.fps,
    }
