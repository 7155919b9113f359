"""How data sets of hands differ: one explicit row each. Nothing else in this room knows a convention by heart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CaptureError
from ..hand.library import MANO, MANO_UNFIXED
from ..motion.convention import decode_fingers
from ..poses import BETA_COUNT, HandPose, Side


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: on the command line.
        title: in messages and in the capture's origin.
        licence: what its makers ask of users, in a few words.
        hand_model: whose parameters it holds: with the left hand's shape mended, or without.
        components: whether finger poses are principal components.
        flat_mean: whether finger poses are relative to the flat hand, or else to MANO's mean pose.
        cropped: whether its images are cut to the hand: they are large, or the hand is small in them.
    """

    name: str
    title: str
    licence: str
    hand_model: str = MANO
    components: bool = False
    flat_mean: bool = False
    cropped: bool = True

    def pose(self, orient: Any, fingers: Any, betas: Any, transl: Any, side: Side) -> HandPose:
        """A pose as the set has it, with finger angles relative to the flat hand.

        Args:
            orient: 3 numbers; fingers: 45; betas: up to 10; transl: 3, metres.

        Raises:
            PoseError: a wrong count, values that are not finite, or MANO is not there.
        """
        numbers = np.asarray(fingers, dtype=np.float64).reshape(1, -1)
        angles = decode_fingers(numbers, side, self.components, self.flat_mean, self.hand_model)
        shape = np.zeros(BETA_COUNT)
        given = np.asarray(betas, dtype=np.float64).reshape(-1)[:BETA_COUNT]
        shape[: len(given)] = given
        return HandPose(np.ravel(orient), angles[0], shape, np.ravel(transl), side)


SETS = {
    row.name: row
    for row in (
        DataSet("interhand", "InterHand2.6M", "CC-BY-NC 4.0", cropped=False),
        DataSet("livehand", "processed InterHand2.6M of LiveHand", "CC-BY-NC 4.0", cropped=False),
        DataSet("hanco", "HanCo", "non-commercial research"),
        DataSet("freihand", "FreiHAND", "non-commercial research", cropped=False),
        DataSet("dexycb", "DexYCB", "CC-BY-NC 4.0", MANO_UNFIXED, components=True),
        DataSet("ho3d", "HO-3D", "non-commercial research", flat_mean=True),
        DataSet("arctic", "ARCTIC", "non-commercial research"),
        DataSet("cameras", "own cameras", "", flat_mean=True),
    )
}
"""Name -> row."""

OPENPOSE_TO_MANO = (0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3)
"""Where MANO's 16 joints stand among the usual 21 (wrist, then thumb to little finger, four each towards the tip)."""

JOINTS = 21


def find_set(name: str) -> DataSet:
    """The row of a name. Raises CaptureError for one that there is not."""
    if name not in SETS:
        raise CaptureError(f"The data set {name!r} is unknown.", f"Choose one of {', '.join(SETS)}.")
    return SETS[name]
