"""The benchmark of the training step, on a small capture: what it reports, not how fast this machine is today."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.cli import main
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.measure import gradient_error, measure_parts, measure_training_step
from livehand_core.training.model import warm_start


@pytest.fixture
def config(tubes: HandData, monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr("livehand_core.training.trainer.warm_start", partial(warm_start, steps=15))
    torch.set_num_threads(1)
    return preset("cpu", steps=1, samples=4, hidden=(16, 8), tiles_per_step=2)


def test_a_step_is_timed_beside_the_plain_one(capture: Capture, config: TrainingConfig) -> None:
    figures = measure_training_step(capture.folder, config, steps=2)
    assert figures["images"] == 2 and figures["cores"] == 1
    assert figures["ratio"] == pytest.approx(figures["plain_ms"] / figures["fast_ms"])
    assert 1.0 < figures["fast_ms"] < 20_000.0
    parts = measure_parts(capture.folder, config, repeats=1)
    assert list(parts) == ["geometry", "field and compositing", "super-resolution", "losses", "empty space"]
    assert min(min(times) for times in parts.values()) > 0.01


def test_gradient_errors_are_told_by_parameter(capture: Capture, config: TrainingConfig) -> None:
    errors = gradient_error(capture.folder, config)
    assert "field.layers.0.weight" in errors and "super_resolution.colour1.bias" in errors
    assert 0.0 < max(errors.values()) < 1e-3


def test_the_command_prints_and_writes_what_was_measured(
    capture: Capture,
    config: TrainingConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("livehand_core.training.bench_command.preset", lambda name, **settings: config)
    path = tmp_path / "figures.json"
    assert main(["bench-training", str(capture.folder), "--only", "gradients", "--json", str(path)]) == 0
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert figures.keys() == {"gradient_error"} and 0.0 < figures["gradient_error"] < 1e-3
    assert f"worst {figures['gradient_error']:.1e}" in capsys.readouterr().out
    assert main(["bench-training", str(tmp_path / "none"), "--only", "gradients"]) == 2
