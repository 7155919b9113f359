"""Whether the live window stays as it is: ``python tools/live_hour.py FILM`` plays a film in a loop for an hour.

The film is slowed to a rate that two busy cores keep up with, and the window and its engine come before other programs
where the system permits it (Linux: a real-time priority), so that the delay tells of the window and not of its
neighbours. Memory, open files, threads, shared blocks and delay are taken each minute; the exit status is 1 when
anything grows.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from live_speed import window  # noqa: E402

from livehand_core.benchmark.vitals import Trend, lines  # noqa: E402
from livehand_core.tracking.sources import open_source  # noqa: E402


def slowed(film: Path, rate: float, to: Path) -> Path:
    """The film's pictures at another rate, as a video."""
    import cv2

    frames = list(open_source(film))
    height, width = frames[0].picture.shape[:2]
    writer = cv2.VideoWriter(str(to), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(frame.picture[..., ::-1])
    writer.release()
    return to


def come_first() -> str:
    """Have this process and its children run before others; how it went, for people."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):
        return "usual priority: other programs on this machine lengthen the delay"
    return "real-time priority"


def main() -> int:
    """Everything; 0 when nothing grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=6.0, help="frames a second that the film is played at (6)")
    parser.add_argument("--size", default="512x334")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "live_hour.json", help="figures, minute by minute")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        film = slowed(args.film, args.rate, Path(folder) / "film.mp4")
        print(f"{args.rate:g} frames a second for {args.minutes:g} minutes, {come_first()}", flush=True)
        told = window(film, 60.0 * args.minutes, args.size, args.out.resolve())
    trends = {name: Trend(**values) for name, values in told["trends"].items()}
    print(f"{told['frames']:.0f} frames, {told['frames_a_second']:.1f} a second, {told['delay_ms_median']:.0f} ms")
    print("\n".join(f"  {line}" for line in lines(trends)))
    if not trends or all(trend.chance == 1.0 for trend in trends.values()):
        print("too short to tell: a quarter of an hour is the least")
        return 1
    grown = [name for name, trend in trends.items() if trend.grows]
    print(f"grows: {', '.join(grown)}" if grown else "nothing grows")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
