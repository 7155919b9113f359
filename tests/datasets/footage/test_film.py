"""A film of known truth made a capture by the command: cameras, offset, poses and pictures against what is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.captures.capture import Capture, read_capture
from livehand_core.cli import main
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_joints
from tests.datasets.footage.world import camera, gesturing, shoot

COUNT, LATE = 26, 4
"""Frames of the hand, and by how many the second camera was started later."""

CAMERAS = (camera(-30.0), camera(28.0))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, film = tmp_path_factory.mktemp("films"), gesturing(COUNT)
    first = shoot(folder / "one.mp4", list(film.poses), [CAMERAS[0]] * COUNT, film.fps)
    late = list(film.poses[LATE:])
    return [first, shoot(folder / "two.mp4", late, [CAMERAS[1]] * len(late), film.fps)]


def write_calibration(path: Path, unit: float = 1000.0) -> Path:
    """World to camera, by default in millimetres, as OpenCV's users write it."""
    told = {}
    for name, one in zip(("one", "two"), CAMERAS, strict=True):
        matrix = np.linalg.inv(one.camera_to_world)
        k = one.intrinsics
        k[:2, 2] -= 0.5
        told[name] = {
            "camera_matrix": k.tolist(),
            "dist_coeffs": [0.0] * 5,
            "R": matrix[:3, :3].tolist(),
            "T": (unit * matrix[:3, 3]).tolist(),
        }
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def capture(films: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("footage")
    calibration = write_calibration(folder / "rig.json")
    words = ["footage", *map(str, films), "-o", str(folder / "capture"), "--calibration", str(calibration)]
    assert main([*words, "--poses", "4", "--licence", "CC0-1.0", "--consent", "drawn"]) == 0
    return read_capture(folder / "capture")


def test_the_hand_lies_where_it_was(capture: Capture) -> None:
    film, data = gesturing(COUNT), builtin_hand("right")
    away, pixels = [], []
    for frame in capture.frames:
        time = int(Path(frame.image).parent.name) / 1000.0
        true = film.joints(round(time * film.fps))
        found = pose_joints(data, capture.hand(frame))
        away.append(np.linalg.norm(found - true, axis=1).mean())
        shown = [frame.camera.project(points)[0] for points in (found, true)]
        pixels.append(np.linalg.norm(shown[0] - shown[1], axis=1).mean())
    assert len(capture.poses.poses) == 4 and len(capture.frames) == 8
    assert np.mean(away) < 0.006 and np.mean(pixels) < 5.0
    assert capture.licence == "CC0-1.0" and capture.consent == "drawn"
    assert {pose.side for pose in capture.poses.poses} == {"right"}
    assert np.ptp([pose.betas for pose in capture.poses.poses], axis=0).max() < 1e-9, "one shape for all"


def test_the_offset_and_the_unit_are_found(capture: Capture) -> None:
    told = json.loads((capture.folder / "cameras.json").read_text("utf-8"))["cameras"]
    assert told["one"]["offset"] == 0.0
    assert told["two"]["offset"] == pytest.approx(LATE / gesturing(COUNT).fps, abs=0.012)
    place = np.array(told["two"]["camera"]["camera_to_world"])[:3, 3]
    np.testing.assert_allclose(place, CAMERAS[1].camera_to_world[:3, 3], atol=1e-9)


def test_masks_are_the_hand(capture: Capture) -> None:
    for frame in capture.frames:
        image = capture.image(frame)
        skin = image[image[..., 3] > 0.5][:, :3]
        # The ground is blue, the hand is not.
        assert (skin[:, 0] > skin[:, 2]).mean() > 0.97 and len(skin) > 2000


def test_the_report_shows_and_tells(capture: Capture) -> None:
    page = (capture.folder / "report.html").read_text("utf-8")
    assert "pixels off the landmarks" in page and "data:image/png;base64," in page
    assert (capture.folder / "overlays.png").stat().st_size > 10000
    entries = json.loads((capture.folder / "left_out.json").read_text("utf-8"))
    assert all(entry["reason"] in page for entry in entries)


def test_its_cameras_serve_for_the_next_film(
    capture: Capture, films: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["footage", *map(str, films), "-o", str(tmp_path / "again"), "--poses", "2", "--no-refine"]
    assert main([*words, "--calibration", str(capture.folder / "cameras.json")]) == 0
    again = read_capture(tmp_path / "again")
    assert len(again.poses.poses) == 2 and {frame.camera_name for frame in again.frames} == {"one", "two"}
    assert "unit" not in capsys.readouterr().out


def test_a_run_goes_on_and_other_settings_leave_nothing_behind(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livehand_core.datasets import prepare as module
    from livehand_core.datasets.footage import pipeline

    calibration, out = write_calibration(tmp_path / "rig.json", 1.0), tmp_path / "capture"
    words = ["footage", *map(str, films), "-o", str(out), "--calibration", str(calibration), "--no-refine"]
    made: list[str] = []
    real = module._prepared

    def failing(folder: Path, instant: object, settings: object) -> object:
        made.append(instant.name)  # type: ignore[attr-defined]
        if len(made) == 2:
            raise KeyboardInterrupt
        return real(folder, instant, settings)  # type: ignore[arg-type]

    fit = pipeline.fit_clip

    def shaken(*words: object) -> object:
        """As sums that are shared among other threads come out."""
        found = fit(*words)  # type: ignore[arg-type]
        return [replace(one, pose=replace(one.pose, transl=one.pose.transl + 1e-12)) for one in found]

    monkeypatch.setattr(module, "_prepared", failing)
    assert main([*words, "--poses", "3"]) == 130
    assert not (out / "transforms.json").exists()
    before = len(made)
    monkeypatch.setattr(pipeline, "fit_clip", shaken)
    assert main([*words, "--poses", "3"]) == 0
    assert len(made) - before == 2, "the first is kept"
    assert main([*words, "--poses", "1"]) == 0
    assert len(read_capture(out).poses.poses) == 1 and len(list((out / "images").iterdir())) == 1


def test_a_hand_of_the_other_side_is_refused(
    films: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = write_calibration(tmp_path / "rig.json")
    words = ["footage", *map(str, films), "-o", str(tmp_path / "capture"), "--calibration", str(calibration)]
    assert main([*words, "--hand", "left"]) == 2
    assert "--hand right" in capsys.readouterr().err
