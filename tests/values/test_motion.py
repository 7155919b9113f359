"""Motion files: every convention read and written, and everything else refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.hand.builtin import MODEL_ID, builtin_hand
from livehand_core.hand.skinning import pose_joints
from livehand_core.motion import ReadOptions, WriteOptions, read_motion, write_motion
from livehand_core.motion.convention import decode_fingers, encode_fingers, up_rotation
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.rotations import axis_angle_to_matrix

BUILTIN = ReadOptions(model=MODEL_ID)


def make_motion(side: str = "right", count: int = 4, seed: int = 0, fps: float = 30.0) -> PoseSequence:
    rng = np.random.default_rng(seed)
    betas = rng.normal(size=10)
    return PoseSequence(
        [
            HandPose(rng.normal(size=3), rng.normal(0, 0.4, (15, 3)), betas, rng.normal(size=3), side)
            for _ in range(count)
        ],
        fps,
    )


def assert_same(found: PoseSequence, wanted: PoseSequence) -> None:
    assert len(found.poses) == len(wanted.poses) and found.fps == pytest.approx(wanted.fps)
    for a, b in zip(found.poses, wanted.poses, strict=True):
        assert a.side == b.side
        np.testing.assert_allclose(
            axis_angle_to_matrix(a.full_pose.reshape(16, 3)),
            axis_angle_to_matrix(b.full_pose.reshape(16, 3)),
            atol=1e-6,
        )
        np.testing.assert_allclose(a.transl, b.transl, atol=1e-9)
        np.testing.assert_allclose(a.betas, b.betas, atol=1e-9)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("up", ["z", "y", "-y"])
@pytest.mark.parametrize("flat_mean", [True, False])
@pytest.mark.parametrize(("suffix", "components"), [(".npz", None), (".npz", 45), (".json", None)])
def test_there_and_back(
    tmp_path: Path, side: str, up: str, flat_mean: bool, components: int | None, suffix: str
) -> None:
    motion = make_motion(side)
    path = tmp_path / f"motion{suffix}"
    write_motion(path, [motion], WriteOptions(up=up, components=components, flat_mean=flat_mean))
    # A table tells its own conventions; the data set's JSON tells none.
    options = ReadOptions() if suffix == ".npz" else ReadOptions(side, up, False, flat_mean, MODEL_ID)
    read = read_motion(path, options)
    assert_same(read.sequence, motion)
    assert read.has_wrist and read.model == {".npz": MODEL_ID, ".json": "mano"}[suffix] and not read.notes


def test_what_the_core_writes_is_a_motion_file(tmp_path: Path) -> None:
    motion = make_motion("left", fps=24.0)
    motion.save(tmp_path / "core.npz")
    assert_same(read_motion(tmp_path / "core.npz").sequence, motion)


def test_up_axes_turn_the_hand_as_a_body() -> None:
    np.testing.assert_array_equal(up_rotation("y") @ [0, 1, 0], [0, 0, 1])
    np.testing.assert_array_equal(up_rotation("-y") @ [0, -1, 0], [0, 0, 1])
    np.testing.assert_array_equal(up_rotation("z"), np.eye(3))


def test_a_y_up_file_shows_every_joint_turned(tmp_path: Path) -> None:
    motion = make_motion()
    first = motion.poses[0]
    np.savez(tmp_path / "y.npz", poses=first.full_pose[None], betas=first.betas, trans=first.transl[None])
    read = read_motion(tmp_path / "y.npz", ReadOptions(up="y")).sequence.poses[0]
    data = builtin_hand("right")
    np.testing.assert_allclose(pose_joints(data, read), pose_joints(data, first) @ up_rotation("y").T, atol=1e-9)


def test_components_are_those_of_the_model(tmp_path: Path) -> None:
    """Six components against the mean pose, as most MANO fits are kept."""
    rng, data = np.random.default_rng(1), builtin_hand("left")
    numbers = rng.normal(size=(3, 6))
    np.savez(tmp_path / "pca.npz", poses=np.hstack([np.zeros((3, 3)), numbers]), side="left")
    read = read_motion(tmp_path / "pca.npz", BUILTIN).sequence
    wanted = numbers @ data.hands_components[:6].astype(float) + data.hands_mean
    np.testing.assert_allclose([pose.hand_pose.reshape(-1) for pose in read.poses], wanted, atol=1e-9)
    np.testing.assert_allclose(encode_fingers(wanted, "left", 6, False, MODEL_ID), numbers, atol=1e-5)


def test_fewer_components_are_the_nearest_pose() -> None:
    pose = np.random.default_rng(2).normal(0, 0.3, (1, 45))
    errors = []
    for components in (6, 20, 45):
        numbers = encode_fingers(pose, "right", components, False, MODEL_ID)
        errors.append(np.abs(decode_fingers(numbers, "right", True, False, MODEL_ID) - pose).max())
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-5


@pytest.mark.parametrize(("width", "left", "right"), [(156, 66, 111), (165, 75, 120)])
def test_whole_bodies_give_their_fingers(tmp_path: Path, width: int, left: int, right: int) -> None:
    poses = np.random.default_rng(3).normal(0, 0.3, (5, width))
    np.savez(
        tmp_path / "body.npz", poses=poses, trans=np.ones((5, 3)), betas=np.ones(16), mocap_framerate=120.0, gender="x"
    )
    for side, first in (("left", left), ("right", right)):
        motion = read_motion(tmp_path / "body.npz", ReadOptions(side=side))
        found = np.array([pose.hand_pose.reshape(-1) for pose in motion.sequence.poses])
        np.testing.assert_allclose(found, poses[:, first : first + 45])
        assert not motion.has_wrist and motion.sequence.fps == 120.0 and "whole body" in motion.notes[0]
        assert not motion.sequence.poses[0].transl.any() and not motion.sequence.poses[0].betas.any()


def test_orientation_and_fingers_apart(tmp_path: Path) -> None:
    motion = make_motion("left")
    np.savez(
        tmp_path / "apart.npz",
        global_orient=[pose.global_orient for pose in motion.poses],
        hand_pose=[pose.hand_pose for pose in motion.poses],
        betas=motion.poses[0].betas,
        transl=[pose.transl for pose in motion.poses],
        is_right=False,
    )
    assert_same(read_motion(tmp_path / "apart.npz").sequence, motion)
    np.savez(tmp_path / "both.npz", pose_hand=np.arange(180.0).reshape(2, 90) / 100)
    for side, start in (("left", 0.0), ("right", 0.45)):
        read = read_motion(tmp_path / "both.npz", ReadOptions(side=side))
        assert read.sequence.poses[0].hand_pose[0, 0] == pytest.approx(start) and not read.has_wrist


def test_a_plain_json_table(tmp_path: Path) -> None:
    motion = make_motion()
    table = {"poses": [pose.full_pose.tolist() for pose in motion.poses], "fps": 25, "side": "left"}
    (tmp_path / "table.json").write_text(json.dumps(table))
    read = read_motion(tmp_path / "table.json").sequence
    assert read.fps == 25.0 and read.poses[0].side == "left"
    np.testing.assert_allclose(read.poses[2].hand_pose, motion.poses[2].hand_pose, atol=1e-9)


def interhand_document(frames: dict[int, str]) -> dict:
    """Frames with an index flexion that tells their number; what is not named in the string is null."""
    document = {}
    for number, sides in frames.items():
        pose = np.zeros(48)
        pose[3] = 0.01 * number
        entry = {"pose": pose.tolist(), "shape": [float(number)] * 10, "trans": [0.0, 0.0, 0.001 * number]}
        document[str(number)] = {side: entry if side in sides else None for side in ("right", "left")}
    return {"0": document, "3": {"7": {"right": None, "left": None}}}


def test_interhand_fills_gaps_and_averages_the_shape(tmp_path: Path) -> None:
    path = tmp_path / "InterHand2.6M_test_MANO_NeuralAnnot.json"
    path.write_text(json.dumps(interhand_document({10: "right", 12: "right", 14: "left", 16: "right", 900: "right"})))
    motion = read_motion(path, ReadOptions(model=MODEL_ID, flat_mean=True))
    assert motion.sequence.fps == 15.0
    np.testing.assert_allclose([pose.hand_pose[0, 0] for pose in motion.sequence.poses], [0.1, 0.12, 0.14, 0.16, 9.0])
    np.testing.assert_allclose([p.betas[0] for p in motion.sequence.poses], np.mean([10, 12, 16, 900]))
    assert "1 frames" in motion.notes[0] and "1 longer" in motion.notes[1] and "'0'" in motion.notes[2]
    left = read_motion(path, ReadOptions(side="left", model=MODEL_ID, flat_mean=True, capture="0"))
    assert len(left.sequence.poses) == 1 and not left.notes
    with pytest.raises(PoseError, match="no right hand in capture '3'"):
        read_motion(path, ReadOptions(side="right", capture="3"))
    with pytest.raises(PoseError, match=r"no capture '9'.*0, 3"):
        read_motion(path, ReadOptions(capture="9"))


def test_both_hands_in_one_interhand_file(tmp_path: Path) -> None:
    right, left = make_motion("right", 3, fps=15.0), make_motion("left", 5, 1, 15.0)
    options = WriteOptions(capture="2", first_frame=100)
    write_motion(tmp_path / "two.json", [right, left], options)
    document = json.loads((tmp_path / "two.json").read_text())
    assert list(document["2"]) == ["100", "102", "104", "106", "108"] and document["2"]["108"]["right"] is None
    for motion in (right, left):
        read = read_motion(tmp_path / "two.json", ReadOptions(side=motion.poses[0].side, model=MODEL_ID))
        assert_same(read.sequence, motion)
    with pytest.raises(PoseError, match="Two right hands"):
        write_motion(tmp_path / "two.json", [right, right])
    with pytest.raises(PoseError, match="holds one hand"):
        write_motion(tmp_path / "two.npz", [right, left])


def test_without_mano_the_mean_pose_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEHAND_MANO", raising=False)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(interhand_document({1: "right"})))
    with pytest.raises(PoseError, match=r"mean pose, which the hand model 'mano' holds.*LIVEHAND_MANO"):
        read_motion(path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"points": np.zeros(3)}, "holds no hand poses"),
        ({"poses": np.zeros((2, 50))}, "50 numbers a frame"),
        ({"poses": np.zeros((0, 48))}, "shape"),
        ({"poses": np.full((2, 48), np.nan)}, "not finite"),
        ({"poses": np.array(["x"])}, "something other than numbers"),
        ({"poses": np.zeros((2, 48)), "trans": np.zeros((3, 3))}, r"\(3, 3\) where \(2, 3\)"),
        ({"poses": np.zeros((2, 48)), "fps": -1.0}, "frame rate of -1"),
        ({"poses": np.zeros((2, 48)), "up_axis": "x"}, "up axis 'x' is unknown"),
        ({"poses": np.array([{"a": 1}], dtype=object)}, "something other than numbers"),
    ],
)
def test_foreign_tables_are_refused(tmp_path: Path, arrays: dict, words: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(PoseError, match=words):
        read_motion(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npz", b"rubbish"),
        ("a.npz", b""),
        ("a.json", b"{"),
        ("a.json", b"[]"),
        ("a.json", b"{}"),
        ("a.json", b'{"0": {"1": {"right": {"pose": [1, 2]}}}}'),
        ("a.json", b'{"0": {"1": {"world_coord": [[0, 0, 0]], "joint_valid": [1]}}}'),
        ("a.json", b"[" * 100000),
        ("a.bvh", b"HIERARCHY"),
    ],
)
def test_rubbish_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PoseError, match=name):
        read_motion(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoseError, match=r"gone\.npz"):
        read_motion(tmp_path / "gone.npz")


def test_interhand_frames_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "InterHand2.6M_test_MANO_NeuralAnnot.json"
    path.write_text(json.dumps(interhand_document(dict.fromkeys((0, 3, 6, 8, 11, 14), "right"))))
    motion = read_motion(path, ReadOptions(model=MODEL_ID, flat_mean=True))
    assert (motion.sequence.fps, len(motion.sequence.poses)) == (30.0, 15)
    for number, pose in enumerate(motion.sequence.poses):
        assert pose.hand_pose[0, 0] == pytest.approx(0.01 * number)
