"""``livehand dataset KIND FOLDER CAPTURE``: a data set of real hands becomes a capture."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from ..documents import Reader
from ..errors import CaptureError
from ..files import atomic_path, check_writable
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require
from ..progress import Progress
from .conventions import SETS, DataSet, find_set
from .parts import PARTS
from .source import LEFT_OUT, Choice, Instant, Notes, ReadInstants, chosen, read_left_out

READERS = {
    "interhand": "interhand",
    "livehand": "livehand_folder",
    "hanco": "hanco",
    "freihand": "freihand",
    "dexycb": "dexycb",
    "ho3d": "ho3d",
    "arctic": "arctic",
    "cameras": "reconstruction",
}
"""Data set -> module of its reader."""

SOURCE = Reader("The note of what a preparation was made of", CaptureError, "Remove it and prepare again.")

SHOWN = 12
"""Reasons that are printed; the file has all."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sets = "; ".join(f"{row.name}: {row.title}" for row in SETS.values())
    parser.description = (
        "Make a capture of a data set of real hands: poses and cameras in one convention, images undistorted and cut "
        "out by masks, one shape for each person. What cannot be used is left out and listed in left_out.json. "
        f"A run that was stopped goes on where it was. The data sets are {sets}."
    )
    parser.add_argument("kind", choices=tuple(SETS), metavar="KIND", help=", ".join(SETS))
    parser.add_argument("folder", type=Path, help="the data set, as it was unpacked")
    parser.add_argument("capture", type=Path, help="folder of the capture to be written")
    parser.add_argument("--side", choices=("right", "left"), default="right", help="which hand (right)")
    parser.add_argument("--split", default="", help="train, val or test; the first that is there")
    for name in ("captures", "subjects", "sequences", "cameras"):
        parser.add_argument(f"--{name}", nargs="+", default=[], metavar="NAME", help=f"only these {name}")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth instant")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="at most N instants")
    parser.add_argument("--interacting", action="store_true", help="also instants in which both hands are seen")
    parser.add_argument("--hand-model", metavar="ID", help="whose parameters the fits are, where not the set's own")
    parser.add_argument("--poses", type=Path, help="hand parameters of own cameras, a motion file")
    parser.add_argument("--crop", action=argparse.BooleanOptionalAction, help="cut images to the hand")
    parser.add_argument("--keep-grey", action="store_true", help="also take images of grey cameras")
    parser.add_argument(
        "--refine", action=argparse.BooleanOptionalAction, default=True,
        help="improve the fits by the outlines of the masks (yes)",
    )  # fmt: skip
    parser.add_argument(
        "--worst-fit", type=float, default=20.0, metavar="MM", help="leave out fits that are further off"
    )
    parser.add_argument("--published", type=Path, metavar="FOLDER", help="also write it in the published code's layout")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that prepare images")
    parser.add_argument(
        "--slurm", nargs="+", metavar="N OPTION=VALUE",
        help="share the work out to N tasks of Slurm; further options of sbatch, e.g. time=30 partition=cpu",
    )  # fmt: skip
    parser.add_argument("--part", metavar="I/N", help="prepare only this share of the instants, 1/N to N/N; no capture")
    parser.add_argument("--machine", action="store_true", help="print the progress as lines of JSON, for programs")
    parser.add_argument("--merge", action="store_true", help="only make the capture, of the parts that are there")


