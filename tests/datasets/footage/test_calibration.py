"""Calibrations in all their spellings, and which way their matrices are meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from livehand_core.cameras import OPENGL_TO_OPENCV, Camera
from livehand_core.datasets.footage.calibration_file import FoundCamera, assigned, read_calibration
from livehand_core.datasets.footage.readings import READINGS, placed, settle
from livehand_core.datasets.footage.video import Video
from livehand_core.errors import CaptureError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.rotations import matrix_to_axis_angle
from livehand_core.tracking.landmarks import HandLandmarks
from livehand_core.tracking.skeleton import seen_points
from tests.datasets.footage.world import camera, gesturing

K = np.array([[640.0, 0.0, 239.5], [0.0, 641.0, 240.5], [0.0, 0.0, 1.0]])
DISTORTION = [0.1, -0.05, 0.001, -0.002, 0.01]
TO_CAMERA = np.linalg.inv(camera(-30.0).camera_to_world)

Write = Callable[[Path], Path]


def as_json(**told: object) -> Write:
    def write(folder: Path) -> Path:
        path = folder / "cam.json"
        path.write_text(json.dumps({key: np.asarray(v).tolist() for key, v in told.items()}), encoding="utf-8")
        return path

    return write


def as_storage(suffix: str) -> Write:
    def write(folder: Path) -> Path:
        path = folder / f"cam.{suffix}"
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", 480)
        storage.write("image_height", 480)
        for name, value in (("camera_matrix", K), ("distortion_coefficients", np.array([DISTORTION]))):
            storage.write(name, value)
        storage.write("R", TO_CAMERA[:3, :3])
        storage.write("T", TO_CAMERA[:3, 3:])
        storage.release()
        return path

    return write


def as_dat(folder: Path) -> Path:
    def rows(matrix: np.ndarray) -> str:
        return "\n".join(" ".join(map(str, row)) for row in np.atleast_2d(matrix).tolist())

    (folder / "c0.dat").write_text(f"intrinsic:\n{rows(K)}\ndistortion:\n{rows(np.array(DISTORTION))}\n", "utf-8")
    place = f"R:\n{rows(TO_CAMERA[:3, :3])}\nT:\n{rows(TO_CAMERA[:3, 3:])}\n"
    (folder / "rot_trans_c0.dat").write_text(f"{place}#others\nR:\n{rows(np.eye(3))}\nT:\n0\n0\n0\n", "utf-8")
    return folder


RVEC = matrix_to_axis_angle(TO_CAMERA[:3, :3])
SPELLINGS = {
    "K R T": as_json(K=K, dist=DISTORTION, R=TO_CAMERA[:3, :3], T=TO_CAMERA[:3, 3]),
    "rvec": as_json(camera_matrix=K, dist_coeffs=[DISTORTION], rvec=RVEC[:, None], tvec=TO_CAMERA[:3, 3:]),
    "flat": as_json(cameraMatrix=K.ravel(), distCoeffs=DISTORTION, world_to_camera=TO_CAMERA),
    "three by four": as_json(intrinsics=K, distortion=DISTORTION, extrinsics=TO_CAMERA[:3]),
    "focal lengths": as_json(fx=640.0, fy=641.0, cx=239.5, cy=240.5, k1=0.1, k2=-0.05, p1=0.001, p2=-0.002, k3=0.01,
                             w2c=TO_CAMERA),
    "yml": as_storage("yml"), "xml": as_storage("xml"), "json of OpenCV": as_storage("json"), "dat": as_dat,
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_tells_the_same_camera(name: str, tmp_path: Path) -> None:
    (found,) = read_calibration([SPELLINGS[name](tmp_path)])
    assert found.intrinsics is not None and found.matrix is not None
    np.testing.assert_allclose(found.intrinsics, K, atol=1e-9)
    np.testing.assert_allclose(found.matrix, TO_CAMERA, atol=1e-9)
    np.testing.assert_allclose(found.lens.radial[:3], [0.1, -0.05, 0.01])
    np.testing.assert_allclose(found.lens.tangential, [0.001, -0.002])
    assert found.reading == "world to camera"


def test_opencvs_distortion_is_drawn_as_opencv_draws_it(tmp_path: Path) -> None:
    (found,) = read_calibration([SPELLINGS["K R T"](tmp_path)])
    shot = placed(found, (480, 480), "world to camera")
    points = np.random.default_rng(0).normal(0.0, 0.05, (40, 3))
    theirs, _ = cv2.projectPoints(points, RVEC, TO_CAMERA[:3, 3], K, np.array(DISTORTION))
    np.testing.assert_allclose(shot.drawn(points), theirs[:, 0] + 0.5, atol=1e-6)
    np.testing.assert_allclose(shot.straight(shot.drawn(points)), shot.camera.project(points)[0], atol=1e-4)


def test_a_file_of_several_cameras_goes_by_the_videos_names(tmp_path: Path) -> None:
    one = {"K": K.tolist(), "R": TO_CAMERA[:3, :3].tolist(), "T": TO_CAMERA[:3, 3].tolist()}
    path = tmp_path / "rig.json"
    path.write_text(json.dumps({"cameras": {"left": one, "right": one, "top": one}}), encoding="utf-8")
    found = read_calibration([path])
    assert [camera.name for camera in assigned(found, ["top", "left"])] == ["top", "left"]
    with pytest.raises(CaptureError, match="of left, right, top; the videos are of a, b"):
        assigned(found, ["a", "b"])


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"K": K.tolist(), "R": (2.0 * np.eye(3)).tolist(), "T": [0, 0, 1]}, "scaled"),
        ({"K": [1, 2], "R": np.eye(3).tolist(), "T": [0, 0, 1]}, "2 numbers"),
        ({"K": K.tolist(), "world_to_camera": [[1, 2, 3]]}, "3 numbers"),
        ({"K": K.tolist(), "dist": [0] * 8 + [0.1] * 4, "R": np.eye(3).tolist(), "T": [0, 0, 1]}, "thin prism"),
        ({"lens": "good"}, "no camera"),
    ],
)
def test_what_would_be_misread_is_refused(told: dict[str, object], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "cam.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(CaptureError, match=reason):
        read_calibration([path])


def test_a_calibration_of_other_images_is_refused_or_scaled() -> None:
    found = FoundCamera("cam", K, size=(960, 960), matrix=np.eye(4))
    scaled = placed(FoundCamera("cam", np.diag([2.0, 2.0, 1.0]) @ K, size=(960, 960)), (480, 480), "world to camera")
    assert scaled.camera.fx == pytest.approx(640.0) and scaled.camera.width == 480
    with pytest.raises(CaptureError, match="another size"):
        placed(found, (480, 480), "world to camera")
    with pytest.raises(CaptureError, match="960 x 540"):
        placed(FoundCamera("cam", K, size=(960, 540)), (480, 480), "world to camera")
    with pytest.raises(CaptureError, match="does not tell its lens"):
        placed(FoundCamera("cam", None, matrix=np.eye(4)), (480, 480), "world to camera")


def written(view: Camera, reading: str) -> np.ndarray:
    """A camera's matrix as a program of that convention writes it."""
    flip = OPENGL_TO_OPENCV if reading.endswith("OpenGL") else np.eye(4)
    matrix = view.camera_to_world @ flip
    return matrix if reading.startswith("camera") else np.linalg.inv(matrix)


