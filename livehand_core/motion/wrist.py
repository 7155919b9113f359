"""Where the wrist of a hand model rests: what translations in motion files count from."""

from __future__ import annotations

import numpy as np

from ..errors import HandModelError
from ..hand.builtin import builtin_hand
from ..hand.library import find_hand
from ..poses import Side


def rest_wrists(model: str, side: Side, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3,) rest positions J0(betas) of a file's hand model's wrist, and of the built-in hand's.

    A model that is not there is taken to rest where the built-in hand does, which shifts the motion as a whole.
    """
    own = builtin_hand(side).rest_joints(betas)[0]
    try:
        return find_hand(model, side).rest_joints(betas)[0], own
    except HandModelError:
        return own, own
