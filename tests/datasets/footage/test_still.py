"""A hand that keeps still before one camera that moves: one pose, many pictures; what is no such film is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.cli import main
from livehand_core.datasets.footage.geometry import ShotCamera
from livehand_core.datasets.footage.pipeline import Run, Wish
from livehand_core.datasets.footage.still import fit_still
from livehand_core.datasets.footage.video import Video
from livehand_core.errors import CaptureError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_joints
from livehand_core.poses import HandPose
from livehand_core.tracking.landmarks import HandLandmarks
from livehand_core.tracking.skeleton import seen_points
from tests.datasets.footage.world import camera, gesturing

COUNT = 30
POSE = gesturing(9).poses[3]


def filmed(views: list[Camera], poses: list[HandPose]) -> Video:
    """True landmarks of each frame, a pixel off."""
    random, hands = np.random.default_rng(1), []
    for view, pose in zip(views, poses, strict=True):
        points = seen_points(builtin_hand("right"), pose)
        axes = view.to_axes(points)
        pixels = view.project(points)[0] + random.normal(0.0, 1.0, (21, 2))
        hands.append(HandLandmarks(pixels, axes - axes.mean(axis=0), 1.0, 1.0))
    return Video("walk", 480, 480, 10.0, np.arange(len(views)) / 10.0, tuple(hands))


def fitted(tmp_path: Path, views: list[Camera], poses: list[HandPose], unit: float = 1.0) -> tuple[Run, object]:
    run = Run(Wish((Path("walk.mp4"),), tmp_path / "capture", poses=12))
    shots = {}
    for number, view in enumerate(views):
        matrix = view.camera_to_world.copy()
        matrix[:3, 3] /= unit
        shots[number] = ShotCamera(replace(view, camera_to_world=matrix))
    return run, fit_still(run, "right", filmed(views, poses), shots, known=unit == 1.0)


@pytest.mark.parametrize("unit", [1.0, 0.37])
def test_the_pose_and_the_pictures(tmp_path: Path, unit: float) -> None:
    views = [camera(float(degrees)) for degrees in np.linspace(-40.0, 40.0, COUNT)]
    run, found = fitted(tmp_path, views, [POSE] * COUNT, unit)
    (instant,) = found.instants  # type: ignore[attr-defined]
    assert len(instant.views) == 12 and len({view.name for view in instant.views}) == 12
    joints = [pose_joints(builtin_hand("right"), pose) for pose in (instant.hand, POSE)]
    if unit == 1.0:
        assert np.linalg.norm(joints[0] - joints[1], axis=1).mean() < 0.003
    else:
        # The hand's own size stands for the metre: this one's is nearly the usual one.
        assert found.scale == pytest.approx(unit, rel=0.06)  # type: ignore[attr-defined]
        sizes = [np.linalg.norm(one[4] - one[0]) for one in joints]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.08)
    assert not run.notes.left_out


def test_frames_in_which_it_moved_are_left_out(tmp_path: Path) -> None:
    views = [camera(float(degrees)) for degrees in np.linspace(-40.0, 40.0, COUNT)]
    moved = replace(POSE, transl=POSE.transl + np.array([0.0, 0.0, 0.08]))
    run, found = fitted(tmp_path, views, [POSE] * (COUNT - 6) + [moved] * 6)
    assert {entry.reason for entry in run.notes.left_out} >= {"the hand moved, or the camera's place is wrong"}
    assert all(int(view.name[-6:]) < COUNT - 6 for view in found.instants[0].views)  # type: ignore[attr-defined]


def test_a_camera_that_keeps_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="One camera that keeps its place"):
        fitted(tmp_path, [camera(0.0)] * COUNT, list(gesturing(COUNT).poses))


def test_a_hand_that_moves_before_a_moving_camera_is_refused(tmp_path: Path) -> None:
    views = [camera(float(degrees)) for degrees in np.linspace(-40.0, 40.0, COUNT)]
    shifts = np.linspace(0.0, 1.0, COUNT)[:, None] * np.array([0.0, 0.1, 0.16])
    with pytest.raises(CaptureError, match="did not keep still"):
        fitted(tmp_path, views, [replace(POSE, transl=POSE.transl + shift) for shift in shifts])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["a.mp4"], "how the cameras are placed"),
        (["a.mp4", "--colmap", "--board-in-videos"], "Both"),
        (["a.mp4", "b.mp4", "--colmap", "--offsets", "1"], "1 of 2 entries"),
        ([], "No video"),
        (["nowhere.mp4", "--colmap"], "does not exist"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["footage", *words, "-o", str(tmp_path / "capture")]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "capture" / "transforms.json").exists()
