"""The operators that add a hand, and the proxy mesh that one lacks."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty, StringProperty

from livehand_core.errors import LiveHandError
from livehand_core.poses import BETA_COUNT, Side

from .. import compat
from ..polls import allowed
from ..preferences import preference
from ..registration import classes, registration
from .armature import active_hand, create_hand, proxy_meshes
from .family import needs_proxy, settle
from .hand_operator import HandOperator
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
    scale: FloatProperty(
        name="Size", description="1 is life size in the scene's units", default=1.0, min=1e-4, soft_max=10.0
    )
    location: FloatVectorProperty(name="Location", description="The wrist; the 3D cursor by default", subtype="XYZ")
    rotation: FloatVectorProperty(name="Rotation", description="Euler angles of the hand, radians", subtype="EULER")

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, "Hands can only be added in Object Mode" if context.mode != "OBJECT" else "")

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Add it and look at it: it is small in a scene of metres."""
        answer = self.execute(context)
        if answer == {"FINISHED"}:
            show_in_view(context, [context.object, *proxy_meshes(context.object)])
        return answer

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
        rig.scale = (self.scale / metres_per_unit(context.scene),) * 3
        return {"FINISHED"}

    def _avatar(self) -> str:
        """The avatar that was asked for, or the one that new hands get."""
        given = self.properties.is_property_set("avatar")
        return str(self.avatar if given else preference("default_avatar"))


class LIVEHAND_OT_make_proxy(HandOperator):
    """Give the active hand a proxy mesh of its own again"""

    bl_idname = "livehand.make_proxy"
    bl_label = "Make Proxy Mesh"

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not super().poll(context):
            return False
        return allowed(cls, "" if needs_proxy(active_hand(context)) else "The hand has a proxy mesh of its own")

    def apply(self, context: Any, rig: Any) -> None:
        settle(rig)


def metres_per_unit(scene: Any) -> float:
    """How long one of Blender's units is in a scene; without units it counts as a metre."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else float(units.scale_length)


def show_in_view(context: Any, objects: list[Any]) -> None:
    """Frame the selected objects in the 3D view of a context; a view through a camera stays as it is."""
    area, space = context.area, context.space_data
    if area is None or area.type != "VIEW_3D" or bpy.app.background:
        return
    if space.local_view is not None:
        for obj in objects:
            obj.local_view_set(space, True)
    region = next(region for region in area.regions if region.type == "WINDOW")
    if space.region_3d.view_perspective != "CAMERA":
        context.view_layer.update()
        with context.temp_override(region=region):
            bpy.ops.view3d.view_selected()


register, unregister = registration(classes(LIVEHAND_OT_add_hand, LIVEHAND_OT_make_proxy))
