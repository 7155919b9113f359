"""The head of the LiveHand tab: add a hand, choose its avatar. Each other part of the tab has a module beside this."""

from typing import Any

import bpy

from ..background import draw_text
from ..compositing.setup import is_set_up
from ..registration import classes, registration
from ..render.engine import ENGINE_ID
from ..render.hand_camera import hands_to_show, keeps_its_place, sees
from ..rig.armature import active_hand
from ..rig.family import needs_proxy


class LIVEHAND_PT_hand(bpy.types.Panel):
    """Add a hand, choose its avatar and shape."""

    bl_label = "Hand"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"

    def draw(self, context: Any) -> None:
        layout = self.layout
        rig = active_hand(context)
        draw_first_picture(layout, context.scene, rig)
        row = layout.row(align=True)
        row.operator("livehand.add_hand", text="Add Right", icon="ADD").side = "RIGHT"
        row.operator("livehand.add_hand", text="Add Left", icon="ADD").side = "LEFT"
        if rig is None:
            layout.label(text="Select a hand to see its settings.", icon="INFO")
            return
        layout.label(text=f"{rig.name} ({rig.livehand.side.lower()})", icon="VIEW_PAN")
        layout.prop(rig.livehand, "avatar", placeholder="The one that ships inside")
        if needs_proxy(rig):
            layout.operator("livehand.make_proxy", icon="MESH_DATA")


def draw_first_picture(layout: Any, scene: Any, rig: Any) -> None:
    """What a picture of the hand still lacks: the engine, or a camera that sees it; nothing when all is well."""
    hands = hands_to_show(scene, rig)
    if scene.render.engine != ENGINE_ID:
        if not is_set_up(scene):
            row = layout.row()
            row.scale_y = 1.3
            row.operator("livehand.use_engine", icon="RESTRICT_RENDER_OFF")
    elif hands and not sees(scene, hands):
        box = layout.box().column(align=True)
        draw_text(box, "This scene's camera does not see the hand." if scene.camera else "This scene has no camera.")
        row = box.row(align=True)
        row.operator("livehand.camera_on_hand", text="New Camera", icon="ADD").which = "NEW"
        if scene.camera is not None and not keeps_its_place(scene.camera):
            row.operator("livehand.camera_on_hand", text="Move It", icon="CAMERA_DATA").which = "MOVE"


register, unregister = registration(classes(LIVEHAND_PT_hand))
