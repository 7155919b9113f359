"""``livehand parity CASE CHECKPOINT``: every stage of a frame against a recorded case of the published pipeline."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..libraries import require


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Compare the renderer with a recorded case of the published pipeline, stage by stage, and print the error of "
        "each. The exit code is 1 when one is past its tolerance."
    )
    parser.add_argument("case", type=Path, help=".npz with inputs and recorded stages")
    parser.add_argument("checkpoint", type=Path, help="the official checkpoint (.tar) of the case")


def run(args: argparse.Namespace) -> int:
    """Compare; 0 when every stage agrees, 1 otherwise."""
    require("plain")
    from ..rendering.torch.parity import IMAGE_TOLERANCE, STAGE_TOLERANCE, case_avatar, compare, load_case

    case = load_case(args.case)
    report = compare(case, case_avatar(case, args.checkpoint))
    print(f"{'stage':<18}{'alone, relative':>18}{'chained, absolute':>20}")
    for stage in report.stages:
        print(f"{stage.stage:<18}{stage.alone:>18.2e}{stage.chained:>20.2e}{'' if stage.passed else '  FAILED'}")
    print(f"tolerances: {STAGE_TOLERANCE:.0e} for each stage alone, {IMAGE_TOLERANCE:.0e} for the chained rgb_high")
    print(f"{report.samples} samples, {report.ties} nearest-triangle ties settled as recorded")
    print("passed" if report.passed else "FAILED")
    return 0 if report.passed else 1
