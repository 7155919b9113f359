"""What was prepared is known again: by numbers that can be told apart, not by their last bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.datasets.footage import shape
from livehand_core.datasets.prepare import Settings, digest
from livehand_core.datasets.source import Instant, View
from livehand_core.poses import HandPose

SETTINGS = Settings("livehand-builtin-1")


def instant(off: float) -> Instant:
    hand = HandPose(np.zeros(3) - off, np.full((15, 3), 0.12345678) + off, np.zeros(10), np.full(3, 0.3) + off)
    camera = Camera(4, 4, 1.0 + off, 1.0, 2.0, 2.0, np.eye(4))
    return Instant("a", hand, (View(Path("x.png"), camera, "v"),))


def test_last_bits_do_not_count_and_a_tenth_of_a_millimetre_does() -> None:
    key = digest(instant(0.0), SETTINGS)
    assert key == digest(instant(1e-12), SETTINGS)
    assert key != digest(instant(1e-4), SETTINGS)
    assert key != digest(instant(0.0), replace(SETTINGS, refine=False))


def test_a_shape_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def found(*_: object) -> np.ndarray:
        calls.append(1)
        return np.arange(10) / 3.0

    monkeypatch.setattr(shape, "refine_shape", found)
    path = tmp_path / "shape.json"
    for off, times in ((0.0, 1), (1e-12, 1), (1e-4, 2), (1e-4, 2)):
        betas = shape.kept_shape(path, [instant(off)], SETTINGS, lambda done, of: None, lambda: None)
        np.testing.assert_array_equal(betas, np.arange(10) / 3.0)
        assert len(calls) == times
    path.write_text("{")
    shape.kept_shape(path, [instant(1e-4)], SETTINGS, lambda done, of: None, lambda: None)
    assert len(calls) == 3
