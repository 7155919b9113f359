"""A recorded take: poses with their moments, made an action of the rig at the scene's rate. Called by live/session."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from livehand_core.hand.limits import FINGERS
from livehand_core.poses import PoseSequence
from livehand_core.small_systems import inverse_affine

from ..compat import new_curves_of
from ..motion.actions import add_curves, exceeds_limits, motion_action, play
from ..rig.controls import IK_NAME
from ..rig.hand_rig import HandRig
from ..rig.layout import finger_joints
from ..rig.pose import PoseWriter, set_limits, target_places


def bake(rig: Any, sequence: PoseSequence, name: str, start: float, wrist: bool, ik: bool) -> tuple[Any, str]:
    """Make a motion a new action of a rig, and play it.

    Args:
        rig: the (original) armature object, of the motion's side.
        sequence: one pose a frame.
        name: of the action.
        start: its first frame.
        wrist: whether the wrist is keyed.
        ik: whether the tips' targets are keyed as well, with IK on.

    Returns:
        The action, and a note for people, which may be empty.

    Raises:
        PoseError: see ``motion_action``.
    """
    action = motion_action(rig, sequence, name, start, 1.0, wrist, shape=False)
    play(rig, action)
    if ik:
        _key_targets(rig, sequence, start, wrist)
    if exceeds_limits(sequence):
        set_limits(rig, False)
        return action, "It exceeds the joint limits, which were switched off."
    return action, ""


def new_name(take: str) -> str:
    """``Take 003``: the first number that no action has."""
    used = {action.name for action in bpy.data.actions}
    base = take.strip() or "Take"
    return next(name for number in range(1, 10**6) if (name := f"{base} {number:03d}") not in used)


def _key_targets(rig: Any, sequence: PoseSequence, start: float, wrist: bool) -> None:
    writer, hand = PoseWriter.of(rig), HandRig.of(rig)
    frames = start + np.arange(len(sequence.poses))
    stays = np.array(writer.bones[0].matrix, dtype=np.float64)
    places: dict[str, list[np.ndarray]] = {finger: [] for finger in FINGERS}
    for pose in sequence.poses:
        posed = writer.matrices(pose)[0]
        posed = posed if wrist else stays @ inverse_affine(posed[0]) @ posed
        for finger, place in target_places(hand, posed).items():
            places[finger].append(place)
    curves = new_curves_of(rig)
    for finger in FINGERS:
        target, last = hand.target(finger), writer.bones[finger_joints(finger)[-1]]
        constraint = last.constraints.get(IK_NAME)
        if target is None or constraint is None or not places[finger]:
            continue
        add_curves(curves, f"{target.path_from_id()}.location", frames, np.stack(places[finger]))
        constraint.influence = 1.0
