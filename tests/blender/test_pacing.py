"""The size of moving pictures, and where in a picture hands can be: plain numbers, no Blender."""

from __future__ import annotations

import time

import numpy as np
import pytest

from livehand_blender.render.bounds import GRID, hand_points, hand_window, in_front
from livehand_blender.render.pacing import LEAST_PART, OVERHEAD_SECONDS, SMALLEST_SIDE, Drawing, Pace
from livehand_blender.render.squares import squares
from livehand_core.cameras import Camera
from livehand_core.hand.builtin import builtin_hand


def _settle(pace: Pace, seconds_at_full: float, rate: float) -> list[float]:
    """Shares while an engine draws that needs time in proportion to the pixels."""
    shares = []
    for _ in range(40):
        pace.learn(seconds_at_full * pace.share**2, rate)
        shares.append(pace.share)
    return shares


@pytest.mark.parametrize("seconds_at_full", [0.08, 0.4, 2.0])
def test_the_rate_is_held_and_the_size_comes_to_rest(seconds_at_full: float) -> None:
    pace = Pace()
    shares = _settle(pace, seconds_at_full, rate=15.0)
    used = (seconds_at_full * pace.share**2 + OVERHEAD_SECONDS) * 15.0
    assert 0.8 < used <= 1.0
    assert shares[-1] == shares[-10], "no flicker between two sizes"


def test_a_fast_engine_gets_the_full_size_and_a_slow_one_the_smallest() -> None:
    pace = Pace()
    _settle(pace, 0.005, rate=15.0)
    assert pace.share == 1.0 and pace.size(801, 600) == (801, 600)
    _settle(pace, 500.0, rate=60.0)
    assert pace.size(1600, 800) == (SMALLEST_SIDE, SMALLEST_SIDE // 2)
    assert pace.size(40, 1) == (40, 1), "never more than there is"


@pytest.mark.parametrize("drawing", [0.005, 0.03, 0.2])
def test_a_slowly_drawn_window_gets_smaller_pictures_but_not_the_smallest(drawing: float) -> None:
    quick, slow = Pace(), Pace()
    for _ in range(60):
        quick.learn(0.2 * quick.share**2, 15.0)
        slow.learn(0.2 * slow.share**2, 15.0, drawing)
    free = max(1.0 / 15.0 - drawing, LEAST_PART / 15.0)
    assert slow.share < quick.share and slow.share > 0.2
    assert 0.8 * free < 0.2 * slow.share**2 + OVERHEAD_SECONDS <= free


def test_drawing_is_timed_from_the_first_view_to_the_next_look() -> None:
    drawing = Drawing()
    drawing.over()
    assert drawing.seconds == 0.0
    drawing.begins()
    time.sleep(0.02)
    drawing.begins()
    drawing.over()
    drawing.over()
    assert 0.02 <= drawing.seconds < 1.0


@pytest.mark.parametrize("shape", [(1, 1), (33, 16), (70, 101)])
def test_squares_hold_all_that_a_filter_can_show_and_no_square_twice(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(5)
    opacity = np.where(random.random(shape) < 0.004, 0.5, 0.0)
    opacity[0, 0] = 1.0
    found = np.zeros(shape, dtype=int)
    # Two strips, each with one row of the other.
    half = min(32, shape[0])
    parts = [(0, half), (half, shape[0])] if half < shape[0] else [(0, half)]
    for start, end in parts:
        first, last = max(start - 1, 0), min(end + 1, shape[0])
        for left, top, right, bottom in squares(opacity[first:last], start - first, end - first, 16) + [0, first] * 2:
            found[top:bottom, left:right] += 1
    near = np.pad(opacity, 1)
    height, width = shape
    shown = np.max([near[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0) > 0.0
    assert found.max() == 1 and np.all(found[shown] == 1)
    assert len(squares(np.zeros(shape), 0, shape[0], 16)) == 0


def _camera(projection: str = "perspective", distance: float = 0.5, focal: float = 800.0) -> Camera:
    pose = np.eye(4)
    pose[2, 3] = -distance
    scale = focal if projection == "perspective" else focal / 0.5
    return Camera(640, 480, scale, scale, 320.0, 240.0, pose, projection)  # type: ignore[arg-type]


def _hand(betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices at rest about the middle of the palm, and the points around them."""
    data = builtin_hand("right")
    vertices = data.v_template + data.shapedirs[..., :10] @ betas
    joints = data.rest_joints(betas)
    centre = joints[4]
    tails = joints.copy()
    tails[3::3] += 0.8 * (joints[3::3] - joints[2::3])
    points, radii = hand_points(joints - centre, tails - centre)
    return vertices - centre, points, radii


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize("focal", [300.0, 800.0, 2500.0])
def test_the_window_holds_the_skin_and_its_shell(projection: str, focal: float) -> None:
    random = np.random.default_rng(3)
    camera = _camera(projection, focal=focal)
    for betas in (np.zeros(10), *random.uniform(-3.0, 3.0, (5, 10))):
        vertices, points, radii = _hand(betas)
        window = hand_window(camera, points, radii)
        assert window is not None
        left, top, width, height = window
        shell = vertices + 0.006 * random.normal(size=vertices.shape) / np.sqrt(3.0)
        pixels, _ = camera.project(shell)
        inside = np.all((pixels >= 0.0) & (pixels < [640, 480]), axis=1)
        low, high = pixels[inside].min(axis=0), pixels[inside].max(axis=0)
        assert left <= low[0] and top <= low[1] and left + width >= high[0] and top + height >= high[1]
        if focal == 300.0:
            assert width * height < 0.5 * 640 * 480, "a small hand costs a small picture"
            assert left % GRID == 0 and top % GRID == 0


def test_hands_out_of_view_ask_for_nothing_and_near_ones_for_everything() -> None:
    _, points, radii = _hand(np.zeros(10))
    camera = _camera()
    assert hand_window(camera, points - [-3.0, 0.0, 0.0], radii) is None
    assert hand_window(camera, points - [0.0, 0.0, 2.0], radii) is None, "behind the camera"
    assert hand_window(camera, points - [0.0, 0.0, 0.45], radii) == (0, 0, 640, 480), "around the camera"
    assert hand_window(camera, np.empty((0, 3)), np.empty(0)) is None
    assert hand_window(camera, points, radii, limits=(0, 0, 32, 32)) is None, "outside the render region"
    window = hand_window(camera, points, radii, limits=(300, 200, 50, 40))
    assert window == (300, 200, 50, 40)


def test_orthographic_views_step_back_until_the_hand_is_before_them() -> None:
    _, points, radii = _hand(np.zeros(10))
    camera = _camera("orthographic", distance=-1.0)
    moved = in_front(camera, points, radii)
    pixels, depth = moved.project(points)
    assert np.all(depth > radii)
    np.testing.assert_allclose(pixels, camera.project(points)[0])
    assert in_front(_camera(distance=-1.0), points, radii).camera_to_world[2, 3] == 1.0
