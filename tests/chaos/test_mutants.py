"""Damaged and hostile files of every kind: each is one clear error or an answer; no crash, no hang, nothing executed.

One seed again: ``LIVEHAND_CHAOS_FIRST=SEED LIVEHAND_CHAOS_COUNT=1 pytest tests/chaos/test_mutants.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.conftest import Amount, Note
from tests.chaos.sound import make_sound
from tests.chaos.watch import ROOT, Tally, here, watched

FIRST = int(os.environ.get("LIVEHAND_CHAOS_FIRST", "0"))
COUNT = int(os.environ.get("LIVEHAND_CHAOS_COUNT", "0"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sound file of each kind."""
    folder = tmp_path_factory.mktemp("sound")
    make_sound(folder)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory")
def test_damaged_files_are_one_clear_error_each(sound: Path, tmp_path: Path, amount: Amount, note: Note) -> None:
    tally = watched("mutants.py", sound, tmp_path / "work", FIRST, COUNT or amount(1060, 7420))
    note("mutated files", summary(tally))
    assert not tally.faults, "\n".join(tally.faults[:20])
    assert COUNT or min(tally.tried.values()) >= 20


def summary(tally: Tally) -> str:
    """One line for the suite's table."""
    return (
        f"{tally.tried.total()} of {len(tally.tried)} kinds: {len(tally.crashes)} crashes, {len(tally.hangs)} hangs, "
        f"{len(tally.executed)} executed, {len(tally.others)} other faults; {tally.refused.total()} refused in one "
        f"message, {tally.tried.total() - tally.refused.total()} read"
    )


@pytest.mark.bpy
@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory")
def test_damaged_scenes_are_one_clear_error_each(tmp_path: Path, amount: Amount, note: Note) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    script = Path(__file__).with_name("blend_mutants.py")
    subprocess.run([sys.executable, script, sound], check=True, capture_output=True, cwd=ROOT, timeout=200, env=here())
    tally = watched("blend_mutants.py", sound, tmp_path / "work", FIRST, COUNT or amount(60, 1000))
    note("mutated scenes", summary(tally))
    assert not tally.faults, "\n".join(tally.faults[:20])
