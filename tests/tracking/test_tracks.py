"""A hand through time: held while hidden, found again without a jump, calm at rest, calibrated once, smoothed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from livehand_core.errors import LiveHandError, PoseError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES, joint_angles
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from livehand_core.tracking.calibration import calibrate
from livehand_core.tracking.landmarks import HandLandmarks, LandmarkTracker
from livehand_core.tracking.skeleton import Placement, Skeleton
from livehand_core.tracking.smoothing import OneEuro, OneEuroRotation, smoothed, smoothed_rotations
from livehand_core.tracking.takes import resampled
from livehand_core.tracking.tracker import HandTracker
from livehand_core.tracking.values import SourceFrame, TrackedFrame, TrackingOptions, source_camera

from . import films

CAMERA = source_camera(640, 480, 60.0)
FPS = 30.0


class Script:
    """Stands in for the networks: what is seen at each frame is given."""

    def __init__(self, shown: list[HandLandmarks | None]) -> None:
        self._shown = iter(shown)

    def __call__(self, picture: np.ndarray, time: float) -> tuple[HandLandmarks, ...]:
        hand = next(self._shown)
        return () if hand is None else (hand,)


def landmarks(skeleton: Skeleton, gesture: str, turn: float = 0.0, noise: float = 0.0, seed: int = 0) -> HandLandmarks:
    """A hand before the camera, palm towards it, with noise of the picture in pixels."""
    random = np.random.default_rng(seed)
    angles = joint_angles(GESTURES[gesture])[skeleton.joints - 1, skeleton.kinds]
    upright = axis_angle_to_matrix(np.array([0.5 * np.pi, 0.0, 0.0])) @ axis_angle_to_matrix(np.array([0.0, 0.0, turn]))
    points = skeleton.posed(Placement(upright, np.array([0.08, 0.05, 0.5]), angles)).points
    world = points - points.mean(axis=0) + random.normal(0.0, 0.001 * noise, (21, 3))
    pixels = CAMERA.project(points)[0] + random.normal(0.0, noise, (21, 2))
    return HandLandmarks(pixels, world, 0.99, float(skeleton.side == "right"), 1)


def run(shown: list[HandLandmarks | None], **options: object) -> list[TrackedFrame]:
    settings = TrackingOptions(**({"calibrate": False} | options))  # type: ignore[arg-type]
    tracker = HandTracker(settings, landmarks=Script(shown))  # type: ignore[arg-type]
    picture = np.zeros((480, 640, 3), np.uint8)
    return [tracker(SourceFrame(picture, number / FPS, number)) for number in range(len(shown))]


def angles_of(frames: list[TrackedFrame]) -> np.ndarray:
    return np.degrees([joint_angles(frame.hands[0].pose.hand_pose) for frame in frames])


def test_a_hidden_hand_keeps_its_pose_says_so_and_comes_back_without_a_jump() -> None:
    skeleton = Skeleton(builtin_hand("right"))
    before, after = landmarks(skeleton, "open"), landmarks(skeleton, "fist", turn=0.5)
    frames = run([before] * 10 + [None] * 10 + [after] * 20)
    states = [frame.hands[0].state for frame in frames]
    assert states == ["tracked"] * 10 + ["held"] * 10 + ["tracked"] * 20
    angles = angles_of(frames)
    np.testing.assert_array_equal(angles[10:20], np.repeat(angles[9:10], 10, axis=0))
    sure = [frame.hands[0].confidence for frame in frames]
    assert (np.diff(sure[9:20]) < 0.0).all() and sure[19] == pytest.approx(sure[9] * 0.5 ** (10 / FPS / 0.5), rel=1e-6)
    # From an open hand to a fist is 100 degrees: at no frame more than a quarter of that, and at the end all of it.
    steps = np.abs(np.diff(angles[9:], axis=0)).max(axis=(1, 2))
    assert steps.max() < 30.0 and np.abs(angles[-1] - angles[9]).max() > 70.0
    assert frames[-1].hands[0].error < 0.04


def test_a_hand_that_is_gone_for_long_is_left_out() -> None:
    skeleton = Skeleton(builtin_hand("left"))
    frames = run([None] * 3 + [landmarks(skeleton, "relaxed")] * 3 + [None] * 30, hold=0.5)
    assert not any(frame.hands for frame in frames[:3])
    assert frames[15].hands and not frames[-1].hands


def test_a_hand_at_rest_is_calm_and_a_fast_one_is_followed() -> None:
    skeleton = Skeleton(builtin_hand("right"))
    still = [landmarks(skeleton, "relaxed", noise=1.0, seed=seed) for seed in range(60)]
    rough, calm = (angles_of(run(still, smoothing=s))[20:, :, 0].std(axis=0).mean() for s in (0.0, 0.7))
    assert calm < 0.5 and calm < 0.5 * rough
    sudden = angles_of(run([landmarks(skeleton, "open")] * 10 + [landmarks(skeleton, "fist")] * 8, smoothing=0.7))
    assert abs(sudden[13, 0, 0] - sudden[-1, 0, 0]) < 15.0


def test_smoothing_may_change_while_it_runs_and_nonsense_is_refused() -> None:
    tracker = HandTracker(TrackingOptions(), landmarks=Script([]))  # type: ignore[arg-type]
    tracker.set_smoothing(0.9)
    assert tracker.options.smoothing == 0.9
    for wrong in ({"smoothing": 1.5}, {"smoothing": math.nan}, {"hands": "three"}, {"fov": 0.0}, {"detail": "best"}):
        with pytest.raises(LiveHandError):
            TrackingOptions(**wrong)  # type: ignore[arg-type]
    options = TrackingOptions(hands="both", fov=47.0)
    assert TrackingOptions.from_json(options.to_json()) == options
    with pytest.raises(LiveHandError):
        TrackingOptions.from_json({"colour": 3})


def test_proportions_are_found_from_the_first_seconds() -> None:
    data = builtin_hand("right")
    betas = np.zeros(10)
    betas[1], betas[5] = 1.5, -1.5
    long_fingers = Skeleton(data, betas)
    seen = [
        landmarks(long_fingers, name, turn, 0.5, seed)
        for seed, (name, turn) in enumerate((n, t) for n in ("open", "relaxed", "spread", "point") for t in (-0.3, 0.3))
    ]
    found = calibrate(Skeleton(data), CAMERA, seen).betas
    assert found[1] > 0.5 and found[5] < -0.3
    frames = run([*seen] * 12, calibrate=True)
    assert frames[0].calibrating and not frames[-1].calibrating
    shapes = np.array([frame.hands[0].pose.betas for frame in frames])
    assert (shapes[0] == 0.0).all() and shapes[-1, 1] > 0.5
    assert len(np.unique(shapes, axis=0)) == 2


def test_the_filter_keeps_a_constant_and_follows_a_ramp() -> None:
    calm = OneEuro(1.0)
    for step in range(50):
        value = calm(np.array([2.0, 3.0]), step / FPS)
    np.testing.assert_allclose(value, [2.0, 3.0])
    none = OneEuro(0.0)
    none(np.zeros(1), 0.0)
    assert none(np.ones(1), 1.0 / FPS) == 1.0
    # Out of rest a hand moves at three units a second: at once less than half a picture late, soon less than a quarter.
    usual, late = OneEuro(0.5), []
    for step in range(-8, 8):
        place = max(step, 0) * 3.0 / FPS
        late.append((place - usual(np.array([place]), step / FPS)[0]) * FPS / 3.0)
    assert max(late) < 0.4 and max(late[12:]) < 0.25, late
    turning = OneEuroRotation(0.5)
    for step in range(400):
        true = axis_angle_to_matrix(np.array([0.0, 0.02 * step, 0.0]))
        found = turning(true, step / FPS)
        assert np.linalg.norm(matrix_to_axis_angle(found @ true.T)) < 0.2


def test_a_clip_is_smoothed_without_delay_and_gaps_are_bridged() -> None:
    time = np.arange(120) / FPS
    wave = np.stack([np.sin(2.0 * time), np.cos(time)], axis=1)
    noisy = wave + np.random.default_rng(0).normal(0.0, 0.05, wave.shape)
    calm = smoothed(noisy, np.ones(120), 0.6, FPS)
    assert np.abs(calm - wave).mean() < 0.5 * np.abs(noisy - wave).mean()
    lag = [np.mean((calm[10:-10] - wave[10 + shift : 110 + shift]) ** 2) for shift in (-4, 0, 4)]
    assert lag[1] < lag[0] and lag[1] < lag[2]
    weights = np.ones(120)
    weights[40:50] = 0.0
    noisy[40:50] = 99.0
    assert np.abs(smoothed(noisy, weights, 0.6, FPS)[40:50] - wave[40:50]).max() < 0.2
    dense = np.diff(np.eye(120), n=2, axis=0)
    strength = (2.0 - 2.0 * np.cos(2.0 * np.pi * min(2.0 * 8.0 * 0.05**0.6 / FPS, 0.5))) ** -2
    exact = np.linalg.solve(np.diag(weights) + strength * dense.T @ dense, weights[:, None] * noisy)
    np.testing.assert_allclose(smoothed(noisy, weights, 0.6, FPS), exact, atol=1e-6)
    turns = axis_angle_to_matrix(np.stack([0.0 * time, 3.0 * time, 0.0 * time], axis=1))
    away = matrix_to_axis_angle(smoothed_rotations(turns, np.ones(120), 0.5, FPS) @ turns.transpose(0, 2, 1))
    assert np.abs(away).max() < 0.05


def test_a_film_of_a_hand_that_goes_away_and_comes_back(lite: LandmarkTracker) -> None:
    """The real networks: each frame with a hand is found, and one without is said to be."""
    lite.forget()
    pictures = [*films.moving(12), *[films.empty()] * 5, *films.moving(12)]
    tracker = HandTracker(TrackingOptions(calibrate=False), landmarks=lite)
    frames = [tracker(SourceFrame(picture, i / FPS, i)) for i, picture in enumerate(pictures)]
    assert [frame.hands[0].state for frame in frames] == ["tracked"] * 12 + ["held"] * 5 + ["tracked"] * 12
    assert max(frame.hands[0].error for frame in frames) < 0.05


def test_samples_become_a_constant_rate() -> None:
    rest = HandPose.rest("right")
    samples = [(moment, replace(rest, transl=np.array([moment, 0.0, 0.0]))) for moment in (0.5, 0.52, 0.6, 1.0)]
    sequence = resampled(samples, 10.0)
    np.testing.assert_allclose([pose.transl[0] for pose in sequence.poses], [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], atol=1e-9)
    assert len(resampled(samples[:1], 24.0).poses) == 1
    with pytest.raises(PoseError, match="no frames"):
        resampled([], 24.0)
