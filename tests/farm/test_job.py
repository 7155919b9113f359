"""One job description, its forms for each engine, and the local runner: without Blender, by workers of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from livehand_core import cli
from livehand_core.errors import LiveHandError
from livehand_core.farm import openjd, slurm
from livehand_core.farm.job import JOB_FILE, SCENE_FILE, Job, check_worker, missing_frames, read_job, write_job
from livehand_core.farm.local import run_here

ROOT = Path(__file__).resolve().parents[2]
OPENJD = Path(sys.executable).with_name("openjd")

WORKER = """\
import sys
from pathlib import Path
from livehand_core.farm.job import missing_frames, read_job
folder, job = read_job(Path(sys.argv[1]))
output, ill = job.output_in(folder), folder / "ill"
chunk = sys.argv[sys.argv.index("--chunk") + 1] if "--chunk" in sys.argv else ""
frames = job.chunk(int(chunk.split("/")[0])) if chunk else missing_frames(folder, job)
for number, frame in enumerate(frames):
    if chunk.startswith("2/") and number and ill.exists():
        ill.unlink()
        sys.exit(9)
    path = output.path(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(f"frame {frame}")
if not chunk and output.movie is not None:
    output.movie.write_text("video")
"""
"""In place of the batch under Blender: writes a text for each frame; once it dies in the middle of the second chunk."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    made = Job("Hand's wave", "Scene", "LIVEHAND", "1-9,20-24x2", 4, "out/hand.mp4", "mp4")
    return replace(made, command=(sys.executable, str(script)))


@pytest.fixture
def folder(tmp_path: Path, job: Job) -> Path:
    """A written job in a folder whose name has a space."""
    folder = tmp_path / "a job"
    folder.mkdir()
    (folder / SCENE_FILE).write_bytes(b"BLENDER")
    openjd.write_template(folder, job)
    slurm.write_scripts(folder, job)
    write_job(folder, job)
    return folder


def test_a_job_is_read_as_it_was_written(folder: Path, job: Job) -> None:
    assert read_job(folder) == read_job(folder / JOB_FILE) == (folder, job)
    assert (
        [frame for number in range(1, 5) for frame in job.chunk(number)]
        == job.frame_list
        == [*range(1, 10), 20, 22, 24]
    )
    check_worker(folder, job)
    assert missing_frames(folder, job) == job.frame_list


def test_what_does_not_fit_is_refused(folder: Path, job: Job, tmp_path: Path) -> None:
    with pytest.raises(LiveHandError, match=r"job\.json"):
        read_job(tmp_path)
    with pytest.raises(LiveHandError, match="this worker has"):
        check_worker(folder, replace(job, addon_version="0.0.1"))
    document = json.loads((folder / JOB_FILE).read_text())
    for change, said in (
        ({"chunks": 13}, "13 chunks of 12 frames"),
        ({"frames": "9-1"}, "frames"),
        ({"format_version": 2}, "newer LiveHand"),
        ({"avatars": [{"file": "../a.safetensors", "content_hash": "0", "name": "", "licence": ""}]}, "outside"),
    ):
        (folder / JOB_FILE).write_text(json.dumps(document | change))
        with pytest.raises(LiveHandError, match=said):
            read_job(folder)
    (folder / SCENE_FILE).unlink()
    with pytest.raises(LiveHandError, match="whole folder"):
        check_worker(folder, job)


def test_the_frames_of_a_worker_that_dies_are_done_again(folder: Path, job: Job) -> None:
    (folder / "ill").touch()
    said: list[str] = []
    run_here(folder, job, 3, said.append, lambda: False)
    assert not missing_frames(folder, job) and (folder / "out" / "hand.mp4").read_text() == "video"
    assert [line for line in said if "given to another" in line] == [
        "chunk 2: its worker ended with code 9; the rest is given to another"
    ]
    assert sorted(line for line in said if "is rendered" in line) == [
        f"chunk {n} of 4 is rendered" for n in range(1, 5)
    ]


def test_a_chunk_that_never_ends_well_and_a_stop(folder: Path, job: Job) -> None:
    dead = replace(job, command=(sys.executable, "-c", "raise SystemExit('broken')"))
    with pytest.raises(LiveHandError, match=r"failed with code 1 \(broken\).*logs"):
        run_here(folder, dead, 2, lambda line: None, lambda: False)
    with pytest.raises(LiveHandError, match="cannot be started"):
        run_here(folder, replace(job, command=("no-such-blender",)), 1, lambda line: None, lambda: False)
    endless = replace(job, command=(sys.executable, "-c", "import time; time.sleep(600)"))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_here(folder, endless, 2, lambda line: None, lambda: time.monotonic() - began > 0.5)
    assert time.monotonic() - began < 30.0


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["farm", str(folder)]) == 0
    assert "0 of 12 frames are there, in 4 chunks" in capsys.readouterr().out
    assert cli.main(["farm", str(folder), "--local", "2"]) == 0
    said = capsys.readouterr().out
    assert "12 of 12 frames are there" in said and "hand.mp4: there" in said
    assert cli.main(["farm", str(folder), "--local", "0"]) == 2
    monkeypatch.setenv("PATH", str(folder))
    assert cli.main(["farm", str(folder), "--slurm"]) == 2
    assert "apt-get install slurm-wlm munge" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Slurm is a program of Linux")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1", "Unable to contact slurm controller"),
        ("echo who knows", "who knows"),
        ("case $* in *merge*) echo 'Invalid dependency' >&2; exit 1;; esac; echo 77", "Invalid dependency"),
    ],
)
def test_a_cluster_that_refuses_is_told_and_keeps_no_job(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, reason: str
) -> None:
    for name, body in (("sbatch", answer), ("scancel", f'echo "$*" > "{tmp_path / "cancelled"}"')):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(LiveHandError, match=reason):
        slurm.submit(folder)
    assert (tmp_path / "cancelled").exists() == ("77" in answer)


