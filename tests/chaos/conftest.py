"""How much chaos: a bounded run, or the long one of ``scripts/test.py --chaos``, whose figures are written down."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = os.environ.get("LIVEHAND_CHAOS") == "long"
FIGURES = ROOT / "out" / "chaos" / "figures.json"

Amount = Callable[[int, int], int]
Note = Callable[[str, str], None]


@pytest.fixture(scope="session")
def amount() -> Amount:
    """The first number in the bounded run, the second in the long one."""
    return lambda bounded, long: long if LONG else bounded


@pytest.fixture
def note() -> Iterator[Note]:
    """Write what was done and what came of it into ``out/chaos/figures.json``, a line of the suite's table."""
    began, noted = time.monotonic(), {}

    def write(what: str, result: str) -> None:
        noted[what] = result

    yield write
    if LONG and noted:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
        seconds = round(time.monotonic() - began)
        known |= {what: {"result": result, "seconds": seconds} for what, result in noted.items()}
        FIGURES.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
