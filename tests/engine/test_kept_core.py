"""A copy of the core that processes run, whatever becomes of the one that it was made from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livehand_core.engine import kept_core
from livehand_core.engine.interpreters import core_command, engine_command
from livehand_core.engine.kept_core import KEPT_COPIES, PACKAGE, core_folder, keep_core_in


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    keep_core_in(tmp_path / "core")
    yield tmp_path / "core"
    keep_core_in(None)


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_processes_run_the_copy_and_it_is_made_once(place: Path) -> None:
    folder = core_folder()
    assert folder.parent == place and _files(folder / "livehand_core") == _files(PACKAGE)
    made = (folder / "livehand_core").stat().st_ino
    command = core_command(Path(sys.executable), ["train", "--help"])
    assert str(folder) in command and str(folder) in engine_command(Path(sys.executable))
    assert (core_folder() / "livehand_core").stat().st_ino == made and os.listdir(place) == [folder.name]
    # Only the copy is there for it: the command does not look into the folder that it is called from.
    answer = subprocess.run(command, capture_output=True, text=True, cwd=place, env={**os.environ, "PYTHONPATH": ""})
    assert answer.returncode == 0 and "usage: livehand train" in answer.stdout, answer.stderr


def test_some_older_copies_stay_for_what_runs_them(place: Path) -> None:
    for number in range(5):
        (place / f"old{number}").mkdir(parents=True)
        os.utime(place / f"old{number}", (number + 1.0, number + 1.0))
    core_folder()
    names = set(os.listdir(place))
    assert len(names) == KEPT_COPIES and {"old3", "old4"} < names


def test_a_copy_that_is_used_outlives_younger_ones_that_are_not(place: Path) -> None:
    used = core_folder()
    os.utime(used, (1.0, 1.0))
    core_folder()
    for number in range(2, 7):
        (place / f"old{number}").mkdir()
        os.utime(place / f"old{number}", (float(number), float(number)))
    kept_core._forget_older(place / "old6")
    assert set(os.listdir(place)) == {used.name, "old5", "old6"}


def test_without_a_place_it_is_this_very_core() -> None:
    assert core_folder() == PACKAGE.parent
    assert str(PACKAGE.parent) in core_command(Path(sys.executable), [])


def test_where_nothing_can_be_written_it_is_this_very_core(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep_core_in(tmp_path / "file" / "core")
    try:
        assert core_folder() == PACKAGE.parent
    finally:
        keep_core_in(None)


def test_a_half_made_copy_is_never_taken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(kept_core.shutil, "copytree", full)
        assert core_folder() == PACKAGE.parent
    assert os.listdir(place) == []
    assert (core_folder() / "livehand_core" / "__init__.py").is_file()
