"""What the benchmark draws: a hand of the promised size that moves little from frame to frame."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from livehand_core.benchmark.animation import AnimationSettings, animation
from livehand_core.errors import LiveHandError
from livehand_core.frames import FrameRequest
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import within_limits
from livehand_core.hand.skinning import pose_vertices
from livehand_core.surface import rasterise_depth


def covered(request: FrameRequest) -> float:
    """Part of the image behind the proxy meshes."""
    seen = np.zeros((request.camera.height, request.camera.width), bool)
    for hand in request.hands:
        data = builtin_hand(hand.pose.side)
        vertices = torch.tensor(pose_vertices(data, hand.pose), dtype=torch.float32)
        depth = rasterise_depth(vertices, torch.tensor(np.asarray(data.faces)), request.camera)
        seen |= np.isfinite(depth.numpy())
    return float(seen.mean())


def test_a_hand_covers_what_is_promised_and_stays_in_the_picture() -> None:
    requests = animation(AnimationSettings(frames=19))
    assert len(requests) == 19 and len(animation(AnimationSettings())) == 72
    for request in requests:
        assert 0.12 <= covered(request) <= 0.20
        assert within_limits(request.hands[0].pose.hand_pose, 0.1)
        pixels, _ = request.camera.project(pose_vertices(builtin_hand("right"), request.hands[0].pose))
        assert (pixels[:, 1] > 0).all() and (pixels[:, 1] < 334).all() and (pixels[:, 0] > 0).all()


def test_frames_move_little_by_little() -> None:
    points = [
        request.camera.project(pose_vertices(builtin_hand("right"), request.hands[0].pose))[0]
        for request in animation(AnimationSettings())
    ]
    steps = [np.linalg.norm(b - a, axis=1).max() for a, b in pairwise(points)]
    assert np.median(steps) > 0.5 and max(steps) < 25.0


def test_larger_frames_show_larger_hands_unless_pixels_are_kept() -> None:
    small = animation(AnimationSettings(frames=2))[0]
    large = AnimationSettings(width=1920, height=1080, frames=2)
    assert animation(large)[0].camera.fx == pytest.approx(small.camera.fx * 1080 / 334)
    kept = animation(replace(large, keep_pixels=True))[0]
    assert kept.camera.fx == small.camera.fx
    assert covered(kept) * 1920 * 1080 == pytest.approx(covered(small) * 512 * 334, rel=0.02)


def test_two_hands_are_mirror_images_beside_each_other() -> None:
    settings = AnimationSettings(width=1024, hands=2, frames=5)
    middle = animation(settings)[2]
    right, left = middle.hands
    assert (right.pose.side, left.pose.side) == ("right", "left")
    vertices = [pose_vertices(builtin_hand(hand.pose.side), hand.pose) for hand in middle.hands]
    assert vertices[0][:, 0].max() < vertices[1][:, 0].min()
    np.testing.assert_allclose(vertices[0] * [-1.0, 1.0, 1.0], vertices[1], atol=1e-6)
    pixels, _ = middle.camera.project(np.concatenate(vertices))
    assert (pixels > 0).all() and (pixels < [1024, 334]).all()


@pytest.mark.parametrize("changes", [{"hands": 3}, {"frames": 0}])
def test_what_cannot_be_drawn_is_told(changes: dict[str, int]) -> None:
    with pytest.raises(LiveHandError, match=r"--(hands|frames)"):
        AnimationSettings(**changes)  # type: ignore[arg-type]
