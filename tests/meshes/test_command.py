"""``livehand mesh`` on an untrained avatar of the built-in hand, made solid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.avatars import new_avatar, save_avatar
from livehand_core.cameras import Camera
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.poses import HandPose
from tests.core.conftest import solid


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avatar") / "solid.safetensors"
    save_avatar(path, solid(new_avatar(builtin_hand("right"))))
    return path


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return dict(archive)


def mesh(avatar: Path, out: Path, *words: object) -> int:
    return cli.main(["mesh", str(avatar), "--out", str(out), "--resolution", "4", "--threads", "1", *map(str, words)])


def test_a_gesture_becomes_a_file_and_is_not_overwritten_by_accident(
    avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mesh(avatar, tmp_path / "hand.npz", "--pose", "fist") == 0
    told = capsys.readouterr()
    found = read(tmp_path / "hand.npz")
    assert f"{len(found['vertices'])} vertices" in told.out and "density" in told.err
    # A fist of the built-in hand reaches 107 mm from the wrist joint, its forearm 34 mm.
    assert found["vertices"][:, 0].min() == pytest.approx(-0.107, abs=4e-3)
    assert found["vertices"][:, 0].max() == pytest.approx(0.034, abs=4e-3)
    before = (tmp_path / "hand.npz").read_bytes()
    assert mesh(avatar, tmp_path / "hand.npz", "--pose", "open") == 2
    assert "already exists" in capsys.readouterr().err
    assert (tmp_path / "hand.npz").read_bytes() == before


def test_the_hand_of_a_frame_request_lies_where_it_says(avatar: Path, tmp_path: Path) -> None:
    pose = HandPose(np.array([0.4, 0.2, -0.1]), gesture("point"), np.zeros(10), np.array([1.0, -2.0, 0.5]))
    request = FrameRequest(Camera(8, 8, 8.0, 8.0, 4.0, 4.0, np.eye(4)), (HandInstance(pose, "elsewhere", 1.5),))
    (tmp_path / "hand.json").write_text(json.dumps(request.to_json()["hands"][0]))
    assert mesh(avatar, tmp_path / "hand.npz", "--hand", tmp_path / "hand.json") == 0
    from livehand_core.hand.skinning import pose_vertices

    proxy = 1.5 * pose_vertices(builtin_hand("right"), pose)
    found = read(tmp_path / "hand.npz")["vertices"]
    assert np.allclose([found.min(axis=0), found.max(axis=0)], [proxy.min(axis=0), proxy.max(axis=0)], atol=4e-3)


def test_programs_are_told_in_json(avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mesh(avatar, tmp_path / "hand.ply", "--machine") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("LIVEHAND ")]
    steps = [json.loads(line.removeprefix("LIVEHAND ")) for line in lines]
    assert {step["text"] for step in steps} == {"density", "surface", "colours"}


def test_what_is_wrong_is_said_and_nothing_is_written(
    avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hand.json").write_text("[]")
    for words, said in {
        ("--pose", "wave"): "relaxed",
        ("--identity", "anna"): "no identity 'anna'",
        ("--betas", *["1"] * 11): "up to 10",
        ("--hand", str(tmp_path / "hand.json")): "holds no hand",
        ("--threshold", "1e12"): "Choose a lower threshold",
        ("--device", "cuda:99"): "is not there",
    }.items():
        assert mesh(avatar, tmp_path / "hand.ply", *words) == 2
        assert said in capsys.readouterr().err
    assert mesh(avatar, tmp_path / "hand.stl") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["hand.json"]
