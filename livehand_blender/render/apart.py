"""Hands whose rig asks for it, out of each other and of themselves: what is drawn, and never what is keyed.

Called by render/scene for every frame, and by the operator that writes the outcome into a rig's bones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from livehand_core.frames import HandInstance
from livehand_core.hand.data import HandData
from livehand_core.hand.separation import Touching, separate
from livehand_core.poses import HandPose

KEPT = 64
"""Outcomes that are kept: a view is drawn again and again while nothing moves."""

_known: OrderedDict[tuple[object, ...], tuple[HandPose | None, ...]] = OrderedDict()


def poses_apart(
    instances: Sequence[HandInstance], models: Sequence[HandData], asking: Sequence[bool]
) -> list[HandPose | None]:
    """The poses of hands that were pushed apart, None for those that stay as they are.

    Args:
        instances: the hands of a frame.
        models: of each.
        asking: whether each one's pose may be changed.
    """
    touching = [
        Touching(data, hand.pose, hand.scale, moves and not hand.holdout)
        for hand, data, moves in zip(instances, models, asking, strict=True)
    ]
    key = tuple(
        (hand.moves, hand.scale, hand.data.name, hand.pose.side, *(part.tobytes() for part in _numbers(hand.pose)))
        for hand in touching
    )
    if key not in _known:
        found = zip(separate(touching), touching, strict=True)
        _known[key] = tuple(None if pose is hand.pose else pose for pose, hand in found)
        while len(_known) > KEPT:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return list(_known[key])


def _numbers(pose: HandPose) -> tuple[np.ndarray, ...]:
    return pose.full_pose, pose.betas, pose.transl
