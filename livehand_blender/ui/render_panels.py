"""What concerns pictures, in the LiveHand tab and the properties editor: live view, engine, compositing, passes."""

from typing import Any

import bpy

from .. import compat
from ..background import draw_text
from ..compositing.setup import is_set_up, unmerged
from ..registration import Step, classes, registration
from ..render.engine import ENGINE_ID, PASS_SWITCHES

_NOT_OURS = {"VIEWLAYER_PT_filter", "VIEWLAYER_PT_layer_passes"}
"""Panels that list BLENDER_RENDER, though what they hold is not heeded here; those of Freestyle beside them."""


class LIVEHAND_PT_view(bpy.types.Panel):
    """The live picture in 3D views."""

    bl_label = "Live View"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 12

    def draw(self, context: Any) -> None:
        layout = self.layout
        settings = context.scene.livehand
        column = layout.column(align=True)
        column.prop(settings, "overlay", icon="OVERLAY", toggle=True)
        column.prop(settings, "show_proxies", icon="MESH_DATA", toggle=True)
        layout.prop(settings, "viewport_rate")
        layout.prop(context.scene.render, "preview_pixel_size", text="Pixel Size")


class LIVEHAND_PT_compositing(bpy.types.Panel):
    """Hands in the pictures of other engines."""

    bl_label = "Compositing"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 16
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, scene = self.layout, context.scene
        main = scene.livehand.main_scene
        if main is not None:
            draw_text(layout, f"This scene renders the hands of {main.name}, which it follows.")
            return
        if scene.render.engine == ENGINE_ID:
            told = "LiveHand renders this scene itself" + (", so its hands are drawn twice" if is_set_up(scene) else "")
            draw_text(layout, f"{told}. Lay them into the pictures of another engine:", icon="INFO")
            layout.prop(scene.render, "engine", text="")
        if not is_set_up(scene):
            layout.operator("livehand.setup_compositing", icon="NODE_COMPOSITING")
            return
        hands = scene.livehand.hand_scene
        if hands is None:
            draw_text(layout, "The hand scene is gone: remove, and set up again.", alert=True)
        else:
            draw_text(layout, f"The scene {hands.name} renders the hands.", icon="SCENE_DATA")
        if any(unmerged(scene)):
            draw_text(layout, "A Render Layers node has no hands yet.", icon="INFO")
            layout.operator("livehand.setup_compositing", text="Add Hands to It", icon="NODE_COMPOSITING")
        layout.operator("livehand.remove_compositing", icon="X")


class LIVEHAND_PT_engine(bpy.types.Panel):
    """Which process renders, and how the last frame went."""

    bl_label = "Engine"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 14

    def draw(self, context: Any) -> None:
        from ..render import session

        layout = self.layout
        if context.scene.render.engine != ENGINE_ID:
            draw_text(layout, f"This scene renders with {compat.engine_name(context.scene)}.")
        draw_text(layout, "\n".join(session.status_lines()), icon="PLAY" if session.engine_client().info else "PAUSE")
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


class LIVEHAND_PT_filter(bpy.types.Panel):
    """What of the scene the view layer shows."""

    bl_label = "Filter"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "view_layer"
    bl_options = {"DEFAULT_CLOSED"}
    COMPAT_ENGINES = {ENGINE_ID}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.engine in cls.COMPAT_ENGINES

    def draw(self, context: Any) -> None:
        layout, layer = self.layout, context.view_layer
        layout.use_property_split = True
        column = layout.column(heading="Include")
        column.prop(layer, "use_sky", text="World")
        column.prop(layer, "use_solid", text="Hands")
        if hasattr(layer, "use_motion_blur"):
            column.prop(layer, "use_motion_blur", text="Motion Blur")
        if hasattr(layer, "world_override"):
            layout.prop(layer, "world_override", text="World Override")


class LIVEHAND_PT_world(bpy.types.Panel):
    """The flat colour behind the hands."""

    bl_label = "Background"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "world"
    COMPAT_ENGINES = {ENGINE_ID}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.engine in cls.COMPAT_ENGINES and context.scene.world is not None

    def draw(self, context: Any) -> None:
        layout, world = self.layout, context.scene.world
        layout.use_property_split = True
        if context.scene.render.film_transparent:
            layout.label(text="Film is transparent, so it is not drawn.", icon="INFO")
        node = compat.world_background(world)
        if node is None:
            layout.prop(world, "color")
            return
        for name in ("Color", "Strength"):
            layout.prop(node.inputs[name], "default_value", text=name)
        if node.inputs["Color"].is_linked:
            layout.label(text="Only this colour is drawn, not textures.", icon="INFO")


class LIVEHAND_PT_visibility(bpy.types.Panel):
    """How the camera sees a hand."""

    bl_label = "LiveHand Visibility"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "object"
    bl_options = {"DEFAULT_CLOSED"}
    COMPAT_ENGINES = {ENGINE_ID}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.engine in cls.COMPAT_ENGINES and context.object is not None

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(context.object, "visible_camera", text="Camera")
        layout.prop(context.object, "is_holdout", text="Holdout")


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
            draw_text(self.layout, "View transform Standard shows the avatar's exact colours.")


class LIVEHAND_PT_motion_blur(bpy.types.Panel):
    """Motion blur by subframes."""

    bl_label = "Motion Blur"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"
    bl_options = {"DEFAULT_CLOSED"}
    COMPAT_ENGINES = {ENGINE_ID}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.engine in cls.COMPAT_ENGINES

    def draw_header(self, context: Any) -> None:
        self.layout.prop(context.scene.render, "use_motion_blur", text="")

    def draw(self, context: Any) -> None:
        layout, render = self.layout, context.scene.render
        layout.use_property_split = True
        layout.active = render.use_motion_blur
        layout.prop(render, "motion_blur_position", text="Position")
        layout.prop(render, "motion_blur_shutter", text="Shutter")
        layout.prop(context.scene.livehand, "motion_blur_steps", text="Steps")


def _native_panels() -> list[Any]:
    return [
        panel
        for panel in bpy.types.Panel.__subclasses__()
        if "BLENDER_RENDER" in getattr(panel, "COMPAT_ENGINES", ())
        and panel.__name__ not in _NOT_OURS
        and "_freestyle" not in panel.__name__
    ]


def _know_engine() -> None:
    for panel in _native_panels():
        panel.COMPAT_ENGINES.add(ENGINE_ID)


def _forget_engine() -> None:
    for panel in _native_panels():
        panel.COMPAT_ENGINES.discard(ENGINE_ID)


register, unregister = registration(
    classes(
        LIVEHAND_PT_view,
        LIVEHAND_PT_compositing,
        LIVEHAND_PT_engine,
        LIVEHAND_PT_passes,
        LIVEHAND_PT_filter,
        LIVEHAND_PT_world,
        LIVEHAND_PT_visibility,
        LIVEHAND_PT_film,
        LIVEHAND_PT_motion_blur,
    ),
    [Step("the panels of Blender's engines", _know_engine, _forget_engine)],
)
