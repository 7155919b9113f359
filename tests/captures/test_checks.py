"""Bad input of captures: everything in one list before anything begins, and the rest goes on when the user says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, scan_capture, write_capture
from livehand_core.captures.checks import find_problems, inspect_capture
from livehand_core.captures.images import write_image
from livehand_core.errors import CaptureError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose, PoseSequence

WIDTH, HEIGHT = 96, 64


def camera(angle: float, away: float = 0.5) -> Camera:
    """Looks at the middle of the hand, or with a negative ``away`` in the opposite direction from there."""
    middle = np.array([-0.085, 0.0, 0.0])
    eye = middle + abs(away) * np.array([0.0, np.cos(angle), np.sin(angle)])
    matrix = look_at(eye, middle if away > 0.0 else 2.0 * eye - middle, np.array([1.0, 0.0, 0.0]))
    return Camera(WIDTH, HEIGHT, 140.0, 140.0, WIDTH / 2, HEIGHT / 2, matrix)


def painted(view: Camera, pose: HandPose) -> np.ndarray:
    """White pixels where vertices are."""
    pixels, _ = view.project(pose_vertices(builtin_hand("right"), pose))
    image = np.zeros((HEIGHT, WIDTH, 4))
    columns, rows = np.floor(pixels).astype(int).T
    inside = (columns >= 0) & (columns < WIDTH) & (rows >= 0) & (rows < HEIGHT)
    image[rows[inside], columns[inside]] = 1.0
    return image


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    random = np.random.default_rng(0)
    poses = [HandPose(np.zeros(3), 0.2 * random.normal(size=(15, 3)), np.zeros(10), np.zeros(3)) for _ in range(4)]
    frames = []
    for number in range(7):
        view = camera(0.8 * number)
        for index, pose in enumerate(poses):
            frame = CaptureFrame(f"images/pose{index}/cam{number}.png", view, f"cam{number}", index)
            write_image(tmp_path / frame.image, painted(view, pose))
            frames.append(frame)
    made = Capture(tmp_path, tuple(frames), PoseSequence(tuple(poses)), builtin_hand("right").name)
    write_capture(made)
    return made


def replace_cameras(capture: Capture, views: dict[int, Camera]) -> None:
    frames = [replace(frame, camera=views.get(number, frame.camera)) for number, frame in enumerate(capture.frames)]
    write_capture(replace(capture, frames=tuple(frames)))


def change_poses(capture: Capture, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    path = capture.folder / "poses.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


def test_a_sound_capture_has_no_problems(capture: Capture) -> None:
    found = inspect_capture(capture.folder)
    assert found.problems == () and len(found.capture.frames) == 28
    pixels = [np.count_nonzero(capture.image(frame)[..., 3] >= 0.5) for frame in capture.frames]
    assert list(found.mask_pixels) == pixels


def ruin(capture: Capture) -> dict[str, str]:
    """Damage a capture in every way; image or place -> what has to be said of it."""

    def poses(arrays: dict[str, np.ndarray]) -> None:
        arrays["poses"][1, 7] = np.nan
        arrays["side"] = np.array(["right", "right", "right", "left"])

    views = {
        0: camera(0.0, -0.5),
        2: camera(0.0, 0.001),
        4: camera(0.9).crop(4000, 0, WIDTH, HEIGHT),
    }
    replace_cameras(capture, views)
    change_poses(capture, poses)
    names = [frame.image for frame in capture.frames]
    (capture.folder / names[6]).unlink()
    write_image(capture.folder / names[8], np.ones((HEIGHT, WIDTH - 1, 4)))
    write_image(capture.folder / names[10], np.zeros((HEIGHT, WIDTH, 4)))
    whole = (capture.folder / names[12]).read_bytes()
    (capture.folder / names[12]).write_bytes(whole[: len(whole) // 2])
    corner = np.zeros((HEIGHT, WIDTH, 4))
    corner[0, 0] = 1.0
    write_image(capture.folder / names[14], corner)
    path = capture.folder / "transforms.json"
    document = json.loads(path.read_text())
    document["frames"][16]["transform_matrix"][0][0] = float("nan")
    document["frames"][18] = {"file_path": names[18]}
    path.write_text(json.dumps(document))
    return {
        "pose 1 (7 images)": "not finite",
        "pose 3 (7 images)": "a left hand among right ones",
        f"frame 16 ({names[16]})": "not finite",
        f"frame 18 ({names[18]})": "lacks",
        names[0]: "the hand lies behind the camera",
        names[2]: "camera stands within the hand",
        names[4]: "not in view",
        names[6]: "the image is missing",
        names[8]: f"{WIDTH - 1} x {HEIGHT} pixels, its camera says {WIDTH} x {HEIGHT}",
        names[10]: "mask is empty",
        names[12]: "cannot be read",
        names[14]: "mask lies elsewhere",
    }


def test_everything_is_named_in_one_list(capture: Capture) -> None:
    expected = ruin(capture)
    found = find_problems(capture.folder)
    said = {problem.place: problem.reason for problem in found.problems}
    assert said.keys() == expected.keys()
    for place, reason in expected.items():
        assert reason in said[place], (place, said[place])
    with pytest.raises(CaptureError) as caught:
        inspect_capture(capture.folder)
    assert all(place in str(caught.value) for place in expected)
    assert "12 problems" in str(caught.value) and "--skip-bad" in caught.value.remedy


def test_the_rest_goes_on_when_the_user_says_so(capture: Capture) -> None:
    ruin(capture)
    found = inspect_capture(capture.folder, skip_bad=True)
    # All of poses 1 and 3, all named images of poses 0 and 2, and nothing else, are gone; poses keep their numbers.
    assert [frame.image for frame in found.capture.frames] == [
        frame.image
        for number, frame in enumerate(capture.frames)
        if frame.pose in (0, 2) and number not in (0, 2, 4, 6, 8, 10, 12, 14, 16, 18)
    ]
    assert len(found.capture.poses.poses) == 4


def test_nothing_left(capture: Capture) -> None:
    for frame in capture.frames:
        capture.path(frame).unlink()
    with pytest.raises(CaptureError, match="None of the images"):
        inspect_capture(capture.folder, skip_bad=True)


def test_only_the_splits_asked_for_are_looked_at(capture: Capture) -> None:
    write_capture(replace(capture, held_out_cameras=frozenset({"cam6"}), held_out_poses=frozenset({3})))
    capture.path(capture.frames[0]).unlink()
    found = inspect_capture(capture.folder, splits=("both", "camera"))
    assert {frame.camera_name for frame in found.capture.frames} == {"cam6"}
    with pytest.raises(CaptureError, match="missing"):
        inspect_capture(capture.folder, splits=("train",))


def test_a_capture_that_is_not_finished_is_sound(capture: Capture) -> None:
    """A held-out camera that has taken no picture yet is no misspelt name."""
    frames = tuple(frame for frame in capture.frames if frame.camera_name != "cam6")
    write_capture(replace(capture, frames=frames, held_out_cameras=frozenset({"cam5", "cam6"})))
    found = find_problems(capture.folder)
    assert found.problems == () and found.capture.held_out_cameras == {"cam5"}


def test_an_unknown_hand_model_hides_nothing_else(capture: Capture) -> None:
    write_capture(replace(capture, hand_model="some-hand"))
    capture.path(capture.frames[3]).unlink()
    assert [problem.place for problem in find_problems(capture.folder).problems] == [capture.frames[3].image]


def test_two_frames_with_one_image(capture: Capture) -> None:
    frames = (*capture.frames, replace(capture.frames[0], pose=2))
    write_capture(replace(capture, frames=frames))
    (problem,) = scan_capture(capture.folder)[1]
    assert problem.place == capture.frames[0].image and "2 frames" in problem.reason


def test_identities_are_kept(capture: Capture) -> None:
    frames = tuple(replace(frame, identity="Ada" if frame.pose else "") for frame in capture.frames)
    write_capture(replace(capture, frames=frames))
    assert [frame.identity for frame in scan_capture(capture.folder)[0].frames] == [f.identity for f in frames]
    path = capture.folder / "transforms.json"
    document = json.loads(path.read_text())
    document["livehand"]["identity"] = "Bo"
    path.write_text(json.dumps(document))
    assert {frame.identity for frame in scan_capture(capture.folder)[0].frames} == {"Ada", "Bo"}


def test_what_is_held_out_must_be_readable(capture: Capture) -> None:
    path = capture.folder / "transforms.json"
    document = json.loads(path.read_text())
    document["livehand"]["held_out_poses"] = ["last"]
    path.write_text(json.dumps(document))
    with pytest.raises(CaptureError, match="held out"):
        scan_capture(capture.folder)


def test_check_command(capture: Capture, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(capture.folder)]) == 0
    assert "28 images can be used" in capsys.readouterr().out
    expected = ruin(capture)
    assert cli.main(["check", str(capture.folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert {entry["place"] for entry in document["list"]} == expected.keys()
    assert cli.main(["check", str(capture.folder / "images")]) == 2


def test_training_lists_them_before_it_begins(capture: Capture, tmp_path: Path) -> None:
    ruin(capture)
    run = tmp_path / "run"
    assert cli.main(["train", str(capture.folder), "--out", str(run), "--steps", "1", "--device", "cpu"]) == 2
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed" and "12 problems" in status["message"] and not (run / "checkpoint.pt").exists()
