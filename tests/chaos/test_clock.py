"""A clock that is set back, by a time server or by hand: nothing waits for a time that has been already."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from livehand_core import claims, processes
from livehand_core.claims import Holder, claimed
from livehand_core.processes import ORDER_FILE
from livehand_core.training import control
from livehand_core.training.control import RunStatus, read_status

HOUR = 3600.0


def test_a_run_that_died_while_it_started_is_not_starting_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.write_status(tmp_path, RunStatus("starting", "x"))
    assert read_status(tmp_path).state == "starting"
    now = time.time()
    monkeypatch.setattr(processes.time, "time", lambda: now - HOUR)
    assert read_status(tmp_path).state == "interrupted"
    (tmp_path / ORDER_FILE).write_text("stop")
    control.forget_old_orders(tmp_path)
    assert not (tmp_path / ORDER_FILE).exists()


def test_the_claim_of_a_dead_maker_ages_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker was on another machine, so only its age tells."""
    target, claim = tmp_path / "1.png", tmp_path / ".1.png.claim1"
    elsewhere = Holder("another machine", "", 1, time.time() + HOUR)
    claim.write_text(claims.json.dumps(vars(elsewhere)))
    os.utime(claim, (time.time() + HOUR,) * 2)
    with claimed(target) as holder:
        assert holder == elsewhere, "at first its maker may live, and touch it again"
    assert abs(claim.stat().st_mtime - time.time()) < 60.0
    os.utime(claim, (time.time() - claims.STALE_SECONDS - 1.0,) * 2)
    with claimed(target) as holder:
        assert holder is None


def test_a_living_maker_keeps_its_claim_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "TOUCH_SECONDS", 0.05)
    target = tmp_path / "1.png"
    with claimed(target) as mine:
        assert mine is None
        os.utime(tmp_path / ".1.png.claim1", (time.time() + HOUR,) * 2)
        time.sleep(0.3)
        with claimed(target) as holder:
            assert holder is not None and holder.pid == os.getpid()


def test_a_gpu_that_failed_once_is_not_left_alone_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_core.rendering.gpu import trial
    from livehand_core.rendering.gpu.adapters import Adapter

    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    watched = trial.Trial(Adapter("Card", "1.2", "Vulkan", False, ""))
    watched._path.parent.mkdir(parents=True)
    watched._path.write_bytes(b"x" * trial.MOST)
    assert watched.failed
    later = time.time() + 2.0 * trial.FORGOTTEN
    os.utime(watched._path, (later, later))
    assert not watched.failed
