"""Hands that cross in a picture, their tint and how they end at the wrist: what is done to layers after drawing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.cameras import Camera, look_at
from livehand_core.errors import LiveHandError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.framing import Box
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.passes import linear_to_srgb, srgb_to_linear
from livehand_core.poses import HandPose, Side
from livehand_core.rendering.compose import compose
from livehand_core.rendering.finish import beside_the_wrist, finished
from livehand_core.rendering.hand import Mesh
from livehand_core.rendering.layer import Layer
from livehand_core.workers import Workers
from livehand_core.wrists import WristFade

SIZE = 32


def plane(slope: tuple[float, float], middle: float, colour: tuple[float, ...], alpha: float = 1.0) -> Layer:
    """A layer over the whole image whose depth grows by ``slope`` metres a pixel."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) - np.float32(0.5 * SIZE)
    rgba = np.broadcast_to(np.float32([*np.multiply(colour, alpha), alpha]), (SIZE, SIZE, 4)).copy()
    return Layer(Box(0, 0, SIZE, SIZE), rgba, np.float32(middle) + slope[0] * x + slope[1] * y)


def merged(*layers: Layer) -> np.ndarray:
    numbered = [(number, layer) for number, layer in enumerate(layers, start=1)]
    return compose(numbered, SIZE, SIZE, ("rgba",), False, Workers(1))["rgba"]


def finely(one: Layer, two: Layer, slopes: tuple[tuple[float, float], tuple[float, float]], gap: float) -> np.ndarray:
    """The share of each pixel in which the first plane is in front, from 32 x 32 places in it."""
    fine = (np.arange(32) + 0.5) / 32 - 0.5
    y, x = np.mgrid[:SIZE, :SIZE] - 0.5 * SIZE
    across, down = (a - b for a, b in zip(*slopes, strict=True))
    there = across * (x[..., None, None] + fine) + down * (y[..., None, None] + fine[:, None]) + gap
    return np.mean(there < 0.0, axis=(2, 3))


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_crossing_hands_have_a_smooth_border(alpha: float) -> None:
    """Where two surfaces cross, each pixel shows as much of each as is in front in it, in either order."""
    slopes = ((0.0011, 0.0004), (-0.0007, 0.0001))
    one, two = plane(slopes[0], 0.5, (1.0, 0.0, 0.0), alpha), plane(slopes[1], 0.5003, (0.0, 1.0, 0.0), alpha)
    share = finely(one, two, slopes, -0.0003)
    for picture in (merged(one, two), merged(two, one)):
        np.testing.assert_allclose(picture[..., 3], 1.0 - (1.0 - alpha) ** 2, atol=1e-6)
        red = share * alpha + (1.0 - share) * alpha * (1.0 - alpha)
        assert np.abs(picture[..., 0] - red).max() < 0.13 * alpha
        # A hard border is off by half a pixel's contrast.
        assert np.sqrt(np.mean((picture[..., 0] - red) ** 2)) < 0.03


def test_a_third_hand_and_clear_orders() -> None:
    """Hands that do not cross lie over each other as ever, and one behind two that cross is hidden by both."""
    far, near = plane((0.0, 0.0), 0.6, (0.0, 0.0, 1.0)), plane((0.0, 0.0), 0.5, (1.0, 0.0, 0.0), 0.5)
    np.testing.assert_allclose(merged(far, near)[4, 4], [0.5, 0.0, 0.5, 1.0], atol=1e-6)
    crossing = plane((0.001, 0.0), 0.5, (0.0, 1.0, 0.0), 0.5)
    picture = merged(far, near, crossing)
    np.testing.assert_allclose(picture[..., 3], 1.0, atol=1e-6)
    np.testing.assert_allclose(picture[..., 2], 0.25, atol=1e-6)


def test_an_edge_is_no_crossing() -> None:
    """Where a hand steps from a finger to what is behind it, order goes by depth alone."""
    stepped = plane((0.0, 0.0), 0.5, (1.0, 0.0, 0.0))
    stepped.depth[:, 16:] = 0.53
    picture = merged(stepped, plane((0.0, 0.0), 0.515, (0.0, 1.0, 0.0)))
    np.testing.assert_allclose(picture[:, :16, 0], 1.0, atol=1e-6)
    np.testing.assert_allclose(picture[:, 16:, 1], 1.0, atol=1e-6)


