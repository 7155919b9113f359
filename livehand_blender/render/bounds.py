"""Where in a camera's image hands can be at all, in NumPy alone. Called by render/live, which asks for no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livehand_core.cameras import Camera
from livehand_core.poses import JOINT_NAMES

WRIST_REACH, PALM_REACH, FINGER_REACH = 0.75, 0.48, 0.28
"""How far skin and the shell around it reach from the wrist, from the knuckles and the palm's middle, and from the
other joints and tips, in lengths of the palm (wrist to middle knuckle); measured on the built-in hand."""

_MIDDLE1 = JOINT_NAMES.index("middle1")

GRID = 16
"""Windows begin and end at multiples of this many pixels, so that cropping never shifts the networks' own grid."""

Window = tuple[int, int, int, int]
"""x, y from the top left, width, height in pixels."""


def hand_window(camera: Camera, points: np.ndarray, radii: np.ndarray, limits: Window | None = None) -> Window | None:
    """The part of the image that holds all hands.

    Args:
        camera: the view.
        points: (N, 3) joints and finger tips in world space.
        radii: (N,) how far flesh reaches from each, in metres.
        limits: window that the answer is cut to, the whole image by default.

    Returns:
        the window, None when no hand is in view.
    """
    left, top, width, height = limits or (0, 0, camera.width, camera.height)
    right, bottom = left + width, top + height
    if len(points) == 0:
        return None
    pixels, depth = camera.project(np.asarray(points, dtype=np.float64))
    if camera.projection == "perspective":
        if np.all(depth < -radii):
            return None
        if np.any(depth < 2.0 * radii):
            return _window(left, top, right, bottom)
        # The silhouette of a ball is wider than its radius over its depth when it is near.
        reach = radii / np.sqrt(depth**2 - radii**2) * np.hypot(1.0, _slope(camera, pixels))
    else:
        reach = np.asarray(radii, dtype=np.float64)
    spread = np.stack([camera.fx * reach, camera.fy * reach], axis=-1)
    low = np.floor((pixels - spread).min(axis=0) / GRID) * GRID
    high = np.ceil((pixels + spread).max(axis=0) / GRID) * GRID
    return _window(max(left, int(low[0])), max(top, int(low[1])), min(right, int(high[0])), min(bottom, int(high[1])))


def _slope(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """(N,) tangent of the angle between the optical axis and each pixel's ray."""
    across = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    return np.asarray(np.hypot(across[:, 0], across[:, 1]))


def _window(left: int, top: int, right: int, bottom: int) -> Window | None:
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def hand_points(heads: np.ndarray, tails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points that a hand's flesh lies around.

    Args:
        heads, tails: (16, 3) ends of the posed bones in world space, in the order of the pose.

    Returns:
        (N, 3) points and (N,) how far flesh reaches from each, in metres.
    """
    palm = float(np.linalg.norm(heads[_MIDDLE1] - heads[0]))
    points = np.concatenate([heads, tails[3::3], 0.5 * (heads[0] + heads[1::3])])
    radii = np.full(len(points), PALM_REACH)
    radii[0] = WRIST_REACH
    radii[2:16:3] = radii[3:16:3] = radii[16:21] = FINGER_REACH
    return points, radii * palm


def in_front(camera: Camera, points: np.ndarray, radii: np.ndarray) -> Camera:
    """An orthographic camera moved back along its axis until every hand lies before it; any other one as it is.

    Blender's orthographic views show what lies behind the view's own origin, too; a core camera does not.
    """
    if camera.projection != "orthographic" or len(points) == 0:
        return camera
    _, depth = camera.project(points)
    lack = float((2.0 * radii - depth).max())
    if lack <= 0.0:
        return camera
    matrix = np.array(camera.camera_to_world)
    matrix[:3, 3] -= matrix[:3, 2] * lack
    return replace(camera, camera_to_world=matrix)
