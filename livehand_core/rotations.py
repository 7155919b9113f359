"""Rotations as axis-angle vectors, matrices and quaternions, in NumPy (float64)."""

from __future__ import annotations

import numpy as np


def axis_angle_to_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """Rodrigues' formula. (..., 3) axis-angle in radians -> (..., 3, 3) rotation matrices."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices -> (..., 3) axis-angle with angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def axis_angle_to_quaternion(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) axis-angle in radians -> (..., 4) unit quaternions, w first."""
    axis_angle = np.asarray(axis_angle, dtype=np.float64)
    half = 0.5 * np.linalg.norm(axis_angle, axis=-1, keepdims=True)
    # sin(half)/angle = 0.5 * sinc(half/pi), exact at zero.
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * axis_angle], axis=-1)


def quaternion_to_axis_angle(quaternion: np.ndarray) -> np.ndarray:
    """(..., 4) unit quaternions, w first -> (..., 3) axis-angle with angle in [0, pi]."""
    quaternion = np.asarray(quaternion, dtype=np.float64)
    quaternion = np.where(quaternion[..., :1] < 0.0, -quaternion, quaternion)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quaternion[..., :1])
    scale = np.where(sine > 1e-12, angle / np.maximum(sine, 1e-300), 2.0)
    return scale * quaternion[..., 1:]


def quaternion_to_matrix(quaternion: np.ndarray) -> np.ndarray:
    """(..., 4) unit quaternions, w first -> (..., 3, 3) rotation matrices."""
    w, x, y, z = np.moveaxis(np.asarray(quaternion, dtype=np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices -> (..., 4) unit quaternions, w first and not negative.

    Shepperd's method: the largest of the four squared components is the pivot, so no case loses precision.
    """
    m = np.asarray(matrix, dtype=np.float64)
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    squares = np.stack([trace, m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], axis=-1)
    a = m[..., 2, 1] - m[..., 1, 2]
    b = m[..., 0, 2] - m[..., 2, 0]
    c = m[..., 1, 0] - m[..., 0, 1]
    xy = m[..., 0, 1] + m[..., 1, 0]
    xz = m[..., 0, 2] + m[..., 2, 0]
    yz = m[..., 1, 2] + m[..., 2, 1]
    candidates = np.stack(
        [
            np.stack([1.0 + trace, a, b, c], axis=-1),
            np.stack([a, 1.0 + 2.0 * m[..., 0, 0] - trace, xy, xz], axis=-1),
            np.stack([b, xy, 1.0 + 2.0 * m[..., 1, 1] - trace, yz], axis=-1),
            np.stack([c, xz, yz, 1.0 + 2.0 * m[..., 2, 2] - trace], axis=-1),
        ],
        axis=-2,
    )
    pivot = np.argmax(squares, axis=-1)[..., None, None]
    quaternion = np.take_along_axis(candidates, pivot, axis=-2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    return np.where(quaternion[..., :1] < 0.0, -quaternion, quaternion)


def slerp(start: np.ndarray, end: np.ndarray, fraction: float) -> np.ndarray:
    """Shortest-path interpolation of (..., 3) axis-angle rotations; fraction 0 gives start, 1 gives end."""
    first = axis_angle_to_matrix(start)
    relative = matrix_to_axis_angle(np.swapaxes(first, -1, -2) @ axis_angle_to_matrix(end))
    return matrix_to_axis_angle(first @ axis_angle_to_matrix(fraction * relative))
