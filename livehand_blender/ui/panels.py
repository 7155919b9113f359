"""The N-panel tab "LiveHand", the passes panel, and the engine's entry in Blender's own panels."""

from typing import Any

import bpy

from ..render.engine import ENGINE_ID, PASS_SWITCHES
from ..rig.armature import is_hand
from ..rig.gestures import gesture_items

_NOT_OURS = {"VIEWLAYER_PT_filter", "VIEWLAYER_PT_layer_passes"}
"""Panels that list BLENDER_RENDER, though what they hold is not heeded here."""


def active_hand(context: Any) -> Any:
    """The active hand: the active armature, or the armature of the active proxy mesh; None without one."""
    obj = context.object
    if obj is not None and obj.type == "MESH":
        obj = obj.parent
    return obj if is_hand(obj) else None


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


class LIVEHAND_PT_shape(bpy.types.Panel):
    """The ten shape coefficients."""

    bl_label = "Shape"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_hand"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return active_hand(context) is not None

    def draw(self, context: Any) -> None:
        column = self.layout.column(align=True)
        for index in range(len(active_hand(context).livehand.betas)):
            column.prop(active_hand(context).livehand, "betas", index=index, text=f"Beta {index + 1}", slider=True)


class LIVEHAND_PT_pose(bpy.types.Panel):
    """Gestures and rotation limits."""

    bl_label = "Pose"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_hand"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_hand(context.object)

    def draw(self, _context: Any) -> None:
        layout = self.layout
        grid = layout.grid_flow(columns=2, align=True)
        for identifier, label, *_ in gesture_items():
            grid.operator("livehand.pose_preset", text=label).gesture = identifier
        row = layout.row(align=True)
        row.operator("livehand.set_limits", text="Limits On").active = True
        row.operator("livehand.set_limits", text="Limits Off").active = False


class LIVEHAND_PT_engine(bpy.types.Panel):
    """Which process renders, and how the last frame went."""

    bl_label = "Engine"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"

    def draw(self, context: Any) -> None:
        from ..render import session

        layout = self.layout
        if context.scene.render.engine != ENGINE_ID:
            layout.label(text=f"This scene renders with {context.scene.render.engine}.", icon="INFO")
            layout.operator("livehand.use_engine", icon="RESTRICT_RENDER_OFF")
        column = layout.column(align=True)
        for line in session.status_lines():
            column.label(text=line)
        layout.operator("livehand.engine_check", icon="CHECKMARK")


class LIVEHAND_PT_passes(bpy.types.Panel):
    """Passes of the view layer."""

    bl_label = "Passes"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "view_layer"
    COMPAT_ENGINES = {ENGINE_ID}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.engine in cls.COMPAT_ENGINES

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        column = layout.column(heading="Include")
        for switch in PASS_SWITCHES:
            column.prop(context.view_layer.livehand, switch)


class LIVEHAND_PT_film(bpy.types.Panel):
    """Background of the render."""

    bl_label = "Film"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"
    COMPAT_ENGINES = {ENGINE_ID}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.engine in cls.COMPAT_ENGINES

    def draw(self, context: Any) -> None:
        self.layout.use_property_split = True
        self.layout.prop(context.scene.render, "film_transparent", text="Transparent")
        if context.scene.view_settings.view_transform != "Standard":
            self.layout.label(text="View transform Standard shows the avatar's exact colours.", icon="INFO")


CLASSES = (
    LIVEHAND_PT_hand,
    LIVEHAND_PT_shape,
    LIVEHAND_PT_pose,
    LIVEHAND_PT_engine,
    LIVEHAND_PT_passes,
    LIVEHAND_PT_film,
)


def _native_panels() -> list[Any]:
    return [
        panel
        for panel in bpy.types.Panel.__subclasses__()
        if "BLENDER_RENDER" in getattr(panel, "COMPAT_ENGINES", ()) and panel.__name__ not in _NOT_OURS
    ]


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    for panel in _native_panels():
        panel.COMPAT_ENGINES.add(ENGINE_ID)


def unregister() -> None:
    for panel in _native_panels():
        panel.COMPAT_ENGINES.discard(ENGINE_ID)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
