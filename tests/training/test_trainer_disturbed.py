"""A run whose capture goes away in its middle."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livehand_core import cli
from livehand_core.avatars import read_metadata
from livehand_core.captures.capture import Capture
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.training.control import read_status
from livehand_core.training.trainer import Trainer


@pytest.mark.parametrize("at", [0, 1, 6])
def test_a_capture_that_goes_away_loses_no_training(
    at: int,
    tmp_path: Path,
    tubes: HandData,
    capture_maker: Callable[..., Capture],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before the first step, while images are still read, and when all are in memory."""
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    folder, run, away = tmp_path / "capture", tmp_path / "run", tmp_path / "elsewhere"
    capture_maker(folder, tubes)
    settings = ["hidden=[16,16]", "tile=12", "samples=4", "coarse_samples=4", "tiles_per_step=1", "ray_steps=0"]
    words = ["train", str(folder), "--out", str(run), "--preset", "cpu", "--steps", "12", "--set", *settings]
    advance, begin = Trainer.advance, Trainer.begin

    def leave(self: Trainer) -> None:
        if self.step == at and folder.exists():
            folder.rename(away)

    def advanced(self: Trainer) -> dict[str, float]:
        answer = advance(self)
        leave(self)
        return answer

    def begun(self: Trainer, *between: Any) -> None:
        leave(self)
        begin(self, *between)

    monkeypatch.setattr(Trainer, "advance", advanced)
    monkeypatch.setattr(Trainer, "begin", begun)
    status = cli.main(words)
    told = capsys.readouterr()
    if at == 6:
        assert status == 0 and read_status(run).state == "done" and "no preview:" in told.out
        assert read_metadata(run / "avatar.safetensors").provenance["steps"] == 12
        return
    assert status == 2 and "Traceback" not in told.err and told.err.count(str(folder)) == 1
    kept = re.search(r"is gone\. .*All up to step (\d) is kept", told.err)
    assert kept is not None and int(kept[1]) >= at
    assert read_status(run).state == "failed" and read_status(run).message in told.err
    # Without it the run says so again and stays as it is; with it it goes on.
    resume = ["train", "--out", str(run), "--resume"]
    assert cli.main(resume) == 2 and str(folder) in capsys.readouterr().err
    away.rename(folder)
    monkeypatch.setattr(Trainer, "advance", advance)
    assert cli.main(resume) == 0 and f"resumed at step {kept[1]}" in capsys.readouterr().out
    assert read_status(run).state == "done"
