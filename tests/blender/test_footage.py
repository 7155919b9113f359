"""Captures of real hands in Blender: videos and data sets through the operators, their overlays, cancel, faults."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from livehand_core.captures.capture import read_capture
from tests.blender.layout import Layout
from tests.datasets.footage.test_film import write_calibration
from tests.datasets.footage.world import camera, gesturing, shoot
from tests.tracking import films

pytestmark = pytest.mark.bpy


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)


def test_videos_become_a_capture_and_show_their_overlays(addon: None, python: None, tmp_path: Path) -> None:
    import bpy

    from livehand_blender.background import task
    from livehand_blender.footage.operators import PREPARE_KEY

    film = gesturing(12)
    for name, degrees in (("one", -30.0), ("two", 28.0)):
        shoot(tmp_path / f"{name}.mp4", list(film.poses), [camera(degrees)] * 12, film.fps)
    calibration, out = write_calibration(tmp_path / "rig.json"), tmp_path / "capture"
    done = bpy.ops.livehand.from_footage(
        directory=str(tmp_path), files=[{"name": "one.mp4"}, {"name": "two.mp4"}], cameras="FILES",
        calibration=str(calibration), poses=1, licence="CC0-1.0", capture=str(out),
    )  # fmt: skip
    assert done == {"FINISHED"}
    capture = read_capture(out)
    assert len(capture.frames) == 2 and capture.licence == "CC0-1.0"
    known = task(PREPARE_KEY)
    assert known is not None and known.progress > 0.9 and any("pixels" in line for line in known.answer.lines)
    assert bpy.context.scene.livehand_training.capture == str(out)
    image = bpy.data.images["overlays.png"]
    assert image.size[0] > 100 and Path(image.filepath) == out / "overlays.png"
    assert (out / "preparation.log").is_file()
    assert bpy.ops.livehand.show_overlays(folder=str(out)) == {"FINISHED"}
    with pytest.raises(RuntimeError, match="is not there"):
        bpy.ops.livehand.show_overlays(folder=str(tmp_path))


def test_a_data_set_becomes_a_capture(addon: None, python: None, tmp_path: Path) -> None:
    import bpy

    from tests.datasets.hands_world import make_world, write_mano
    from tests.datasets.test_reconstruction import write_colmap, write_poses

    write_mano(tmp_path / "mano")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEHAND_MANO", str(tmp_path / "mano"))
        world = make_world()
        write_colmap(tmp_path / "set", world, True)
        write_poses(tmp_path / "set", world, 3)
        out = tmp_path / "capture"
        assert bpy.ops.livehand.import_capture(
            directory=str(tmp_path / "set"), kind="cameras", capture=str(out), limit=2
        ) == {"FINISHED"}
    assert len(read_capture(out).poses.poses) == 2


def test_faults_are_told(addon: None, python: None, tmp_path: Path) -> None:
    import bpy

    wall = films.write_film(tmp_path / "wall.mp4", [films.empty()] * 4)
    told = {"directory": str(tmp_path), "files": [{"name": wall.name}], "capture": str(tmp_path / "capture")}
    with pytest.raises(RuntimeError, match="No hand was found"):
        bpy.ops.livehand.from_footage(**told)
    with pytest.raises(RuntimeError, match="No calibration is chosen"):
        bpy.ops.livehand.from_footage(**told, cameras="FILES")
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.livehand.from_footage(directory=str(tmp_path), files=[{"name": "none.mp4"}])
    with pytest.raises(RuntimeError, match="is not a folder"):
        bpy.ops.livehand.import_capture(directory=str(tmp_path / "none"))


def test_the_board_is_written(addon: None, python: None, tmp_path: Path) -> None:
    import bpy

    assert bpy.ops.livehand.write_board(filepath=str(tmp_path / "board.pdf"), paper="letter") == {"FINISHED"}
    assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF-")


def test_a_preparation_is_cancelled_at_once(addon: None, python: None, tmp_path: Path) -> None:
    from livehand_blender.background import Task, TaskCancelled
    from livehand_blender.footage.process import Preparation, prepare

    film = films.write_film(tmp_path / "long.mp4", films.moving(200))
    words = ["footage", str(film), "-o", str(tmp_path / "capture"), "--board-in-videos"]
    wish = Preparation(words, tmp_path / "capture", lambda: Path(sys.executable))
    cancelled: Task[object] = Task("The capture", lambda task: prepare(wish, task))
    cancelled.cancel()
    with pytest.raises(TaskCancelled):
        cancelled.run_here()
    assert not (tmp_path / "capture" / "transforms.json").exists()


def test_the_panel_shows_what_came_out(addon: None, tmp_path: Path) -> None:
    import bpy

    from livehand_blender.footage.process import Prepared
    from livehand_blender.ui.capture_panels import _draw_prepared

    (tmp_path / "overlays.png").write_bytes(b"")
    icons, texts = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys()), list[str]()
    _draw_prepared(Layout(icons, texts), Prepared(tmp_path, {"it is black": 3}, ("cam0: fitted hand 4.1 pixels off",)))
    assert {"Overlays", "Report", "3 Left Out", "3 x it is black"} <= set(texts) and "4.1 pixels off" in " ".join(texts)
