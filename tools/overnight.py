"""A night's work in a chosen time: frames, a live view, a capture and a training run, and whether any of it grows.

    .venv/bin/python tools/overnight.py --minutes 30 --out out/overnight

Each part has its share of the time. What its process holds is taken again and again: memory, handles, threads, shared
memory, temporary files, delay, the processor's time for a piece of work. It is judged by a test of the trend, which
tells what is filled once from what grows; the exit status is 1 when anything grows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.benchmark.animation import AnimationSettings, animation  # noqa: E402
from livehand_core.benchmark.vitals import Trend, Watch, lines  # noqa: E402
from livehand_core.captures import going  # noqa: E402
from livehand_core.captures.capture import read_capture  # noqa: E402
from livehand_core.engine.client import EngineClient  # noqa: E402
from livehand_core.errors import LiveHandError  # noqa: E402
from livehand_core.passes import RenderPasses  # noqa: E402
from livehand_core.training import control  # noqa: E402
from livehand_core.training.command import CONFIG_FILE  # noqa: E402
from livehand_core.training.config import load_config  # noqa: E402

SAMPLES = 120
SETTLE_PART = 0.2
"""Of a part's time, which is not judged."""
SIZES = ((512, 334), (320, 200), (640, 420), (512, 334))

CAPTURE = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import bpy
import livehand_blender; livehand_blender.register()
from pathlib import Path
from livehand_blender.capture import process
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
bpy.ops.livehand.add_hand(avatar="default", location=(0, 0, 0))
chosen = bpy.context.scene.livehand_capture
chosen.camera_count, chosen.pose_count, chosen.cameras_per_pose = 40, 600, 6
chosen.width, chosen.height, chosen.samples, chosen.studio = 84, 128, 2, True
job = process.Job(Path(sys.argv[1]), bpy.context.scene.name, bpy.context.object.name)
process.save_copy(job)
process.start(job, Path(sys.argv[1]).parent)
"""
"""Starts a capture of more pictures than there is time for, and ends."""


class Part:
    """One part of the night: its time, and the samples that are taken of it."""

    def __init__(self, name: str, seconds: float, temporary: Path) -> None:
        self.name, self.seconds, self._temporary = name, seconds, temporary
        self.watch = Watch(settle=SETTLE_PART * seconds)
        self._next = 0.0

    @property
    def over(self) -> bool:
        """Whether its time is."""
        return time.monotonic() - self.watch.began >= self.seconds

    def look(self, pid: int, done: int, delay_ms: Callable[[], float | None] = lambda: None) -> None:
        """Take a sample, when it is time for one; ``done`` pieces of work so far."""
        if time.monotonic() - self.watch.began >= self._next:
            self._next += self.seconds / SAMPLES
            self.watch.sample([pid], delay_ms(), self._temporary, done)


def frames(part: Part, count: int) -> int:
    """Frames one after the other, to the end of the time and at least so many; how many there were."""
    requests = animation(AnimationSettings(width=128, height=84, frames=24))
    times: list[float] = []
    with EngineClient(sys.executable) as client:
        pid, done = client.start().pid, 0
        while not part.over or done < count:
            began = time.perf_counter()
            client.render(requests[done % len(requests)])
            times.append(1e3 * (time.perf_counter() - began))
            done += 1
            part.look(pid, done, lambda: _median(times))
    return done


def live(part: Part) -> int:
    """A live view whose camera moves and whose window changes its size; pictures that came."""
    settings = [AnimationSettings(width=width, height=height, frames=24) for width, height in SIZES]
    requests = [request for one in settings for request in animation(one)]
    times: list[float] = []
    with EngineClient(sys.executable) as client:
        pid, shown, number = client.start().pid, 0, 0
        while not part.over:
            began = time.perf_counter()
            client.submit(requests[number % len(requests)], "viewport")
            number += 1
            client.wait("viewport", 5.0)
            answer = client.poll("viewport")
            if isinstance(answer, LiveHandError):
                raise answer
            shown += isinstance(answer, RenderPasses)
            times.append(1e3 * (time.perf_counter() - began))
            part.look(pid, shown, lambda: _median(times))
    return shown


def capture(part: Part, folder: Path) -> int:
    """A capture by a Blender that outlives the one that started it; pictures that were made."""
    subprocess.run([sys.executable, "-c", CAPTURE, str(folder)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    before = (time.monotonic(), 0)
    while not part.over:
        status = going.read_status(folder)
        if not status.alive:
            raise LiveHandError(f"The capture ended: {status.line()}")
        if status.made > before[1]:
            now = time.monotonic()
            delay, before = 1e3 * (now - before[0]) / (status.made - before[1]), (now, status.made)
            part.look(status.pid, status.made, lambda delay=delay: delay)  # type: ignore[misc]
        time.sleep(0.2)
    going.stop(folder)
    while going.read_status(folder).alive:
        time.sleep(0.2)
    return going.read_status(folder).made


def training(part: Part, captured: Path, run: Path) -> int:
    """Training on that capture; its steps."""
    words = [sys.executable, "-m", "livehand_core", "train", str(captured), "--out", str(run), "--minutes", "100000"]
    words += ["--licence", "own use only"]
    words += ["--preset", "quick", "--device", "cpu", "--set", "ray_steps=50", "checkpoint_minutes=0.2"]
    with (run.parent / "train.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
    before = (time.monotonic(), 0)
    try:
        while control.read_status(run).state != "training" if (run / control.STATUS_FILE).is_file() else True:
            if process.poll() is not None:
                raise LiveHandError(f"Training ended: {(run.parent / 'train.log').read_text()[-500:]}")
            time.sleep(0.2)
        part.watch.began = time.monotonic()
        images = len(read_capture(captured).frames_of("train"))
        epoch = -(-images // load_config(run / CONFIG_FILE).tiles_per_step)
        while not part.over:
            status = control.read_status(run)
            if status.step <= epoch:
                # Images and their light are kept when they are first seen.
                part.watch.settle = max(part.watch.settle, time.monotonic() - part.watch.began)
            if status.step > before[1]:
                now = time.monotonic()
                delay, before = 1e3 * (now - before[0]) / (status.step - before[1]), (now, status.step)
                part.look(process.pid, status.step, lambda delay=delay: delay)  # type: ignore[misc]
            time.sleep(0.5)
        control.give_order(run, "stop")
        process.wait(300.0)
    finally:
        process.kill()
    return control.read_status(run).step


def _median(times: list[float]) -> float:
    """Of what came since the last sample."""
    ordered = sorted(times)
    times.clear()
    return ordered[len(ordered) // 2]


def main() -> int:
    """Everything; 0 when all is flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=480.0, help="of all parts together")
    parser.add_argument("--frames", type=int, default=10000, help="at least, whatever the time")
    parser.add_argument("--parts", nargs="+", default=["frames", "live", "capture", "training"])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "overnight", help="an empty folder")
    options = parser.parse_args()
    out = options.out.resolve()
    if "training" in options.parts and "capture" not in options.parts and not (out / "capture").is_dir():
        parser.error(f"training is of the part capture: name that, too, or put a capture into {out / 'capture'}")
    temporary = out / "temporary"
    temporary.mkdir(parents=True)
    os.environ |= {"TMPDIR": str(temporary), "LIVEHAND_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    seconds, grown, filled, told = 60.0 * options.minutes / len(options.parts), [], [], {}
    work: dict[str, Callable[[Part], int]] = {
        "frames": lambda part: frames(part, options.frames),
        "live": live,
        "capture": lambda part: capture(part, out / "capture"),
        "training": lambda part: training(part, out / "capture", out / "run"),
    }
    for name in options.parts:
        part = Part(name, seconds, temporary)
        count = work[name](part)
        trends: dict[str, Trend] = part.watch.trends()
        taken = time.monotonic() - part.watch.began
        print(f"{name}: {count} in {taken / 60.0:.1f} min, {len(part.watch.samples)} samples", flush=True)
        print("\n".join(f"  {line}" for line in lines(trends)), flush=True)
        grown += [f"{name}: {what}" for what, trend in trends.items() if trend.grows]
        filled += [f"{name}: {what}" for what, trend in trends.items() if trend.fills]
        summary = {what: asdict(trend) for what, trend in trends.items()}
        told[name] = {"count": count, "seconds": taken, "trends": summary, "samples": part.watch.samples}
        (out / "figures.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    # torch keeps one folder for itself, for ever.
    left = sorted(path.name for path in temporary.iterdir() if not path.name.startswith("torchinductor_"))
    print(f"temporary files left behind: {left or 'none'}")
    print(f"filled once: {', '.join(filled) or 'nothing'}")
    print(f"grows: {', '.join(grown)}" if grown else "nothing grows")
    return 1 if grown or left else 0


if __name__ == "__main__":
    sys.exit(main())
