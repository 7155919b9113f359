"""Small shaded pictures of hand poses, in NumPy alone (no bpy, no GPU). Called by rig/pose_library for its previews."""

from __future__ import annotations

import numpy as np

from livehand_core.hand.data import HandData
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix

_SKIN = np.array([0.85, 0.60, 0.48])
_KEY_LIGHT = np.array([-0.45, 0.55, 0.70])
_FILL_LIGHT = np.array([0.80, 0.10, 0.35])
_OVERSAMPLING = 2
_MARGIN = 0.06


def pose_thumbnail(data: HandData, pose: HandPose, size: int = 128) -> np.ndarray:
    """A hand in a pose, seen from the palm with the fingers up, a little from the side.

    Args:
        data: the hand model.
        pose: the pose; its place in the world does not count.
        size: pixels of either side.

    Returns:
        (size, size, 4) float32 display-referred RGBA, premultiplied, rows bottom up as Blender keeps them.
    """
    still = HandPose(np.zeros(3), pose.hand_pose, pose.betas, np.zeros(3), pose.side)
    points = pose_vertices(data, still) @ _view(data.side).T
    image = _rasterise(points, data.faces, size * _OVERSAMPLING)
    return image.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 4).mean(axis=(1, 3)).astype(np.float32)


def _view(side: str) -> np.ndarray:
    """(3, 3) world to view: x right, y up, z towards the viewer."""
    up = np.array([-1.0 if side == "right" else 1.0, 0.0, 0.0])
    out_of_palm = np.array([0.0, -1.0, 0.0])
    front = np.stack([np.cross(up, out_of_palm), up, out_of_palm])
    aside = -0.45 if side == "right" else 0.45
    return axis_angle_to_matrix(np.array([0.25, aside, 0.0])) @ front


def _rasterise(points: np.ndarray, faces: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 4) image of a smooth-shaded mesh, nearest surface first, fitted into the picture."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    scale = size * (1.0 - 2.0 * _MARGIN) / float((high - low).max())
    screen = np.column_stack([(points[:, :2] - 0.5 * (low + high)) * scale + 0.5 * size, points[:, 2] * scale])
    colours = _shade(_normals(points, faces))
    corners = screen[faces]
    first, second = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    facing = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0.0
    corners, hues = corners[facing], colours[faces[facing]]
    # Points closer together than pixels cover every triangle; drawn from back to front, the nearest stays.
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max()
    shares = _barycentric(int(np.ceil(longest / 0.7)))
    spots = (shares @ corners).reshape(-1, 3)
    spots_hues = (shares @ hues).reshape(-1, 3)
    order = np.argsort(spots[:, 2])
    column, row = np.clip(np.floor(spots[order, :2]).astype(int), 0, size - 1).T
    image = np.zeros((size, size, 4))
    image[row, column] = np.column_stack([spots_hues[order], np.ones(len(order))])
    return image


def _barycentric(steps: int) -> np.ndarray:
    """(n, 3) evenly spread barycentric coordinates, corners and edges included."""
    first, second = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
    inside = first + second <= steps
    u, v = first[inside] / steps, second[inside] / steps
    return np.stack([1.0 - u - v, u, v], axis=1)


def _normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit vertex normals, faces weighted by their area."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    flat = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], flat)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _shade(normals: np.ndarray) -> np.ndarray:
    """(V, 3) colours of skin under a key light, a fill light and a dark rim."""
    key = np.clip(normals @ (_KEY_LIGHT / np.linalg.norm(_KEY_LIGHT)), 0.0, 1.0)
    fill = np.clip(normals @ (_FILL_LIGHT / np.linalg.norm(_FILL_LIGHT)), 0.0, 1.0)
    facing = np.clip(normals[:, 2], 0.0, 1.0)
    brightness = (0.18 + 0.75 * key + 0.2 * fill) * (0.45 + 0.55 * facing**0.5)
    return np.clip(brightness[:, None] * _SKIN, 0.0, 1.0)
