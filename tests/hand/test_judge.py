"""The judge of the hand's renders: its truth is on the hand, its figures are right for known findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from judge_hand import (
    BARE_SIZE,
    PER_VIEW,
    ROOMS,
    SIZE,
    VIEWS,
    Finding,
    View,
    judge,
    show,
    true_landmarks,
    view_plan,
)
from judge_setting import room, sleeve_surface
from PIL import Image

from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose, Side


@pytest.fixture(scope="module")
def plan() -> list[View]:
    return view_plan()


@pytest.mark.parametrize(("size", "least"), [(SIZE, 0.25), (BARE_SIZE, 0.4)])
def test_the_plan_shows_both_sides_from_everywhere_and_whole(size: int, least: float) -> None:
    plan = view_plan(size=size)
    assert len(plan) == PER_VIEW * len(VIEWS) == 100
    assert sum(view.pose.side == "left" for view in plan) == 50
    for view in plan:
        pixels, depth = view.camera.project(pose_vertices(builtin_hand(view.pose.side), view.pose))
        assert depth.min() > 0.1
        assert pixels.min() > 0.0 and pixels.max() < view.camera.width
        assert np.ptp(pixels, axis=0).max() > least * view.camera.width


@pytest.mark.parametrize("person", ["default", "young", "old"])
def test_true_landmarks_lie_within_the_hand_and_tips_at_its_ends(person: str) -> None:
    for view in view_plan(person)[::7]:
        landmarks, width = true_landmarks(view)
        vertices, _ = view.camera.project(pose_vertices(builtin_hand(view.pose.side), view.pose))
        gaps = np.linalg.norm(landmarks[:, None] - vertices[None], axis=2).min(axis=1)
        assert (gaps < 0.25 * width).all()
        # A tip is on the skin, or a little within or beyond it where the shape is another.
        assert gaps[[4, 8, 12, 16, 20]].max() < 0.10 * width
        assert 30.0 < width < 200.0


def test_figures_of_known_findings(plan: list[View]) -> None:
    some = plan[:10]
    truth = [true_landmarks(view) for view in some]
    exact = [Finding(points, view.pose.side) for view, (points, _) in zip(some, truth, strict=True)]
    best = judge(some, list(exact))
    assert (best.found, best.side_right, best.landmark_error) == (1.0, 1.0, 0.0) and best.passed()
    shifted = [
        Finding(points + np.array([0.2 * width, 0.0]), view.pose.side)
        for view, (points, width) in zip(some, truth, strict=True)
    ]
    far = judge(some, list(shifted))
    assert far.landmark_error == pytest.approx(0.2) and not far.passed()
    mixed = judge(some, [None, Finding(exact[1].landmarks, "right"), *exact[2:]])
    assert mixed.found == 0.9 and mixed.side_right == pytest.approx(8 / 9) and not mixed.passed()
    assert not judge(some, [None] * 10).passed()


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_sleeve_goes_around_the_wrist_and_leaves_the_hand_free(side: Side) -> None:
    hand = pose_vertices(builtin_hand(side), HandPose.rest(side))
    vertices, faces = sleeve_surface(hand)
    away = 1.0 if side == "right" else -1.0
    end = (away * hand[:, 0]).max()
    assert (away * vertices[:, 0]).min() > end - 0.005 and (away * vertices[:, 0]).max() > end + 0.25
    wrist = hand[away * hand[:, 0] > end - 0.005, 1:]
    cuff = vertices[abs(away * vertices[:, 0] - end) < 1e-9, 1:]
    assert (cuff.min(axis=0) < wrist.min(axis=0) - 0.002).all() and (cuff.max(axis=0) > wrist.max(axis=0) + 0.002).all()
    assert faces.min() == 0 and faces.max() == len(vertices) - 1


def test_rooms_differ_and_come_again() -> None:
    first = room(np.random.default_rng((3, 0)), 96)
    assert first.shape == (96, 96, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, room(np.random.default_rng((3, 0)), 96))
    assert np.abs(first.astype(float) - room(np.random.default_rng((3, 1)), 96)).mean() > 5.0


def test_each_render_is_shown_before_every_room_and_bare_before_grey(plan: list[View], tmp_path: Path) -> None:
    render = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
    render[100:200, 150:250] = (200, 120, 90, 255)
    for index in range(3):
        Image.fromarray(render).save(tmp_path / f"{index:03d}.png")
    views, pictures = show(plan[:3], tmp_path, bare=False)
    assert len(views) == len(set(pictures)) == 3 * ROOMS and views[3] is plan[0]
    shown = np.stack([np.asarray(Image.open(path)) for path in pictures])
    assert (shown[:, 100:200, 150:250] == (200, 120, 90)).all()
    assert len({picture.tobytes() for picture in shown}) == 3 * ROOMS
    bare = np.asarray(Image.open(show(plan[:3], tmp_path, bare=True)[1][1]))
    assert (bare[100:200, 150:250] == (200, 120, 90)).all() and len(np.unique(bare[:90].reshape(-1, 3), axis=0)) == 1
