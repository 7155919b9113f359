"""``livehand check CAPTURE``: what is wrong with a capture, all of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..libraries import require
from .checks import SMALLEST_MASK


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Look at every frame, pose and image of a capture and list what cannot be used: missing or damaged images, "
        "wrong sizes, empty or full masks, masks that do not lie where pose and camera put the hand and the likely "
        "reason, hands out of view, poses that are not finite, mixed sides, held-out names that do not exist, lights "
        "that are missing or do not fit their pictures. "
        "The exit code is 1 when there is something. Training and evaluation do the same before they begin."
    )
    parser.add_argument("capture", type=Path, help="folder of a capture")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(args: argparse.Namespace) -> int:
    """Look and tell; 0 when all is well, 1 otherwise."""
    require("check")
    from .checks import find_problems
    from .light_part import lights_line

    found = find_problems(args.capture)
    small = sum(pixels < SMALLEST_MASK for pixels in found.mask_pixels)
    counts = {"usable": len(found.capture.frames), "small_masks": small, "problems": len(found.problems)}
    if args.json:
        told = {"overlap": found.overlap, "notes": list(found.capture.notes)}
        print(json.dumps({**counts, **told, "list": [problem._asdict() for problem in found.problems]}, indent=1))
    else:
        for problem in found.problems:
            print(problem)
        for line in found.capture.notes:
            print(f"note: {line}")
        if found.capture.lights:
            print(lights_line(found.capture.lights, found.capture.held_out_lights))
        if found.overlap is not None:
            print(f"masks and posed hands overlap by {found.overlap:.2f} (median)")
        note = f", {small} of them with masks below {SMALLEST_MASK} pixels, which training skips" if small else ""
        print(f"{counts['usable']} images can be used{note}; {counts['problems']} problems")
    return 1 if found.problems else 0
