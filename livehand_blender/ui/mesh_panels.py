"""The panel that makes a mesh of the active hand, below the panel "Hand" of the tab."""

from typing import Any

import bpy

from ..background import draw_task
from ..meshes.operators import MESH_KEY
from ..registration import classes, registration
from ..rig.armature import active_hand


class LIVEHAND_PT_mesh(bpy.types.Panel):
    """A mesh object of the hand as its avatar shows it."""

    bl_label = "Mesh"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_hand"
    bl_order = 10
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return active_hand(context) is not None

    def draw(self, context: Any) -> None:
        layout = self.layout
        settings = context.scene.livehand_mesh
        column = layout.column(align=True)
        column.prop(settings, "resolution")
        column.prop(settings, "threshold", text="Density (0: automatic)")
        if not draw_task(layout, MESH_KEY):
            layout.operator("livehand.mesh_from_avatar", text="Mesh from Avatar", icon="OUTLINER_OB_MESH")
            layout.operator("livehand.export_rigged_mesh", text="Export Rigged Mesh...", icon="EXPORT")
            layout.operator("livehand.export_splats", text="Export Splats...", icon="EXPORT")


register, unregister = registration(classes(LIVEHAND_PT_mesh))
