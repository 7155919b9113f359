"""``livehand footage VIDEO ... -o CAPTURE``: own videos of a hand become a capture."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CaptureError
from ...files import check_writable
from ...hand.builtin import MODEL_ID
from ...interrupts import INTERRUPTED, interruptible
from ...libraries import require
from ...progress import Progress

if TYPE_CHECKING:
    from .pipeline import Wish

SHOWN = 12
"""Reasons that are printed; the file has all."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Make a capture of own videos: of a moving hand before several fixed cameras, or of a hand that keeps still "
        "before one moving camera. The cameras are calibrated by a printed board, by pycolmap, or as files say. When "
        "the videos began is found by the hand's motion. A report with overlays is written to the capture's folder. "
        "A run that was stopped goes on with the same command."
    )
    parser.add_argument(
        "videos", nargs="*", type=Path, metavar="VIDEO", help="one a camera; a folder of pictures counts"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="CAPTURE", help="folder of the capture to be written")
    cameras = parser.add_argument_group("cameras")
    cameras.add_argument(
        "--calibration", nargs="+", type=Path, metavar="FILE",
        help="JSON, OpenCV's YAML or XML, .dat texts of K and R|t, in the order of the videos; or their folder",
    )  # fmt: skip
    cameras.add_argument("--board-in-videos", action="store_true", help="the board is seen in the videos themselves")
    cameras.add_argument(
        "--board-videos", nargs="+", type=Path, metavar="VIDEO", help="videos of the board, one a camera"
    )
    cameras.add_argument("--colmap", action="store_true", help="by what is seen in the pictures, with pycolmap")
    board = parser.add_argument_group("the board")
    board.add_argument("--board", type=Path, metavar="PDF", help="write the board to print, and nothing else")
    board.add_argument("--paper", choices=("a4", "letter"), default="a4", help="of the PDF (a4)")
    board.add_argument(
        "--square", type=float, metavar="MM", help="side of a square as measured on the print (the PDF's)"
    )
    parser.add_argument("--hand", choices=("auto", "right", "left"), default="auto", help="which hand it is (auto)")
    parser.add_argument(
        "--offsets", nargs="+", type=float, metavar="S", help="seconds at which each video begins (found)"
    )
    parser.add_argument(
        "--reading", default="", choices=("", "w2c", "c2w", "c2w-opengl", "w2c-opengl"), metavar="WAY",
        help="how matrices are meant: w2c (world to camera), c2w, c2w-opengl, w2c-opengl (found out)",
    )  # fmt: skip
    parser.add_argument(
        "--unit", default="", choices=("metres", "centimetres", "millimetres", "inches", "feet"), metavar="UNIT",
        help="of the calibration: metres, centimetres, millimetres, inches, feet (found by the hand's size)",
    )  # fmt: skip
    parser.add_argument("--poses", type=int, default=120, metavar="N", help="at most N moments; 0 takes all (120)")
    parser.add_argument("--smoothing", type=float, default=0.25, metavar="S", help="0, as measured, to 1, calm (0.25)")
    parser.add_argument("--fps", type=float, help="frames a second of folders of pictures (30)")
    parser.add_argument("--detail", choices=("full", "lite"), default="full", help="of the hand tracker (full)")
    parser.add_argument("--model", default=MODEL_ID, metavar="NAME", help=f"hand model: mano, {MODEL_ID}")
    parser.add_argument(
        "--refine", action=argparse.BooleanOptionalAction, default=True,
        help="improve the fits by the outlines of the masks (yes)",
    )  # fmt: skip
    parser.add_argument("--identity", default="", metavar="NAME", help="whose hand it is")
    parser.add_argument("--licence", default="", help="of the pictures: SPDX id or a short statement")
    parser.add_argument("--consent", default="", help="what the hand's owner has agreed to")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that prepare images (1)")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a run that was stopped, as happens in any case"
    )
    parser.add_argument("--machine", action="store_true", help="print the progress as lines of JSON, for programs")


WAYS = {
    "": "",
    "w2c": "world to camera",
    "c2w": "camera to world",
    "c2w-opengl": "camera to world, OpenGL",
    "w2c-opengl": "world to camera, OpenGL",
}


def run(args: argparse.Namespace) -> int:
    """Write the board, or make the capture; 0 when done, 130 when it was interrupted."""
    if args.board is not None:
        from .board_sheet import write_board

        write_board(args.board, args.paper)
        print(f"{args.board}: print it at 100 % (not: fit to page), glue it on something flat, and measure a square")
        return 0
    require("footage")
    wish = _wish(args)
    check_writable(wish.capture / "transforms.json")
    progress = Progress("frames", args.machine)
    with interruptible("stopping; the same command goes on from here") as asked:
        try:
            return _make(wish, progress, asked)
        finally:
            progress.close()


def _wish(args: argparse.Namespace) -> Wish:
    """Raises CaptureError for what does not go together."""
    from .board_sheet import Board
    from .pipeline import Wish

    if not args.videos:
        raise CaptureError("No video is given.", "Give one a camera, or --board PDF for the board to print.")
    if args.out is None:
        raise CaptureError("No folder for the capture is given.", "Give it with -o.")
    told = args.calibration or args.board_in_videos or args.board_videos
    if bool(told) == args.colmap:
        raise CaptureError(
            "Both files or a board and --colmap tell the cameras."
            if told
            else "Nobody tells how the cameras are placed.",
            "Give --calibration, --board-in-videos or --board-videos; or --colmap.",
        )
    count = len(args.videos)
    for name, given in (("--offsets", args.offsets), ("--board-videos", args.board_videos)):
        if given is not None and len(given) != count:
            raise CaptureError(
                f"{name} has {len(given)} of {count} entries.", "Give one for each video, in their order."
            )
    if not 0.0 <= args.smoothing <= 1.0:
        raise CaptureError(f"A smoothing of {args.smoothing} is not possible.", "Give 0 to 1.")
    board = Board() if args.square is None else Board(args.square)
    return Wish(
        tuple(args.videos),
        args.out,
        tuple(args.calibration or ()),
        args.board_in_videos,
        tuple(args.board_videos or ()),
        args.colmap,
        board,
        args.hand,
        args.model,
        None if args.offsets is None else tuple(args.offsets),
        WAYS[args.reading],
        args.unit,
        max(args.poses, 0),
        args.smoothing,
        args.fps,
        args.detail,
        args.refine,
        max(args.workers, 1),
        args.identity,
        args.licence,
        args.consent,
    )


def _make(wish: Wish, progress: Progress, asked: Callable[[], bool]) -> int:
    from .pipeline import Interrupted, Run, begin, look, make_capture, names_of
    from .placing import find_and_fit, told_cameras
    from .report import write_report

    run, told = Run(wish, progress, asked), told_cameras(wish)
    begin(wish.capture, names_of(wish.videos))
    try:
        side, videos = look(run)
        fitted = find_and_fit(run, side, videos, told)
        capture = make_capture(run, fitted)
        report = write_report(run, fitted, capture)
    except Interrupted:
        return INTERRUPTED
    progress.close()
    for line in [*run.remarks, *report.lines]:
        progress.found(line)
    lines = run.notes.summary()
    for line in lines[:SHOWN]:
        print(f"left out: {line}")
    print(f"look at {report.page}")
    return 0
