"""How a hand ends at its wrist in a picture, so that it sits on an arm or in a sleeve. NumPy only.

>>> WristFade().share([-0.1, 0.006, 0.017, 0.028, 0.1]).round(3).tolist()
[1.0, 1.0, 0.5, 0.0, 0.0]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .errors import LiveHandError

END = 0.034
"""Metres from the wrist joint towards the elbow at which the built-in hand ends."""

AROUND = 0.08
"""Metres around the forearm's axis in which an arm lies."""


@dataclass(frozen=True)
class WristFade:
    """Where a hand fades out towards the elbow.

    Attributes:
        start: metres from the wrist joint towards the elbow, of the hand model's own size, where it begins to fade.
        length: metres over which it does; beyond, nothing is drawn.
        cover: metres by which what fades is brought before what lies there, so that it lies over an arm's skin and not
            in it; an arm with a cover keeps no light from the wrist. 0 in a sleeve, which hides the wrist.

    Raises:
        LiveHandError: values that are not finite, or no length.
    """

    start: float = 0.006
    length: float = 0.022
    cover: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and 0.0 < self.length < math.inf and 0.0 <= self.cover < math.inf):
            raise LiveHandError(
                f"A wrist fades from {self.start} m over {self.length} m with a cover of {self.cover} m.",
                "Give a length above 0 and a cover that is not negative.",
            )

    def share(self, along: np.ndarray | list[float]) -> np.ndarray:
        """What is left of the opacity at distances in metres from the wrist joint towards the elbow."""
        part = np.clip((np.asarray(along) - self.start) / self.length, 0.0, 1.0)
        answer: np.ndarray = 1.0 - part * part * (3.0 - 2.0 * part)
        return answer

    def lift(self, along: np.ndarray) -> np.ndarray:
        """Metres by which a point comes nearer: all of ``cover`` where it fades, none a ``length`` before."""
        part = np.clip((along - self.start) / self.length + 1.0, 0.0, 1.0)
        answer: np.ndarray = self.cover * part * part * (3.0 - 2.0 * part)
        return answer
