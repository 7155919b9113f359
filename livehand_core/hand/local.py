"""What of a pose moves a place on the skin: the rotations of the few joints near it, in a fixed number of slots.

A field that is told all joints must learn of each place which of them matter there, from as many poses as they have
combinations. Told the near ones alone, it needs no more data for a body than for a finger. NumPy only.
"""

from __future__ import annotations

import numpy as np

from ..errors import HandModelError
from .data import ProxyModel

MOST_SLOTS = 12
"""Joints that may move one place."""

TIES = (0.02, 0.05, 0.1, 0.2, 0.35)
"""Influence of two joints on one vertex from which they need slots of their own; the first that suffices is taken."""


class LocalPose:
    """Of a skinned model: three numbers a slot for each vertex, by pose.

    A joint bears on a vertex as much as it, its parent or its children move it: a bend shows on both sides of a joint.
    Joints that bear on the same vertex have different slots, so a place sees each of them by itself; far apart they
    share them. The root turns the whole and is left out.

    Attributes:
        slots: how many there are, at least 1.
        slot: (J,) int64, of each joint.
        influence: (V, J) float32 0 to 1; 0 for the root.
    """

    def __init__(self, model: ProxyModel) -> None:
        """Raises HandModelError where more joints meet than there are slots."""
        weights = model.weights.astype(np.float64)
        near = np.eye(model.joint_count)
        for joint, parent in enumerate(model.parents):
            if parent >= 0:
                near[joint, parent] = near[parent, joint] = 1.0
        influence = np.clip(weights @ near, 0.0, 1.0)
        influence[:, 0] = 0.0
        self.influence = influence.astype(np.float32)
        self.slot = _slots(influence, model)
        self.slots = int(self.slot.max()) + 1
        self._moved = [np.flatnonzero(column) for column in self.influence.T]

    def numbers(self, hand_pose: np.ndarray) -> np.ndarray:
        """(V, 3 slots) float32 for (J - 1, 3) joint rotations, axis-angle in radians, each by its influence."""
        answer = np.zeros((len(self.influence), self.slots, 3), np.float32)
        for joint, angles in enumerate(np.asarray(hand_pose, np.float32), start=1):
            rows = self._moved[joint]
            if len(rows) and angles.any():
                answer[rows, self.slot[joint]] += self.influence[rows, joint, None] * angles
        return answer.reshape(len(answer), -1)


def _slots(influence: np.ndarray, model: ProxyModel) -> np.ndarray:
    """(J,) slot of each joint: those that meet on a vertex differ."""
    for tie in TIES:
        together = (influence > tie).astype(np.float64)
        meet = together.T @ together > 0.0
        slot = _coloured(meet)
        if slot.max() < MOST_SLOTS:
            return slot
    crowd = int((influence > TIES[-1]).sum(axis=1).argmax())
    names = [model.joint_names[joint] for joint in np.flatnonzero(influence[crowd] > TIES[-1])]
    raise HandModelError(
        f"More than {MOST_SLOTS} joints of {model.name!r} move one place: {', '.join(names[:MOST_SLOTS])} ...",
        "Take bones out of its vertex groups, or give the skin to fewer of them.",
    )


def _coloured(meet: np.ndarray) -> np.ndarray:
    """(J,) numbers from 0, different where (J, J) ``meet``; joints that meet many others choose first."""
    slot = np.full(len(meet), -1)
    slot[0] = 0
    for joint in sorted(range(1, len(meet)), key=lambda joint: (-int(meet[joint].sum()), joint)):
        taken = {int(slot[other]) for other in np.flatnonzero(meet[joint]) if other not in (0, joint)}
        slot[joint] = next(number for number in range(len(meet)) if number not in taken)
    return slot
