"""A farm job whose workers die: ``python scripts/farm_figures.py [--frames 240] [--workers 6] [--killed 2]``.

Writes a job of small frames with the bpy package, renders it by one worker, then again by several, of which some are
killed (SIGKILL) in the middle of their chunks, and has the merge do the rest. Says whether every frame is there once
and has the bytes that the one worker gave it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.farm.job import Job, missing_frames, read_job  # noqa: E402

BATCH = [sys.executable, "-m", "livehand_blender.batch"]
ENVIRONMENT = {**os.environ, "LIVEHAND_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}


def main() -> int:
    """Print what was seen; 0 when all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--killed", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder / "shot.blend", options.frames)
        more = ["--output", "frames/####.png", "--chunks", str(options.workers), "--worker", " ".join(BATCH)]
        run([str(folder / "shot.blend"), *more, "--write-job", str(folder / "job")])
        shutil.copytree(folder / "job", folder / "one")
        began = time.monotonic()
        run([str(folder / "one" / "job.json"), "--merge"])
        print(f"one worker: {options.frames} frames in {time.monotonic() - began:.0f} s", flush=True)
        rendered = by_workers(*read_job(folder / "job"), options.killed)
        return compare(folder, options.frames, rendered)


def make_scene(path: Path, frames: int) -> None:
    """A hand that closes, 72 x 48 pixels; in a process of its own, since Blender is slow to leave one."""
    code = f"""
import bpy, os
import livehand_blender; livehand_blender.register()
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
bpy.ops.livehand.add_hand(side="RIGHT")
scene = bpy.context.scene
for frame, gesture in ((1, "REST"), ({frames}, "FIST")):
    scene.frame_set(frame)
    bpy.ops.livehand.pose_preset(gesture=gesture, keyframe=True)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
camera.location, camera.rotation_euler = (-0.09, -0.5, 0), (1.5708, 0, 0)
scene.camera, scene.frame_end = camera, {frames}
bpy.ops.livehand.use_engine(camera=False)
scene.render.resolution_x, scene.render.resolution_y = 72, 48
bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)


def run(words: list[str]) -> str:
    """Run the batch to its end; what it said."""
    done = subprocess.run([*BATCH, *words], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the batch ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def by_workers(folder: Path, job: Job, killed: int) -> list[int]:
    """Render by a worker a chunk, kill some, merge; which frames were rendered, in whatever order."""
    began, logs, processes = time.monotonic(), [], []
    for number in range(1, job.chunks + 1):
        logs.append(folder / f"chunk-{number}.log")
        with logs[-1].open("w") as log:
            words = job.worker(str(folder / "job.json"), "--chunk", f"{number}/{job.chunks}")
            processes.append(subprocess.Popen(words, env=ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT))
    for number in range(1, killed + 1):
        # When a third of its chunk is there.
        chunk = job.chunk(number)
        while len(set(chunk) & set(missing_frames(folder, job))) > len(chunk) * 2 // 3:
            time.sleep(0.05)
        processes[number - 1].send_signal(signal.SIGKILL)
    codes = [process.wait() for process in processes]
    left = missing_frames(folder, job)
    print(f"{job.chunks} workers, exit codes {codes}: {len(left)} of {len(job.frame_list)} frames are left", flush=True)
    said = "".join(log.read_text() for log in logs) + run([str(folder / "job.json"), "--merge"])
    print(f"workers and merge: {time.monotonic() - began:.0f} s", flush=True)
    found = re.findall(r"^frame (\d+) \(.*\.png$", said, re.MULTILINE)
    return [int(frame) for frame in found]


def compare(folder: Path, count: int, rendered: list[int]) -> int:
    """Whether each frame was finished once and is as the one worker made it."""
    ours, theirs = (
        {p.name: p.read_bytes() for p in (folder / part / "frames").glob("*.png")} for part in ("job", "one")
    )
    same = sum(ours.get(name) == content for name, content in theirs.items())
    twice = len(rendered) - len(set(rendered))
    left = [path.name for path in (folder / "job" / "frames").iterdir() if path.suffix != ".png"]
    print(
        f"{len(ours)} of {count} frames are there, {same} with the bytes of the one worker, {twice} were rendered twice"
    )
    print(f"left beside them: {left or 'nothing'}")
    return 0 if len(ours) == same == count == len(set(rendered)) and not twice and not left else 1


if __name__ == "__main__":
    sys.exit(main())
