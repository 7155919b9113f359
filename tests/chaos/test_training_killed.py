"""Training killed at random moments and resumed ends with the weights of the undisturbed run, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.errors import LiveHandError
from livehand_core.training import control
from livehand_core.training.checkpoints import Checkpoint, load_checkpoint
from livehand_core.training.curves import read_curves
from tests.chaos.conftest import LONG, Amount, Note
from tests.chaos.watch import ROOT, TESTS, here
from tests.training.conftest import make_capture, tube_hand

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals")]

STEPS = 60 if LONG else 36
TRAIN = f"""{TESTS}
from livehand_core import cli
from livehand_core.hand import library
from tests.training.conftest import tube_hand
hand = tube_hand()
library._builtin = lambda side: hand
sys.exit(cli.main(sys.argv[1:]))
"""
SETTINGS = ["hidden=[16,16]", "tile=12", "samples=4", "coarse_samples=4", "ray_steps=12", "checkpoint_minutes=0.0"]
"""A checkpoint after every step: most kills fall into the writing of one, or beside it."""


@pytest.fixture(scope="module")
def small_capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return make_capture(tmp_path_factory.mktemp("capture"), tube_hand())


@pytest.fixture(scope="module")
def truth(small_capture: Capture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    run = tmp_path_factory.mktemp("truth") / "run"
    finish(small_capture.folder, run)
    return run


def begin(capture: Path, run: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start or resume a run of ``STEPS`` steps."""
    words = ["train", str(capture), "--out", str(run), "--steps", str(STEPS), "--preset", "cpu", "--device", "cpu"]
    resume = ["--resume"] if (run / control.CHECKPOINT_FILE).is_file() else ["--set", *SETTINGS, *more]
    log = (run.parent / f"{run.name}.log").open("ab")
    with log:
        command = [sys.executable, "-c", TRAIN, *words, *resume]
        environment = {**here(), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)


def finish(capture: Path, run: Path) -> Checkpoint:
    """Let a run come to its end; its last checkpoint."""
    process = begin(capture, run)
    try:
        code = process.wait(400.0)
    finally:
        process.kill()
    assert code == 0, (run.parent / f"{run.name}.log").read_text()[-3000:]
    assert control.read_status(run).state == "done"
    return load_checkpoint(run, torch.device("cpu"))


def progress(run: Path) -> tuple[str, int]:
    """State and step of a run, as far as it tells."""
    try:
        status = control.read_status(run)
    except LiveHandError:
        return "", 0
    return status.state, status.step


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two checkpoints hold the same numbers, the optimiser's included."""
    assert one.step == other.step == STEPS
    pairs = [(one.model, other.model), (one.average, other.average)]
    states = (one.optimiser["state"], other.optimiser["state"])
    pairs += [(states[0][key], states[1][key]) for key in states[0]]
    assert states[0].keys() == states[1].keys()
    return all(torch.equal(first[name], second[name]) for first, second in pairs for name in first)


@pytest.mark.timeout(3600)
def test_runs_that_are_killed_end_as_the_undisturbed_one(
    small_capture: Capture, truth: Path, tmp_path: Path, amount: Amount, note: Note
) -> None:
    rng = random.Random(11)
    kills, equal = amount(1, 20), 0
    while equal < kills:
        run = tmp_path / f"killed{equal}"
        # Two or so a run, at any moment of it: while it starts, in the first stage, while a checkpoint is written.
        blows = min(2, kills - equal)
        for _ in range(blows):
            kill_somewhere(small_capture.folder, run, rng)
        end = finish(small_capture.folder, run)
        assert same(load_checkpoint(truth, torch.device("cpu")), end), run
        equal += blows
        assert not [path.name for path in run.iterdir() if ".tmp" in path.name], "nothing half-written stays"
        assert len(read_curves(run).loss) == len(read_curves(truth).loss)
    note("training killed at random", f"{equal} of {kills} kills end with the weights of the undisturbed run")


def kill_somewhere(capture: Path, run: Path, rng: random.Random) -> None:
    """Start or resume a run, and kill it at a random moment once it does something."""
    first, process = progress(run)[1], begin(capture, run)
    until = rng.choice(["starting", "rays", "training", "training", "training"]) if LONG else "training"
    enough = first + rng.randrange(1, max(2, STEPS - first - 5))
    end = time.monotonic() + 200.0
    try:
        while process.poll() is None and time.monotonic() < end:
            state, step = progress(run)
            far = step >= (enough if until == "training" else STEPS - 8)
            if state == until != "training" or (state == "training" and far):
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.2))
        assert process.poll() is None, (run.parent / f"{run.name}.log").read_text()[-2000:]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_run_on_a_disk_that_fills_goes_on_after_room_is_made(
    small_capture: Capture, truth: Path, tmp_path: Path
) -> None:
    """It ends with one message, all that was written before is whole, and it resumes to the same weights."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        run, ballast = disk / "run", disk / "ballast"
        process = begin(small_capture.folder, run)
        end = time.monotonic() + 200.0
        while progress(run)[1] < 5 or progress(run)[0] != "training":
            assert process.poll() is None and time.monotonic() < end, (disk / "run.log").read_text()[-2000:]
            time.sleep(0.01)
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        assert process.wait(100.0) == 2
        ballast.unlink()
        said = (disk / "run.log").read_bytes().replace(b"\0", b"").decode(errors="replace")
        assert "Traceback" not in said, said
        there = load_checkpoint(run, torch.device("cpu"))
        assert 0 < there.step < STEPS
        assert same(load_checkpoint(truth, torch.device("cpu")), finish(small_capture.folder, run))
    finally:
        subprocess.run(["umount", disk], check=True)
