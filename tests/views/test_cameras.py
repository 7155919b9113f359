"""Camera paths: what they keep in the picture, and that they are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import CameraError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose, Side
from livehand_core.views.cameras import MARGIN, PATHS, WORLD, CameraKind, CameraPath, cameras_around, hand_axes

TIMES = np.linspace(0.0, 1.0, 9)


def meshes(count: int, side: Side = "right") -> list[np.ndarray]:
    names = ("open", "fist", "point")
    hand = builtin_hand(side)
    poses = [HandPose(np.zeros(3), gesture(names[i % 3], side), np.zeros(10), np.zeros(3), side) for i in range(count)]
    return [pose_vertices(hand, pose) for pose in poses]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("size", [(512, 334), (200, 300)])
def test_no_frame_loses_any_of_the_hand_and_one_fills_the_picture(kind: CameraKind, size: tuple[int, int]) -> None:
    width, height = size
    shown = meshes(len(TIMES))
    path = CameraPath(kind, azimuth=30.0, elevation=40.0)
    free = []
    for camera, mesh in zip(
        cameras_around(path, TIMES, shown, hand_axes(builtin_hand()), width, height), shown, strict=True
    ):
        pixels, depth = camera.project(mesh)
        assert (depth > 0.0).all()
        low, high = pixels.min(axis=0), np.array([width, height]) - pixels.max(axis=0)
        free.append(np.concatenate([low, high]) / np.tile([width, height], 2))
    assert np.min(free) == pytest.approx(MARGIN, abs=1e-6)


def test_an_orbit_goes_around_at_one_distance_and_height() -> None:
    axes = hand_axes(builtin_hand())
    cameras = cameras_around(CameraPath("orbit", elevation=20.0), TIMES, meshes(len(TIMES)), axes, 64, 64)
    eyes = np.array([camera.camera_to_world[:3, 3] for camera in cameras])
    heights = eyes @ axes.up
    assert np.allclose(heights, heights[0])
    assert np.allclose(eyes[0], eyes[-1])
    middle = 0.5 * (eyes[0] + eyes[4])
    assert np.allclose(np.linalg.norm(eyes - middle, axis=1), np.linalg.norm(eyes[0] - middle))
    # A quarter of the way it looks from a quarter of a turn.
    quarter = (eyes[2] - middle) @ (eyes[0] - middle)
    assert abs(quarter) < 1e-9


def test_a_spiral_rises_and_a_sway_returns() -> None:
    spiral, sway = CameraPath("spiral", elevation=50.0, turns=2.0), CameraPath("sway", swing=10.0)
    assert np.degrees(spiral.angles(0.0)) == pytest.approx([0.0, -50.0])
    assert np.degrees(spiral.angles(1.0)) == pytest.approx([720.0, 50.0])
    assert sway.angles(0.0) == pytest.approx(sway.angles(1.0))
    assert np.degrees(sway.angles(0.25)[0]) == pytest.approx(10.0)
    assert sway.loops and CameraPath("orbit").loops
    assert not spiral.loops and not CameraPath("orbit", turns=0.5).loops


@pytest.mark.parametrize("side", ["right", "left"])
def test_azimuth_0_sees_the_palm_with_the_fingers_up(side: Side) -> None:
    """The built-in hand's palm faces -y; its fingers lie along -x, the left one's along x."""
    axes = hand_axes(builtin_hand(side))
    (camera,) = cameras_around(CameraPath(elevation=0.0), [0.0], meshes(1, side), axes, 64, 64)
    towards_hand = camera.camera_to_world[:3, 2]
    assert towards_hand[1] > 0.95
    tips, wrist = meshes(1, side)[0], builtin_hand(side).rest_joints()[0]
    fingers = tips[np.abs(tips[:, 0]).argmax()]
    assert camera.project(fingers[None])[0][0, 1] < camera.project(wrist[None])[0][0, 1] - 20
    # And the thumb is at the right of a right hand's palm.
    thumb = builtin_hand(side).rest_joints()[15]
    aside = camera.project(np.stack([thumb, wrist]))[0][:, 0]
    assert (aside[0] > aside[1]) == (side == "right")


def test_a_zoom_enlarges_about_the_middle() -> None:
    shown = meshes(1)
    usual, large = (
        cameras_around(CameraPath(zoom=zoom), [0.0], shown, WORLD, 100, 80)[0].project(shown[0])[0] for zoom in (1, 3)
    )
    assert np.allclose(large - [50, 40], 3.0 * (usual - [50, 40]))


@pytest.mark.parametrize(
    "values",
    [{"kind": "circle"}, {"field_of_view": 0.0}, {"zoom": -1.0}, {"elevation": 100.0}, {"field_of_view": 170.0}],
)
def test_values_that_make_no_picture_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(CameraError):
        CameraPath(**values)  # type: ignore[arg-type]
