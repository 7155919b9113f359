"""Compare the renderer with a recorded case of the published pipeline, stage by stage.

python scripts/parity.py CASE.npz CHECKPOINT.tar

Prints each stage's error; exits with 1 when one is past its tolerance and with 2 when a file cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from livehand_core.errors import LiveHandError


def main(arguments: list[str] | None = None) -> int:
    """Run; see the module's text."""
    parser = argparse.ArgumentParser(description="Parity of every stage with a recorded case.")
    parser.add_argument("case", type=Path, help=".npz with inputs and recorded stages")
    parser.add_argument("checkpoint", type=Path, help="the official checkpoint (.tar) of the case")
    options = parser.parse_args(arguments)
    try:
        from livehand_core.rendering.torch.parity import (
            IMAGE_TOLERANCE,
            STAGE_TOLERANCE,
            case_avatar,
            compare,
            load_case,
        )

        case = load_case(options.case)
        report = compare(case, case_avatar(case, options.checkpoint))
    except LiveHandError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'stage':<18}{'alone, relative':>18}{'chained, absolute':>20}")
    for stage in report.stages:
        print(f"{stage.stage:<18}{stage.alone:>18.2e}{stage.chained:>20.2e}{'' if stage.passed else '  FAILED'}")
    print(f"tolerances: {STAGE_TOLERANCE:.0e} for each stage alone, {IMAGE_TOLERANCE:.0e} for the chained rgb_high")
    print(f"{report.samples} samples, {report.ties} nearest-triangle ties settled as recorded")
    print("passed" if report.passed else "FAILED")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
