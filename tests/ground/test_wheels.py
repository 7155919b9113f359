"""The lock files of the systems: each has what the package asks for, in a version that it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import wheels

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("target", wheels.TARGETS, ids=lambda target: target.lock.stem)
def test_a_lock_has_what_is_asked_for(target: wheels.Target) -> None:
    lock = wheels.read_lock(target.lock)
    assert "# no wheel" not in target.lock.read_text(encoding="utf-8")
    pairs = [(one, lock.get(wheels.canonical(one.name))) for one in wheels.requirements() if target.wants(one)]
    wrong = [f"{one}: {version}" for one, version in pairs if version and not one.specifier.contains(version)]
    assert not wrong and {"numpy", "numba", "torch", "wgpu"} <= lock.keys()
    system = "nvidia" if target.system == "linux" else "cuda"
    assert any(name.startswith(system) for name in lock) == (target.system == "linux"), "torch's own build"


def test_the_page_has_the_table_of_the_locks() -> None:
    page = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    table = page.partition(wheels.MARKS[0])[2].partition(wheels.MARKS[1])[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "none for" not in line]
    assert len(rows) > 15 and not [line for line in table.splitlines() if "none for" in line]


def test_lacking_wheels_are_told(tmp_path: Path) -> None:
    linux = [wheels.Target("linux", python) for python in wheels.PYTHONS]
    assert wheels._cell([(target, "1.0", True) for target in linux]) == "3.11 to 3.14"
    assert wheels._cell([(target, None, False) for target in linux]) == "not needed"
    half = [(target, "1.0" if target.python < "3.13" else None, True) for target in linux]
    assert wheels._cell(half) == "3.11, 3.12; none for 3.13, 3.14"


def test_markers_are_asked_of_the_target() -> None:
    wanted = {one.name: one for one in wheels.requirements()}
    assert wanted["wgpu"].marker is not None
    assert all(target.wants(wanted["wgpu"]) for target in wheels.TARGETS)
    assert "bpy" not in wanted and "ruff" not in wanted and "livehand" not in wanted
