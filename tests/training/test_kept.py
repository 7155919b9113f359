"""What a run keeps of its images: within bounds, the same after every epoch, and the same weights whatever is kept."""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.errors import TrainingError
from livehand_core.hand.data import HandData
from livehand_core.training import kept
from livehand_core.training.config import preset
from livehand_core.training.kept import Kept, kept_for
from livehand_core.training.trainer import Trainer
from tests.training.test_beginning import SMALL, in_lights, trainer

CPU = torch.device("cpu")


def made_anew(*_: object) -> object:
    raise AssertionError("it was kept")


def test_the_least_recently_used_goes_first() -> None:
    store = Kept(100)
    for name in "abc":
        assert store(name, lambda name=name: name.upper(), lambda _: 30) == name.upper()  # type: ignore[misc]
    assert store("a", made_anew, len) == "A"
    store("d", lambda: "D", lambda _: 35)
    assert store.held == 95 and store("a", made_anew, len) == "A" and store("b", lambda: "anew", len) == "anew"
    assert store("large", lambda: "too large", lambda _: 101) == "too large" and store.held == 0


def test_threads_share_it() -> None:
    store, random = Kept(40 * 80), np.random.default_rng(0)
    keys = random.integers(0, 100, 4000).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda key: store(key, lambda: np.full(10, key), lambda made: made.nbytes), keys))
    assert all((value == key).all() for key, value in zip(keys, found, strict=True))
    assert store.held == 40 * 80 == sum(size for _, size in store._known.values())


def test_room_is_what_is_asked_for_or_a_part_of_what_is_free(
    capture: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frames, said = capture.frames_of("train"), []
    assert kept_for(frames, 2, CPU, 0.5, 2, said.append).room == 250_000_000 and not said
    assert 1 << 26 < kept_for(frames, 2, CPU, 0.0, 1, said.append).room < 1 << 45 and not said
    assert kept_for(frames, 2, CPU, 1e-6, 1, said.append).room == 1000
    assert "0.0 GB of them are kept" in said[0] and "takes time" in said[0]
    with pytest.raises(TrainingError, match="memory_gb is out of range"):
        preset("cpu", steps=1, memory_gb=-1.0)
    if sys.platform == "linux":
        # A container's limit counts where it is less.
        (tmp_path / "memory.max").write_text("3000000\n")
        (tmp_path / "memory.current").write_text("1000000\n")
        assert kept._allowed(tmp_path) == 2_000_000
        (tmp_path / "memory.max").write_text("max\n")
        assert kept._allowed(tmp_path) is None and kept._allowed(tmp_path / "none") is None
    monkeypatch.setattr(kept, "_free", lambda: None)
    assert kept_for(frames, 2, CPU, 0.0, 2, said.append).room == kept.USUAL_ROOM


def test_windows_tells_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        def GlobalMemoryStatusEx(self, status: Any) -> int:
            assert ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] == 64, "the structure's size comes first"
            ctypes.cast(status, ctypes.POINTER(ctypes.c_uint64))[2] = 5_000_000
            return 1

    monkeypatch.setattr(ctypes, "WinDLL", lambda name: {"kernel32": Kernel()}[name], raising=False)
    monkeypatch.setattr(kept, "sys", SimpleNamespace(platform="win32"))
    assert kept._free() == 5_000_000


def held_by(run: Trainer, epochs: int) -> list[int]:
    """Bytes that are kept after each epoch."""
    store, held = run.views[0]._kept, []
    run.begin()
    for _ in range(epochs):
        for _ in run.views:
            run.advance()
            assert store.held <= store.room
        held.append(store.held)
    run.close()
    return held


def test_a_run_fills_its_room_once_and_what_it_learns_does_not_depend_on_it(
    capture: Capture, tubes: HandData, tmp_path: Path
) -> None:
    lit = in_lights(capture)
    lit = replace(lit, frames=lit.frames[:8])
    count = len(lit.frames_of("train"))
    config = preset("cpu", steps=3 * count, tiles_per_step=1, **SMALL)
    wide = trainer(tmp_path / "wide", lit, tubes, config)
    first, *later = held_by(wide, 3)
    assert later == [first, first] and first > 20_000 * count
    small = trainer(tmp_path / "small", lit, tubes, replace(config, memory_gb=0.4e-9 * first))
    assert max(held_by(small, 3)) <= 0.4 * first
    for one, other in zip(wide.model.parameters(), small.model.parameters(), strict=True):
        assert torch.equal(one, other)
