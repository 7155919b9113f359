"""Runs of several processes: the weights of one, checkpoints by one, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from livehand_core import cli
from livehand_core.captures.capture import Capture
from livehand_core.hand.builtin import builtin_hand
from livehand_core.training.checkpoints import Checkpoint, load_checkpoint
from livehand_core.training.config import load_config
from livehand_core.training.control import read_status

SETTINGS = ["hidden=[16,16]", "tile=12", "samples=4", "coarse_samples=4", "tiles_per_step=4", "ray_steps=8"]
SETTINGS += ["ray_batch=256", "texture_sizes=[32]", "preview_minutes=1e6", "checkpoint_minutes=1e6"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def hand_capture(tmp_path_factory: pytest.TempPathFactory, capture_maker: Callable[..., Capture]) -> Path:
    """Of the built-in hand, which processes of their own can find."""
    return capture_maker(tmp_path_factory.mktemp("hand"), builtin_hand("right"), width=48, height=64).folder


def command(capture: Path, run: Path, *more: str, steps: int = 50) -> list[str]:
    words = [sys.executable, "-m", "livehand_core", "train", str(capture), "--out", str(run), "--device", "cpu"]
    settings = [] if "--resume" in more else ["--set", *SETTINGS]
    return [*words, "--steps", str(steps), *more, *settings]


def train(capture: Path, run: Path, *more: str, steps: int = 50) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(capture, run, *more, steps=steps), capture_output=True, text=True, timeout=300)


def apart(first: Checkpoint, second: Checkpoint) -> float:
    """The largest difference of two checkpoints' weights and averages."""
    assert first.step == second.step and first.model.keys() == second.model.keys()
    pairs = [*zip(first.model.values(), second.model.values(), strict=True)]
    pairs += zip(first.average.values(), second.average.values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.fixture(scope="module")
def alone(hand_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """What one process learns in fifty steps."""
    run = tmp_path_factory.mktemp("alone") / "run"
    answer = train(hand_capture, run)
    assert answer.returncode == 0, answer.stderr
    return load_checkpoint(run, CPU)


def test_two_processes_learn_what_one_does(hand_capture: Path, tmp_path: Path, alone: Checkpoint) -> None:
    answer = train(hand_capture, tmp_path / "run", "--devices", "2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("perceptual loss") == 1 and "2 processes share the 4 images" in answer.stdout
    assert "Traceback" not in answer.stderr and "livehand:" not in answer.stderr
    assert apart(alone, load_checkpoint(tmp_path / "run", CPU)) <= 1e-5
    assert read_status(tmp_path / "run").state == "done"


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(hand_capture: Path, tmp_path: Path, alone: Checkpoint) -> None:
    run = tmp_path / "run"
    for more, steps in ((("--devices", "3"), 20), (("--resume",), 35), (("--resume", "--devices", "2"), 50)):
        # A stop by its number of steps would change the rates: the length is the whole run's from the beginning.
        answer = _until(hand_capture, run, steps, *more)
        assert answer in (0, 130), answer
    assert apart(alone, load_checkpoint(run, CPU)) <= 1e-5
    assert read_status(run).state == "done"


def _until(capture: Path, run: Path, step: int, *more: str) -> int:
    """Train until about a step and stop there, or to the end."""
    process = subprocess.Popen(command(capture, run, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if step < 50:
        _wait_for(run, step - 10, process)
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert b"Traceback" not in said, said.decode()
    return process.returncode


def _wait_for(run: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 200.0
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "status.json").is_file():
            status = read_status(run)
            if status.state == "training" and status.step >= step:
                return
        time.sleep(0.05)
    raise AssertionError("the run did not come so far")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads processes from /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_run_with_one_message_and_nothing_is_lost(
    hand_capture: Path, tmp_path: Path, rank: int
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(hand_capture, run, "--devices", "2", steps=100000),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _wait_for(run, 3, process)
    os.kill(_rank_of(process.pid, rank), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    lines = [line for line in said.decode().splitlines() if line.strip()]
    assert process.returncode == 2 and len(lines) == 1, said.decode()
    assert "One of the 2 processes" in lines[0] and "is kept: resume the run" in lines[0]
    kept, status = load_checkpoint(run, CPU), read_status(run)
    assert status.state == "failed" and status.message in lines[0] and f"step {kept.step} " in lines[0]
    assert kept.step >= 3


def _rank_of(parent: int, rank: int) -> int:
    """The process id of a rank, a child of ``parent``."""
    for thread in Path(f"/proc/{parent}/task").iterdir():
        for child in (thread / "children").read_text().split():
            environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in environment:
                return int(child)
    raise AssertionError("there is no such process")


def test_what_one_process_cannot_read_is_told_once(hand_capture: Path, tmp_path: Path) -> None:
    answer = train(hand_capture.parent / "nowhere", tmp_path / "run", "--devices", "2")
    assert answer.returncode == 2 and answer.stderr.count("livehand:") == 1 and "nowhere" in answer.stderr, (
        answer.stderr
    )


@pytest.mark.slow
def test_a_new_run_has_an_image_a_step_for_each_device(hand_capture: Path, tmp_path: Path) -> None:
    settings = [word for word in SETTINGS if not word.startswith("tiles_per_step")]
    words = command(hand_capture, tmp_path / "run", "--devices", "3", steps=2)
    words = [*words[: words.index("--set")], "--set", *settings]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert load_config(tmp_path / "run" / "config.toml").tiles_per_step == 3
    refused = train(hand_capture, tmp_path / "run", "--resume", "--devices", "4")
    assert refused.returncode == 2 and "4 devices cannot share the 3 images" in refused.stderr, refused.stderr
    assert refused.stderr.count("livehand:") == 1


def test_slurm_that_is_not_here_is_told_with_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["train", "somewhere", "--out", str(tmp_path / "run"), "--slurm", "time=60", "partition=gpu"]
    assert cli.main(words) == 2
    assert "apt-get install slurm-wlm munge" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_impossible_numbers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "somewhere", "--out", str(tmp_path / "run")]
    assert cli.main([*words, "--devices", "0"]) == 2 and "0 devices" in capsys.readouterr().err
    assert cli.main([*words, "--devices", "2", "--device", "cuda:1"]) == 2
    if not torch.cuda.is_available():
        assert cli.main([*words, "--devices", "2", "--device", "cuda"]) == 2
