"""How long the proxy's edges are where: short on fingers, shorter at their joints, long on palm and wrist."""

from __future__ import annotations

import numpy as np

from livehand_core.hand.limits import FINGERS

from . import field
from .anatomy import joints, tips

FINGER_EDGE = 0.0053
JOINT_EDGE = 0.0042
TIP_EDGE = 0.0039
PALM_EDGE = 0.0080


def edge_length(points: np.ndarray) -> np.ndarray:
    """(n,) wanted edge lengths in metres at (n, 3) points."""
    finger = np.min([field.finger_distance(points, name) for name in FINGERS], axis=0) * 1e-3
    rest = joints()
    on_finger = 1.0 / (1.0 + np.exp((finger - 0.004) / 0.001))
    length = PALM_EDGE + (FINGER_EDGE - PALM_EDGE) * on_finger
    bends = [j for j in range(1, 16) if j not in (13,)]
    for centres, edge, reach in ((rest[bends], JOINT_EDGE, 0.009), (tips(), TIP_EDGE, 0.010)):
        nearest = np.min(np.linalg.norm(points[:, None] - centres[None], axis=2), axis=1)
        length = np.minimum(length, edge + (length - edge) * np.clip(nearest / reach - 0.7, 0.0, 1.0))
    return length
