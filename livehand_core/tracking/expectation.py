"""How a hand is likely to bend, given what the landmark network says: a small network that has learned from its errors.

Where a finger is hidden the landmark network guesses, and guesses alike: fingers in a fist too straight, say. This one
has seen what it says of thousands of hands in known poses, and tells each angle that is to be expected and how far it
may be off. ``tools/tracking_prior.py`` makes it; ``fit`` calls it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..documents import Reader
from ..errors import LiveHandError
from ..poses import Side
from .landmarks import HandLandmarks
from .regions import region_of_points
from .skeleton import palm_length

PATH = Path(__file__).resolve().parent.parent / "assets" / "bends.npz"
_FILE = Reader("The tracker's network", LiveHandError, "Install LiveHand again.")
WIDTHS = (-4.0, 1.0)
"""Least and largest logarithm of a deviation, over that of all poses."""
_WORLD = 4.0
"""Weight of the world landmarks, in palm lengths, beside the image's."""


class Bends(NamedTuple):
    """Angles as ``Skeleton`` counts them, radians.

    Attributes:
        angles: (D,) that are to be expected.
        deviations: (D,) of the true ones from them.
    """

    angles: np.ndarray
    deviations: np.ndarray


def features(image: np.ndarray, world: np.ndarray, side: Side) -> np.ndarray:
    """(105,) of landmarks (21, 2) and (21, 3): upright, of one size, in the place of a right hand."""
    turn = region_of_points(image).turn
    flat = (image - image.mean(axis=0)) @ turn
    deep = world - world.mean(axis=0)
    deep = np.concatenate([deep[:, :2] @ turn, deep[:, 2:]], axis=1) * (_WORLD / max(palm_length(world), 1e-3))
    flat = flat / max(float(np.abs(flat).max()), 1e-6)
    if side == "left":
        flat, deep = flat * (-1.0, 1.0), deep * (-1.0, 1.0, 1.0)
    return np.concatenate([flat.ravel(), deep.ravel()])


def expected_bends(seen: HandLandmarks, side: Side) -> Bends:
    """What the landmarks of a hand of this side make likely.

    Raises:
        LiveHandError: the network's file is not there or damaged.
    """
    return answer(_weights(), features(seen.image, seen.world, side))


def answer(weights: dict[str, np.ndarray], values: np.ndarray) -> Bends:
    """What a network says of features (..., 105)."""
    state = (values - weights["mean"]) / weights["spread"]
    for layer in ("1", "2"):
        state = state @ weights[f"matrix{layer}"] + weights[f"shift{layer}"]
        state = state / (1.0 + np.exp(-np.clip(state, -50.0, 50.0)))
    state = state @ weights["matrix3"] + weights["shift3"]
    middle, wide = np.split(state, 2, axis=-1)
    scale = weights["range"]
    return Bends(middle * scale + weights["usual"], np.exp(np.clip(wide, *WIDTHS)) * scale)


@cache
def _weights() -> dict[str, np.ndarray]:
    return {name: value.astype(np.float64) for name, value in _FILE.arrays(PATH).items()}
