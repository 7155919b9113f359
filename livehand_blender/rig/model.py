"""The hand models that a rig can be made of, by id and side. Called by the rest of rig and by render/scene."""

from __future__ import annotations

from functools import cache

import numpy as np

from livehand_core.errors import HandModelError
from livehand_core.hand.builtin import MODEL_ID, builtin_hand
from livehand_core.hand.data import HandData
from livehand_core.poses import Side

from .layout import joint_directions

BUILTIN_MODEL = MODEL_ID
"""Id of the hand that ships inside."""


def hand_data(model: str, side: Side) -> HandData:
    """The arrays of a hand model.

    Raises:
        HandModelError: the model is unknown.
    """
    if model != BUILTIN_MODEL:
        raise HandModelError(f"The hand model {model!r} is unknown.", f"Set the rig's model back to {BUILTIN_MODEL!r}.")
    return builtin_hand(side)


@cache
def joint_places(model: str, side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Rest joints of a hand model: (16, 3) metres for betas of zero, and (16, 3, 10) for one unit of each beta.

    Raises:
        HandModelError: the model is unknown.
    """
    data = hand_data(model, side)
    return data.rest_joints(), joint_directions(data)
