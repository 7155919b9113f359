"""How learning rates rise and fall over a run, and how quickly the averaged weights follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.captures.capture import Capture
from livehand_core.hand.data import HandData
from livehand_core.training.trainer import Trainer

from .test_trainer import tiny, trainer


def rates(run: Trainer, step: int) -> np.ndarray:
    """Learning rates at a step over their highest."""
    run.step = step
    run._set_rates()
    return np.array([group["lr"] / group["rate"] for group in run._optimiser.param_groups])


def test_learning_rates_rise_then_fall_along_a_cosine(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    config = tiny(steps=10_000)
    run = trainer(tmp_path / "run", capture, tubes, config)
    end = config.rate_end
    assert 0.0 < end < 0.5
    falling = {0.25: 0.5 + 0.25 * 2.0**0.5, 0.5: 0.5, 0.75: 0.5 - 0.25 * 2.0**0.5, 1.0: 0.0}
    for progress, cosine in falling.items():
        np.testing.assert_allclose(rates(run, round(10_000 * progress)), end + (1.0 - end) * cosine, rtol=1e-6)
    for step in (0, 9, 49):
        np.testing.assert_allclose(rates(run, step), (step + 1) / 100.0, rtol=1e-3)


def test_the_average_follows_quickly_at_first(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    run = trainer(tmp_path / "run", capture, tubes, tiny(steps=12, average_decay=0.5))
    for step in range(12):
        before = [value.clone() for value in run._average]
        run.advance()
        # 0.1, 0.18, 0.25 ... of the old average are kept, up to what is set.
        kept = min(0.5, (1 + step) / (10 + step))
        for old, now, value in zip(before, run._average, run._parameters, strict=True):
            torch.testing.assert_close(now, kept * old + (1.0 - kept) * value.detach(), rtol=1e-4, atol=1e-6)
    moved = [
        float((now - value.detach()).abs().max()) for now, value in zip(run._average, run._parameters, strict=True)
    ]
    assert max(moved) > 1e-6, "the average is no copy"
    assert kept == pytest.approx(0.5)
