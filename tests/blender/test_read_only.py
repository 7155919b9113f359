"""The add-on where its own folder may only be read: each operator says so in one line, and frames are drawn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy


@pytest.fixture
def locked(folder: Path) -> Iterator[Path]:
    """The add-on's folder, on a disk that may only be read."""
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("mounting a disk needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_operators_name_the_folder(locked: Path, tiny_avatar: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    import bpy

    captured = tmp_path_factory.mktemp("captured")
    (captured / "transforms.json").write_text("{}")
    make_scene(tiny_avatar)
    operators = {
        "capture": lambda: bpy.ops.livehand.capture(),
        "training": lambda: bpy.ops.livehand.train_start(capture=str(captured)),
        "poses": lambda: bpy.ops.livehand.make_pose_library(directory=str(locked / "poses")),
        "avatar": lambda: bpy.ops.livehand.avatar_import(filepath=str(tiny_avatar)),
        "motion": lambda: bpy.ops.livehand.export_motion(filepath=str(locked / "motion.npz")),
    }
    for name, call in operators.items():
        with pytest.raises(RuntimeError, match=r"cannot be written|Read-only") as caught:
            call()
        said = str(caught.value)
        assert str(locked) in said and "Traceback" not in said and len(said) < 600, (name, said)
    assert not list(locked.iterdir())


def test_a_frame_is_drawn_without_a_log_or_a_cache(
    locked: Path,
    tiny_avatar: Path,
    tmp_path_factory: pytest.TempPathFactory,
    fresh_engine: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import bpy

    monkeypatch.setenv("LIVEHAND_CACHE", str(locked / "cache"))
    scene, _ = make_scene(tiny_avatar)
    scene.render.filepath = str(tmp_path_factory.mktemp("frames") / "frame.png")
    assert bpy.ops.render.render(write_still=True) == {"FINISHED"}
    assert Path(scene.render.filepath).is_file()
