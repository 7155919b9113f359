"""Own cameras from COLMAP (text and binary) and nerfstudio, with the hand's parameters beside them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import OPENGL_TO_OPENCV
from livehand_core.captures.capture import read_capture
from livehand_core.cli import main
from livehand_core.datasets.colmap import read_model
from livehand_core.rotations import matrix_to_axis_angle
from tests.datasets.hands_world import World, make_world, save
from tests.datasets.test_readers import check


@pytest.fixture
def world() -> World:
    return make_world()


def write_poses(folder: Path, world: World, count: int) -> None:
    poses = world.poses[:count]
    np.savez(
        folder / "poses.npz",
        poses=np.array([pose.full_pose for pose in poses]),
        betas=poses[0].betas,
        trans=np.array([pose.transl for pose in poses]),
        side=world.side,
        model=world.model,
        flat_hand_mean=True,
    )


def quaternion(matrix: np.ndarray) -> np.ndarray:
    turn = matrix_to_axis_angle(matrix)
    angle = float(np.linalg.norm(turn))
    axis = turn / angle if angle > 0 else turn
    return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)])


def write_colmap(folder: Path, world: World, binary: bool, count: int = 3) -> None:
    """OPENCV cameras without distortion; images of ``count`` poses by every camera."""
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    rows = [(int(name) + 1, camera) for name, camera in world.cameras.items()]
    shots = []
    for index in range(count):
        for name, camera in world.cameras.items():
            file = f"cam{name}/{index:04d}.png"
            save(folder / "images" / file, world.image(index, name)[0])
            matrix = camera.world_to_camera
            shots.append((len(shots) + 1, quaternion(matrix[:3, :3]), matrix[:3, 3], int(name) + 1, file))
    if binary:
        cameras = struct.pack("<Q", len(rows))
        for number, camera in rows:
            lens = (camera.fx, camera.fy, camera.cx, camera.cy, 0.0, 0.0, 0.0, 0.0)
            cameras += struct.pack("<iiQQ8d", number, 4, camera.width, camera.height, *lens)
        images = struct.pack("<Q", len(shots))
        for number, turn, shift, camera_number, file in shots:
            images += struct.pack("<i7di", number, *turn, *shift, camera_number) + file.encode() + b"\0"
            images += struct.pack("<Q", 1) + struct.pack("<ddq", 1.0, 2.0, -1)
        (model / "cameras.bin").write_bytes(cameras)
        (model / "images.bin").write_bytes(images)
        return
    text = "# Camera list\n"
    for number, camera in rows:
        text += f"{number} PINHOLE {camera.width} {camera.height} {camera.fx} {camera.fy} {camera.cx} {camera.cy}\n"
    (model / "cameras.txt").write_text(text)
    text = "# Image list\n"
    for number, turn, shift, camera_number, file in shots:
        # The line of points may be empty.
        text += " ".join(map(repr, (number, *turn.tolist(), *shift.tolist(), camera_number))) + f" {file}\n\n"
    (model / "images.txt").write_text(text)


def run(folder: Path, capture: Path) -> int:
    return main(["dataset", "cameras", str(folder), str(capture), "--no-refine"])


@pytest.mark.parametrize("binary", [True, False])
def test_colmap(tmp_path: Path, world: World, binary: bool) -> None:
    write_colmap(tmp_path / "own", world, binary)
    write_poses(tmp_path / "own", world, 3)
    assert run(tmp_path / "own", tmp_path / "capture") == 0
    capture = read_capture(tmp_path / "capture")
    assert len(capture.frames) == 9 and len(capture.poses.poses) == 3
    check(capture, world)


def test_nerfstudio_with_masks(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "own"
    frames = []
    for name, camera in world.cameras.items():
        rgb, mask = world.image(1, name)
        save(folder / f"images/cam{name}.png", rgb)
        save(folder / f"masks/cam{name}.png", mask.astype(np.uint8) * 255)
        frames.append(
            {
                "file_path": f"images/cam{name}.png",
                "transform_matrix": (camera.camera_to_world @ OPENGL_TO_OPENCV).tolist(),
                **{"fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy},
                **{"w": camera.width, "h": camera.height},
            }
        )
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "OPENCV", "frames": frames}))
    write_poses(folder, World(world.side, world.model, world.poses[1:2], world.cameras), 1)
    assert run(folder, tmp_path / "capture") == 0
    capture = read_capture(tmp_path / "capture")
    assert len(capture.frames) == 3 and len(capture.poses.poses) == 1
    check(capture, world)


def test_poses_and_images_that_do_not_match_are_refused(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    write_colmap(tmp_path / "own", world, True, 2)
    write_poses(tmp_path / "own", world, 3)
    assert run(tmp_path / "own", tmp_path / "capture") == 2
    assert "3 hand poses and 2 different numbers" in capsys.readouterr().err


def test_damaged_and_foreign_models_are_refused(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    write_colmap(tmp_path / "own", world, True)
    write_poses(tmp_path / "own", world, 3)
    file = tmp_path / "own" / "sparse/0/cameras.bin"
    whole = file.read_bytes()
    for content in (whole[:20], b"", whole.replace(struct.pack("<ii", 1, 4), struct.pack("<ii", 1, 77))):
        file.write_bytes(content)
        assert run(tmp_path / "own", tmp_path / "capture") == 2
        message = capsys.readouterr().err
        assert "is damaged" in message or "which is unknown" in message


@pytest.mark.parametrize(
    ("model", "numbers", "radial", "tangential"),
    [
        ("SIMPLE_PINHOLE", "400 80 100", (), (0.0, 0.0)),
        ("SIMPLE_RADIAL", "400 80 100 0.1", (0.1,), (0.0, 0.0)),
        ("RADIAL", "400 80 100 0.1 0.2", (0.1, 0.2), (0.0, 0.0)),
        ("OPENCV", "400 400 80 100 0.1 0.2 0.3 0.4", (0.1, 0.2), (0.3, 0.4)),
        ("FULL_OPENCV", "400 400 80 100 1 2 3 4 5 6 7 8", (1, 2, 5, 6, 7, 8), (3, 4)),
        ("OPENCV_FISHEYE", "400 400 80 100 0.1 0.2 0.3 0.4", (0.1, 0.2, 0.3, 0.4), (0.0, 0.0)),
    ],
)
def test_lenses(tmp_path: Path, model: str, numbers: str, radial: tuple, tangential: tuple) -> None:
    (tmp_path / "cameras.txt").write_text(f"1 {model} 160 200 {numbers}\n")
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a b.png\n")
    (shot,) = read_model(tmp_path)
    assert shot.name == "a b.png"
    assert (shot.camera.fx, shot.camera.cx, shot.camera.cy) == (400.0, 80.0, 100.0)
    assert (shot.lens.radial, shot.lens.tangential) == (radial, tangential)
    assert shot.lens.fisheye == (model == "OPENCV_FISHEYE")
