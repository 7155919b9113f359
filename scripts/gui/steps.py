"""The steps that the window tests ask a running Blender to do: each public function is one. Runs inside Blender.

Positions that leave here are pixels of the display from its top left corner; values are JSON's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import bpy
import mathutils

events: list[dict[str, Any]] = []
"""What Blender's handlers told, oldest first: {"name", "at"}."""


def python(code: str, **names: Any) -> Any:
    """Run Python in the largest 3D view's context; what it leaves in ``result`` is the answer."""
    space: dict[str, Any] = {"bpy": bpy, "mathutils": mathutils, "result": None, **names}
    with _in_view():
        exec(compile(code, "step", "exec"), space)
    _redraw()
    return space["result"]


def history(clear: bool = False) -> list[str]:
    """Names of the handlers called so far."""
    names = [event["name"] for event in events]
    if clear:
        events.clear()
    return names


def areas() -> list[dict[str, Any]]:
    """Type and rectangle (left, top, right, bottom) of each area of the window."""
    window = _window()
    return [{"type": area.type, "box": _box(window, area)} for area in window.screen.areas]


def region_box(area: str = "VIEW_3D", region: str = "WINDOW") -> list[float]:
    """Rectangle (left, top, right, bottom) of a region of the largest area of a type."""
    found = _area(area)
    return _box(_window(), _region(found, region))


def shading(kind: str, overlays: bool = True, gizmos: bool = True) -> None:
    """Shading of the 3D view: SOLID, MATERIAL, RENDERED or WIREFRAME; overlays and gizmos on or off."""
    space = _area("VIEW_3D").spaces.active
    space.shading.type = kind
    space.overlay.show_overlays = overlays
    space.show_gizmo = gizmos
    _redraw()


def sidebar(category: str = "", shown: bool = True) -> str:
    """Show or hide the 3D view's sidebar; with a category, turn to it. Gives the category that is shown."""
    area = _area("VIEW_3D")
    area.spaces.active.show_region_ui = shown
    region = _region(area, "UI")
    if category and shown:
        # Blender knows a region's categories after it was drawn once.
        with contextlib.suppress(TypeError, AttributeError):
            region.active_panel_category = category
    area.tag_redraw()
    return str(getattr(region, "active_panel_category", ""))


def properties_tab(tab: str) -> None:
    """Turn the properties editor to a tab: RENDER, OUTPUT, VIEW_LAYER, OBJECT ..."""
    area = _area("PROPERTIES")
    area.spaces.active.context = tab
    area.tag_redraw()


def look_at(location: list[float], distance: float, rotation: list[float], perspective: str = "PERSP") -> None:
    """Turn the 3D view to a point: metres, quaternion (w, x, y, z); PERSP, ORTHO or CAMERA."""
    view = _area("VIEW_3D").spaces.active.region_3d
    view.view_perspective = perspective
    view.view_location, view.view_distance = location, distance
    view.view_rotation = rotation
    _redraw()


def frame_camera() -> list[int]:
    """Look through the camera with its frame filling the 3D view, the render size set to the view's; gives that."""
    scene, area = bpy.context.scene, _area("VIEW_3D")
    region, view = _region(area, "WINDOW"), area.spaces.active.region_3d
    scene.render.resolution_x, scene.render.resolution_y = region.width, region.height
    scene.render.resolution_percentage = 100
    view.view_perspective = "CAMERA"
    # Blender scales the frame by (sqrt(2) + zoom / 50)^2 / 4: this is its size in pixels.
    view.view_camera_zoom = (2.0 - 2.0**0.5) * 50.0
    view.view_camera_offset = (0.0, 0.0)
    _redraw()
    return [region.width, region.height]


def view_matrix() -> list[list[float]]:
    """World to clip space of the 3D view, 4x4."""
    return [list(row) for row in _area("VIEW_3D").spaces.active.region_3d.perspective_matrix]


def triangles(rig: str) -> list[list[float]]:
    """The evaluated proxy of a hand as the 3D view projects it: (x0, y0, x1, y1, x2, y2) a triangle."""
    window, area = _window(), _area("VIEW_3D")
    region = _region(area, "WINDOW")
    projection = area.spaces.active.region_3d.perspective_matrix
    box = _box(window, region)
    found: list[list[float]] = []
    meshes = [child for child in bpy.data.objects[rig].children_recursive if child.type == "MESH"]
    hidden = [child for child in meshes if child.hide_viewport]
    for child in hidden:
        # What is hidden is not evaluated, and so neither posed nor moved.
        child.hide_viewport = False
    graph = bpy.context.evaluated_depsgraph_get()
    for child in meshes:
        shown = child.evaluated_get(graph)
        mesh = shown.to_mesh()
        mesh.calc_loop_triangles()
        points = [_on_screen(projection, shown.matrix_world @ vertex.co, box) for vertex in mesh.vertices]
        found += [[value for index in face.vertices for value in points[index]] for face in mesh.loop_triangles]
        shown.to_mesh_clear()
    for child in hidden:
        child.hide_viewport = True
    return found


def project(point: list[float]) -> list[float]:
    """Where the 3D view shows a point of the world."""
    window, area = _window(), _area("VIEW_3D")
    projection = area.spaces.active.region_3d.perspective_matrix
    return _on_screen(projection, mathutils.Vector(point), _box(window, _region(area, "WINDOW")))


def new_file() -> None:
    """An empty file with one window, as Blender ships it; add-ons and preferences stay."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def open_file(path: str) -> None:
    """Open a .blend file in place of what is open."""
    bpy.ops.wm.open_mainfile(filepath=path)


def finish() -> None:
    """Close Blender once this step is answered."""

    def leave() -> None:
        with bpy.context.temp_override(window=_window()):
            bpy.ops.wm.quit_blender()

    bpy.app.timers.register(leave, first_interval=0.3)


def _on_screen(projection: Any, point: Any, box: list[float]) -> list[float]:
    clip = projection @ point.to_4d()
    depth = clip.w if abs(clip.w) > 1e-9 else 1e-9
    left, top, right, bottom = box
    return [left + (clip.x / depth + 1.0) / 2.0 * (right - left), top + (1.0 - clip.y / depth) / 2.0 * (bottom - top)]


def _window() -> Any:
    return bpy.context.window_manager.windows[0]


def _area(kind: str) -> Any:
    found = [area for area in _window().screen.areas if area.type == kind]
    if not found:
        raise LookupError(f"no area of type {kind} is shown")
    return max(found, key=lambda area: area.width * area.height)


def _region(area: Any, kind: str) -> Any:
    return next(region for region in area.regions if region.type == kind)


def _box(window: Any, part: Any) -> list[float]:
    height = window.height
    return [part.x, height - part.y - part.height, part.x + part.width, height - part.y]


@contextlib.contextmanager
def _in_view() -> Iterator[None]:
    """The context of the largest 3D view, or of the window alone where none is shown."""
    try:
        area = _area("VIEW_3D")
    except LookupError:
        with bpy.context.temp_override(window=_window()):
            yield
        return
    with bpy.context.temp_override(window=_window(), area=area, region=_region(area, "WINDOW")):
        yield


def _redraw() -> None:
    for area in _window().screen.areas:
        area.tag_redraw()
