"""The fit of one hand to what several cameras see of it: the residuals of ``fit.Problem``, one set a camera.

``datasets.footage`` calls this. Everything is in the cameras' common world; each camera's residuals are those of a
camera at the origin of its own axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cameras import Camera
from .fit import Deviations, PointProblem, Problem
from .landmarks import HandLandmarks
from .skeleton import Placement, Skeleton

SURE = Deviations(image=0.015, world=0.06)
"""Several cameras together need less of what one network says of depth."""


@dataclass(frozen=True)
class SeenBy:
    """What one camera sees of a hand.

    Attributes:
        camera: in the world, without distortion.
        landmarks: freed of the lens.
    """

    camera: Camera
    landmarks: HandLandmarks


class ViewsProblem(PointProblem):
    """One hand's landmarks in the pictures of several cameras, as residuals of a placement in their world.

    Args:
        skeleton: of the hand, its points being where the networks see the landmarks.
        seen: by each camera.
        points: (21, 3) metres, the triangulated landmarks, NaN where there are none: where the fit begins.
        last: the last frame's angles, None at the first.
        deviations: of each part.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        seen: Sequence[SeenBy],
        points: np.ndarray,
        last: np.ndarray | None = None,
        deviations: Deviations = SURE,
    ) -> None:
        super().__init__(skeleton, points, last, deviations)
        # The priors of the angles are this problem's own: of the views only what is seen counts.
        self._views = [Problem(skeleton, one.camera, one.landmarks, None, deviations) for one in seen]

    def weights(self, at: Placement) -> np.ndarray:
        points = self.skeleton.posed(at).points
        return np.stack([view.weights_of(view.camera.to_axes(points)) for view in self._views])

    def error(self, at: Placement) -> float:
        """Mean over the cameras of the mean distance in the picture, in shares of the hand's size there."""
        sizes = np.array([max(view.seen.size, 1.0) for view in self._views])
        return float((self.pixels_off(at).mean(axis=1) / sizes).mean())

    def pixels_off(self, at: Placement) -> np.ndarray:
        """(V, 21) pixels between the fitted points and the landmarks in each picture."""
        points = self.skeleton.posed(at).points
        return np.stack([view.off(view.camera.to_axes(points)) for view in self._views])

    def seen_residuals(self, points: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        return [
            part
            for view, own in zip(self._views, weights, strict=True)
            for part in view.seen_residuals(view.camera.to_axes(points), own)
        ]

    def seen_rows(self, points: np.ndarray, moved: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        return [
            part
            for view, own in zip(self._views, weights, strict=True)
            for part in view.seen_rows(view.camera.to_axes(points), view.camera.world_to_camera[:3, :3] @ moved, own)
        ]
