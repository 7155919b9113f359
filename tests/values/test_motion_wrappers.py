"""What stands around tables of hand poses, and frames in which a tracker lost the hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.motion import Motion, ReadOptions, read_motion

COUNT = 4
OPTIONS = ReadOptions(flat_mean=True, model="livehand-builtin-1")
BRIDGED = ReadOptions(flat_mean=True, model="livehand-builtin-1", bridge=True)


@pytest.fixture
def take() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    shapes = {"global_orient": 3, "hand_pose": 45, "betas": 10, "transl": 3}
    return {key: random.normal(0.0, 0.2, (COUNT, width)) for key, width in shapes.items()}


def read_json(folder: Path, document: Any, options: ReadOptions = OPTIONS) -> Motion:
    path = folder / "take.json"
    path.write_text(json.dumps(document, default=lambda array: array.tolist()))
    return read_motion(path, options)


def read_arrays(folder: Path, table: dict[str, Any], options: ReadOptions = OPTIONS) -> Motion:
    np.savez(folder / "take.npz", **table)
    return read_motion(folder / "take.npz", options)


def by_frame(take: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [{key: value[frame] for key, value in take.items()} for frame in range(COUNT)]


def fingers(motion: Motion) -> np.ndarray:
    return np.stack([pose.hand_pose.reshape(-1) for pose in motion.sequence.poses])


def test_what_a_wrapper_tells_holds_for_the_table_in_it(tmp_path: Path, take: dict[str, np.ndarray]) -> None:
    motion = read_json(tmp_path, {"side": "left", "fps": 120, "params": take})
    assert motion.sequence.poses[0].side == "left"
    assert motion.sequence.fps == 120.0
    assert read_json(tmp_path, {"fps": 60, "frames": by_frame(take)}).sequence.fps == 60.0


def test_a_rate_beside_two_hands_holds_for_both(tmp_path: Path, take: dict[str, np.ndarray]) -> None:
    hands = {side: np.array({"params": take}, dtype=object) for side in ("lhand", "rhand")}
    for side in ("left", "right"):
        options = ReadOptions(side=side, flat_mean=True, model="livehand-builtin-1")
        motion = read_arrays(tmp_path, {"framerate": np.float64(120.0), **hands}, options)
        assert (motion.sequence.fps, motion.sequence.poses[0].side) == (120.0, side)


def test_a_table_knows_better_than_its_wrapper(tmp_path: Path, take: dict[str, np.ndarray]) -> None:
    assert read_json(tmp_path, {"fps": 120, "params": {**take, "fps": 25}}).sequence.fps == 25.0


@pytest.mark.parametrize("hand", [False, True])
def test_a_frame_without_a_hand_is_named_or_bridged(tmp_path: Path, take: dict[str, np.ndarray], hand: bool) -> None:
    frames: list[Any] = [{"right": frame, "left": None} if hand else frame for frame in by_frame(take)]
    frames[1] = {"right": None, "left": None} if hand else None
    with pytest.raises(PoseError, match=r"take\.json .* frame 1\."):
        read_json(tmp_path, frames)
    motion = read_json(tmp_path, frames, BRIDGED)
    assert len(motion.sequence.poses) == COUNT
    np.testing.assert_allclose(fingers(motion)[[0, 2, 3]], take["hand_pose"][[0, 2, 3]], atol=1e-9)


def test_a_row_that_is_null_is_a_gap(tmp_path: Path, take: dict[str, np.ndarray]) -> None:
    rows = [None if frame == 2 else row.tolist() for frame, row in enumerate(take["hand_pose"])]
    with pytest.raises(PoseError, match=r"take\.json .* frame 2\."):
        read_json(tmp_path, {**take, "hand_pose": rows})
    assert len(read_json(tmp_path, {**take, "hand_pose": rows}, BRIDGED).sequence.poses) == COUNT


def test_what_only_some_frames_have_is_not_dropped(tmp_path: Path, take: dict[str, np.ndarray]) -> None:
    frames = by_frame(take)
    del frames[3]["transl"]
    with pytest.raises(PoseError, match="frame 3"):
        read_json(tmp_path, frames)


def test_infinity_is_a_gap_and_no_unit(tmp_path: Path, take: dict[str, np.ndarray]) -> None:
    take["hand_pose"][1, 7] = np.inf
    with pytest.raises(PoseError, match=r"take\.npz .* frame 1\."):
        read_arrays(tmp_path, take)


@pytest.mark.parametrize("key", ["{}_right", "pose_hand_right", "r_{}", "{}_rhand"])
def test_a_hand_named_before_or_behind_a_key(tmp_path: Path, take: dict[str, np.ndarray], key: str) -> None:
    names = {name: key.format(name) for name in take}
    if "{}" not in key:
        names = {name: key if name == "hand_pose" else name for name in take}
    other = {
        n.replace("right", "left").replace("rhand", "lhand").replace("r_", "l_", n.startswith("r_"))
        for n in names.values()
    }
    table = {names[name]: value for name, value in take.items()}
    table |= {name: np.zeros((COUNT, 45)) for name in other - set(table) if "pose" in name}
    motion = read_arrays(tmp_path, table)
    np.testing.assert_allclose(fingers(motion), take["hand_pose"], atol=1e-9)
    if "{}" in key:
        assert motion.has_wrist
        np.testing.assert_allclose(motion.sequence.poses[1].global_orient, take["global_orient"][1], atol=1e-9)


@pytest.mark.parametrize(("key", "value"), [("is_left", 1), ("is_left", [1] * COUNT), ("chirality", "left")])
def test_other_words_for_the_left_hand(tmp_path: Path, take: dict[str, np.ndarray], key: str, value: Any) -> None:
    assert read_arrays(tmp_path, {**take, key: value}).sequence.poses[0].side == "left"
