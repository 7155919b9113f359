"""What a run is told and keeps: settings by their types, checkpoints by their shapes, the first stage as it goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

from livehand_core import cli
from livehand_core.errors import LiveHandError, TrainingError
from livehand_core.training.config import load_config, preset
from livehand_core.training.control import RunStatus, describe, read_status, write_status
from livehand_core.training.monitor import Monitor


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ('tile="32"', "tile is '32', not a whole number"),
        ("tile=32.5", "tile is 32.5"),
        ("width=true", "width is True"),
        ("hidden=64", "hidden is 64, not a list"),
        ('hidden=["a", "b"]', r"hidden\[0\] is 'a'"),
        ("texture_sizes=[1e9]", r"texture_sizes\[0\]"),
        ("field_rate=nan", "field_rate is nan, not a finite number"),
        ('clock="sun"', "clock is 'sun'"),
        ("depth=1000000000", "more than 32 layers"),
        ("samples=1000000", "samples up to 1024"),
        ("ray_batch=0", "ray_batch 1 or more"),
    ],
)
def test_settings_of_another_type_or_size_are_named(
    tmp_path: Path, setting: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    given = [
        "train",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
        "--steps",
        "3",
        "--set",
        setting,
        "--device",
        "cpu",
    ]
    assert cli.main(given) == 2
    said = capsys.readouterr().err
    assert re.search(reason, said) and "Traceback" not in said, said


def test_settings_of_a_file_are_checked_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for text, reason in (
        ('steps = "3"', "steps is '3'"),
        ("steps = 3\nstep = 4", "step is unknown"),
        ("steps =", "TOML"),
    ):
        path.write_text(text)
        with pytest.raises(TrainingError, match=reason):
            load_config(path)
    path.write_text("steps = 3", encoding="utf-8-sig")
    assert load_config(path, seed=4).seed == 4 and preset("cpu", steps=3).tile == 32


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
@pytest.mark.parametrize("name", ["checkpoint.pt", "status.json", "config.toml"])
def test_a_file_that_may_not_be_read_is_no_reason_to_drop_the_run(name: str) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nimport torch\n"
        "from livehand_core.training.checkpoints import load_checkpoint\n"
        "from livehand_core.training.config import load_config\n"
        "from livehand_core.training.control import read_status\n"
        "run = Path(sys.argv[1])\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "read = {'checkpoint.pt': lambda: load_checkpoint(run, torch.device('cpu')),\n"
        "        'status.json': lambda: read_status(run), 'config.toml': lambda: load_config(run / 'config.toml')}\n"
        "try: read[sys.argv[2]]()\nexcept Exception as error: print(type(error).__name__, error)"
    )
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        Path(folder, name).write_text("{}")
        Path(folder, name).chmod(0)
        answer = subprocess.run([sys.executable, "-c", code, folder, name], capture_output=True, text=True, timeout=100)
    said = answer.stdout
    assert said.startswith("TrainingError") and "may not be read" in said, answer
    assert "damaged" not in said and "anew" not in said


def test_checkpoints_of_other_shapes_and_types_are_refused(tmp_path: Path) -> None:
    import torch

    from livehand_core.training.checkpoints import load_checkpoint

    def sound() -> dict[str, object]:
        tensors = {"weight": torch.zeros(2)}
        return {"format_version": 2, "step": 3, "seconds": 1.0, "model": tensors, "average": tensors, "optimiser": {}}

    for change, reason in (
        ({"step": "3"}, "step is '3'"),
        ({"step": -1}, "step -1"),
        ({"model": None}, "model is None"),
        ({"model": {"weight": 3}}, "weight is not a tensor"),
        ({"average": [1]}, "average is"),
        ({"format_version": 1}, "has version 1"),
        ({"more": 1}, "more is unknown"),
    ):
        torch.save(sound() | change, tmp_path / "checkpoint.pt")
        with pytest.raises(TrainingError, match=reason):
            load_checkpoint(tmp_path, torch.device("cpu"))
    torch.save([1, 2], tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match="damaged"):
        load_checkpoint(tmp_path, torch.device("cpu"))


def test_the_first_stage_tells_its_step_and_the_time_that_is_left(tmp_path: Path) -> None:
    first = SimpleNamespace(step=500, steps=2000, seconds=30.0)
    trainer = SimpleNamespace(step=0, seconds=0.0, progress=0.0, first_stage=first)
    monitor = Monitor(tmp_path, RunStatus("starting", "a"), lambda: False)
    monitor.watch(trainer)
    monitor.tell(state="rays")
    status = monitor._current()
    assert (status.step, status.steps, status.progress, status.seconds_left) == (500, 2000, 0.25, 90.0)
    assert "step 500 of 2000, 25 %, 2 min left" in describe(status)
    # Where time decides, all of the run is told of.
    trainer.seconds, trainer.progress = 30.0, 0.1
    assert monitor._current().progress == 0.1 and monitor._current().seconds_left == pytest.approx(270.0)
    trainer.first_stage, trainer.step = None, 7
    assert (monitor._current().step, monitor._current().steps) == (7, 0)
    trainer.first_stage, trainer.step = first, 0
    monitor.close("stopped")
    # It had no checkpoint: nothing of it is kept.
    assert (read_status(tmp_path).step, read_status(tmp_path).progress) == (0, 0.0)


@pytest.mark.parametrize(
    "change", [{"progress": 7.0}, {"step": None}, {"state": "sleeping"}, {"psnr": "high"}, {"name": []}]
)
def test_a_damaged_status_names_the_field_and_spares_the_run(tmp_path: Path, change: dict[str, object]) -> None:
    write_status(tmp_path, RunStatus("done", "a"))
    document = json.loads((tmp_path / "status.json").read_text())
    (tmp_path / "status.json").write_text(json.dumps(document | change))
    with pytest.raises(TrainingError, match=f"{next(iter(change))}.*checkpoint is another file"):
        read_status(tmp_path)


def test_metrics_that_cannot_be_written_are_one_message(tmp_path: Path) -> None:
    from livehand_core.training.journal import Journal

    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(LiveHandError, match=r"metrics\.jsonl cannot be written"):
        Journal(tmp_path)


def test_tensorboard_is_not_worth_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from livehand_core.training.journal import Journal

    class Full:
        def add_scalar(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            raise OSError(28, "No space left on device")

    journal = Journal(tmp_path)
    journal._board = Full()
    for step in range(3):
        journal.numbers("train", step, {"total": 0.1})
    journal.close()
    assert capsys.readouterr().out.count("TensorBoard gets no more") == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
