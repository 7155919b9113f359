"""Other programs' motion: MediaPipe's and FreeMoCap's landmarks, OpenXR's joints, BVH skeletons of several namings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES, joint_angles, mirror_hand_pose
from livehand_core.motion import ReadOptions, read_motion
from livehand_core.motion.bone_names import PRESETS, find_mapping, preset_mapping
from livehand_core.motion.bvh import parse_bvh
from livehand_core.motion.convention import up_rotation
from livehand_core.motion.points import OPENXR, POINT_NAMES
from livehand_core.poses import Side
from livehand_core.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from livehand_core.tracking.skeleton import Placement, Skeleton

NAMES = ("open", "relaxed", "point", "fist")
TURNS = [axis_angle_to_matrix(np.array([0.2 * i, 0.4 - 0.3 * i, 0.5 * i])) for i in range(len(NAMES))]


def true_points(side: Side = "right", scale: float = 1.0) -> np.ndarray:
    """(4, 21, 3) joints and tips of four gestures in a z-up world, the wrist on its way along x."""
    skeleton = Skeleton(builtin_hand(side), networks=False)
    frames = []
    for number, name in enumerate(NAMES):
        angles = joint_angles(GESTURES[name])[skeleton.joints - 1, skeleton.kinds]
        frames.append(skeleton.posed(Placement(TURNS[number], np.array([0.1 * number, 0.2, 0.3]), angles)).points)
    return scale * np.array(frames)


def assert_is_the_motion(path: Path, side: Side = "right", place: float = 2e-3, **options: object) -> None:
    motion = read_motion(path, ReadOptions(**options))  # type: ignore[arg-type]
    assert motion.has_wrist and len(motion.sequence.poses) == len(NAMES)
    for number, pose in enumerate(motion.sequence.poses):
        assert pose.side == side
        fingers = pose.hand_pose if side == "right" else mirror_hand_pose(pose.hand_pose)
        off = np.degrees(np.abs(joint_angles(fingers) - joint_angles(GESTURES[NAMES[number]])))
        assert off[:, 0].mean() < 3.0 and off[:, 0].max() < 12.0, NAMES[number]
        turn = matrix_to_axis_angle(axis_angle_to_matrix(pose.global_orient) @ TURNS[number].T)
        assert np.degrees(np.linalg.norm(turn)) < 4.0
        wrist = builtin_hand(side).rest_joints()[0] + pose.transl
        np.testing.assert_allclose(wrist, [0.1 * number, 0.2, 0.3], atol=place)


@pytest.mark.parametrize("side", ["right", "left"])
def test_freemocap_s_arrays_in_millimetres(tmp_path: Path, side: Side) -> None:
    path = tmp_path / f"mediapipe_{side}_hand_3d_xyz.npy"
    np.save(path, true_points(side, 1000.0))
    assert_is_the_motion(path, side, prefer="right", fps=30.0)


def test_mediapipe_s_landmarks_as_people_dump_them(tmp_path: Path) -> None:
    seen = true_points() @ up_rotation("-y")
    frames = [[{"x": x, "y": y, "z": z, "visibility": 1.0} for x, y, z in frame] for frame in seen.tolist()]
    (tmp_path / "a.json").write_text(json.dumps({"fps": 25, "handedness": "Right", "world_landmarks": frames}))
    assert_is_the_motion(tmp_path / "a.json")
    assert read_motion(tmp_path / "a.json").sequence.fps == 25.0
    (tmp_path / "b.json").write_text(json.dumps([{"landmarks": frame} for frame in frames]))
    assert_is_the_motion(tmp_path / "b.json", up="-y")
    np.savez(tmp_path / "c.npz", landmarks=seen, fps=60.0, side="right")
    assert_is_the_motion(tmp_path / "c.npz", up="-y")


def test_a_frame_without_a_hand_is_filled_in_and_told(tmp_path: Path) -> None:
    seen = (true_points() @ up_rotation("-y")).tolist()
    (tmp_path / "gap.json").write_text(json.dumps({"landmarks": [seen[0], None, seen[0], seen[0]]}))
    motion = read_motion(tmp_path / "gap.json")
    assert motion.notes == ("1 frames without the hand were filled in.",)
    first, second = (motion.sequence.poses[index].hand_pose for index in (0, 1))
    np.testing.assert_allclose(first, second, atol=0.02)


@pytest.mark.parametrize("side", ["right", "left"])
def test_openxr_s_joints(tmp_path: Path, side: Side) -> None:
    joints = np.zeros((len(NAMES), 26, 7))
    joints[:, OPENXR, :3] = true_points(side) @ up_rotation("y")
    (tmp_path / "xr.json").write_text(json.dumps({"fps": 72, "hands": side, f"{side}_hand_joints": joints.tolist()}))
    assert_is_the_motion(tmp_path / "xr.json", side)


def write_bvh(path: Path, namer: Callable[[str], str], side: Side = "right", inches: float = 100.0) -> Path:
    """A skeleton whose joints turn freely and whose rest pose is a hand's in which all bones point along z."""
    points = inches * true_points(side) @ up_rotation("y")
    before = {0: -1} | {4 * f + p + 1: 0 if p == 0 else 4 * f + p for f in range(5) for p in range(4)}
    # Positions as channels of every joint say where it is, whatever the rest pose.
    lines, columns = ["HIERARCHY"], []
    depth = 0

    def open_joint(kind: str, number: int, name: str) -> None:
        nonlocal depth
        lines.append("  " * depth + f"{kind} {name}")
        lines.append("  " * depth + "{")
        depth += 1
        lines.append("  " * depth + "OFFSET 0.0 0.0 " + ("0.0" if number == 0 else "3.0"))
        lines.append("  " * depth + "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation")
        columns.append(number)

    def close_joint() -> None:
        nonlocal depth
        depth -= 1
        lines.append("  " * depth + "}")

    open_joint("ROOT", 0, namer("wrist"))
    for finger in range(5):
        for part in range(4):
            number = 4 * finger + part + 1
            open_joint("JOINT", number, namer(POINT_NAMES[number]))
        for _ in range(4):
            close_joint()
    close_joint()
    lines += ["MOTION", f"Frames: {len(points)}", "Frame Time: 0.0333333"]
    for frame in points:
        # The wrist turns; what hangs from it is told in its frame.
        turn = axis_angle_to_matrix(np.array([0.0, 0.0, np.radians(30.0)]))
        row: list[float] = []
        for number in columns:
            if number == 0:
                row += [*frame[0], 30.0, 0.0, 0.0]
            else:
                row += [*((frame[number] - frame[before[number]]) @ turn), 0.0, 0.0, 0.0]
        lines.append(" ".join(f"{value:.5f}" for value in row))
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_bvh_of_every_naming(tmp_path: Path, preset: str, side: Side) -> None:
    mapping = preset_mapping(preset, side)

    def namer(point: str) -> str:
        return f"mixamorig:{mapping.get(point, f'{point} end')}" if preset == "Mixamo" else mapping.get(point, point)

    path = write_bvh(tmp_path / "take.bvh", namer, side)
    assert_is_the_motion(path, side, prefer=side)
    assert read_motion(path, ReadOptions(prefer=side)).sequence.fps == pytest.approx(30.0, abs=0.01)


