"""Every data set's layout, read back to the truth that it was written from: poses, cameras, masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livehand_core.captures.capture import Capture, read_capture
from livehand_core.cli import main
from livehand_core.hand.library import find_hand
from livehand_core.hand.skinning import pose_vertices
from tests.datasets import layouts
from tests.datasets.hands_world import World, make_world

CASES = {
    "interhand": ("right", "mano"),
    "livehand": ("right", "mano"),
    "hanco": ("right", "mano"),
    "freihand": ("right", "mano"),
    "dexycb": ("right", "mano-unfixed"),
    "ho3d": ("right", "mano"),
    "arctic": ("right", "mano"),
}
LEFT = {"interhand": "mano", "dexycb": "mano-unfixed", "arctic": "mano"}


def prepared(kind: str, folder: Path, *options: str) -> Capture:
    """The capture that the command makes."""
    arguments = ["dataset", kind, str(folder / kind), str(folder / "capture"), "--no-refine"]
    assert main([*arguments, *options]) == 0
    return read_capture(folder / "capture")


def check(capture: Capture, world: World) -> None:
    """Every frame shows the hand where the truth has it, under the truth's mask."""
    hand = find_hand(world.model, world.side)
    assert capture.hand_model == world.model
    for frame in capture.frames:
        vertices = pose_vertices(hand, capture.hand(frame))
        seen, _ = frame.camera.project(vertices)
        index, name = _which(world, capture, vertices, frame.camera_name)
        true, depth = world.cameras[name].project(world.vertices(index))
        moved = true - seen
        # Cut images begin elsewhere, by whole pixels.
        assert np.abs(moved - np.rint(moved.mean(axis=0))).max() < 0.02
        x, y = np.rint(moved.mean(axis=0)).astype(int)
        mask = np.zeros((world.cameras[name].height, world.cameras[name].width), bool)
        own = capture.image(frame)[..., 3] > 0.5
        rows, columns = np.nonzero(own)
        mask[rows + y, columns + x] = True
        told = world.image(index, name)[1]
        assert (mask & told).sum() / (mask | told).sum() > 0.95
        assert depth.min() > 0


def _which(world: World, capture: Capture, vertices: np.ndarray, camera: str) -> tuple[int, str]:
    """The truth's pose and camera that a frame is of."""
    index = min(range(len(world.poses)), key=lambda index: _difference(world, index, vertices))
    assert _difference(world, index, vertices) < 2e-5
    if capture.origin.endswith("FreiHAND"):
        # One image a pose; its camera has no name.
        return index, str(index)
    first = 1 if capture.origin.endswith("ARCTIC") else 0
    return index, str(int(camera[-1]) - first)


def _difference(world: World, index: int, vertices: np.ndarray) -> float:
    """Of distances within the hand, which no frame of reference changes."""
    true = world.vertices(index)
    some = np.arange(0, len(true), 37)
    first, second = (np.linalg.norm(v[some][:, None] - v[some], axis=-1) for v in (true, vertices))
    return float(np.abs(first - second).max())


@pytest.mark.parametrize("kind", CASES)
def test_right_hands(kind: str, tmp_path: Path) -> None:
    side, model = CASES[kind]
    world = make_world(side, model)  # type: ignore[arg-type]
    getattr(layouts, kind)(tmp_path / kind, world)
    capture = prepared(kind, tmp_path)
    expected = 3 if kind == "freihand" else 9
    assert len(capture.frames) == expected
    check(capture, world)


@pytest.mark.parametrize("kind", LEFT)
def test_left_hands(kind: str, tmp_path: Path) -> None:
    world = make_world("left", LEFT[kind])
    getattr(layouts, kind)(tmp_path / kind, world)
    capture = prepared(kind, tmp_path, "--side", "left")
    assert {pose.side for pose in capture.poses.poses} == {"left"}
    assert len(capture.frames) == 9
    check(capture, world)
