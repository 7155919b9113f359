"""Motion tables as the field's tools write them: other names, shapes and wrappers mean the same motion."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.hand.builtin import MODEL_ID, builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.motion import Motion, ReadOptions, WriteOptions, read_motion, write_motion
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.rotations import axis_angle_to_matrix

COUNT = 4
RNG = np.random.default_rng(3)
ORIENT, FINGERS = RNG.normal(0, 0.4, (COUNT, 3)), RNG.normal(0, 0.3, (COUNT, 45))
TRANS, BETAS = RNG.normal(0, 0.2, (COUNT, 3)), RNG.normal(0, 1, 10)
FULL = np.hstack([ORIENT, FINGERS])
OPTIONS = ReadOptions(flat_mean=True, model=MODEL_ID)


def matrices(rows: np.ndarray) -> np.ndarray:
    return axis_angle_to_matrix(rows.reshape(len(rows), -1, 3))


def read(tmp_path: Path, document: Any, name: str = "take.npz", options: ReadOptions = OPTIONS) -> Motion:
    path = tmp_path / name
    if name.endswith(".npz"):
        np.savez(path, **document)
    elif name.endswith(".npy"):
        np.save(path, document, allow_pickle=True)
    elif name.endswith(".pkl"):
        path.write_bytes(pickle.dumps(document))
    else:
        path.write_text(json.dumps(document, default=lambda a: np.asarray(a).tolist()))
    return read_motion(path, options)


def angles(motion: Motion) -> np.ndarray:
    return np.stack([pose.hand_pose.reshape(-1) for pose in motion.sequence.poses])


APART = {"global_orient": ORIENT, "hand_pose": FINGERS, "betas": BETAS, "transl": TRANS}
ROWS = [{"Rot": ORIENT[i], "Hand_Pose": FINGERS[i], "shape": BETAS, "trans": TRANS[i]} for i in range(COUNT)]

SAME = {
    "48 numbers": ({"poses": FULL, "betas": BETAS, "trans": TRANS}, "take.npz"),
    "51 numbers": ({"poses": np.hstack([FULL, TRANS]), "shapes": [BETAS]}, "take.npz"),
    "joints by three": ({"pose": FULL.reshape(-1, 16, 3), "betas": BETAS[None], "trans": TRANS[:, None]}, "take.npz"),
    "apart": (APART, "take.npz"),
    "matrices": (
        {**APART, "global_orient": matrices(ORIENT), "hand_pose": matrices(FINGERS)},
        "take.npz",
    ),
    "matrices of all joints": ({"poses": matrices(FULL), "betas": BETAS, "trans": TRANS}, "take.npz"),
    "prefixed": ({f"right_{key}": value for key, value in APART.items()}, "take.npz"),
    "short prefix": ({f"rhand_{key}": value for key, value in APART.items()}, "take.npz"),
    "ARCTIC": (
        {"rot": ORIENT, "pose": FINGERS, "shape": BETAS, "trans": TRANS, "fitting_err": TRANS[:, 0]},
        "take.npz",
    ),
    "camel case": (
        {"handPose": FINGERS, "handRot": ORIENT, "handBeta": BETAS, "handTrans": TRANS},
        "take.json",
    ),
    "mano names": ({"mano_pose": FULL, "mano_shape": BETAS, "mano_trans": TRANS}, "take.json"),
    "rows": (ROWS, "take.json"),
    "by frame number": ({str(10 * number): row for number, row in enumerate(ROWS)}, "take.json"),
    "both hands": ({"left": {**APART, "hand_pose": -FINGERS}, "right": APART}, "take.json"),
    "wrapped": ({"rhand": {"params": APART}, "n_frames": COUNT}, "take.pkl"),
    "pickled in an npz": ({"rhand": np.array({"params": APART}, object), "n_frames": COUNT}, "take.npz"),
    "pickled in an npy": (np.array(APART, object), "take.npy"),
    "one row each": (
        {key: np.asarray(value)[None] if key == "betas" else value for key, value in APART.items()},
        "take.npz",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_every_way_of_writing_means_the_same(tmp_path: Path, case: str) -> None:
    document, name = SAME[case]
    motion = read(tmp_path, document, name)
    assert motion.has_wrist and motion.sequence.poses[0].side == "right"
    np.testing.assert_allclose(angles(motion), FINGERS, atol=1e-6)
    np.testing.assert_allclose([pose.global_orient for pose in motion.sequence.poses], ORIENT, atol=1e-6)
    np.testing.assert_allclose([pose.betas for pose in motion.sequence.poses], np.tile(BETAS, (COUNT, 1)), atol=1e-6)
    np.testing.assert_allclose([pose.transl for pose in motion.sequence.poses], TRANS, atol=1e-6)


@pytest.mark.parametrize(
    "rows", [FULL[0], FULL[0].reshape(16, 3), FULL[:1], FULL[0].reshape(1, 16, 3), matrices(FULL)[0]]
)
def test_one_frame_is_one_frame(tmp_path: Path, rows: np.ndarray) -> None:
    motion = read(tmp_path, {"poses": rows})
    assert len(motion.sequence.poses) == 1
    np.testing.assert_allclose(angles(motion), FINGERS[:1], atol=1e-6)


def test_fingers_alone_leave_the_wrist(tmp_path: Path) -> None:
    for document in (
        {"poses": FINGERS},
        {"hand_pose": FINGERS.reshape(-1, 15, 3)},
        {"hand_pose": FINGERS[0].reshape(15, 3)},
    ):
        assert not read(tmp_path, document).has_wrist


def test_an_array_alone_is_a_motion(tmp_path: Path) -> None:
    np.testing.assert_allclose(angles(read(tmp_path, FULL, "take.npy")), FINGERS, atol=1e-6)
    freihand = [[np.hstack([FULL[i], BETAS, [112.0, 112.0, 0.03]]).tolist()] for i in range(COUNT)]
    motion = read(tmp_path, freihand, "training_mano.json")
    np.testing.assert_allclose(angles(motion), FINGERS, atol=1e-6)
    np.testing.assert_allclose(motion.sequence.poses[0].betas, BETAS)


def test_turning_about_the_origin_is_told_by_its_names(tmp_path: Path) -> None:
    """EasyMocap: x = R X + Th; ours turns about the wrist."""
    table = [{"id": 0, "Rh": [ORIENT[0]], "Th": [TRANS[0]], "poses": [FINGERS[0]], "shapes": [BETAS]}]
    pose = read(tmp_path, table, "000000.json").sequence.poses[0]
    hand = builtin_hand("right")
    still = replace(pose, global_orient=np.zeros(3), transl=np.zeros(3))
    wanted = pose_vertices(hand, still) @ axis_angle_to_matrix(ORIENT[0]).T + TRANS[0]
    np.testing.assert_allclose(pose_vertices(hand, pose), wanted, atol=1e-6)


BODY = {
    "global_orient": ORIENT + 1.0, "body_pose": np.zeros((COUNT, 63)), "left_hand_pose": -FINGERS,
    "right_hand_pose": FINGERS, "transl": TRANS + 5.0, "betas": BETAS + 3.0,
}  # fmt: skip


@pytest.mark.parametrize("without", ["", "body_pose"])
def test_a_body_s_pelvis_shape_and_place_are_not_the_hand_s(tmp_path: Path, without: str) -> None:
    table = {key: value for key, value in BODY.items() if key != without}
    for side, sign in (("right", 1.0), ("left", -1.0)):
        motion = read(tmp_path, table, options=replace(OPTIONS, side=side))  # type: ignore[arg-type]
        np.testing.assert_allclose(angles(motion), sign * FINGERS, atol=1e-6)
        pose = motion.sequence.poses[0]
        assert not motion.has_wrist and not pose.betas.any() and not pose.transl.any() and not pose.global_orient.any()
        assert any("whole body" in note for note in motion.notes)


@pytest.mark.parametrize("told", [b"left", "L", "lh", "left_hand", "Left Hand", "LEFT"])
def test_sides_in_any_spelling(tmp_path: Path, told: object) -> None:
    assert read(tmp_path, {"poses": FULL, "side": np.array(told)}).sequence.poses[0].side == "left"


def test_sides_that_are_not_there_or_unknown_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PoseError, match="is of a left hand"):
        read(tmp_path, {"poses": FULL, "side": "left"}, options=replace(OPTIONS, side="right"))
    with pytest.raises(PoseError, match="'both', which is not a side"):
        read(tmp_path, {"poses": FULL, "side": "both"})
    with pytest.raises(PoseError, match="holds no left hand"):
        read(tmp_path, {"right": APART}, "take.json", replace(OPTIONS, side="left"))
    assert read(tmp_path, {"left": APART}, "take.json").sequence.poses[0].side == "left", "the only one there is"
    both = {"left": {**APART, "hand_pose": -FINGERS}, "right": APART}
    assert read(tmp_path, both, "take.json", replace(OPTIONS, prefer="left")).sequence.poses[0].side == "left"


def test_rows_of_both_hands_are_told_apart(tmp_path: Path) -> None:
    motion = read(tmp_path, {**APART, "is_right": [1, 0, 1, 0]})
    np.testing.assert_allclose(angles(motion), FINGERS[::2], atol=1e-6)
    assert motion.notes[0] == "2 rows of the other hand were left out."
    left = read(tmp_path, {**APART, "side": ["right", "left", "right", "left"]}, options=replace(OPTIONS, side="left"))
    np.testing.assert_allclose(angles(left), FINGERS[1::2], atol=1e-6)


def test_left_hands_as_mirrored_right_ones_are_turned_over(tmp_path: Path) -> None:
    """HaMeR and WiLoR give the right hand of the mirrored picture, as matrices."""
    table = {"global_orient": matrices(ORIENT), "hand_pose": matrices(FINGERS), "is_right": np.zeros(COUNT)}
    pose = read(tmp_path, table).sequence.poses[0]
    wanted = HandPose(ORIENT[0], FINGERS[0], np.zeros(10), np.zeros(3), "right").mirrored()
    np.testing.assert_allclose(pose.hand_pose, wanted.hand_pose, atol=1e-6)
    np.testing.assert_allclose(pose.global_orient, wanted.global_orient, atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "found"),
    [("30 fps", 30.0), ("59.94", 59.94), ([24.0], 24.0), ([25] * COUNT, 25.0), (None, 30.0), ("", 30.0)],
)
def test_frame_rates_in_any_form(tmp_path: Path, rate: object, found: float) -> None:
    assert read(tmp_path, {"poses": FULL, "fps": rate}, "take.json").sequence.fps == pytest.approx(found)


@pytest.mark.parametrize("rate", [float("nan"), 0.0, "soon", [24.0, 25.0]])
def test_rates_that_are_none_are_refused(tmp_path: Path, rate: object) -> None:
    with pytest.raises(PoseError, match="rate"):
        read(tmp_path, {"poses": FULL, "fps": rate}, "take.json")


def test_gaps_are_named_and_bridged_on_request(tmp_path: Path) -> None:
    table = {"poses": FULL.copy()}
    table["poses"][1] = np.nan
    with pytest.raises(PoseError, match=r"take\.npz holds values that are not finite.*in frame 1"):
        read(tmp_path, table)
    motion = read(tmp_path, table, options=replace(OPTIONS, bridge=True))
    assert len(motion.sequence.poses) == COUNT and "1 frames without a pose were bridged." in motion.notes
    np.testing.assert_allclose(angles(motion)[[0, 2, 3]], FINGERS[[0, 2, 3]], atol=1e-6)
    assert not np.allclose(angles(motion)[1], FINGERS[0]) and np.isfinite(angles(motion)).all()
    table["poses"][[0, 3]] = np.nan
    ends = angles(read(tmp_path, table, options=replace(OPTIONS, bridge=True)))
    np.testing.assert_allclose(ends, np.tile(FINGERS[2], (COUNT, 1)), atol=1e-6)
    with pytest.raises(PoseError, match="not finite"):
        read(tmp_path, {"poses": np.full((2, 48), np.nan)}, options=replace(OPTIONS, bridge=True))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"poses": FULL, "trans": 1000.0 * TRANS}, "millimetres"),
        ({"hand_pose": np.degrees(FINGERS)}, "degrees"),
        ({"hand_pose": np.zeros((COUNT, 15, 4))}, "quaternions"),
        ({"hand_pose": np.zeros((COUNT, 15, 6))}, "six numbers"),
        ({"poses": np.ones((COUNT, 16, 3, 3))}, "not rotations"),
        ({"poses": FULL, "flat_hand_mean": "perhaps"}, "neither true nor false"),
        ({"left": [1, 2], "right": [3]}, "holds no hand poses"),
        ({"a": APART, "b": APART}, "holds 2 motions"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path: Path, table: dict[str, Any], words: str) -> None:
    with pytest.raises(PoseError, match=words):
        read(tmp_path, table, "take.json")


def test_a_file_that_leaves_the_mean_pose_open_is_asked_about(tmp_path: Path) -> None:
    table = {"rot": ORIENT, "pose": FINGERS, "trans": TRANS, "fitting_err": np.zeros(COUNT)}
    with pytest.raises(PoseError, match=r"does not say.*ARCTIC's own are relative to MANO's mean pose"):
        read(tmp_path, table, options=ReadOptions(model=MODEL_ID))
    mean = angles(read(tmp_path, table, options=ReadOptions(model=MODEL_ID, flat_mean=False)))
    np.testing.assert_allclose(mean, FINGERS + builtin_hand("right").hands_mean, atol=1e-6)
    text = read(tmp_path, {"poses": FULL, "flat_hand_mean": "False"}, "t.json", ReadOptions(model=MODEL_ID))
    np.testing.assert_allclose(angles(text), FINGERS + builtin_hand("right").hands_mean, atol=1e-6)


def test_dexycb_s_components_are_told_by_their_name(tmp_path: Path) -> None:
    hand = builtin_hand("right")
    components = RNG.normal(0, 0.5, (COUNT, 45))
    motion = read(tmp_path, {"pose_m": np.hstack([ORIENT, components, TRANS])}, options=ReadOptions(model=MODEL_ID))
    np.testing.assert_allclose(angles(motion), components @ hand.hands_components + hand.hands_mean, atol=1e-5)
    np.testing.assert_allclose([pose.transl for pose in motion.sequence.poses], TRANS, atol=1e-6)


def test_keys_that_were_not_used_are_told(tmp_path: Path) -> None:
    motion = read(tmp_path, {**APART, "gender": "neutral", "joints": np.zeros((COUNT, 21, 3)), "empty": []})
    assert "Not used: gender, joints." in motion.notes
    assert not any("Not used" in note for note in read(tmp_path, APART).notes)


def test_empty_arrays_tell_nothing(tmp_path: Path) -> None:
    table = {"hand_pose": FINGERS, "global_orient": ORIENT, "betas": np.zeros((COUNT, 0)), "transl": np.zeros((0, 3))}
    np.testing.assert_allclose(angles(read(tmp_path, table)), FINGERS, atol=1e-6)


def test_code_in_a_pickled_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "take.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(PoseError, match=r"refused: it refers to os\.system"):
        read_motion(tmp_path / "take.pkl")


def test_interhand_s_world_is_a_camera_s(tmp_path: Path) -> None:
    """Its y axis points down: a hand whose fingers point up there does so in Blender's world too."""
    pose = HandPose([0.0, 0.0, 0.5 * np.pi], np.zeros((15, 3)), np.zeros(10), np.zeros(3), "right")
    document = {"0": {"5": {"right": {"pose": pose.full_pose.tolist(), "shape": [0.0] * 10, "trans": [0.0] * 3}}}}
    read_pose = read(tmp_path, document, "annot.json").sequence.poses[0]
    # The built-in hand's fingers point along -x at rest; turned by 90 degrees about z they point along -y: up.
    tips = pose_vertices(builtin_hand("right"), read_pose) - builtin_hand("right").rest_joints()[0]
    farthest = tips[np.argmax(np.linalg.norm(tips, axis=1))]
    assert farthest[2] > 0.9 * np.linalg.norm(farthest)
    motion = PoseSequence((read_pose,))
    write_motion(tmp_path / "again.json", [motion], WriteOptions(flat_mean=True))
    written = json.loads((tmp_path / "again.json").read_text())["0"]["0"]["right"]["pose"]
    np.testing.assert_allclose(written[:3], pose.global_orient, atol=1e-6)
