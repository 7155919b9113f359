"""The neural hands laid into views of any other shading, hidden by what stands before them.

Blender calls the handlers here for every 3D view: before its scene is drawn, after it, and for text. The hands go into
the scene's own frame buffer, which the view transform is applied to later and which holds the scene's depths, under
Blender's overlays, so that bones and gizmos stay in sight.
"""

from __future__ import annotations

from typing import Any

import bpy
import gpu
import numpy as np

from livehand_core.errors import LiveHandError
from livehand_core.passes import srgb_to_linear

from ..registration import Step, handlers, in_the_window, leaving, registration
from . import notes
from .drawing import DepthUse, Screen, release
from .engine import ENGINE_ID
from .live import LiveView
from .region import pixel_share, view_camera, view_limits
from .scene import VisibleHand, visible_hands
from .viewport import why_nothing

PROXY_BIAS = 0.006
"""Metres, of a hand's size, by which it is drawn nearer where its mesh, which runs through its skin, is shown too."""


class _Overlay:
    """The overlay in one region."""

    def __init__(self, region: Any) -> None:
        self.pointer = region.as_pointer()
        self.live = LiveView(self._redraw, self._exists)
        self.screen = Screen()
        self.hands: tuple[VisibleHand, ...] = ()
        self.trouble = ""
        self.read = -1

    def _exists(self) -> bool:
        return _region(self.pointer) is not None

    def _redraw(self) -> None:
        region = _region(self.pointer)
        if region is None:
            raise ReferenceError
        region.tag_redraw()


_overlays: dict[int, _Overlay] = {}
_scene_buffers: dict[int, Any] = {}
_changes = 0
_handlers: list[Any] = []


def wants_overlay(context: Any) -> bool:
    """Whether the view that is being drawn shows the overlay: not where the LiveHand engine itself draws."""
    space, settings = context.space_data, getattr(context.scene, "livehand", None)
    if settings is None or not settings.overlay or space is None or space.type != "VIEW_3D":
        return False
    return not shows_engine(context)


def _has_depths(space: Any) -> bool:
    """Whether the scene's frame buffer holds its depths: EEVEE and Cycles draw them for Blender's overlays only."""
    return bool(space.shading.type in {"WIREFRAME", "SOLID"} or space.overlay.show_overlays)


def _background(context: Any) -> tuple[float, ...] | None:
    """The linear colour of the background that a view's overlays lie upon, in the middle of one that is no even colour;
    None where nothing is laid upon it."""
    space, colours = context.space_data, context.preferences.themes[0].view_3d.space.gradients
    if not space.overlay.show_overlays:
        return None
    if space.shading.type in {"SOLID", "WIREFRAME"} and space.shading.background_type == "VIEWPORT":
        return tuple(space.shading.background_color)
    if space.shading.type in {"SOLID", "WIREFRAME"} and space.shading.background_type == "WORLD":
        return tuple(context.scene.world.color) if context.scene.world is not None else (0.0, 0.0, 0.0)
    ends = [colours.high_gradient]
    if colours.background_type != "SINGLE_COLOR":
        ends.append(colours.gradient)
    return tuple(float(value) for value in srgb_to_linear(np.array(ends, np.float32)).mean(axis=0))


def shows_engine(context: Any) -> bool:
    """Whether the LiveHand engine itself draws the view."""
    space = context.space_data
    return bool(space.shading.type == "RENDERED" and context.scene.render.engine == ENGINE_ID)


def _before() -> None:
    """Before the scene is drawn: keep its frame buffer, which is another one after it."""
    context = bpy.context
    if wants_overlay(context):
        _scene_buffers[context.region.as_pointer()] = gpu.state.active_framebuffer_get()


def _after() -> None:
    """After the scene is drawn: ask for the newest picture and draw the one there is."""
    context = bpy.context
    pointer = context.region.as_pointer()
    buffer = _scene_buffers.pop(pointer, None)
    if not wants_overlay(context):
        if pointer in _overlays:
            _overlays.pop(pointer).live.close()
        return
    overlay = _overlays.get(pointer) or _overlays.setdefault(pointer, _Overlay(context.region))
    _ask(overlay, context)
    overlay.live.take()
    if overlay.screen.show(overlay.live.picture):
        overlay.live.redraw_soon()
    if buffer is not None:
        with_mesh = [hand.instance.scale for hand in overlay.hands if hand.has_mesh]
        bias = PROXY_BIAS * max([float(context.scene.livehand.show_proxies), *with_mesh])
        view = context.region_data
        depth: DepthUse = "TEST" if _has_depths(context.space_data) else "NONE"
        with buffer.bind():
            overlay.screen.draw(view, depth, bias)
        overlay.screen.clear_background(view, depth, bias, _background(context))


def _ask(overlay: _Overlay, context: Any) -> None:
    space, depsgraph = context.space_data, context.view_layer.depsgraph
    stamp = hash((_changes, space.local_view is not None))
    try:
        if overlay.read != stamp:
            overlay.read = stamp
            overlay.hands = visible_hands(depsgraph, space)
            overlay.trouble = ""
        camera = view_camera(context, depsgraph)
        limits = view_limits(context, camera)
        overlay.live.ask(
            camera, overlay.hands, limits, context.scene.livehand.viewport_rate, pixel_share(context.scene)
        )
    except LiveHandError as error:
        overlay.hands, overlay.trouble = (), f"LiveHand: {error}"


def _text() -> None:
    """After everything: what is wrong, or that the engine is starting."""
    context = bpy.context
    overlay = _overlays.get(context.region.as_pointer()) if wants_overlay(context) else None
    if overlay is not None:
        text = overlay.trouble or why_nothing(overlay.live, overlay.hands)
    elif shows_engine(context):
        text = notes.kept(context.region)
    else:
        return
    if text:
        notes.write(context, text)


def _region(pointer: int) -> Any:
    """The 3D view's region at an address, None when it is gone."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            spaces = area.spaces.active
            if spaces is None or spaces.type != "VIEW_3D":
                continue
            for region in area.regions:
                if region.as_pointer() == pointer:
                    return region
    return None


@bpy.app.handlers.persistent
def _changed(*_: Any) -> None:
    """Something in the scene changed, or another file was opened: the hands are read again at the next draw."""
    global _changes
    _changes += 1


@bpy.app.handlers.persistent
def _file_loaded(*_: Any) -> None:
    for overlay in _overlays.values():
        overlay.live.close()
    _overlays.clear()
    _changed()


def _draw_in_views() -> None:
    for function, moment in ((_before, "PRE_VIEW"), (_after, "POST_VIEW"), (_text, "POST_PIXEL")):
        _handlers.append(bpy.types.SpaceView3D.draw_handler_add(function, (), "WINDOW", moment))


def _draw_no_more() -> None:
    for handler in _handlers:
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    _handlers.clear()


def _forget() -> None:
    _file_loaded()
    _scene_buffers.clear()
    notes.forget()
    release()


register, unregister = registration(
    in_the_window(
        [
            *leaving(_forget),
            Step("drawing in 3D views", _draw_in_views, _draw_no_more),
            *handlers(
                ("depsgraph_update_post", _changed), ("frame_change_post", _changed), ("load_post", _file_loaded)
            ),
        ]
    )
)
