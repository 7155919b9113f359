"""The motion of another armature's hand onto the active one: what Blender's importers of FBX and BVH bring."""

# Blender reads the annotations of these classes as values, so they are not postponed.
# What only an operator needs is imported by it, so that the add-on is switched on quickly.

import math
from collections.abc import Mapping, Sequence
from typing import Any

import bpy
import numpy as np
from bpy.props import BoolProperty, IntProperty, StringProperty

from livehand_core.errors import PoseError
from livehand_core.poses import PoseSequence, Side

from ..polls import allowed
from ..registration import classes, registration
from ..rig.armature import active_hand, is_hand, why_not_editable
from ..rig.hand_operator import HandOperator
from ..rig.hand_rig import HandRig
from ..rig.pose import set_limits
from .actions import exceeds_limits, motion_action, play, scene_rate


def bone_points(context: Any, source: Any, mapping: Mapping[str, str], frames: Sequence[int]) -> np.ndarray:
    """(n, 21, 3) places in the world of a hand's joints and tips in an armature.

    Args:
        source: the armature object.
        mapping: point -> bone that begins there; a tip without one is the end of its finger's last bone.
        frames: of the scene.
    """
    from livehand_core.motion.points import POINT_NAMES

    scene = context.scene
    before = scene.frame_current, scene.frame_subframe
    points = np.full((len(frames), len(POINT_NAMES), 3), np.nan)
    try:
        for row, frame in enumerate(frames):
            scene.frame_set(frame)
            shown = source.evaluated_get(context.evaluated_depsgraph_get())
            for column, point in enumerate(POINT_NAMES):
                last = mapping.get(point.replace("tip", "3"))
                if point in mapping:
                    place = shown.pose.bones[mapping[point]].head
                elif point.endswith("tip") and last is not None:
                    place = shown.pose.bones[last].tail
                else:
                    continue
                points[row, column] = shown.matrix_world @ place
    finally:
        scene.frame_set(before[0], subframe=before[1])
    return points


def other_armature(context: Any) -> Any:
    """The selected armature that is no LiveHand hand; None without one."""
    return next((obj for obj in context.selected_objects if obj.type == "ARMATURE" and not is_hand(obj)), None)


class LIVEHAND_OT_motion_from_armature(HandOperator):
    """Take the hand's motion of the other selected armature (Mixamo, Rokoko, Rigify, MPFB, ...) as a new action"""

    bl_idname = "livehand.motion_from_armature"
    bl_label = "Motion from Armature"

    mapping: StringProperty(
        name="Mapping",
        description='JSON file of bone names, {"wrist": "Hand_R", ...}; empty to go by the names of known tools',
        subtype="FILE_PATH",
    )
    wrist: BoolProperty(
        name="Wrist", description="Place the wrist as the armature does; otherwise only the fingers move", default=True
    )
    frame_start: IntProperty(
        name="First Frame", description="0 for the first frame of the armature's action", default=0
    )
    frame_end: IntProperty(name="Last Frame", description="0 for the last frame of the armature's action", default=0)

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = why_not_editable(active_hand(context))
        if not reason and other_armature(context) is None:
            reason = "Select the other armature as well, the hand last"
        return allowed(cls, reason)

    def apply(self, context: Any, rig: Any) -> None:
        from livehand_core.motion.bone_names import read_mapping
        from livehand_core.motion.points import PointMotion, pose_points

        source, scene = other_armature(context), context.scene
        begin, end = _action_range(source) or (scene.frame_start, scene.frame_end)
        first, last = self.frame_start or begin, self.frame_end or end
        if last < first:
            raise PoseError("There is no frame to take.", "Choose a first frame that is not after the last one.")
        given = read_mapping(bpy.path.abspath(self.mapping)) if self.mapping else None
        names = [bone.name for bone in source.pose.bones]
        own = HandRig.of(rig).side
        side, mapping = _found(names, own, given)
        points = bone_points(context, source, mapping, range(first, last + 1))
        sequence, notes = pose_points(PointMotion(points, scene_rate(scene), side, "z"), source.name)
        if side != own:
            sequence = PoseSequence(tuple(pose.mirrored() for pose in sequence.poses), sequence.fps)
            notes.append(f"It is the {side} hand's, mirrored.")
        action = motion_action(rig, sequence, f"{source.name} hand", first, 1.0, self.wrist, shape=False)
        play(rig, action)
        if exceeds_limits(sequence):
            set_limits(rig, False)
            notes.append("It exceeds the joint limits, which were switched off.")
        self.report({"INFO"}, " ".join([f"{len(sequence.poses)} poses onto {rig.name!r}.", *notes]))


def _action_range(source: Any) -> tuple[int, int] | None:
    """First and last frame of what an armature plays; importers put it where they like, not where the scene is."""
    action = source.animation_data.action if source.animation_data else None
    if action is None or action.frame_range[0] == action.frame_range[1]:
        return None
    return math.floor(action.frame_range[0]), math.ceil(action.frame_range[1])


def _found(names: Sequence[str], own: Side, given: Mapping[str, str] | None) -> tuple[Side, Mapping[str, str]]:
    """The rig's own side where the armature has it, else the other one."""
    from livehand_core.motion.bone_names import find_mapping

    try:
        return own, find_mapping(names, own, given)
    except PoseError:
        other: Side = "left" if own == "right" else "right"
        if given is not None:
            raise
        try:
            return other, find_mapping(names, other)
        except PoseError:
            pass
        raise


register, unregister = registration(classes(LIVEHAND_OT_motion_from_armature))