def filmed(view: Camera, name: str, fps: float, offset: float) -> Video:
    """True landmarks of a film, with some noise."""
    film, random = gesturing(61), np.random.default_rng(len(name))
    times = np.arange(int(3.0 * fps)) / fps
    data, hands = builtin_hand("right"), []
    for time in times + offset:
        points = seen_points(data, film.poses[min(round(float(time) * film.fps), 60)])
        pixels = view.project(points)[0] + random.normal(0.0, 1.0, (21, 2))
        hands.append(HandLandmarks(pixels, points - points.mean(axis=0), 1.0, 1.0))
    return Video(name, 480, 480, fps, times, tuple(hands))


@pytest.mark.parametrize("true", READINGS)
@pytest.mark.parametrize("named", ["", "world to camera"])
def test_the_way_of_a_matrix_is_found_out(true: str, named: str) -> None:
    views = [camera(-30.0), camera(25.0)]
    videos = [filmed(views[0], "a", 15.0, 0.0), filmed(views[1], "bb", 15.0, 0.4)]
    k = views[0].intrinsics
    found = [FoundCamera("x", k, matrix=written(view, true), reading=named, centre=0.5) for view in views]
    shots, synchronous, notes = settle(found, videos)
    for shot, view in zip(shots, views, strict=True):
        np.testing.assert_allclose(shot.camera.camera_to_world, view.camera_to_world, atol=1e-9)
    assert synchronous[1].offset == pytest.approx(0.4, abs=0.02)
    assert bool(notes) == (named not in ("", true))


def test_cameras_of_another_rig_are_refused() -> None:
    views = [camera(-30.0), camera(25.0)]
    videos = [filmed(views[0], "a", 15.0, 0.0), filmed(views[1], "bb", 15.0, 0.4)]
    others = [camera(-30.0), camera(80.0, 20.0)]
    k = views[0].intrinsics
    found = [FoundCamera("x", k, matrix=written(c, "world to camera"), centre=0.5) for c in others]
    with pytest.raises(CaptureError, match="do not fit the videos"):
        settle(found, videos)


@pytest.mark.parametrize(("fps", "offset"), [(15.0, 0.0), (24.0, 0.7), (10.0, -0.1)])
def test_rates_that_differ_are_brought_together(fps: float, offset: float) -> None:
    views = [camera(-30.0), camera(25.0)]
    late = max(offset, 0.0)
    videos = [filmed(views[0], "a", 15.0, max(-offset, 0.0)), filmed(views[1], "bb", fps, late)]
    k = views[0].intrinsics
    found = [FoundCamera("x", k, matrix=written(c, "world to camera"), centre=0.5) for c in views]
    _, synchronous, _ = settle(found, videos)
    # The film's own poses change at 15 a second.
    assert synchronous[1].offset == pytest.approx(offset, abs=0.05)
