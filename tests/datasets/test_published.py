"""The published code's layout, written and read again, and its configuration."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from livehand_core.captures.capture import read_capture
from livehand_core.cli import main
from livehand_core.datasets.published_config import capture_of, read_config
from livehand_core.errors import CaptureError
from tests.datasets import layouts
from tests.datasets.hands_world import World, make_world
from tests.datasets.test_readers import check


@pytest.fixture
def world() -> World:
    return make_world()


def test_the_layout_is_written_and_read_back(tmp_path: Path, world: World) -> None:
    layouts.interhand(tmp_path / "interhand", world)
    arguments = ["dataset", "interhand", str(tmp_path / "interhand"), str(tmp_path / "capture"), "--no-refine"]
    assert main([*arguments, "--published", str(tmp_path / "published")]) == 0
    bounds = np.load(tmp_path / "published" / "frame00001" / "poses_bounds.npy")
    assert bounds.shape == (3, 17)
    for row, name in zip(bounds, world.cameras, strict=True):
        camera = world.cameras[name]
        depth = camera.project(world.vertices(1))[1]
        # Down, right and back are a right-handed frame; the hand lies between near and far.
        matrix = row[:15].reshape(3, 5)
        assert np.allclose(np.cross(matrix[:, 0], matrix[:, 1]), matrix[:, 2], atol=1e-6)
        assert np.allclose(matrix[:, 3], camera.camera_to_world[:3, 3])
        assert np.allclose(matrix[:, 4], [camera.height, camera.width, camera.fx])
        assert row[15] < depth.min() < depth.max() < row[16]
    valid = np.load(tmp_path / "published" / "valid_pixel_masks.npy", allow_pickle=True).item()
    # The principal point was 3 pixels right of the middle and 2 above it.
    assert valid[0].shape == (200, 160) and not valid[0][:2].any() and not valid[0][:, -3:].any()
    assert valid[0][2:, :-3].all()
    assert main(["dataset", "livehand", str(tmp_path / "published"), str(tmp_path / "again"), "--no-refine"]) == 0
    again = read_capture(tmp_path / "again")
    assert len(again.frames) == 9
    assert all((frame.camera.cx, frame.camera.cy) == (80.0, 100.0) for frame in again.frames)
    check(again, world)


def write_config(folder: Path, world: World, text: str) -> Path:
    layouts.livehand(folder / "train", World(world.side, world.model, world.poses[:2], world.cameras))
    layouts.livehand(folder / "val", World(world.side, world.model, world.poses[2:], world.cameras))
    path = folder / "config.txt"
    path.write_text(text)
    return path


def test_a_configuration_names_data_and_run(tmp_path: Path, world: World) -> None:
    path = write_config(
        tmp_path,
        world,
        f"expname = hand  # the name\nbasedir = {tmp_path / 'logs'}\ndata_fol = train\n"
        "val_data_fol = 'val'\nN_rand = 4\n",
    )
    config = read_config(path)
    assert config.run == tmp_path / "logs" / "hand" and config.unused == ("N_rand",)
    capture = capture_of(config, "right", lambda done: None)
    assert len(capture.frames) == 9 and len(capture.held_out_poses) == 1
    check(read_capture(config.run / "capture"), world)
    held = next(iter(capture.held_out_poses))
    assert np.allclose(capture.poses.poses[held].hand_pose, world.poses[2].hand_pose, atol=1e-6)


def test_training_understands_it(tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """As far as the renderer's textures: MANO's stand-in has no texture coordinates to train on."""
    path = write_config(
        tmp_path, world, f"expname = hand\nbasedir = {tmp_path / 'logs'}\ndata_fol = train\nlrate = 1\n"
    )
    assert main(["train", "--published-config", str(path), "--steps", "1", "--device", "cpu"]) == 2
    said = capsys.readouterr()
    assert "not used: lrate" in said.out and "texture" in said.err
    assert (tmp_path / "logs/hand/capture/transforms.json").is_file()


@pytest.mark.parametrize("text", ["", "expname = a\n", "data_fol = nowhere\n", "data_fol = train\nval_data_fol = no\n"])
def test_a_configuration_without_its_data_is_refused(tmp_path: Path, world: World, text: str) -> None:
    with pytest.raises(CaptureError, match=r"config\.txt"):
        read_config(write_config(tmp_path, world, text))


def test_the_pickled_pose_holds_arrays_only(tmp_path: Path, world: World) -> None:
    layouts.livehand(tmp_path / "published", world)
    table = pickle.loads((tmp_path / "published/frame00000/mesh/MANO_params.pkl").read_bytes())
    assert {type(value) for value in table.values()} == {np.ndarray, str}
