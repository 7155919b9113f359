"""The shape of a hand, found once from its first seconds: betas that explain the landmarks of many pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cameras import Camera
from .fit import Deviations, Problem, fit
from .landmarks import HandLandmarks
from .skeleton import Placement, Skeleton

_ROUNDS = 4
_WORTH = 2.0
"""Independent pictures that all pictures together count as."""

_LARGEST = 2.5
"""Deviations of the population that a beta is kept within."""


def calibrate(skeleton: Skeleton, camera: Camera, seen: Sequence[HandLandmarks]) -> Skeleton:
    """The hand with the shape that explains all these landmarks best, a usual shape being likelier.

    Each picture has a placement of its own; the betas are common. In each round both move together: the placements are
    eliminated from the normal equations (Schur complement), which leaves one small system for the betas.

    Args:
        skeleton: with the shape to start from.
        camera: at the origin of its own axes.
        seen: landmarks of one hand in several poses and views, the more the better.
    """
    if not seen:
        return skeleton
    deviations = Deviations()
    placements: list[Placement] = [fit(Problem(skeleton, camera, one, deviations=deviations)).placement for one in seen]
    for _ in range(_ROUNDS):
        step, parts = _shape_step(skeleton, camera, seen, placements, deviations)
        betas = np.clip(skeleton.betas + step, -_LARGEST, _LARGEST)
        placements = [
            at.stepped(own - by_shape @ (betas - skeleton.betas), 0.3)
            for at, (own, by_shape) in zip(placements, parts, strict=True)
        ]
        skeleton = skeleton.with_shape(betas)
    return skeleton


def _shape_step(
    skeleton: Skeleton,
    camera: Camera,
    seen: Sequence[HandLandmarks],
    placements: Sequence[Placement],
    deviations: Deviations,
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """A step of the betas; and for each picture the step of its placement, and how that depends on the betas' step."""
    count = len(skeleton.betas)
    normal, gradient = np.eye(count), skeleton.betas.copy()
    parts = []
    for one, at in zip(seen, placements, strict=True):
        problem = Problem(skeleton, camera, one, deviations=deviations)
        residuals, rows, shape_rows = problem.linearised(at, problem.weights(at))
        own = rows.T @ rows + 1e-3 * np.eye(rows.shape[1])
        solved = np.linalg.solve(own, np.column_stack([rows.T @ shape_rows, rows.T @ residuals]))
        by_shape, alone = solved[:, :-1], solved[:, -1]
        # What is wrong with a landmark is wrong in all pictures: more of them do not make the shape that much surer.
        share = min(_WORTH / len(seen), 1.0)
        normal += share * (shape_rows.T @ shape_rows - (shape_rows.T @ rows) @ by_shape)
        gradient += share * (shape_rows.T @ residuals - (shape_rows.T @ rows) @ alone)
        parts.append((-alone, by_shape))
    return -np.linalg.solve(normal, gradient), parts