@pytest.mark.skipif(not OPENJD.exists(), reason="openjd-cli is not installed")
def test_openjd_takes_the_template_and_runs_it(folder: Path) -> None:
    checked = subprocess.run([OPENJD, "check", "template.json"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "livehand_core", "farm", str(folder), "--openjd"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    _, job = read_job(folder)
    assert not missing_frames(folder, job) and (folder / "out" / "hand.mp4").read_text() == "video"


def test_the_parts_of_a_template_name_every_chunk(job: Job) -> None:
    made = openjd.template(job)
    render, merge = made["steps"]
    assert render["parameterSpace"]["taskParameterDefinitions"] == [{"name": "Chunk", "type": "INT", "range": "1-4"}]
    assert render["script"]["actions"]["onRun"]["args"][-1] == "{{Task.Param.Chunk}}/4"
    assert (
        merge["dependencies"] == [{"dependsOn": "Render"}]
        and merge["script"]["actions"]["onRun"]["args"][-1] == "--merge"
    )


FLAMENCO = """
const made = [];
const author = {
    Task: (name, type) => ({ name, type, commands: [], needs: [],
        addCommand(command) { this.commands.push(command); }, addDependency(task) { this.needs.push(task.name); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
SCRIPT
compileJob({ settings: { job_file: "jobs/job.json", chunks: 3 }, addTask(task) { made.push(task); } });
console.log(JSON.stringify({ type: JOB_TYPE, made }));
"""
"""What Flamenco Manager gives a job type's script."""


@pytest.mark.skipif(shutil.which("node") is None, reason="the script is run by node")
def test_flamenco_gets_a_task_a_chunk_and_one_that_waits_for_all(tmp_path: Path) -> None:
    script = (ROOT / "livehand_blender" / "farm" / "livehand_render.js").read_text(encoding="utf-8")
    file = tmp_path / "manager.js"
    file.write_text(FLAMENCO.replace("SCRIPT", script))
    done = subprocess.run(["node", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    # As Flamenco's documentation of job types has it.
    assert answer["type"].keys() <= {"label", "description", "settings"}
    known = {"key", "type", "subtype", "choices", "propargs", "description", "default", "eval", "visible", "required"}
    for setting in answer["type"]["settings"]:
        assert setting.keys() <= known and setting["type"] in ("string", "int32", "float", "bool")
        assert setting["visible"] in ("visible", "hidden", "submission", "web")
    *renders, merge = answer["made"]
    assert [task["name"] for task in renders] == ["render-1", "render-2", "render-3"] == merge["needs"]
    assert {task["type"] for task in answer["made"]} == {"blender"}
    (command,) = renders[1]["commands"]
    assert command["name"] == "exec" and command["parameters"] == {
        "exe": "{blender}",
        "args": ["--background", "--command", "livehand_batch", "jobs/job.json", "--chunk", "2/3"],
    }
    assert merge["commands"][0]["parameters"]["args"][-1] == "--merge"
