"""The capture folder: what is written is read back, other programs' conventions hold, and damage is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, read_capture, write_capture
from livehand_core.captures.checks import inspect_capture
from livehand_core.captures.fingerprint import capture_hash
from livehand_core.captures.images import mask_box, read_image, write_image
from livehand_core.errors import CaptureError
from livehand_core.poses import HandPose, PoseSequence

WIDTH, HEIGHT = 24, 32


def hand_image() -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 4), dtype=np.float32)
    image[8:24, 6:18] = 1.0
    image[8:24, 6:18, 0] = 0.5
    image[8, 6:18] *= 0.5
    return image


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    random = np.random.default_rng(0)
    poses = [HandPose(np.zeros(3), random.normal(size=(15, 3)), np.zeros(10), random.normal(size=3)) for _ in range(3)]
    frames = []
    for number in range(2):
        eye = np.array([0.1 * number, -0.4, 0.2])
        matrix = look_at(eye, np.zeros(3), np.array([0.0, 0.0, 1.0]))
        camera = Camera(WIDTH, HEIGHT, 50.0 + number, 51.0, 12.5, 15.0, matrix)
        for pose in range(3):
            frame = CaptureFrame(f"images/pose{pose}/cam{number}.png", camera, f"cam{number}", pose)
            write_image(tmp_path / frame.image, hand_image())
            frames.append(frame)
    made = Capture(
        tmp_path, tuple(frames), PoseSequence(tuple(poses)), "some-hand", frozenset({"cam1"}), frozenset({2}), "CC0-1.0"
    )
    write_capture(made)
    return made


def edit(capture: Capture, change: object) -> None:
    path = capture.folder / "transforms.json"
    document = json.loads(path.read_text())
    change(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))


def test_consent_is_kept_and_a_capture_has_a_hash_of_its_own(capture: Capture) -> None:
    assert read_capture(capture.folder).consent == ""
    edit(capture, lambda document: document["livehand"].update(consent="Anna agreed on 3 May, for this film"))
    again = read_capture(capture.folder)
    assert again.consent == "Anna agreed on 3 May, for this film" and not again.notes
    write_capture(again)
    again = read_capture(capture.folder)
    assert again.consent.startswith("Anna")
    before = capture_hash(again)
    assert capture_hash(read_capture(capture.folder)) == before and len(before) == 64
    assert capture_hash(replace(again, frames=again.frames[1:])) != before
    (capture.folder / again.frames[0].image).write_bytes(b"another image")
    assert capture_hash(again) != before


def test_round_trip(capture: Capture) -> None:
    again = read_capture(capture.folder)
    assert again.hand_model == "some-hand" and again.licence == "CC0-1.0"
    assert again.held_out_cameras == {"cam1"} and again.held_out_poses == {2}
    for before, after in zip(capture.frames, again.frames, strict=True):
        assert (before.image, before.camera_name, before.pose) == (after.image, after.camera_name, after.pose)
        np.testing.assert_allclose(before.camera.camera_to_world, after.camera.camera_to_world, atol=1e-12)
        np.testing.assert_allclose(before.camera.intrinsics, after.camera.intrinsics)
        np.testing.assert_allclose(capture.hand(before).full_pose, again.hand(after).full_pose)
        np.testing.assert_allclose(capture.hand(before).transl, again.hand(after).transl)


def test_splits_count_what_is_new(capture: Capture) -> None:
    sizes = {split: len(capture.frames_of(split)) for split in ("train", "camera", "pose", "both")}
    assert sizes == {"train": 2, "camera": 2, "pose": 1, "both": 1}


def test_axes_are_those_of_nerfstudio(capture: Capture) -> None:
    """In OpenGL axes a camera looks along its -z column: from its place towards the origin here."""
    document = json.loads((capture.folder / "transforms.json").read_text())
    matrix = np.array(document["frames"][0]["transform_matrix"])
    eye = matrix[:3, 3]
    np.testing.assert_allclose(-matrix[:3, 2], -eye / np.linalg.norm(eye), atol=1e-9)
    assert matrix[2, 1] > 0.5, "the camera's y column points up"
    assert {"fl_x", "fl_y", "cx", "cy", "w", "h", "file_path"} <= set(document["frames"][0])


def test_common_intrinsics_are_read(capture: Capture) -> None:
    def lift(document: dict) -> None:
        for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
            document[key] = document["frames"][0][key]
            for frame in document["frames"]:
                del frame[key]

    edit(capture, lift)
    camera = read_capture(capture.folder).frames[-1].camera
    assert (camera.fx, camera.width) == (50.0, WIDTH)


def test_images_keep_colour_and_mask(capture: Capture) -> None:
    image = read_image(capture.path(capture.frames[0]))
    np.testing.assert_allclose(image, hand_image(), atol=1.01 / 255)
    assert mask_box(image[..., 3] >= 0.4) == (6, 8, 18, 24)
    assert mask_box(np.zeros((3, 3), bool)) == (0, 0, 0, 0)


def test_all_bad_images_are_named_at_once(capture: Capture) -> None:
    capture.path(capture.frames[0]).unlink()
    write_image(capture.path(capture.frames[1]), np.zeros((HEIGHT, WIDTH, 4)))
    write_image(capture.path(capture.frames[2]), hand_image()[:, :-1])
    capture.path(capture.frames[3]).write_bytes(b"not an image")
    write_image(capture.path(capture.frames[4]), hand_image()[..., :3])
    with pytest.raises(CaptureError) as caught:
        inspect_capture(capture.folder)
    text = str(caught.value)
    for number, reason in enumerate(("missing", "mask is empty", "23 x 32", "cannot be read", "alpha")):
        assert any(capture.frames[number].image in line and reason in line for line in text.splitlines()), reason
    assert "5 problems" in text


def test_sound_images_pass_with_their_mask_sizes(capture: Capture) -> None:
    assert inspect_capture(capture.folder).mask_pixels == (16 * 12,) * 6


def test_bad_frames_are_named_at_once(capture: Capture) -> None:
    def damage(document: dict) -> None:
        document["frames"][0]["transform_matrix"][0][3] = float("nan")
        del document["frames"][1]["fl_x"]
        document["frames"][2]["pose"] = 7
        document["frames"][3] = "frame"

    edit(capture, damage)
    with pytest.raises(CaptureError) as caught:
        read_capture(capture.folder)
    text = str(caught.value)
    assert "4 problems" in text
    assert all(word in text for word in ("not finite", "fl_x", "pose 7 of 3", "not an object"))


def test_poses_that_are_not_finite(capture: Capture) -> None:
    with np.load(capture.folder / "poses.npz") as archive:
        arrays = dict(archive)
    arrays["poses"][1, 5] = np.nan
    np.savez(capture.folder / "poses.npz", **arrays)
    with pytest.raises(CaptureError, match="not finite"):
        read_capture(capture.folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "not there"), ("{", "is damaged"), ("[]", "no list of frames"), ('{"frames": []}', "no hand poses")],
)
def test_bad_documents(capture: Capture, content: str | None, reason: str) -> None:
    path = capture.folder / "transforms.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(CaptureError, match=reason):
        read_capture(capture.folder)


def test_other_version(capture: Capture) -> None:
    edit(capture, lambda document: document["livehand"].update(format_version=9))
    with pytest.raises(CaptureError, match="version 9"):
        read_capture(capture.folder)


def test_no_frames(capture: Capture) -> None:
    write_capture(replace(capture, frames=()))
    with pytest.raises(CaptureError, match="no frames"):
        read_capture(capture.folder)
