"""Fits that are off come back by the outlines of masks; what outlines do not tell stays."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import twin

from livehand_core.captures.capture import read_capture
from livehand_core.cli import main
from livehand_core.datasets.masks import HAND, Posed, Window, silhouettes
from livehand_core.datasets.refinement import refine
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.library import find_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose
from tests.datasets import layouts
from tests.datasets.hands_world import make_world

DATA = builtin_hand("right")
SHIFT = np.array([0.004, -0.003, 0.0])
"""Metres."""


@pytest.fixture(scope="module")
def scene() -> twin.Twin:
    return twin.make_twin(Namespace(poses=21, cameras=10, width=167, height=256, seed=0, off=0.005))


def masks(scene: twin.Twin, pose: HandPose, count: int = 10) -> list:
    """Silhouettes of the true pose; the arm is cut off."""
    posed = Posed.of(DATA, pose)
    cameras = list(scene.cameras.values())[:count]
    whole = [Window(0, 0, camera.width, camera.height) for camera in cameras]
    return [(silhouettes(c, w, posed) == HAND, c) for c, w in zip(cameras, whole, strict=True)]


def away(first: HandPose, second: HandPose) -> float:
    """Metres between vertices in the mean."""
    return float(np.linalg.norm(pose_vertices(DATA, first) - pose_vertices(DATA, second), axis=1).mean())


@pytest.mark.parametrize("index", [0, 8, 20])
def test_fits_five_millimetres_off_come_back(scene: twin.Twin, index: int) -> None:
    found = refine(DATA, scene.fits[index], masks(scene, scene.poses[index]))
    assert away(scene.fits[index], scene.poses[index]) == pytest.approx(0.005, rel=0.02)
    assert away(found.hand, scene.poses[index]) < 0.002
    assert found.after < 0.6 * found.before


def test_a_true_pose_stays(scene: twin.Twin) -> None:
    found = refine(DATA, scene.poses[4], masks(scene, scene.poses[4]))
    assert away(found.hand, scene.poses[4]) < 0.001


def test_without_masks_the_fit_stays(scene: twin.Twin) -> None:
    nothing = [(np.zeros((256, 167), bool), camera) for camera in scene.cameras.values()]
    found = refine(DATA, scene.fits[0], nothing)
    assert away(found.hand, scene.fits[0]) == 0.0
    behind = replace(scene.fits[0], transl=np.array([0.0, 0.0, 50.0]))
    assert away(refine(DATA, behind, masks(scene, scene.poses[0])).hand, behind) < 1e-9


def test_the_command_refines_and_says_how_far_outlines_were_off(tmp_path: Path) -> None:
    world = make_world(size=(200, 260))
    layouts.interhand(tmp_path / "interhand", world)
    file = tmp_path / "interhand/annotations/test/InterHand2.6M_test_MANO_NeuralAnnot.json"
    document = json.loads(file.read_text())
    for entry in document["0"].values():
        entry["right"]["trans"] = np.add(entry["right"]["trans"], SHIFT).tolist()
    file.write_text(json.dumps(document))
    assert main(["dataset", "interhand", str(tmp_path / "interhand"), str(tmp_path / "capture")]) == 0
    for pose, true in zip(read_capture(tmp_path / "capture").poses.poses, world.poses, strict=True):
        off = pose_vertices(find_hand("mano", "right"), pose) - pose_vertices(find_hand("mano", "right"), true)
        assert np.linalg.norm(off, axis=1).mean() < 0.7 * np.linalg.norm(SHIFT)
    parts = [json.loads(path.read_text()) for path in (tmp_path / "capture/parts").glob("*.json")]
    assert len(parts) == 3 and all(part["outlines_off"][1] < part["outlines_off"][0] for part in parts)
