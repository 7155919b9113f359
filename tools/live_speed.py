"""How fast live tracking is: ``python tools/live_speed.py FILM`` with a film of a hand in place of a camera.

The tracker alone, by each of its two networks, on pictures that are in memory; then the live window as people start
it: from a picture's arrival to the frame with the default avatar, and frames a second. Written to JSON with the goals.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from livehand_core.benchmark.machine import describe  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.tracking.sources import open_source  # noqa: E402
from livehand_core.tracking.tracker import HandTracker  # noqa: E402
from livehand_core.tracking.values import SourceFrame, TrackingOptions  # noqa: E402

GOALS = {"lite": 40.0, "full": 30.0, "frames_a_second": 15.0, "delay_ms_median": 120.0}
WARM = 20


def tracker_rate(frames: list[SourceFrame], detail: str, seconds: float) -> dict[str, float]:
    """Frames a second of the tracker alone, and milliseconds of a frame; the film is run over and over."""
    tracker = HandTracker(TrackingOptions(detail=detail))  # type: ignore[arg-type]
    spent: list[float] = []
    began = time.perf_counter()
    number = 0
    while time.perf_counter() - began < seconds:
        frame = frames[number % len(frames)]
        start = time.perf_counter()
        tracker(SourceFrame(frame.picture, number / 30.0, number))
        spent.append(time.perf_counter() - start)
        number += 1
    counted = np.array(spent[WARM:])
    return {"a_second": float(1.0 / counted.mean()), "ms_median": float(1e3 * np.median(counted))}


def window(film: Path, seconds: float, size: str, figures: Path | None = None) -> dict[str, Any]:
    """Figures of ``livehand live``, without a display.

    Args:
        figures: where they are kept and written each minute; nowhere by default.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = figures or Path(folder) / "figures.json"
        words = [sys.executable, "-m", "livehand_core", "live", str(film), "--size", size]
        words += ["--seconds", f"{seconds:g}", "--figures", str(path)]
        environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "PYTHONPATH": str(ROOT)}
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        told = dict(json.loads(path.read_text(encoding="utf-8")))
    if "delay_ms_median" not in told:
        raise SystemExit(f"The window showed only {told['frames']:.0f} frames in {seconds:g} s: give it more seconds.")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("--size", default="512x334")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of the three measurements (30)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "live_speed.json")
    args = parser.parse_args()
    frames = list(open_source(args.film))
    told: dict[str, Any] = {"machine": describe(), "film": args.film.name, "size": args.size, "goals": GOALS}
    for detail in ("lite", "full"):
        told[detail] = tracker_rate(frames, detail, args.seconds)
        print(f"tracker, {detail}: {told[detail]['a_second']:.1f} a second (goal {GOALS[detail]:.0f})", flush=True)
    told["window"] = shown = window(args.film, args.seconds, args.size)
    print(
        f"window: {shown['frames_a_second']:.1f} a second (goal {GOALS['frames_a_second']:.0f}), picture to frame "
        f"{shown['delay_ms_median']:.0f} ms in the median (goal {GOALS['delay_ms_median']:.0f}), 95 % within "
        f"{shown['delay_ms_95']:.0f} ms"
    )
    with atomic_path(args.out) as temporary:
        temporary.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
