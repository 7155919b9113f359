"""The judge of the hand's renders: its truth is on the hand, its figures are right for known findings."""

from __future__ import annotations

import numpy as np
import pytest
from judge_hand import PER_VIEW, VIEWS, Finding, View, judge, true_landmarks, view_plan

from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices


@pytest.fixture(scope="module")
def plan() -> list[View]:
    return view_plan()


def test_the_plan_shows_both_sides_from_everywhere_and_whole(plan: list[View]) -> None:
    assert len(plan) == PER_VIEW * len(VIEWS) == 100
    assert sum(view.pose.side == "left" for view in plan) == 50
    for view in plan:
        pixels, depth = view.camera.project(pose_vertices(builtin_hand(view.pose.side), view.pose))
        assert depth.min() > 0.1
        assert pixels.min() > 0.0 and pixels.max() < view.camera.width
        assert np.ptp(pixels, axis=0).max() > 0.4 * view.camera.width


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
