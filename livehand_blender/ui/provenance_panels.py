"""The panel Provenance: signing what is rendered, verifying what is there."""

from typing import Any

import bpy

from ..background import draw_task, draw_text
from ..provenance import operators
from ..registration import classes, registration


class LIVEHAND_PT_provenance(bpy.types.Panel):
    """What pictures say of their making."""

    bl_label = "Provenance"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 18
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.prop(context.scene.livehand, "sign")
        if operators.failure:
            draw_text(layout, operators.failure, alert=True)
        if not draw_task(layout, operators.VERIFY_KEY):
            layout.operator("livehand.verify", icon="CHECKMARK")
            if operators.told:
                draw_text(layout, "\n".join(operators.told))


register, unregister = registration(classes(LIVEHAND_PT_provenance))
