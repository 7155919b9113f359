"""Rotations: inverses of each other, and agreement with SciPy as an independent oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from livehand_core import rotations

vectors = arrays(np.float64, (3,), elements=st.floats(-1.8, 1.8))


@given(vectors)
def test_axis_angle_survives_matrix_and_quaternion(axis_angle: np.ndarray) -> None:
    if np.linalg.norm(axis_angle) > np.pi - 1e-3:
        axis_angle = axis_angle * 0.5
    there = rotations.axis_angle_to_matrix(axis_angle)
    np.testing.assert_allclose(rotations.matrix_to_axis_angle(there), axis_angle, atol=1e-12)
    np.testing.assert_allclose(there, Rotation.from_rotvec(axis_angle).as_matrix(), atol=1e-12)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_turns_have_no_lost_axis(axis: np.ndarray) -> None:
    matrix = rotations.axis_angle_to_matrix(np.pi * axis)
    again = rotations.axis_angle_to_matrix(rotations.matrix_to_axis_angle(matrix))
    np.testing.assert_allclose(again, matrix, atol=1e-12)


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-16, 1e-9])
def test_tiny_rotations_are_exact(size: float) -> None:
    axis_angle = np.array([size, -size, 0.0])
    np.testing.assert_allclose(
        rotations.matrix_to_axis_angle(rotations.axis_angle_to_matrix(axis_angle)), axis_angle, atol=1e-15
    )


@given(vectors, vectors)
def test_slerp_ends_and_halves(first: np.ndarray, second: np.ndarray) -> None:
    ends = [rotations.axis_angle_to_matrix(v) for v in (first, second)]
    for fraction, end in zip((0.0, 1.0), ends, strict=True):
        np.testing.assert_allclose(
            rotations.axis_angle_to_matrix(rotations.slerp(first, second, fraction)), end, atol=1e-9
        )
    middle = rotations.slerp(first, second, 0.5)
    distances = [Rotation.from_matrix(rotations.axis_angle_to_matrix(middle).T @ end).magnitude() for end in ends]
    assert distances[0] == pytest.approx(distances[1], abs=1e-6)
