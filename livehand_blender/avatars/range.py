"""Whether a pose lies within those an avatar was trained on, for the warning in the panel. NumPy only."""

from __future__ import annotations

import numpy as np

from livehand_core.avatars.metadata import AvatarMetadata
from livehand_core.hand.gestures import mirror_hand_pose
from livehand_core.poses import HandPose


def out_of_range(pose: HandPose, metadata: AvatarMetadata) -> dict[str, float]:
    """Joint name -> degrees by which it leaves the trained range, worst first; empty when all is well or unknown."""
    if metadata.pose_statistics is None:
        return {}
    angles = pose.hand_pose if pose.side == metadata.side else mirror_hand_pose(pose.hand_pose)
    excess = metadata.pose_statistics.out_of_range(angles)
    return {name: float(np.degrees(value)) for name, value in sorted(excess.items(), key=lambda item: -item[1])}
