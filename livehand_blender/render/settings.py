"""What a scene stores for the live view, motion blur and compositing: ``scene.livehand``."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..registration import classes, properties, registration
from ..rig.armature import is_hand, proxy_meshes


def scene_proxies(scene: Any) -> list[Any]:
    """The proxy meshes of all hands of a scene."""
    return [mesh for rig in scene.objects if is_hand(rig) for mesh in proxy_meshes(rig)]


def _proxies_shown(settings: Any) -> bool:
    return any(not mesh.hide_viewport for mesh in scene_proxies(settings.id_data))


def _show_proxies(settings: Any, shown: bool) -> None:
    for mesh in scene_proxies(settings.id_data):
        if mesh.is_editable and mesh.hide_viewport == shown:
            mesh.hide_viewport = not shown


def _overlay_changed(settings: Any, context: Any) -> None:
    settings.show_proxies = not settings.overlay
    _redraw_views(settings, context)


def _redraw_views(_settings: Any, context: Any) -> None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


class HiddenProxy(bpy.types.PropertyGroup):
    """A mesh that compositing hides from the camera, and how it was before."""

    mesh: PointerProperty(name="Mesh", description="The mesh", type=bpy.types.Object)
    visible_camera: BoolProperty(name="Camera", description="Whether cameras saw it before")
    hide_render: BoolProperty(name="Hidden", description="Whether it was hidden in renders before")
    hidden_here: BoolProperty(
        name="Hidden Here", description="Whether it is hidden in renders because Workbench would show it"
    )


class LiveHandScene(bpy.types.PropertyGroup):
    """Settings of one scene, as ``scene.livehand``."""

    overlay: BoolProperty(
        name="Hands in Every Shading",
        description="Draw the neural hands in Solid, Material Preview and Rendered views of any engine, hidden by what "
        "stands before them; the proxy meshes are not shown",
        default=False,
        options=set(),
        update=_overlay_changed,
    )
    show_proxies: BoolProperty(
        name="Proxy Meshes",
        description="Show the hands' proxy meshes in the viewport",
        options=set(),
        get=_proxies_shown,
        set=_show_proxies,
        update=_redraw_views,
    )
    viewport_rate: FloatProperty(
        name="Updates per Second",
        description="While things move, the live picture is only as large as this rate allows; at rest it is drawn "
        "in full",
        default=15.0,
        min=1.0,
        soft_max=60.0,
        max=240.0,
        precision=0,
        step=100,
        options=set(),
        update=_redraw_views,
    )
    light: EnumProperty(
        name="Light",
        description="The light that hands stand in, where their avatar answers to one",
        items=(
            ("SCENE", "Scene", "Lamps, world and surroundings of this scene", 0),
            ("TRAINED", "As Trained", "The light that the avatar was trained in, which turns with the hand", 1),
        ),
        default="SCENE",
        options=set(),
        update=_redraw_views,
    )
    light_strength: FloatProperty(
        name="Strength",
        description="Factor on the scene's light for hands",
        default=1.0,
        min=0.0,
        soft_max=4.0,
        max=1000.0,
        update=_redraw_views,
    )
    bake_step: IntProperty(
        name="Every",
        description="Frames from one baked probe to the next",
        default=10,
        min=1,
        soft_max=50,
        max=1000,
        options=set(),
    )
    light_probes: StringProperty(
        name="Light Probes",
        description="What the hands' surroundings gave them when they were probed last",
        options={"HIDDEN"},
        update=_redraw_views,
    )
    motion_blur_steps: IntProperty(
        name="Motion Blur Steps",
        description="Number of subframes that are averaged into a frame with motion blur",
        default=9,
        min=2,
        soft_max=33,
        max=257,
        options=set(),
    )
    sign: BoolProperty(
        name="Sign Renders",
        description="Give pictures and videos that are written Content Credentials: that LiveHand made them, with "
        "which avatars. The engine's Python signs, with your certificate",
        default=False,
        options=set(),
    )
    hand_scene: PointerProperty(
        name="Hand Scene",
        description="The linked scene that renders this scene's hands for its compositor",
        type=bpy.types.Scene,
        options=set(),
    )
    main_scene: PointerProperty(
        name="Main Scene",
        description="The scene whose hands this hand scene renders",
        type=bpy.types.Scene,
        options=set(),
    )
    hidden_proxies: CollectionProperty(
        name="Hidden Proxies",
        description="Meshes that compositing has hidden from the camera",
        type=HiddenProxy,
        options={"HIDDEN"},
    )
    before_compositing: StringProperty(
        name="Before Compositing",
        description="What compositing found and puts back when it is removed",
        options={"HIDDEN"},
    )


register, unregister = registration(
    classes(HiddenProxy, LiveHandScene), properties((bpy.types.Scene, "livehand", PointerProperty(type=LiveHandScene)))
)
