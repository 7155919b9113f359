"""docs/scripting.md is true: its examples run, and every operator and parameter of a hand is documented."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from image_checks import describe
from page_examples import IN_BLENDER, PAGE, examples

from tests.blender.helpers import ROOT, run_python


@pytest.mark.bpy
@pytest.mark.slow
def test_the_examples_in_blender_run(tmp_path: Path) -> None:
    """All of them one after the other, in an empty file, with the real engine and the avatar that ships inside."""
    assert [len(examples(heading)) for heading in IN_BLENDER] == [1, 1, 1, 1]
    answer = run_python(
        ROOT / "scripts" / "page_examples.py",
        tmp_path / "hand.png",
        environment={"LIVEHAND_PYTHON": sys.executable, "BLENDER_USER_RESOURCES": str(tmp_path)},
        limit=400.0,
        folder=tmp_path,
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    assert "(15, 3)" in answer.stdout and "take" in answer.stdout and "curves, LiveHand Left" in answer.stdout
    assert describe(tmp_path / "hand.png").shows_hand


@pytest.mark.slow
def test_the_examples_without_blender_run(tmp_path: Path) -> None:
    blocks = examples("Without Blender")
    assert len(blocks) == 2
    (tmp_path / "example.py").write_text("\n".join(blocks), encoding="utf-8")
    answer = run_python(tmp_path / "example.py", environment={"PYTHONPATH": str(ROOT)}, limit=400.0, folder=tmp_path)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "(334, 512, 4)" in answer.stdout and "2 24.0 ()" in answer.stdout


@pytest.mark.bpy
def test_every_parameter_of_a_hands_operators_is_described(addon) -> None:
    import bpy

    table = dict(re.findall(r"^\| (`.*?`) \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    told = {
        name: set(re.findall(r"`(\w+)`", parameters))
        for names, parameters in table.items()
        for name in names.split(", ")
    }
    assert len(told) > 10
    for quoted, parameters in told.items():
        operator = getattr(bpy.ops.livehand, quoted.strip("`")).get_rna_type()
        found = {name: prop for name, prop in operator.properties.items() if name not in ("rna_type", "filter_glob")}
        hidden = {"check_existing"}
        assert set(found) - hidden == parameters, quoted
        assert all(prop.description for prop in found.values()), quoted
        assert operator.description, quoted
