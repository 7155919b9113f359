"""The measure of steadiness: nothing for a painted surface that moves, as much as was added for noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from temporal_quality import motion

from livehand_core.benchmark.temporal import Seen, difference_image, see, steadiness, warp
from livehand_core.cameras import look_at
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.poses import HandPose
from tests.core.conftest import camera_at, tube_hand

HAND = tube_hand()


def frames(count: int = 4, step: float = 0.02, bend: float = 0.0) -> list[Seen]:
    answer = []
    for number in range(count):
        camera = camera_at((-0.08, 0.0, 0.3), 120, 90, 300.0)
        eye = np.array([-0.08 + step * number, 0.02, 0.3])
        matrix = look_at(eye, np.array([-0.08, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
        pose = replace(HandPose.rest(), hand_pose=np.full((15, 3), bend * number))
        answer.append(see(FrameRequest(replace(camera, camera_to_world=matrix), (HandInstance(pose),)), HAND))
    return answer


def painted(seen: Seen) -> np.ndarray:
    """A picture of the tube with waves along it that stick to the skin."""
    rest = HAND.v_template[HAND.faces[seen.face]]
    place = np.einsum("hwk,hwkd->hwd", seen.barycentric, rest)
    image = 0.5 + 0.3 * np.stack([np.sin(80.0 * place[..., 0]), np.cos(60.0 * place[..., 1]), place[..., 2]], axis=-1)
    return np.where(seen.face[..., None] >= 0, image, 0.0)


@pytest.mark.parametrize("bend", [0.0, 0.03])
def test_paint_that_sticks_to_the_skin_is_steady(bend: float) -> None:
    sequence = frames(bend=bend)
    images = [painted(seen) for seen in sequence]
    still = steadiness(images, sequence, HAND)
    assert still.pixels > 0.05 and still.sharpness > 0.05
    # Without the surface's motion the same pictures differ by many steps.
    shown = (sequence[0].face >= 0) & (sequence[1].face >= 0)
    unaligned = 255.0 * np.sqrt(np.square(images[1] - images[0])[shown].mean())
    assert still.change < 0.15 * unaligned and still.flicker < 0.15 * unaligned


def test_noise_is_found_and_steady_change_is_no_flicker() -> None:
    sequence = frames(6, step=0.004)
    random = np.random.default_rng(0)
    noisy = [painted(seen) + random.normal(0.0, 2.0 / 255.0, (90, 120, 3)) for seen in sequence]
    shaken = steadiness(noisy, sequence, HAND)
    # Differences of independent noise: sqrt(2) and sqrt(1.5) times it, less what interpolation takes away.
    assert 2.0 < shaken.change < 3.0 and 1.9 < shaken.flicker < 2.6
    brighter = [painted(seen) + 0.02 * number for number, seen in enumerate(sequence)]
    rising = steadiness(brighter, sequence, HAND)
    assert rising.change == pytest.approx(0.02 * 255.0, rel=0.05) and rising.flicker < 0.3


def test_what_a_frame_does_not_see_is_left_out() -> None:
    front, _ = frames(2, step=0.0)
    back = see(replace(front.request, camera=camera_at((-0.08, 0.0, -0.3), 120, 90, 300.0)), HAND)
    carried, valid = warp(painted(back), back, front, HAND)
    # Only the rims are seen from both sides.
    assert valid.sum() < 0.1 * front.inner.sum()
    assert (carried[~front.inner] == 0.0).all()
    same, seen = warp(painted(front), front, front, HAND)
    assert seen.sum() > 0.9 * front.inner.sum()
    np.testing.assert_allclose(same[seen], painted(front)[seen], atol=2e-3)


def test_differences_are_drawn_where_frames_are_compared() -> None:
    first, second = frames(2)
    image = painted(second)
    image[40:44, 55:60] += 0.2
    difference = difference_image(image, painted(first), second, first, HAND)
    assert difference[41, 57].min() > 0.15 and np.median(difference[second.inner]) < 0.02
    assert (difference[~second.inner] == 0.0).all()


@pytest.mark.parametrize("name", ["orbit", "curl"])
def test_the_measured_motions_are_slow(name: str) -> None:
    from livehand_core.hand.skinning import pose_vertices

    requests = motion(name, 4, "default")
    points = [r.camera.project(pose_vertices(builtin_hand("right"), r.hands[0].pose))[0] for r in requests]
    steps = [np.linalg.norm(b - a, axis=1).max() for a, b in pairwise(points)]
    assert min(steps) > 0.3 and max(steps) < 8.0
