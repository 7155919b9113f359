"""Landmarks to pose: Levenberg-Marquardt on the anatomical angles, with analytic derivatives.

What is minimised, each part over its standard deviation:

    |project(points) - image|^2  (Huber)  +  |centred points - centred world landmarks|^2
    + |angles - expected|^2  +  |angles beyond their limits|^2  +  |angles - last angles|^2

Expected is what ``expectation`` says of the landmarks. Of points of other origin it is the relaxed hand; that of a
finger's outer joint follows its middle joint, as tendons make it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cameras import Camera
from ..hand.gestures import GESTURES, joint_angles
from ..small_systems import solved
from .expectation import expected_bends
from .landmarks import HandLandmarks
from .skeleton import PALM_LANDMARKS, Placement, Skeleton, palm_length

NEAREST = 0.03
"""Metres; nothing is taken to be nearer to the camera."""

_TENDON = 0.62
"""How far a finger's outer joint bends when its middle joint bends by one."""

_SUREST = 0.02
"""Radians; no angle counts as surer than that."""

_LONGEST_STEP = 0.6
_FIRST_DAMPING, _WORSE, _BETTER, _LEAST_DAMPING = 1e-2, 8.0, 1.0 / 6.0, 1e-6


@dataclass(frozen=True)
class Deviations:
    """How far each part of the fit may be off, one standard deviation.

    Attributes:
        image: of a landmark in the picture, in shares of the hand's size there.
        world: of a world landmark, metres.
        expected: of an angle from the one that the landmarks make likely, in what is said of it.
        usual: of an angle from the usual one, in halves of its range.
        tendon: of a finger's outer joint from what its middle joint makes usual, radians.
        limit: beyond an angle's limits, radians.
        last: from the last picture's angle, radians; infinite where there is no last one.
        outlier: image deviations from which on a landmark counts less.
    """

    image: float = 0.035
    world: float = 0.02
    expected: float = 1.0
    usual: float = 0.6
    tendon: float = 0.15
    limit: float = 0.025
    last: float = 0.35
    outlier: float = 3.0


@dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
        placement: of the hand.
        error: mean distance of the landmarks in the picture from the fitted points, in shares of the hand's size.
        steps: that were taken.
    """

    placement: Placement
    error: float
    steps: int


class Problem:
    """One hand's landmarks in one picture, as residuals of a placement.

    Args:
        skeleton: of the hand.
        camera: at the origin of its own axes.
        seen: the landmarks.
        last: the last picture's angles, None at the first.
        deviations: of each part.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        camera: Camera,
        seen: HandLandmarks,
        last: np.ndarray | None = None,
        deviations: Deviations = Deviations(),
    ) -> None:
        self.skeleton, self.camera, self.seen = skeleton, camera, seen
        self._last, self._deviations = last, deviations
        self._pixels = max(deviations.image * seen.size, 0.5)
        # The networks' metres are those of some usual hand: only the world landmarks' shape counts.
        self._world = (seen.world - seen.world.mean(axis=0)) * (
            skeleton.palm_length / max(palm_length(seen.world), 1e-3)
        )
        self._prior, self._usual = self._likely()

    def _likely(self) -> tuple[np.ndarray, np.ndarray]:
        """(D, D) and (D,): what times the angles less what is the deviation from those to be expected."""
        angles, deviations = expected_bends(self.seen, self.skeleton.side)
        rows = 1.0 / (self._deviations.expected * np.maximum(deviations, _SUREST))
        return np.diag(rows), rows * angles

    def weights(self, at: Placement) -> np.ndarray:
        """(21,) square roots of Huber's weights of the landmarks in the picture; kept during a step."""
        return self.weights_of(self.skeleton.posed(at).points)

    def weights_of(self, points: np.ndarray) -> np.ndarray:
        """The same of (21, 3) points in the camera's axes."""
        limit = self._deviations.outlier * self._pixels
        return np.asarray(np.sqrt(np.minimum(1.0, limit / np.maximum(self.off(points), 1e-9))))

    def off(self, points: np.ndarray) -> np.ndarray:
        """(21,) pixels between points in the camera's axes and the landmarks."""
        return np.asarray(np.linalg.norm(self._projected(points) - self.seen.image, axis=1))

    def residuals(self, at: Placement, weights: np.ndarray) -> np.ndarray:
        """All residuals, in deviations."""
        points = self.skeleton.posed(at).points
        return np.concatenate([*self.seen_residuals(points, weights), *self._angle_residuals(at)])

    def linearised(self, at: Placement, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, their derivatives by a step of the placement, and by the betas."""
        posed = self.skeleton.posed(at)
        moved = np.concatenate([self.skeleton.jacobian(posed), self.skeleton.shape_jacobian(posed)], axis=2)
        every = np.concatenate([*self.seen_rows(posed.points, moved, weights), *self._angle_rows(at, moved)])
        count = 6 + self.skeleton.count
        return self.residuals(at, weights), every[:, :count], every[:, count:]

    def error(self, at: Placement) -> float:
        """Mean distance in the picture, in shares of the hand's size."""
        return float(self.off(self.skeleton.posed(at).points).mean() / max(self.seen.size, 1.0))

    def start(self, rotation: np.ndarray, turned: np.ndarray, angles: np.ndarray) -> Placement:
        """A placement to begin with, of a hand whose (21, 3) points about its wrist are turned already."""
        camera, image = self.camera, self.seen.image
        flat, centred = turned[:, :2] - turned[:, :2].mean(axis=0), image - image.mean(axis=0)
        scale = max(float((flat * centred).sum() / max((flat * flat).sum(), 1e-12)), 1e-3)
        depth = min(max(camera.fx / scale, 2.0 * NEAREST), 20.0)
        middle = (image.mean(axis=0) - (camera.cx, camera.cy)) / (camera.fx, camera.fy) * depth
        return Placement(rotation, np.array([*middle, depth]) - turned.mean(axis=0), angles)

    def seen_residuals(self, points: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        """Residuals of what was seen, of points in the camera's axes, in deviations."""
        return [self._image_residuals(points, weights), self._world_residuals(points)]

    def seen_rows(self, points: np.ndarray, moved: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        """Their derivatives, of (21, 3, P) derivatives of the points."""
        return [self._image_rows(points, moved, weights), self._world_rows(moved)]

    def _projected(self, points: np.ndarray) -> np.ndarray:
        camera, depth = self.camera, np.maximum(points[:, 2], NEAREST)
        return np.stack(
            [camera.fx * points[:, 0] / depth + camera.cx, camera.fy * points[:, 1] / depth + camera.cy], axis=1
        )

    def _image_residuals(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        off = (self._projected(points) - self.seen.image) / self._pixels
        return np.asarray((off * weights[:, None]).reshape(-1))

    def _image_rows(self, points: np.ndarray, moved: np.ndarray, weights: np.ndarray) -> np.ndarray:
        camera, depth = self.camera, np.maximum(points[:, 2], NEAREST)
        free = (points[:, 2] > NEAREST).astype(np.float64)
        by_point = np.zeros((21, 2, 3))
        by_point[:, 0, 0], by_point[:, 1, 1] = camera.fx / depth, camera.fy / depth
        by_point[:, 0, 2] = -camera.fx * points[:, 0] / depth**2 * free
        by_point[:, 1, 2] = -camera.fy * points[:, 1] / depth**2 * free
        rows = by_point @ moved * (weights / self._pixels)[:, None, None]
        return np.asarray(rows.reshape(42, -1))

    def _world_residuals(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(((points - points.mean(axis=0) - self._world) / self._deviations.world).reshape(-1))

    def _world_rows(self, moved: np.ndarray) -> np.ndarray:
        return np.asarray(((moved - moved.mean(axis=0)) / self._deviations.world).reshape(63, -1))

    def _angle_residuals(self, at: Placement) -> list[np.ndarray]:
        beyond = at.angles - np.clip(at.angles, self.skeleton.low, self.skeleton.high)
        parts = [self._prior @ at.angles - self._usual, beyond / self._deviations.limit]
        if self._last is not None:
            parts.append((at.angles - self._last) / self._deviations.last)
        return parts

    def _angle_rows(self, at: Placement, moved: np.ndarray) -> list[np.ndarray]:
        count, columns = self.skeleton.count, moved.shape[2]
        beyond = (at.angles < self.skeleton.low) | (at.angles > self.skeleton.high)
        parts = [self._prior, np.diag(beyond / self._deviations.limit)]
        if self._last is not None:
            parts.append(np.eye(count) / self._deviations.last)
        rows = []
        for part in parts:
            row = np.zeros((count, columns))
            row[:, 6 : 6 + count] = part
            rows.append(row)
        return rows


class PointProblem(Problem):
    """The same of points in space that are known where they are, as other programs' files have them.

    Args:
        skeleton: of the hand, its points being the joints and tips.
        points: (21, 3) metres in the order of the landmarks; NaN where a point is not known.
        last: the last frame's angles, None at the first.
        deviations: of each part; ``world`` is that of a point.
    """

    def __init__(self, skeleton: Skeleton, points: np.ndarray, last: np.ndarray | None, deviations: Deviations) -> None:
        camera = Camera(2, 2, 1.0, 1.0, 1.0, 1.0, np.eye(4))
        super().__init__(skeleton, camera, HandLandmarks(np.zeros((21, 2)), points, 1.0, 0.5), last, deviations)
        self._known = np.isfinite(points).all(axis=1)

    def _likely(self) -> tuple[np.ndarray, np.ndarray]:
        return _usual(self.skeleton, self._deviations)

    def weights(self, at: Placement) -> np.ndarray:
        return np.ones(21)

    def error(self, at: Placement) -> float:
        """Mean distance of the known points from the fitted ones, metres."""
        off = self.skeleton.posed(at).points - self.seen.world
        return float(np.linalg.norm(off[self._known], axis=1).mean())

    def start(self, rotation: np.ndarray, turned: np.ndarray, angles: np.ndarray) -> Placement:
        shift = (self.seen.world - turned)[self._known].mean(axis=0)
        return Placement(rotation, shift, angles)

    def seen_residuals(self, points: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        return [((points - self.seen.world)[self._known] / self._deviations.world).reshape(-1)]

    def seen_rows(self, points: np.ndarray, moved: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        return [(moved[self._known] / self._deviations.world).reshape(-1, moved.shape[2])]


def _usual(skeleton: Skeleton, deviations: Deviations) -> tuple[np.ndarray, np.ndarray]:
    """(D, D) and (D,): what times the angles less what is the deviation from usual ones."""
    usual = relaxed(skeleton)
    half = np.maximum(0.5 * (skeleton.high - skeleton.low), np.radians(4.0))
    rows = np.diag(1.0 / (deviations.usual * half))
    offsets = usual / (deviations.usual * half)
    for outer in range(3, 13, 3):
        row, middle = (int(np.flatnonzero(skeleton.joints == joint)[0]) for joint in (outer, outer - 1))
        rows[row] = 0.0
        rows[row, row], rows[row, middle] = 1.0 / deviations.tendon, -_TENDON / deviations.tendon
        offsets[row] = 0.0
    return rows, offsets


def relaxed(skeleton: Skeleton) -> np.ndarray:
    """(D,) angles of the relaxed hand."""
    angles = joint_angles(GESTURES["relaxed"])[skeleton.joints - 1, skeleton.kinds]
    return np.clip(angles, skeleton.low, skeleton.high)


def fit(problem: Problem, start: Placement | None = None, steps: int = 12, gain: float = 1e-3) -> Fit:
    """The placement that explains the landmarks best.

    Args:
        problem: what was seen.
        start: where to begin, such as the last picture's placement; found from the palm by default.
        steps: most that are taken.
        gain: share of the cost below which a step's gain is no reason to go on.
    """
    at = start or beginning(problem)
    damping = _FIRST_DAMPING
    taken = 0
    for _ in range(steps):
        weights = problem.weights(at)
        residuals, rows, _ = problem.linearised(at, weights)
        cost = float(residuals @ residuals)
        normal, gradient = rows.T @ rows, rows.T @ residuals
        better, damping = _better(problem, at, weights, cost, normal, gradient, damping)
        if better is None:
            break
        taken += 1
        at, gained = better
        if gained < gain * cost:
            break
    return Fit(at, problem.error(at), taken)


def _better(
    problem: Problem,
    at: Placement,
    weights: np.ndarray,
    cost: float,
    normal: np.ndarray,
    gradient: np.ndarray,
    damping: float,
) -> tuple[tuple[Placement, float] | None, float]:
    """A placement of less cost with what it gains, or None where no damping brings one; and the next damping."""
    diagonal = np.diag(np.diag(normal) + 1e-6)
    for _ in range(5):
        step = -solved(normal + damping * diagonal, gradient)
        there = at.stepped(step, _LONGEST_STEP)
        residuals = problem.residuals(there, weights)
        gained = cost - float(residuals @ residuals)
        if gained > 0.0:
            return (there, gained), max(damping * _BETTER, _LEAST_DAMPING)
        damping *= _WORSE
    return None, damping


def beginning(problem: Problem) -> Placement:
    """A placement to start from: the palm laid on the world landmarks, as far away as it is large in the picture."""
    skeleton, world = problem.skeleton, problem.seen.world
    angles = relaxed(skeleton)
    palm = [point for point in PALM_LANDMARKS if np.isfinite(world[point]).all()]
    points = skeleton.posed(Placement(np.eye(3), np.zeros(3), angles)).points
    rotation = _aligned(points[palm], world[palm])
    return problem.start(rotation, points @ rotation.T, angles)


def _aligned(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) rotation that lays centred points on others best (Kabsch)."""
    u, _, v = np.linalg.svd((source - source.mean(axis=0)).T @ (target - target.mean(axis=0)))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    return np.asarray((u @ flip @ v).T)
