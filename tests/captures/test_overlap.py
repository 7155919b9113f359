"""Captures that look sound and are not: the posed hand against the mask, and the cause by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.capture import Capture, write_capture
from livehand_core.captures.checks import Inspection, find_problems, inspect_capture
from livehand_core.captures.images import write_image
from livehand_core.errors import CaptureError

from . import sound

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return sound.make(tmp_path, 4)


def test_a_sound_capture_overlaps(capture: Capture) -> None:
    found = find_problems(capture.folder)
    assert not found.problems and found.overlap is not None and found.overlap > 0.93


def matrices(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Capture], Inspection]:
    return lambda capture: sound.edit_matrices(capture.folder, change)


def poses(change: Callable[[dict[str, Any]], object]) -> Callable[[Capture], Inspection]:
    return lambda capture: sound.edit_poses(capture.folder, change)


def pictures(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Capture], Inspection]:
    return lambda capture: sound.resaved(capture, change)


def scaled(matrix: np.ndarray, factor: float) -> np.ndarray:
    return np.hstack([matrix[:, :3], matrix[:, 3:] * [[factor], [factor], [factor], [1.0]]])


def mirrored(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    world = np.eye(4)
    world[axis, axis] = -1.0
    return lambda matrix: world @ matrix @ MIRROR


def fingers(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Capture], Inspection]:
    def edited(arrays: dict[str, Any]) -> None:
        joints = arrays["poses"][:, 3:].reshape(-1, 15, 3)
        arrays["poses"] = np.hstack([arrays["poses"][:, :3], change(joints).reshape(-1, 45)])

    return poses(edited)


def opposite(image: np.ndarray) -> np.ndarray:
    answer = image.copy()
    answer[..., 3] = 1.0 - image[..., 3]
    return answer


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (matrices(lambda m: scaled(m, 1000.0)), "millimetres"),
        (matrices(lambda m: scaled(m, 100.0)), "centimetres"),
        (matrices(np.linalg.inv), "world-to-camera"),
        (matrices(lambda m: m @ np.diag([1.0, -1, -1, 1])), "OpenCV's axes"),
        (matrices(mirrored(0)), "mirrored"),
        (matrices(mirrored(1)), "mirrored"),
        (matrices(mirrored(2)), "mirrored"),
        (matrices(lambda m: np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]) @ m), "upwards"),
        (poses(lambda a: a.update(side=np.array("left"))), "other hand"),
        (fingers(lambda joints: joints[:, ::-1]), "reversed"),
        (fingers(lambda joints: -joints), "inverted"),
        (pictures(lambda image: image[::-1]), "upside down"),
        (pictures(lambda image: image[:, ::-1]), "mirrored"),
        (pictures(lambda image: image[::-1, ::-1]), "180 degrees"),
        (pictures(opposite), "masks are inverted"),
    ],
)
def test_the_cause_is_named(capture: Capture, change: Callable[[Capture], Inspection], cause: str) -> None:
    found = change(capture)
    assert found.problems[0].place == "all images" and cause in found.problems[0].reason, sound.said(found)
    assert not found.capture.frames
    with pytest.raises(CaptureError, match="None of the images"):
        inspect_capture(capture.folder, skip_bad=True)


def test_full_masks(capture: Capture) -> None:
    found = sound.resaved(capture, lambda image: np.ones_like(image))
    assert len(found.problems) == 12 and all("the mask is full" in problem.reason for problem in found.problems)


def test_translations_in_millimetres_are_noticed(capture: Capture) -> None:
    moved = tuple(replace(pose, transl=np.array([0.3, 0.1, -0.2])) for pose in capture.poses.poses)
    shifted = []
    for frame in capture.frames:
        matrix = frame.camera.camera_to_world.copy()
        matrix[:3, 3] += [0.3, 0.1, -0.2]
        shifted.append(replace(frame, camera=replace(frame.camera, camera_to_world=matrix)))
    write_capture(replace(capture, frames=tuple(shifted), poses=replace(capture.poses, poses=moved)))
    assert not find_problems(capture.folder).problems
    try:
        said = sound.said(sound.edit_poses(capture.folder, lambda a: a.update(trans=1000.0 * a["trans"])))
    except CaptureError as error:
        said = error.message
    assert "millimetres" in said or "metres" in said


def test_single_images_among_sound_ones(capture: Capture) -> None:
    """One upside down, one of another pose, one moved: each is named, the rest stays."""
    flipped, other, away = capture.frames[0], capture.frames[5], capture.frames[10]
    write_image(capture.path(flipped), capture.image(flipped)[::-1])
    neighbour = next(
        frame for frame in capture.frames if (frame.camera_name, frame.pose) == (other.camera_name, other.pose - 1)
    )
    write_image(capture.path(other), capture.image(neighbour)[::-1, ::-1])
    write_image(capture.path(away), np.roll(capture.image(away), 60, axis=0))
    found = find_problems(capture.folder)
    told = {problem.place: problem.reason for problem in found.problems}
    assert told.keys() == {flipped.image, other.image, away.image}
    assert "upside down" in told[flipped.image] and len(found.capture.frames) == 9


def test_rough_fits_are_no_problem(capture: Capture) -> None:
    """Real hands do not have the model's shape: masks that are four pixels wider all round stay usable."""

    def swollen(image: np.ndarray) -> np.ndarray:
        answer = image
        for shift in ((2, 0), (-2, 0), (0, 2), (0, -2), (2, 2), (-2, -2)):
            answer = np.maximum(answer, np.roll(image, shift, axis=(0, 1)))
        return answer

    found = sound.resaved(capture, swollen)
    assert not found.problems and found.overlap is not None and 0.5 < found.overlap < 0.9


def test_a_left_hand_is_as_sound(tmp_path: Path) -> None:
    sound.make(tmp_path, side="left")
    assert not find_problems(tmp_path).problems
    found = sound.edit_poses(tmp_path, lambda a: a.update(side=np.array("right")))
    assert "other hand" in sound.said(found)
