"""``livehand evaluate AVATAR CAPTURE``: an avatar measured on a capture: tables, JSON, report."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import atomic_path, check_writable
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require
from .baselines.names import METHODS

if TYPE_CHECKING:
    from .document import Evaluation
    from .pictures import Triple
    from .session import Session

REPORT_FILE, METRICS_FILE = "report.html", "metrics.json"
SHOWN = {"worst": 6, "median": 6, "best": 2}
"""Most frames in the contact sheets and in the report; of few frames a quarter."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from .metrics import PROTOCOLS

    meanings = "; ".join(f"{protocol.name}: {protocol.meaning}" for protocol in PROTOCOLS.values())
    parser.description = (
        "Render the frames of a capture with an avatar and measure them. Splits: 'both' is new in camera and pose, "
        "'camera' and 'pose' in one of them, 'light' in its light, 'relight' in all three, 'train' was trained on. "
        "Protocols: "
        f"{meanings}; temporal: steadiness of two slow films. A report (HTML, contact sheets, JSON) goes into the "
        "folder --out. Ctrl-C ends it with a report of what was measured until then; a second one ends it at once. "
        "docs/evaluation.md explains the figures."
    )
    parser.add_argument("avatar", help="avatar file, or 'default'")
    parser.add_argument("captures", type=Path, nargs="+", metavar="CAPTURE", help="folder of a capture")
    splits = ("both", "relight", "camera", "pose", "light", "train")
    parser.add_argument("--splits", nargs="+", choices=splits, default=[], help="by default those that were held out")
    parser.add_argument(
        "--identities",
        nargs="+",
        default=[],
        metavar="NAME",
        help="whose hand each capture shows, where they do not tell",
    )
    parser.add_argument("--limit", type=int, default=0, help="frames a split, evenly chosen; 0 for all")
    protocols = [*PROTOCOLS, "temporal"]
    parser.add_argument("--protocols", nargs="+", choices=protocols, default=protocols, help="all by default")
    parser.add_argument(
        "--baselines", nargs="*", choices=tuple(METHODS), metavar="NAME",
        help="instead train a textured mesh, an image-to-image network, a NeRF in world coordinates and an avatar on "
        "the capture, each for --minutes, and compare them; the same command goes on. NAME takes some of "
        f"{', '.join(METHODS)}",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each of the baselines (10)")
    parser.add_argument("--device", default="auto", help="auto, gpu, gpu:1, cpu")
    parser.add_argument(
        "--precision", choices=("fast", "exact"), default="fast", help="of the renderer; Blender draws with fast"
    )
    parser.add_argument(
        "--poses", type=Path, metavar="FILE",
        help="measure also in these poses: a run's folder, or its refined_poses.npz; fits of real captures are off",
    )  # fmt: skip
    parser.add_argument(
        "--refine-poses",
        action="store_true",
        help="measure also in poses that are fitted to the measured images through the avatar, all else as it is",
    )
    parser.add_argument("--skip-bad", action="store_true", help="go on without images and poses that cannot be used")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the results; out/evaluation/AVATAR by default")
    parser.add_argument("--html", type=Path, metavar="FILE", help=f"report; {REPORT_FILE} in the folder by default")
    parser.add_argument("--no-report", action="store_true", help="write nothing but what --json asks for")
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write {protocol: {metric: value}} to FILE, and all else to FILE with .details.json in its name; without "
        f"FILE print the former in place of the table. By default both are in the folder, as {METRICS_FILE}",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; 0 when it is done, 130 when it was interrupted."""
    require("evaluation")
    if args.baselines is not None:
        require("training")
        from .baselines.command import run_baselines

        return run_baselines(args, (args.out or default_folder(args.avatar)) / "baselines")
    if args.refine_poses:
        require("training")
    from .session import Session, Settings
    from .summary import text_table

    folder = None if args.no_report else args.out or default_folder(args.avatar)
    check_writable(folder and folder / REPORT_FILE, args.html, None if args.json == "-" else args.json)
    settings = Settings(
        avatar=args.avatar,
        captures=tuple(args.captures),
        identities=tuple(args.identities),
        splits=tuple(args.splits),
        limit=args.limit,
        protocols=tuple(args.protocols),
        device=args.device,
        precision=args.precision,
        skip_bad=args.skip_bad,
        poses=args.poses,
        refine_poses=args.refine_poses,
    )
    session = Session(settings, _command(args))
    for problem in session.problems:
        _say(f"left out: {problem}")
    with interruptible("stopping after this frame") as stopped:
        evaluation = session.measure(stopped)
    if not evaluation.rows:
        return INTERRUPTED
    if args.json == "-":
        print(_metrics_text(evaluation))
    else:
        print(text_table(evaluation.rows, evaluation.refits))
    for line in (*evaluation.notes, *evaluation.warnings[:3]):
        _say(line)
    for problem in evaluation.unmeasured:
        _say(f"not measured: {problem}")
    for path in _write(args, session, evaluation):
        _say(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    if evaluation.complete:
        return 0
    _say(f"partial: stopped after {len(evaluation.rows)} of {evaluation.planned} frames")
    return INTERRUPTED


def default_folder(avatar: str) -> Path:
    """Where the results of an avatar go: named after its file, or after its run where that is called ``avatar``."""
    path = Path(avatar)
    name = path.parent.resolve().name if path.stem == "avatar" else path.stem
    return Path("out") / "evaluation" / name


def _write(args: argparse.Namespace, session: Session, evaluation: Evaluation) -> list[Path]:
    """Write what is asked for; the files."""
    written = []
    folder = args.out or default_folder(args.avatar)
    if args.json and args.json != "-":
        written += _write_json(Path(args.json), evaluation)
    elif not args.no_report:
        written += _write_json(folder / METRICS_FILE, evaluation)
    if args.no_report:
        return written
    from .html import write_report
    from .pictures import write_sheet

    split, group = evaluation.headline
    pictures = session.pictures(evaluation, {kind: min(most, -(-len(group.rows) // 4)) for kind, most in SHOWN.items()})
    for kind in ("worst", "median"):
        title = f"The {len(pictures[kind])} {kind} of {len(group.rows)} frames of the split '{split}': truth, render, "
        title += "difference x 4" + ("" if evaluation.complete else " (partial)")
        write_sheet(folder / f"{kind}.png", pictures[kind], title, _label)
        written.append(folder / f"{kind}.png")
    report = args.html or folder / REPORT_FILE
    write_report(report, evaluation, pictures)
    return [*written, report]


def _write_json(path: Path, evaluation: Evaluation) -> list[Path]:
    from .document import details

    beside = path.with_name(f"{path.stem}.details.json")
    text = json.dumps(details(evaluation), indent=1, allow_nan=False)
    for target, content in ((path, _metrics_text(evaluation)), (beside, text)):
        with atomic_path(target) as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")
    return [path, beside]


def _metrics_text(evaluation: Evaluation) -> str:
    from .document import metrics

    return json.dumps(metrics(evaluation), indent=1, allow_nan=False)


def _label(triple: Triple) -> str:
    values, frame = triple.row.values, triple.row.frame
    key = "hand_box/psnr" if "hand_box/psnr" in values else next(iter(values))
    return f"{frame.image}   {key.replace('/', ' ')} {values[key]:.2f}"


def _command(args: argparse.Namespace) -> str:
    """The command line that repeats this one."""
    words: list[Any] = ["livehand", "evaluate", args.avatar, *args.captures]
    words += ["--identities", *args.identities] if args.identities else []
    words += ["--splits", *args.splits] if args.splits else []
    words += ["--limit", args.limit] if args.limit else []
    words += ["--device", args.device, "--precision", args.precision, "--protocols", *args.protocols]
    words += ["--skip-bad"] if args.skip_bad else []
    words += ["--poses", args.poses] if args.poses else []
    words += ["--refine-poses"] if args.refine_poses else []
    return shlex.join(str(word) for word in words)


def _say(line: str) -> None:
    """What is not the result, kept apart from it."""
    print(line, file=sys.stderr, flush=True)
