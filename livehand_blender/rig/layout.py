"""The bones of a hand rig beside the sixteen joints, in NumPy alone (no bpy). Called by rig/armature and its parts.

- ``LIM-index1.R``: copies the joint's own bone ``index1.R``, IK included, and holds the joint limits; this is the pose
  that a hand shows.
- ``DEF-index1.R``: deforms the mesh about the joint where the betas put it; child of the one before.
- ``index_control.R``: turning it about X curls the finger, about Z spreads it.
- ``fingers_control.R``: the same for the four fingers together.
- ``index_ik.R``: where the fingertip should be; has no parent, so a tip stays where it is while the wrist moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from livehand_core.hand.data import HandData
from livehand_core.hand.limits import FINGERS
from livehand_core.poses import BETA_COUNT, JOINT_COUNT, PARENTS, Side

from .bones import bone_matrices
from .conversion import bone_names, mirror_suffix

CURL_WEIGHTS = {"thumb": (0.3, 0.45, 0.7), "finger": (0.88, 1.1, 0.72)}
"""Flexion of a finger's three joints for each radian that its control turns about X."""

GATHER_WEIGHTS = {"index": 1.0, "middle": 0.15, "ring": -0.5, "pinky": -1.1}
"""Spread of each finger for each radian that the control of all fingers turns about Z."""

CONTROL_RANGE = {"curl": (-25.0, 95.0), "spread": (-20.0, 20.0), "thumb spread": (-30.0, 30.0)}
"""Degrees that a control can be turned."""

_CONTROL_HEIGHT = 0.022
"""Metres from a knuckle to its control, on the back of the hand."""


@dataclass(frozen=True)
class ExtraBone:
    """One bone that is no joint.

    Attributes:
        name: with Blender's mirror suffix.
        kind: ``"limit"``, ``"deform"``, ``"control"``, ``"gather"`` (control of all fingers) or ``"ik"``.
        parent: name of its parent, empty for none.
        matrix: (4, 4) rest matrix in the armature's space.
        length: metres.
    """

    name: str
    kind: str
    parent: str
    matrix: np.ndarray
    length: float


def finger_joints(finger: str) -> range:
    """The three joints of a finger in the order of the pose."""
    first = 1 + 3 * FINGERS.index(finger)
    return range(first, first + 3)


@dataclass(frozen=True)
class BoneNames:
    """What the bones of one side's hand are called.

    Attributes:
        suffix: Blender's mirror suffix.
        joints: the 16 joint bones, in the order of the pose.
        limits: the 16 bones whose pose a hand shows: the wrist itself, and one beside each finger bone.
        deforms: the 16 bones that deform the mesh: the wrist itself, and one beside each finger bone.
    """

    suffix: str
    joints: tuple[str, ...]
    limits: tuple[str, ...]
    deforms: tuple[str, ...]

    @staticmethod
    @cache
    def of(side: Side) -> BoneNames:
        """The names of a side."""
        wrist, *fingers = joints = bone_names(side)
        limits, deforms = ((wrist, *(f"{kind}-{name}" for name in fingers)) for kind in ("LIM", "DEF"))
        return BoneNames(mirror_suffix(side), joints, limits, deforms)

    def control(self, finger: str) -> str:
        """The control of one finger, or of all with ``"fingers"``."""
        return f"{finger}_control{self.suffix}"

    def target(self, finger: str) -> str:
        """The IK target of one finger's tip."""
        return f"{finger}_ik{self.suffix}"

    def last(self, finger: str) -> str:
        """The last bone of a finger."""
        return self.joints[finger_joints(finger)[-1]]


def extra_bones(data: HandData) -> tuple[ExtraBone, ...]:
    """Every bone of a rig beside its joints, for betas of zero."""
    matrices, lengths = bone_matrices(data, np.zeros(BETA_COUNT))
    names = BoneNames.of(data.side)
    wrist, limits, deforms = names.joints[0], names.limits, names.deforms
    extra = []
    for joint in range(1, JOINT_COUNT):
        place = matrices[joint], float(lengths[joint])
        extra.append(ExtraBone(limits[joint], "limit", limits[PARENTS[joint]], *place))
        extra.append(ExtraBone(deforms[joint], "deform", limits[joint], *place))
    for finger in FINGERS:
        first, _, last = finger_joints(finger)
        above = matrices[first].copy()
        # Local Z faces the palm.
        above[:3, 3] -= _CONTROL_HEIGHT * above[:3, 2]
        extra.append(ExtraBone(names.control(finger), "control", wrist, above, 0.5 * float(lengths[first])))
        tip = matrices[last].copy()
        tip[:3, 3] += float(lengths[last]) * tip[:3, 1]
        extra.append(ExtraBone(names.target(finger), "ik", "", tip, 0.4 * float(lengths[last])))
    back = matrices[0].copy()
    back[:3, 3] += 0.55 * float(lengths[0]) * back[:3, 1] - 1.3 * _CONTROL_HEIGHT * back[:3, 2]
    extra.append(ExtraBone(names.control("fingers"), "gather", wrist, back, 0.35 * float(lengths[0])))
    return tuple(extra)


def joint_directions(data: HandData) -> np.ndarray:
    """(16, 3, 10) metres that each joint moves for one unit of each beta."""
    directions = np.zeros((*data.v_template.shape, BETA_COUNT))
    count = min(BETA_COUNT, data.shapedirs.shape[2])
    directions[..., :count] = data.shapedirs[..., :count]
    return np.einsum("jv,vcb->jcb", data.joint_regressor.astype(np.float64), directions)


def channel_shifts(data: HandData) -> tuple[np.ndarray, np.ndarray]:
    """What the betas do to the location channels of joint bones and of deform bones.

    A joint's bone moves with its joint; its deform bone moves back by the joint's whole shift, so that the mesh, which
    the shape keys have moved already, turns about the joint's new place and is not moved twice.

    Returns:
        Two arrays (16, 3, 10), metres for one unit of each beta in the bones' own axes; zeros for the wrist.
    """
    shifts = joint_directions(data)
    shifts = shifts - shifts[0]
    axes = bone_matrices(data, np.zeros(BETA_COUNT))[0][:, :3, :3]
    own = shifts.copy()
    for joint in range(1, JOINT_COUNT):
        own[joint] -= shifts[PARENTS[joint]]
    turn = np.swapaxes(axes, 1, 2)
    return turn @ own, -(turn @ shifts)
