"""The flat end of an extracted hand: where the proxy is open, the field says nothing of value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mesh import border_edges


@dataclass(frozen=True)
class Cap:
    """A plane across the proxy's opening that the surface is cut at.

    Attributes:
        middle: (3,) of the opening, in the plane.
        direction: (3,) unit vector along the arm, away from the hand.
        radius: metres around ``middle`` within which the cut holds; a finger may lie beyond the plane elsewhere.
    """

    middle: np.ndarray
    direction: np.ndarray
    radius: float

    def heights(self, points: np.ndarray) -> np.ndarray:
        """(N,) metres by which (N, 3) points lie past the plane; minus infinity where the cut does not hold."""
        offset = points - self.middle
        within = (offset * offset).sum(axis=-1) < self.radius**2
        return np.where(within, offset @ self.direction, -np.inf)


def find_cap(vertices: np.ndarray, faces: np.ndarray, reach: float) -> Cap | None:
    """The cap of a posed proxy: through its opening's innermost point, so that skin meets it all around.

    Args:
        vertices: (V, 3) posed proxy, metres.
        faces: (F, 3).
        reach: how far from the proxy its field is looked at, metres.

    Returns:
        None for a closed mesh.
    """
    border = border_edges(faces)
    if not len(border):
        return None
    rim = np.asarray(vertices, np.float64)[np.unique(border)]
    middle = rim.mean(axis=0)
    # The direction in which the rim is thinnest is across the opening.
    direction = np.linalg.svd(rim - middle, full_matrices=False)[2][-1]
    if direction @ (middle - np.asarray(vertices, np.float64).mean(axis=0)) < 0.0:
        direction = -direction
    innermost = float(((rim - middle) @ direction).min())
    radius = float(np.linalg.norm(rim - middle, axis=1).max())
    return Cap(middle + innermost * direction, direction, 1.2 * radius + 2.0 * reach)
