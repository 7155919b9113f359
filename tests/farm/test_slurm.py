"""A real Slurm: farm jobs as arrays, also when tasks are killed, and training that is queued again and resumed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livehand_core.captures.capture import Capture
from livehand_core.farm import openjd, slurm
from livehand_core.farm.job import SCENE_FILE, Job, missing_frames, write_job
from livehand_core.hand.builtin import builtin_hand
from livehand_core.training.control import RunStatus, read_status
from tests.datasets import layouts
from tests.datasets.hands_world import World, make_world, write_mano
from tests.farm.slurm import job_states, processes, waiting
from tests.training.conftest import make_capture

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Slurm is a program of Linux")]

WORKER = """\
import os, sys, time
from pathlib import Path
from livehand_core.farm.job import missing_frames, read_job
folder, job = read_job(Path(sys.argv[1]))
output = job.output_in(folder)
chunk = sys.argv[sys.argv.index("--chunk") + 1] if "--chunk" in sys.argv else ""
for frame in job.chunk(int(chunk.split("/")[0])) if chunk else missing_frames(folder, job):
    path = output.path(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"frame {frame} by {'a chunk' if chunk else 'the merge'}")
    print("frame", frame, flush=True)
    if chunk.startswith(("2/", "5/")):
        os.kill(os.getpid(), 9)
if not chunk:
    output.movie.write_text("video")
"""
"""In place of the batch under Blender: two of six workers are killed after their first frame."""


def wait(what: Callable[[], bool], seconds: float, told: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.5)


def livehand(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "livehand_core", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_array_and_a_merge_after_it(slurm_environment: dict[str, str], tmp_path: Path) -> None:
    script, folder = tmp_path / "worker.py", tmp_path / "a job"
    script.write_text(WORKER)
    folder.mkdir()
    (folder / SCENE_FILE).write_bytes(b"BLENDER")
    job = Job("shot 1", "Scene", "LIVEHAND", "1-24", 6, "out/hand.mp4", "mp4", command=(sys.executable, str(script)))
    openjd.write_template(folder, job)
    slurm.write_scripts(folder, job)
    write_job(folder, job)
    said = livehand(slurm_environment, "farm", str(folder), "--slurm", "time=5")
    chunks, merge = re.findall(r"array (\d+).*job (\d+)", said)[0]

    def logs() -> str:
        return "\n".join(f"{path.name}: {path.read_text()}" for path in sorted((folder / "slurm").glob("*.log")))

    wait(lambda: (folder / "out" / "hand.mp4").exists(), 150.0, lambda: job_states(slurm_environment, merge) + logs())
    assert not missing_frames(folder, job)
    written = [path.read_text() for path in sorted((folder / "out" / "hand.frames").iterdir())]
    # Of the chunks that were killed, 5-8 and 17-20, the merge renders the rest.
    by_merge = [number + 1 for number, text in enumerate(written) if text.endswith("the merge")]
    assert by_merge == [6, 7, 8, 18, 19, 20], logs()
    print(logs())
    print(job_states(slurm_environment, chunks))


def test_training_is_queued_again_and_resumed(slurm_environment: dict[str, str], tmp_path: Path) -> None:
    capture: Capture = make_capture(tmp_path / "capture", builtin_hand("right"), width=48, height=64)
    run = tmp_path / "run"
    settings = ["hidden=[16,16]", "tile=12", "samples=4", "coarse_samples=4", "ray_steps=4", "texture_sizes=[32]"]
    settings += ["ray_batch=256", "preview_minutes=1e6", "checkpoint_minutes=1e6"]
    words = ["train", str(capture.folder), "--out", str(run), "--device", "cpu", "--devices", "2", "--steps", "150"]
    said = livehand(slurm_environment, *words, "--slurm", "time=10", "cpus_per_task=2", "--set", *settings)
    job = re.findall(r"job (\d+)", said)[0]

    def status() -> RunStatus:
        return read_status(run) if (run / "status.json").is_file() else RunStatus("starting")

    def told() -> str:
        logs = "\n".join(path.read_text()[-3000:] for path in sorted((run / "slurm").glob("*log.*")))
        return f"{status()}\n{job_states(slurm_environment, job)}\n{logs}"

    wait(lambda: status().state == "training" and status().step >= 5, 200.0, told)
    # What Slurm sends when the time is nearly over.
    subprocess.run(["scancel", "--signal=USR2", job], env=slurm_environment, check=True)
    wait(lambda: "Restarts=1" in job_states(slurm_environment, job), 90.0, told)
    stopped = status().step
    assert stopped < 150
    wait(lambda: status().state == "done", 300.0, told)
    log = (run / "slurm" / f"{job}_0_log.out").read_text()
    assert f"resumed at step {stopped}" in log and status().step == 150, told()
    wait(lambda: "JobState=COMPLETED" in job_states(slurm_environment, job), 60.0, told)
    print(log, job_states(slurm_environment, job))


def test_a_data_set_is_prepared_by_an_array_as_by_one_machine(
    slurm_environment: dict[str, str], tmp_path: Path
) -> None:
    """Of four tasks one is killed and run again alone, another is cancelled: the job after them does its share."""
    write_mano(tmp_path / "mano")
    environment = {**slurm_environment, "LIVEHAND_MANO": str(tmp_path / "mano")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEHAND_MANO", str(tmp_path / "mano"))
        world = make_world()
        layouts.interhand(tmp_path / "a set", World(world.side, world.model, world.poses * 6, world.cameras))
    words = ("dataset", "interhand", str(tmp_path / "a set"))
    livehand(environment, *words, str(tmp_path / "whole"), "--no-refine")
    folder = tmp_path / "a capture"
    said = livehand(environment, *words, str(folder), "--no-refine", "--slurm", "4", "time=5")
    shares, merge = re.findall(r"array (\d+).*job (\d+)", said)[0]
    for words in (("scontrol", "hold", merge), ("scancel", f"{shares}_3")):
        subprocess.run(words, env=environment, check=True)
    wait(lambda: bool(processes("--part", "2/4", str(folder))), 60.0, lambda: job_states(environment, shares))
    for process in processes("--part", "2/4", str(folder)):
        os.kill(process, signal.SIGKILL)
    wait(lambda: not waiting(environment, shares), 120.0, lambda: job_states(environment, shares))
    assert len(list((folder / "parts").iterdir())) < 18
    again = ("sbatch", "--parsable", f"--chdir={folder}", "--array=2", "slurm/render.sh")
    alone = subprocess.run(again, capture_output=True, text=True, env=environment, check=True).stdout.strip()
    wait(lambda: not waiting(environment, alone), 120.0, lambda: job_states(environment, alone))
    subprocess.run(["scontrol", "release", merge], env=environment, check=True)
    wait(lambda: (folder / "transforms.json").exists(), 200.0, lambda: job_states(environment, merge))
    wait(lambda: "COMPLETED" in job_states(environment, merge), 60.0, lambda: job_states(environment, merge))
    files = [
        {str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (tmp_path / "whole", folder)
    ]
    assert files[0] == {name: content for name, content in files[1].items() if not name.startswith("slurm/")}
    assert len(files[0]) > 18 * 4
