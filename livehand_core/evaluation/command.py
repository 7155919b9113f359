"""``livehand evaluate AVATAR CAPTURE``: metrics of an avatar over the splits of a capture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from .metrics import PROTOCOLS

    parser.description = (
        "Render the frames of a capture with an avatar and measure PSNR and SSIM. Splits: 'both' is new in camera and "
        "pose, 'camera' and 'pose' in one of them, 'train' was trained on. Protocols: "
        + "; ".join(f"{protocol.name} is {protocol.meaning}" for protocol in PROTOCOLS.values())
        + "."
    )
    parser.add_argument("avatar", help="avatar file, or 'default'")
    parser.add_argument("capture", type=Path, help="folder of a capture")
    parser.add_argument("--splits", nargs="+", choices=("train", "camera", "pose", "both"), help="all when left out")
    parser.add_argument("--limit", type=int, default=0, help="frames a split, evenly chosen; 0 for all")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the report as JSON to FILE, or print it in place of the table",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from ..captures.capture import read_capture
    from ..captures.checks import check_capture
    from ..errors import CaptureError
    from ..files import atomic_path
    from ..rendering import Renderer
    from .evaluate import SPLITS, evaluate_frames, table
    from .metrics import PROTOCOLS

    capture = read_capture(args.capture)
    chosen = {}
    for split in args.splits or SPLITS:
        frames = capture.frames_of(split)
        if args.limit and len(frames) > args.limit:
            frames = tuple(frames[index * len(frames) // args.limit] for index in range(args.limit))
        if frames:
            chosen[split] = frames
    if not chosen:
        raise CaptureError(f"The capture {args.capture} has no frames of these splits.", "Choose other splits.")
    check_capture(capture, [frame for frames in chosen.values() for frame in frames])
    renderer = Renderer(args.device)
    total, done = sum(len(frames) for frames in chosen.values()), 0

    def progress() -> None:
        nonlocal done
        done += 1
        print(f"\r{done} of {total} frames", end="" if done < total else "\n", file=sys.stderr, flush=True)

    reports = {
        split: evaluate_frames(renderer, args.avatar, capture, frames, progress) for split, frames in chosen.items()
    }
    document = {
        "avatar": args.avatar,
        "capture": str(args.capture),
        "protocols": {protocol.name: protocol.meaning for protocol in PROTOCOLS.values()},
        "splits": {split: report.to_json() for split, report in reports.items()},
    }
    text = json.dumps(document, indent=1)
    print(text if args.json == "-" else table(reports))
    if args.json and args.json != "-":
        with atomic_path(args.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    return 0
