"""The head of the LiveHand tab: add a hand, choose its avatar. Each other part of the tab has a module beside this."""

from typing import Any

import bpy

from ..rig.armature import active_hand


class LIVEHAND_PT_hand(bpy.types.Panel):
    """Add a hand, choose its avatar and shape."""

    bl_label = "Hand"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"

    def draw(self, context: Any) -> None:
        layout = self.layout
        row = layout.row(align=True)
        row.operator("livehand.add_hand", text="Add Right", icon="ADD").side = "RIGHT"
        row.operator("livehand.add_hand", text="Add Left", icon="ADD").side = "LEFT"
        rig = active_hand(context)
        if rig is None:
            layout.label(text="Select a hand to see its settings.", icon="INFO")
            return
        layout.label(text=f"{rig.name} ({rig.livehand.side.lower()})", icon="VIEW_PAN")
        layout.prop(rig.livehand, "avatar", placeholder="The one that ships inside")


CLASSES = (LIVEHAND_PT_hand,)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
