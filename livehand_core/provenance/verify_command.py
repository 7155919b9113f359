"""``livehand verify FILES``: whether pictures and videos are as they were signed, and what they say of their making."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..libraries import require
from .certificate import PEM

if TYPE_CHECKING:
    from .signing import Report


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Say whether pictures and videos are as they were signed, by whom, and what they say of their making. Exit "
        "code 1 when one was changed or is not signed. Nothing is sent or fetched."
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument(
        "--trust", type=Path, metavar="PEM", help="certificates that you trust, with all they vouch for"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each file")


def run(args: argparse.Namespace) -> int:
    """Verify; 0 when all files are valid, else 1."""
    require("provenance")
    from .signing import verify

    anchors = PEM.text(args.trust) if args.trust else ""
    valid = True
    for file in args.files:
        report = verify(file, anchors)
        valid = valid and report.state == "valid"
        print(json.dumps(asdict(report)) if args.json else describe(report), flush=True)
    return 0 if valid else 1


def describe(report: Report) -> str:
    """A report in a few lines."""
    lines = [f"{report.path}: {report.state}" + (f" ({report.reason})" if report.reason else "")]
    if report.state == "unsigned" or not report.generator:
        return lines[0]
    vouched = "trusted" if report.trusted else "untrusted: nobody you trust vouches for this certificate"
    lines += [f"  signed by {report.signer} ({vouched})", f"  made by {report.generator}, {report.source}"]
    for avatar in report.avatars:
        lines.append(f"  avatar {avatar.name}, licence {avatar.licence or 'not stated'}, {avatar.content_hash}")
    if report.state == "valid" and not report.complete:
        lines.append("  signed by another program: what C2PA's hashes leave out was not looked at")
    return "\n".join(lines)
