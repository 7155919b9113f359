"""Outputs that cannot be written are noticed before the work begins, whatever the work is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livehand_core import cli
from livehand_core.errors import LiveHandError
from livehand_core.files import check_writable


@pytest.mark.parametrize(
    "command",
    [
        ("render", "AVATAR", "--out", "OUT/a.png"),
        ("render", "AVATAR", "--out", "OUT/frames"),
        ("mesh", "AVATAR", "--out", "OUT/a.ply"),
        ("evaluate", "AVATAR", "CAPTURE", "--out", "OUT"),
        ("evaluate", "AVATAR", "CAPTURE", "--no-report", "--json", "OUT/a.json"),
        ("bench", "--avatar", "AVATAR", "--json", "OUT/a.json"),
        ("import", "AVATAR", "OUT/a.safetensors"),
        ("train", "CAPTURE", "--out", "OUT/run"),
    ],
)
def test_a_command_names_the_output_and_not_what_it_would_have_worked_on(
    tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = {"AVATAR": str(tmp_path / "none.safetensors"), "CAPTURE": str(tmp_path / "none")}
    given = [words.get(word, word.replace("OUT", str(tmp_path / "file" / "out"))) for word in command]
    assert cli.main(given) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said and str(tmp_path / "file") in said and "none" not in said


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder" / "a.png", tmp_path, None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LiveHandError, match=r"/proc/none.*cannot be written"):
        check_writable("/proc/none/a.png" if os.path.isdir("/proc") else tmp_path / "a" / "\0")