def test_tint_is_linear() -> None:
    layer = replace(plane((0.0, 0.0), 0.5, (0.5, 0.25, 0.125), 0.5), lit=True)
    hand = HandInstance(HandPose.rest(), tint=(2.0, 1.0, 0.5))
    camera = Camera(SIZE, SIZE, 40.0, 40.0, 16.0, 16.0, np.eye(4))
    answer = finished(layer, hand, camera, builtin_hand("right"))
    wanted = linear_to_srgb(srgb_to_linear(np.array([0.5, 0.25, 0.125])) * [2.0, 1.0, 0.5]) * 0.5
    np.testing.assert_allclose(answer.rgba[3, 3], [*wanted, 0.5], atol=1e-5)
    assert finished(layer, HandInstance(HandPose.rest()), camera, builtin_hand("right")) is layer


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_wrist_fades_where_it_is_said(side: Side, scale: float) -> None:
    """Opacity falls along the forearm in the hand's own size, wherever it is and however it is turned."""
    pose = HandPose(np.array([0.2, 0.9, -0.4]), np.zeros((15, 3)), np.zeros(10), np.array([0.03, 0.01, 0.4]), side)
    vertices = scale * pose_vertices(builtin_hand(side), pose)
    wrist = scale * (builtin_hand(side).rest_joints()[0] + pose.transl)
    camera = Camera(
        SIZE,
        SIZE,
        150.0,
        150.0,
        16.0,
        16.0,
        look_at(wrist - np.array([0.0, 0.0, 0.3 * scale]), wrist, np.array([0.0, 1.0, 0.0])),
    )
    # Every pixel shows a vertex of the proxy: its depth is where that is.
    pixels, depth = camera.project(vertices)
    x, y = np.floor(pixels).astype(int).T
    inside = (x >= 0) & (x < SIZE) & (y >= 0) & (y < SIZE)
    # Alone in its pixel.
    _, which, count = np.unique(x + 1000 * y, return_inverse=True, return_counts=True)
    inside &= count[which] == 1
    layer = plane((0.0, 0.0), 0.3 * scale, (0.5, 0.5, 0.5))
    layer.depth[y[inside], x[inside]] = depth[inside]
    fade = WristFade(0.0, 0.02, 0.01)
    faded = finished(layer, HandInstance(pose, scale=scale, wrist=fade), camera, builtin_hand("right"))
    # The hand's end is gone, its knuckles are not; what stays of the end comes nearer.
    rest = builtin_hand(side).v_template[:, 0] * (1.0 if side == "right" else -1.0)
    for number in np.flatnonzero(inside):
        share = faded.rgba[y[number], x[number], 3]
        if rest[number] > 0.027:
            assert share < 0.1
        elif rest[number] < -0.03:
            assert share > 0.95
    kept = faded.rgba[..., 3] > 0.0
    assert (faded.depth[kept] <= layer.depth[kept] + 1e-6).all() and np.isinf(faded.depth[~kept]).all()


def test_the_arm_keeps_no_light_from_the_wrist() -> None:
    data = builtin_hand("right")
    tube = np.array([[0.05, 0.02, 0.0], [0.05, 0.0, 0.02], [0.2, 0.02, 0.0]], np.float32)
    cup = tube + np.float32([-0.3, -0.1, 0.0])
    faces = np.array([[0, 1, 2]], np.int32)
    meshes = [Mesh(tube, faces), Mesh(cup, faces)]
    covered = HandInstance(HandPose.rest(), wrist=WristFade(cover=0.01))
    assert [mesh.vertices is cup for mesh in beside_the_wrist(meshes, covered, data)] == [True]
    assert len(beside_the_wrist(meshes, HandInstance(HandPose.rest(), wrist=WristFade()), data)) == 2


def test_they_travel() -> None:
    """Tint and fade go to the engine as plain values, and what cannot be meant is refused."""
    hand = HandInstance(HandPose.rest(), tint=(0.5, 1.0, 1.5), wrist=WristFade(0.0, 0.01, 0.002))
    camera = Camera(8, 8, 8.0, 8.0, 4.0, 4.0, np.eye(4))
    request = FrameRequest(camera, (hand,))
    read = FrameRequest.from_json(request.to_json()).hands[0]
    assert (read.tint, read.wrist) == (hand.tint, hand.wrist)
    with pytest.raises(LiveHandError, match="tint"):
        HandInstance(HandPose.rest(), tint=(float("nan"), 1.0, 1.0))
    with pytest.raises(LiveHandError, match="fades"):
        WristFade(length=0.0)
