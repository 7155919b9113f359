"""The shape of a hand, found once from its first seconds: betas that explain the landmarks of many pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..cameras import Camera
from .fit import Problem, fit
from .landmarks import HandLandmarks
from .skeleton import Placement, Skeleton

_ROUNDS = 4
WORTH = 2.0
"""Independent pictures that all pictures together count as."""

_LARGEST = 2.5
"""Deviations of the population that a beta is kept within."""


def calibrate(skeleton: Skeleton, camera: Camera, seen: Sequence[HandLandmarks]) -> Skeleton:
    """The hand with the shape that explains all these landmarks best, a usual shape being likelier.

    Args:
        skeleton: with the shape to start from.
        camera: at the origin of its own axes.
        seen: landmarks of one hand in several poses and views, the more the better.
    """
    return calibrate_shape(skeleton, [partial(_problem, camera, one) for one in seen])


def calibrate_shape(
    skeleton: Skeleton, problems: Sequence[Callable[[Skeleton], Problem]], worth: float = WORTH
) -> Skeleton:
    """The same of any problems, each made of the hand with a shape.

    Each problem has a placement of its own; the betas are common. In each round both move together: the placements are
    eliminated from the normal equations (Schur complement), which leaves one small system for the betas.

    Args:
        worth: independent pictures that all problems together count as.
    """
    if not problems:
        return skeleton
    placements = [fit(make(skeleton)).placement for make in problems]
    for _ in range(_ROUNDS):
        step, parts = _shape_step(skeleton, problems, placements, min(worth / len(problems), 1.0))
        betas = np.clip(skeleton.betas + step, -_LARGEST, _LARGEST)
        placements = [
            at.stepped(own - by_shape @ (betas - skeleton.betas), 0.3)
            for at, (own, by_shape) in zip(placements, parts, strict=True)
        ]
        skeleton = skeleton.with_shape(betas)
    return skeleton


def _problem(camera: Camera, one: HandLandmarks, skeleton: Skeleton) -> Problem:
    return Problem(skeleton, camera, one)


def _shape_step(
    skeleton: Skeleton,
    problems: Sequence[Callable[[Skeleton], Problem]],
    placements: Sequence[Placement],
    share: float,
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """A step of the betas; and for each problem the step of its placement, and how that depends on the betas' step.

    What is wrong with a landmark is wrong in all pictures: more of them do not make the shape that much surer, so that
    each counts for a ``share``.
    """
    count = len(skeleton.betas)
    normal, gradient = np.eye(count), skeleton.betas.copy()
    parts = []
    for make, at in zip(problems, placements, strict=True):
        problem = make(skeleton)
        residuals, rows, shape_rows = problem.linearised(at, problem.weights(at))
        own = rows.T @ rows + 1e-3 * np.eye(rows.shape[1])
        solved = np.linalg.solve(own, np.column_stack([rows.T @ shape_rows, rows.T @ residuals]))
        by_shape, alone = solved[:, :-1], solved[:, -1]
        normal += share * (shape_rows.T @ shape_rows - (shape_rows.T @ rows) @ by_shape)
        gradient += share * (shape_rows.T @ residuals - (shape_rows.T @ rows) @ alone)
        parts.append((-alone, by_shape))
    return -np.linalg.solve(normal, gradient), parts
