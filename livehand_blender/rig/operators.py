"""Operators on hands: add one, pose it, set its limits."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatVectorProperty, StringProperty

from livehand_core.errors import LiveHandError
from livehand_core.poses import BETA_COUNT, Side

from .. import compat
from .armature import BETA_RANGE, create_hand, is_hand
from .gestures import gesture_items, gesture_pose
from .pose import apply_pose, read_pose, set_limits


class LIVEHAND_OT_add_hand(bpy.types.Operator):
    """Add a rigged hand that the LiveHand engine renders"""

    bl_idname = "livehand.add_hand"
    bl_label = "LiveHand Hand"
    bl_options = {"REGISTER", "UNDO"}

    side: EnumProperty(
        name="Side",
        items=(("RIGHT", "Right", "A right hand", 0), ("LEFT", "Left", "A left hand", 1)),
        default="RIGHT",
    )
    avatar: StringProperty(
        name="Avatar",
        description="Avatar file; empty for the one that ships inside",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    betas: FloatVectorProperty(
        name="Shape", size=BETA_COUNT, default=(0.0,) * BETA_COUNT, min=-BETA_RANGE, max=BETA_RANGE
    )

    location: FloatVectorProperty(name="Location", description="The wrist; the 3D cursor by default", subtype="XYZ")
    rotation: FloatVectorProperty(name="Rotation", subtype="EULER")

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> set[str]:
        side: Side = "right" if self.side == "RIGHT" else "left"
        try:
            rig = create_hand(context, side, tuple(self.betas), self.avatar)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not self.properties.is_property_set("location"):
            self.location = context.scene.cursor.location
        rig.location = self.location
        rig.rotation_euler = self.rotation
        return {"FINISHED"}


class LIVEHAND_OT_pose_preset(bpy.types.Operator):
    """Put the active hand's fingers into a named gesture; the wrist stays where it is"""

    bl_idname = "livehand.pose_preset"
    bl_label = "Pose Preset"
    bl_options = {"REGISTER", "UNDO"}

    gesture: EnumProperty(name="Gesture", items=gesture_items())
    keyframe: BoolProperty(name="Insert Keys", description="Key the bones at the current frame", default=False)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_hand(context.object)

    def execute(self, context: Any) -> set[str]:
        rig = context.object
        try:
            context.view_layer.update()
            current, _ = read_pose(rig.evaluated_get(context.evaluated_depsgraph_get()))
            frame = context.scene.frame_current if self.keyframe else None
            apply_pose(rig, gesture_pose(self.gesture, current), frame)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class LIVEHAND_OT_set_limits(bpy.types.Operator):
    """Switch the rotation limits of the active hand's fingers on or off"""

    bl_idname = "livehand.set_limits"
    bl_label = "Rotation Limits"
    bl_options = {"REGISTER", "UNDO"}

    active: BoolProperty(name="Active", default=True)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_hand(context.object)

    def execute(self, context: Any) -> set[str]:
        set_limits(context.object, self.active)
        return {"FINISHED"}


CLASSES = (LIVEHAND_OT_add_hand, LIVEHAND_OT_pose_preset, LIVEHAND_OT_set_limits)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
