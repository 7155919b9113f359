"""``transforms.json`` as other programs write it: read as they mean it, or refused by name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.capture import Capture, read_capture, write_capture
from livehand_core.captures.checks import find_problems
from livehand_core.captures.images import write_image
from livehand_core.cli import main
from livehand_core.errors import CaptureError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.poses import HandPose, PoseSequence

from . import sound

ROOT = Path(__file__).parents[2]
LENS_KEYS = ("fl_x", "fl_y", "cx", "cy", "w", "h")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return sound.make(tmp_path)


def same(found: Any, capture: Capture) -> bool:
    pairs = zip(found.capture.frames, capture.frames, strict=True)
    return all(
        np.allclose(a.camera.camera_to_world, b.camera.camera_to_world, atol=1e-6)
        and np.allclose(a.camera.intrinsics, b.camera.intrinsics)
        and a.image == b.image
        for a, b in pairs
    )


def without(*keys: str) -> Change:
    return lambda entry: [entry.pop(key) for key in keys]


def lifted(document: dict[str, Any], **more: Any) -> None:
    for entry in document["frames"]:
        for key in LENS_KEYS:
            entry.pop(key)
    document.update(more)


ANGLE = 2.0 * np.arctan(sound.SIZE[0] / 2 / sound.FOCAL)


@pytest.mark.parametrize(
    "change",
    [
        without("fl_y"),
        without("cx", "cy"),
        without("w", "h"),
        without("fl_y", "cx", "cy", "w", "h"),
        lambda e: e.update(fl_x=str(e["fl_x"]), w=float(e["w"]), cy=None),
        lambda e: e.update(file_path="./" + e["file_path"][:-4]),
        lambda e: e.update(file_path=e["file_path"].replace("/", "\\")),
        lambda e: e.update(file_path=e["file_path"].replace(".png", ".PNG")),
        lambda e: e.update(transform_matrix=e["transform_matrix"][:3]),
        lambda e: e.update(transform_matrix=np.round(e["transform_matrix"], 7).tolist()),
        lambda e: e.update(sharpness=31.0, colmap_im_id=4, k1=0.0, k2=None, camera_model="pinhole"),
    ],
)
def test_frames_as_others_write_them(capture: Capture, change: Change) -> None:
    found = sound.edit_frames(capture.folder, change)
    assert not found.problems and same(found, capture) and not found.capture.notes


@pytest.mark.parametrize(
    "told",
    [
        {"camera_angle_x": ANGLE},
        {"camera_angle_x": ANGLE, "camera_angle_y": 2.0 * np.arctan(sound.SIZE[1] / 2 / sound.FOCAL)},
        {"x_fov": np.degrees(ANGLE)},
        {"fl_x": sound.FOCAL, "camera_angle_x": ANGLE},
    ],
)
def test_focal_lengths_by_angles_once_for_all(capture: Capture, told: dict[str, float]) -> None:
    found = sound.edit(capture.folder, lambda d: lifted(d, **told))
    assert not found.problems and same(found, capture)


def test_what_nerfstudio_applied_is_undone(capture: Capture) -> None:
    turn = np.array([[1.0, 0, 0, 0.1], [0, 0, 1, -0.2], [0, -1, 0, 0.3]])

    def apply(document: dict[str, Any]) -> None:
        document.update(applied_transform=turn.tolist(), applied_scale=4.0)
        for entry in document["frames"]:
            matrix = np.vstack([turn, [0, 0, 0, 1]]) @ np.array(entry["transform_matrix"])
            matrix[:3, 3] *= 4.0
            entry["transform_matrix"] = matrix.tolist()

    found = sound.edit(capture.folder, apply)
    assert not found.problems and same(found, capture)
    # What is written again has nothing to undo.
    write_capture(found.capture)
    assert "applied_transform" not in sound.document(capture.folder) and same(find_problems(capture.folder), capture)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m @ np.diag([-1.0, 1, 1, 1]), "mirrors"),
        (lambda m: m.T, "transposed"),
        (lambda m: np.vstack([m[:3], [5, 6, 7, 8]]), "the last row of transform_matrix is 5 6 7 8"),
        (lambda m: m @ np.diag([2.0, 2, 2, 1]), "scaled"),
        (lambda m: m[:2], r"shape \(2, 4\)"),
        (lambda m: np.full((4, 4), np.nan), "not finite"),
        (lambda m: 1e300 * m[:3], "beyond 1e"),
    ],
)
def test_matrices_that_are_no_cameras(capture: Capture, change: Any, reason: str) -> None:
    found = sound.edit_matrices(capture.folder, change)
    assert len(found.problems) == 9 and not found.capture.frames
    assert all(re.search(reason, problem.reason) for problem in found.problems), found.problems[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e.update(camera_model="EQUIRECTANGULAR"), "'EQUIRECTANGULAR' is not supported"),
        (lambda e: e.update(camera_model="THIN_PRISM_FISHEYE"), "not supported"),
        (lambda e: e.update(k4=0.1), "k4 means something else"),
        (lambda e: e.update(distortion_params=[0.1, 0, 0, 0]), "distortion_params is given"),
        (lambda e: e.update(rolling_shutter=[0, 0, 0.1, 0]), "rolling_shutter"),
        (lambda e: e.update(camera_angle_x=1.5), "two focal lengths"),
        (lambda e: e.update(fl_x=None), "lacks 'fl_x'"),
        (lambda e: e.update(fl_x=True), "fl_x is True"),
        (lambda e: e.update(w=96.5), "not a whole number"),
        (lambda e: e.update(pose=1.5), "pose is 1.5"),
        (lambda e: e.update(camera=["cam0"]), "not text"),
        (lambda e: e.update(file_path=7), "not a path"),
        (lambda e: e.update(file_path="x" * 5000), "cannot be looked for"),
        (lambda e: e.update(transform_matrix=[[10**400] * 4] * 4), "rows of numbers"),
        (lambda e: e.update(transform_matrix="identity"), "rows of numbers"),
        (without("camera"), "lacks 'camera'"),
        (without("pose"), "lacks 'pose'"),
        (without("transform_matrix"), "lacks 'transform_matrix'"),
    ],
)
def test_frames_that_cannot_be_meant(capture: Capture, change: Change, reason: str) -> None:
    found = sound.edit_frames(capture.folder, change)
    told = [problem for problem in found.problems if problem.place.startswith("frame ")]
    assert len(told) == 9 and reason in told[0].reason and not found.capture.frames


def test_a_world_that_is_mirrored_or_foreign_is_refused(capture: Capture) -> None:
    for change in (
        {"applied_transform": np.diag([1.0, 1, -1, 1]).tolist()},
        {"applied_scale": 0.0},
        {"from_na": True},
        {"applied_transform": None, "orthographic": True},
    ):
        content = sound.document(capture.folder)
        (capture.folder / "transforms.json").write_text(json.dumps({**content, **change}))
        with pytest.raises(CaptureError, match=r"applied_|from_na|orthographic"):
            read_capture(capture.folder)
        (capture.folder / "transforms.json").write_text(json.dumps(content))


def test_one_image_under_two_names(capture: Capture) -> None:
    first = capture.frames[0].image
    (capture.folder / "other.png").symlink_to(capture.folder / first)
    for name in (f"./{first}", str(capture.folder / first), "other.png"):
        content = sound.document(capture.folder)
        found = sound.edit(
            capture.folder, lambda d, name=name: d["frames"].append({**d["frames"][4], "file_path": name})
        )
        assert "2 frames name this image" in sound.said(found), name
        assert first not in {frame.image for frame in found.capture.frames} and len(found.capture.frames) == 8
        (capture.folder / "transforms.json").write_text(json.dumps(content))


def test_a_name_that_several_files_have(capture: Capture) -> None:
    image = capture.path(capture.frames[0])
    os.link(image, image.with_suffix(".webp"))
    found = sound.edit_frames(capture.folder, lambda e: e.update(file_path=e["file_path"][:-4]))
    assert len(found.problems) == 1 and "may mean" in found.problems[0].reason


def test_the_document_itself_and_documents_of_splits(capture: Capture) -> None:
    path = capture.folder / "transforms.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_capture(path).frames) == 9
    path.rename(capture.folder / "transforms_train.json")
    with pytest.raises(CaptureError, match=r"but transforms_train\.json"):
        read_capture(capture.folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"held_out_cameras": ["Cam1"]}, "is 'cam1' meant?"),
        ({"held_out_poses": [7]}, "pose 7 of 3 poses"),
        ({"held_out_pose": [2]}, "is 'held_out_poses' meant?"),
        ({"license": "CC0-1.0"}, "is 'licence' meant?"),
        ({"colour": "red"}, "'colour' is unknown"),
    ],
)
def test_unknown_names_and_keys_are_problems(capture: Capture, change: dict[str, Any], said: str) -> None:
    found = sound.edit(capture.folder, lambda d: d["livehand"].update(change))
    assert said in sound.said(found) and len(found.problems) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"held_out_cameras": "cam1"},
        {"held_out_poses": "2"},
        {"held_out_poses": [True]},
        {"held_out_cameras": {"cam1": 1}},
        {"hand_model": None},
        {"poses": 3},
        {"licence": ["CC0"]},
    ],
)
def test_a_string_is_no_list_and_a_list_no_name(capture: Capture, change: dict[str, Any]) -> None:
    with pytest.raises(CaptureError, match=next(iter(change)).replace("_", ".")):
        sound.edit(capture.folder, lambda d: d["livehand"].update(change))


def test_keys_of_others_are_told_and_slips_are_problems(capture: Capture, capsys: pytest.CaptureFixture[str]) -> None:
    found = sound.edit(
        capture.folder, lambda d: (d.update(orientation_override="none"), d["frames"][3].update(depth_file_path="d"))
    )
    assert not found.problems
    assert found.capture.notes == ("Not used of the document: depth_file_path, orientation_override.",)
    assert main(["check", str(capture.folder)]) == 0 and "note: Not used" in capsys.readouterr().out
    found = sound.edit_frames(capture.folder, lambda e: e.update(identitiy="Ada"))
    assert "is 'identity' meant?" in sound.said(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("mocap_framerate"),
        lambda a: a.update(mocap_frame_rate=a.pop("mocap_framerate")),
        lambda a: a.pop("side"),
        lambda a: a.update(side=np.array(b"right")),
        lambda a: a.update(betas=np.zeros(16)),
        lambda a: a.update(trans=np.zeros(3)),
        lambda a: a.update(poses=a["poses"].reshape(-1, 16, 3)),
    ],
)
def test_poses_as_others_write_them(capture: Capture, change: Any) -> None:
    found = sound.edit_poses(capture.folder, change)
    assert not found.problems and len(found.capture.frames) == 9
    for after, before in zip(found.capture.poses.poses, capture.poses.poses, strict=True):
        np.testing.assert_allclose(after.full_pose, before.full_pose, atol=1e-12)


def test_poses_tell_their_conventions(capture: Capture) -> None:
    from livehand_core.motion import WriteOptions, write_motion

    for options in (WriteOptions(up="y"), WriteOptions(flat_mean=False), WriteOptions(components=45)):
        write_motion(capture.folder / "poses.npz", [capture.poses], options)
        found = find_problems(capture.folder)
        assert not found.problems
        for after, before in zip(found.capture.poses.poses, capture.poses.poses, strict=True):
            np.testing.assert_allclose(after.full_pose, before.full_pose, atol=1e-5)
            np.testing.assert_allclose(after.transl, before.transl, atol=1e-6)
    write_motion(capture.folder / "poses.npz", [capture.poses], WriteOptions(model="mano"))
    with pytest.raises(CaptureError, match="'mano'"):
        find_problems(capture.folder)


def test_the_documents_example_is_a_capture(tmp_path: Path) -> None:
    """docs/captures.md to the letter: its JSON, poses of the keys and shapes that it names, an RGBA image."""
    text = (ROOT / "docs" / "captures.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    (tmp_path / "transforms.json").write_text(example)
    np.savez(tmp_path / "poses.npz", poses=np.zeros((1, 48)), betas=np.zeros(10), trans=np.zeros(3), side="right")
    entry = json.loads(example)["frames"][0]
    rest = PoseSequence((HandPose.rest("right"),))
    frames = read_capture(tmp_path).frames
    write_image(tmp_path / entry["file_path"], sound.painted(frames[0].camera, rest.poses[0]))
    found = find_problems(tmp_path)
    assert not found.problems and len(found.capture.frames) == 1 and not found.capture.notes
    assert found.overlap is not None and found.overlap > 0.9
    assert found.capture.hand_model == builtin_hand("right").name
    for key in json.loads(example)["livehand"]:
        assert f"`{key}`" in text
