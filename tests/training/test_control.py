"""A run is watched and steered from outside: status, pause, stop, a lock, a process that dies, curves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.captures.capture import Capture
from livehand_core.errors import TrainingError
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.processes import ORDER_FILE, is_running
from livehand_core.progress import duration
from livehand_core.training import control
from livehand_core.training.control import RunStatus, find_runs, give_order, locked, read_status
from livehand_core.training.curves import draw_curves, read_curves
from livehand_core.training.monitor import Monitor

SETTINGS = ["--set", "hidden=[16,16]", "tile=12", "samples=4", "coarse_samples=4", "ray_steps=2"]


def wait(run: Path, done: Callable[[RunStatus], bool], seconds: float = 120.0) -> RunStatus:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (run / control.STATUS_FILE).is_file() and done(status := read_status(run)):
            return status
        time.sleep(0.05)
    raise AssertionError(read_status(run))


def test_a_run_is_paused_goes_on_and_is_stopped_from_outside(
    tmp_path: Path,
    capture: Capture,
    tubes: HandData,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command trains in this thread; another one plays the person at another terminal."""
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    run, seen = tmp_path / "run", []

    def steer() -> None:
        wait(run, lambda status: status.step > 2 and status.state == "training")
        assert cli.main(["train", "--pause", str(run)]) == 0
        paused = wait(run, lambda status: status.state == "paused")
        seen.append(paused)
        assert (run / control.CHECKPOINT_FILE).is_file() and (run / control.CURVES_FILE).is_file()
        time.sleep(1.5)
        seen.append(read_status(run))
        assert cli.main(["train", "--go-on", str(run)]) == 0
        seen.append(wait(run, lambda status: status.step > paused.step + 2))
        assert cli.main(["train", "--stop", str(run)]) == 0

    person = threading.Thread(target=steer)
    person.start()
    words = ["train", str(capture.folder), "--out", str(run), "--minutes", "60", "--preset", "quick", "--device", "cpu"]
    assert cli.main([*words, "--name", "tubes", *SETTINGS]) == 130
    person.join()
    paused, still, later = seen
    assert still.step == paused.step and still.pid == os.getpid() and later.step > still.step
    status = read_status(run)
    assert (status.state, status.name, status.preset) == ("stopped", "tubes", "quick")
    assert status.step >= later.step and not is_running(run) and not (run / ORDER_FILE).exists()
    assert cli.main(["train", "--status", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["state"] == "stopped"
    # Nothing more is to be steered.
    with pytest.raises(TrainingError, match="not running"):
        give_order(run, "pause")


def test_an_order_counts_while_the_run_starts_and_an_old_one_does_not(tmp_path: Path) -> None:
    """Its process takes seconds to come up, in which a person may have changed their mind."""
    control.write_status(tmp_path, RunStatus("starting", "x"))
    give_order(tmp_path, "stop")
    with locked(tmp_path):
        monitor = Monitor(tmp_path, RunStatus("starting", "x"), lambda: False)
        monitor.tell(state="training")
        assert monitor.stop_asked()
        monitor.close("stopped")
    (tmp_path / ORDER_FILE).write_text("stop")
    with locked(tmp_path):
        monitor = Monitor(tmp_path, RunStatus("starting", "x"), lambda: False)
        monitor.tell(state="training")
        assert not monitor.stop_asked()
        monitor.close("done")


def test_a_run_that_is_killed_is_interrupted_and_goes_on(
    tmp_path: Path, capture: Capture, tubes: HandData, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    code = (
        "import sys, time; from pathlib import Path\n"
        "from livehand_core.training.control import RunStatus, locked\n"
        "from livehand_core.training.monitor import Monitor\n"
        "run = Path(sys.argv[1])\n"
        "with locked(run):\n"
        "    Monitor(run, RunStatus('starting', 'x', sys.argv[2]), lambda: False).tell(state='training', step=7)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(run), str(capture.folder)])
    try:
        assert wait(run, lambda status: status.state == "training").pid == process.pid
        assert is_running(run)
        with pytest.raises(TrainingError, match="is already training"), locked(run):
            pass
    finally:
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.wait()
    status = read_status(run)
    assert status.state == "interrupted" and not status.alive and "unexpectedly" in status.message
    # It had no checkpoint yet, so it starts again; the capture is known.
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    from livehand_core.training.command import CONFIG_FILE
    from livehand_core.training.config import preset, save_config

    changes = {"hidden": (16, 16), "tile": 12, "samples": 4, "coarse_samples": 4, "ray_steps": 2, "steps": 3}
    save_config(preset("cpu", **changes), run / CONFIG_FILE)
    assert cli.main(["train", "--out", str(run), "--resume", "--device", "cpu"]) == 0
    assert read_status(run).state == "done" and read_status(run).step == 3
    assert read_rgba8_or_rgb(run / control.PREVIEW_FILE) == (512, 512)


def read_rgba8_or_rgb(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as image:
        return image.size


def test_a_stop_before_training_began_interrupts(tmp_path: Path) -> None:
    from livehand_core.interrupts import interruptible

    with locked(tmp_path), interruptible("stopping") as stop:
        monitor = Monitor(tmp_path, RunStatus("starting"), stop)
        give_order(tmp_path, "stop")
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30.0)
        monitor.close("stopped")
    assert read_status(tmp_path).state == "stopped"


def test_folders_that_are_no_runs_or_of_another_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--status", str(tmp_path)]) == 2
    assert "holds no training run" in capsys.readouterr().err
    control.write_status(tmp_path, RunStatus("done", "a", "one", ("two", "three"), ("x", "", "z")))
    document = json.loads((tmp_path / control.STATUS_FILE).read_text())
    (tmp_path / control.STATUS_FILE).write_text(json.dumps(document | {"format_version": 2}))
    with pytest.raises(TrainingError, match="newer LiveHand"):
        read_status(tmp_path)
    # A field of a later version of the same format does no harm.
    (tmp_path / control.STATUS_FILE).write_text(json.dumps(document | {"mood": "good"}))
    status = read_status(tmp_path)
    assert status.name == "a" and status.more_captures == ("two", "three") and status.identities == ("x", "", "z")
    (tmp_path / control.STATUS_FILE).write_text("{")
    # Only the status is damaged, and not the run.
    with pytest.raises(TrainingError, match=r"is damaged.*checkpoint is another file"):
        read_status(tmp_path)
    assert cli.main(["train", "somewhere"]) == 2 and "--out" in capsys.readouterr().err
    assert cli.main(["train", "--out", str(tmp_path / "new")]) == 2 and "capture" in capsys.readouterr().err


def test_runs_are_found_newest_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "new", "no run")):
        (tmp_path / name).mkdir()
        if name != "no run":
            control.write_status(tmp_path / name, RunStatus("done", name))
            os.utime(tmp_path / name / control.STATUS_FILE, (1e9 + number, 1e9 + number))
    assert [path.name for path in find_runs(tmp_path)] == ["new", "old"]
    assert find_runs(tmp_path / "nowhere") == []


def test_curves_leave_out_what_a_resumed_run_repeats(tmp_path: Path) -> None:
    lines = [
        {"kind": "train", "step": 50, "total": 0.02, "high": 0.01},
        {"kind": "train", "step": 100, "total": 0.01, "high": 0.001},
        {"kind": "preview", "step": 100, "both/full_image/psnr": 25.0},
        {"kind": "train", "step": 100, "total": 0.009, "high": 0.002},
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"kind": "tr')
    curves = read_curves(tmp_path)
    assert curves.loss == [(50.0, 0.02), (100.0, 0.009)] and curves.held_out == [(100.0, 25.0)]
    assert curves.trained == [(50.0, pytest.approx(20.0)), (100.0, pytest.approx(26.9897))]
    draw_curves(tmp_path)
    from PIL import Image

    with Image.open(tmp_path / control.CURVES_FILE) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (256, 256, 3)
    # The loss falls: its curve is higher at the left than at the right. The legend above it has the same colour.
    near = np.abs(pixels.astype(int) - np.array((232, 160, 92))).max(-1) < 40
    rows, columns = np.nonzero(near[22:128, 45:])
    assert rows[columns < 110].mean() < rows[columns > 150].mean()


def test_durations_and_lines_for_people() -> None:
    assert [duration(value) for value in (4.0, 61.0, 7500.0, -1.0)] == ["4 s", "1 min", "2 h 05 min", "0 s"]
    status = RunStatus("training", step=5, progress=0.5, seconds_left=30.0, loss=0.01, psnr=30.0, held_out_psnr=28.0)
    assert control.describe(status) == ("training, step 5, 50 %, 30 s left, loss 0.01000, 30.00 dB, held out 28.00 dB")
    assert control.describe(replace(status, message="slow")).endswith(": slow")
