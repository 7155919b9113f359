"""The operator that adds a hand."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import EnumProperty, FloatVectorProperty, StringProperty

from livehand_core.errors import LiveHandError
from livehand_core.poses import BETA_COUNT, Side

from .. import compat
from ..preferences import preference
from .armature import create_hand
from .proxy import BETA_RANGE


class LIVEHAND_OT_add_hand(bpy.types.Operator):
    """Add a rigged hand that the LiveHand engine renders"""

    bl_idname = "livehand.add_hand"
    bl_label = "LiveHand Hand"
    bl_options = {"REGISTER", "UNDO"}

    side: EnumProperty(
        name="Side",
        items=(("RIGHT", "Right", "A right hand", 0), ("LEFT", "Left", "A left hand", 1)),
        description="Which hand to add; the left one is the mirror of the right one",
        default="RIGHT",
    )
    avatar: StringProperty(
        name="Avatar",
        description="Avatar file; by default the one chosen for new hands, empty for the one that ships inside",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    betas: FloatVectorProperty(
        name="Shape",
        description="Ten shape coefficients, in standard deviations",
        size=BETA_COUNT,
        default=(0.0,) * BETA_COUNT,
        min=-BETA_RANGE,
        max=BETA_RANGE,
    )
    location: FloatVectorProperty(name="Location", description="The wrist; the 3D cursor by default", subtype="XYZ")
    rotation: FloatVectorProperty(name="Rotation", description="Euler angles of the hand, radians", subtype="EULER")

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: Any) -> set[str]:
        side: Side = "right" if self.side == "RIGHT" else "left"
        try:
            rig = create_hand(context, side, tuple(self.betas), self._avatar())
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not self.properties.is_property_set("location"):
            self.location = context.scene.cursor.location
        rig.location = self.location
        rig.rotation_euler = self.rotation
        return {"FINISHED"}

    def _avatar(self) -> str:
        """The avatar that was asked for, or the one that new hands get."""
        given = self.properties.is_property_set("avatar")
        return str(self.avatar if given else preference("default_avatar"))


CLASSES = (LIVEHAND_OT_add_hand,)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
