"""What a Blender leaves in the system's temporary folder: nothing, however its process comes to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.helpers import run_python

pytestmark = pytest.mark.bpy

ENABLED = "import bpy, livehand_blender; livehand_blender.register()\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import bpy", 0),
        (ENABLED, 0),
        (ENABLED + "livehand_blender.unregister()", 0),
        (ENABLED + "raise SystemExit(3)", 3),
        (ENABLED + "raise ValueError", 1),
        (ENABLED + "from livehand_blender.lifecycle import end_process; end_process(4)", 4),
        ("import bpy; from livehand_blender.lifecycle import end_process; end_process(5)", 5),
    ],
)
def test_a_blender_that_ends_leaves_no_temporary_folder(tmp_path: Path, code: str, status: int) -> None:
    answer = run_python("-c", code, environment={"TMPDIR": str(tmp_path)})
    assert answer.returncode == status, answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_folder_that_all_programs_share_is_never_removed(tmp_path: Path) -> None:
    # Where Blender can make no folder of its own it names the system's.
    code = (
        "import bpy, livehand_blender.lifecycle as lifecycle\n"
        "class App: tempdir = '{}'\n"
        "class Bpy: app = App\n"
        "lifecycle.bpy = Bpy\n"
        "lifecycle.remove_session_folder()\n"
    )
    (tmp_path / "kept").write_text("")
    assert run_python("-c", code.format(tmp_path)).returncode == 0
    assert (tmp_path / "kept").is_file()


def test_only_linux_ends_before_the_library_of_blender(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    pytest.importorskip("bpy")
    from livehand_blender import lifecycle

    registered = []
    monkeypatch.setattr(lifecycle, "atexit", SimpleNamespace(register=lambda *given: registered.append(given)))
    for platform in ("win32", "darwin"):
        monkeypatch.setattr(lifecycle, "sys", SimpleNamespace(platform=platform))
        lifecycle._end_before_blender()
    assert not registered