def test_a_mapping_of_one_s_own(tmp_path: Path) -> None:
    path = write_bvh(tmp_path / "take.bvh", lambda point: f"Knochen {point}")
    with pytest.raises(PoseError, match="bones of a right hand were not found") as told:
        read_motion(path, ReadOptions(side="right"))
    assert "mapping" in told.value.remedy
    bones = {point: f"Knochen {point}" for point in POINT_NAMES}
    assert_is_the_motion(path, bones=bones)
    with pytest.raises(PoseError, match="Knochen nichts"):
        read_motion(path, ReadOptions(bones={"wrist": "Knochen nichts"}))
    with pytest.raises(PoseError, match="elbow"):
        find_mapping(["a"], "right", {"elbow": "a"})


def test_rotations_of_a_bvh_turn_what_hangs_from_them() -> None:
    text = (
        "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 3 Zrotation Xrotation Yrotation JOINT b { OFFSET 1 0 0 "
        "CHANNELS 3 Zrotation Xrotation Yrotation End Site { OFFSET 1 0 0 } } } "
        "MOTION Frames: 2 Frame Time: 0.01 0 0 0 0 0 0 90 0 0 0 0 90"
    )
    bvh = parse_bvh(text, "x.bvh")
    places = bvh.positions()
    assert bvh.fps == pytest.approx(100.0) and [node.name for node in bvh.nodes] == ["a", "b", "b_end"]
    np.testing.assert_allclose(places[0], [[0, 0, 0], [1, 0, 0], [2, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(places[1], [[0, 0, 0], [0, 1, 0], [0, 1, -1]], atol=1e-9)


def test_what_is_no_motion_is_refused_by_name(tmp_path: Path) -> None:
    whole = write_bvh(tmp_path / "whole.bvh", lambda point: preset_mapping("Rigify", "right").get(point, point))
    text = whole.read_text()
    for broken, word in (
        ("hello", "no BVH file"),
        (text[: len(text) - 200], "damaged"),
        (text.replace("Frames: 4", "Frames: none"), "damaged"),
        (text.replace("Xposition", "Wposition"), "damaged"),
        (text.replace("OFFSET 0.0 0.0 3.0", "OFFSET 0.0 nonsense 3.0"), "damaged"),
    ):
        (tmp_path / "broken.bvh").write_text(broken)
        with pytest.raises(PoseError, match=word):
            read_motion(tmp_path / "broken.bvh")
    np.save(tmp_path / "one.npy", np.zeros((3, 21, 3)))
    with pytest.raises(PoseError, match="no frame with the wrist and the four knuckles"):
        read_motion(tmp_path / "one.npy")