def run(args: argparse.Namespace) -> int:
    """Prepare and merge; 0 when done, 130 when it was interrupted."""
    require("datasets")
    from .merge import merge
    from .prepare import Settings, prepare
    from .report import write_report

    row, choice = _row(args), _choice(args)
    if not args.folder.is_dir():
        raise CaptureError(f"{args.folder} is not a folder.", "Give the folder that the data set was unpacked to.")
    check_writable(args.capture / "transforms.json")
    _same_source(args.capture, row, args.folder, choice)
    if args.slurm:
        from .cluster import submit_preparation

        return submit_preparation(args)
    settings = Settings(
        row.hand_model,
        row.cropped if args.crop is None else args.crop,
        keep_grey=args.keep_grey,
        worst_fit=args.worst_fit * 1e-3,
        refine=args.refine,
    )
    notes = Notes()
    progress = Progress("instants", args.machine)
    with interruptible("stopping after this instant; the same command goes on") as asked:
        instants: list[Instant] = []
        for instant in _until(_share(_instants(row, args, choice, notes), args.part), asked):
            instants.append(instant)
            progress(len(instants), 0, "reading")
        if not args.merge:
            total, workers = len(instants), max(args.workers, 1)
            going = _until(iter(instants), asked)
            prepare(args.capture, going, settings, workers, lambda done: progress(done, total, "preparing"))
    progress.close()
    if asked():
        return INTERRUPTED
    if args.part:
        print(f"part {args.part} is prepared; livehand dataset ... --merge makes the capture")
        return 0
    capture = merge(args.capture, row, notes.left_out)
    _tell(args.capture, notes)
    report = write_report(capture, row.title)
    for line in report.lines:
        progress.found(line)
    if args.published is not None:
        from .published_layout import write_published

        write_published(capture, args.published, lambda done, of: progress(done, of, "published layout"))
        progress.close()
    cameras = len({frame.camera_name for frame in capture.frames})
    progress.found(f"{len(capture.frames)} images of {len(capture.poses.poses)} poses by {cameras} cameras")
    print(f"look at {report.page}")
    return 0


def reader(kind: str) -> ReadInstants:
    """The function that reads a data set's instants."""
    function: ReadInstants = import_module(f".{READERS[kind]}", __package__).read_instants
    return function


def _instants(row: DataSet, args: argparse.Namespace, choice: Choice, notes: Notes) -> Iterator[Instant]:
    if row.name == "cameras":
        from .reconstruction import read_cameras

        return chosen(read_cameras(args.folder, args.poses, choice, notes), choice)
    return chosen(reader(row.name)(args.folder, row, choice, notes), choice)


def _row(args: argparse.Namespace) -> DataSet:
    """The data set's row; own cameras' poses tell of which hand model they are."""
    row = find_set(args.kind)
    if args.hand_model:
        return replace(row, hand_model=args.hand_model)
    if row.name != "cameras":
        return row
    from .reconstruction import hand_model_of

    args.poses = args.poses or args.folder / "poses.npz"
    return replace(row, hand_model=hand_model_of(args.poses))


def _choice(args: argparse.Namespace) -> Choice:
    return Choice(
        args.side,
        args.split,
        tuple(args.captures),
        tuple(args.subjects),
        tuple(args.sequences),
        tuple(args.cameras),
        max(args.every, 1),
        max(args.limit, 0),
        args.interacting,
    )


def _same_source(capture: Path, row: DataSet, folder: Path, choice: Choice) -> None:
    """Refuse a folder that holds another preparation, whose parts would be mixed with this one's."""
    path = capture / "source.json"
    told = {"set": row.name, "side": choice.side, "folder": folder.resolve().name}
    if path.is_file():
        known = SOURCE.json(path)
        if known == told:
            return
        if (capture / PARTS).exists():
            raise CaptureError(
                f"{capture} holds a preparation of {known}, not of {told}.", "Choose another folder for the capture."
            )
    elif (capture / "transforms.json").exists():
        raise CaptureError(f"{capture} holds another capture.", "Choose another folder.")
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(told), encoding="utf-8")


def _share(instants: Iterator[Instant], part: str | None) -> Iterator[Instant]:
    """The instants of one part of many, told by their names: the same ones whoever asks."""
    if part is None:
        return instants
    try:
        index, count = (int(number) for number in part.split("/"))
    except ValueError:
        index, count = 0, 0
    if not 1 <= index <= count:
        raise CaptureError(f"--part {part} is not a share of the work.", "Give 1/4, 2/4 and so on.")
    return (
        instant
        for instant in instants
        if int(hashlib.sha256(instant.name.encode()).hexdigest()[:8], 16) % count == index - 1
    )


def _until(instants: Iterator[Instant], asked: Callable[[], bool]) -> Iterator[Instant]:
    for instant in instants:
        if asked():
            return
        yield instant


def _tell(capture: Path, notes: Notes) -> None:
    """Print what was left out, by reason."""
    lines = Notes(read_left_out(capture / LEFT_OUT)).summary()
    for line in lines[:SHOWN]:
        print(f"left out: {line}")
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN} reasons more; {capture / LEFT_OUT} lists all")
