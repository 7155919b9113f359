"""What a 3D view shows of space: its camera, the part of it that is wanted, its pixel size. Reads bpy's view objects.

Called by render/viewport and render/overlay for each draw.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from livehand_core.cameras import Camera
from livehand_core.errors import CameraError

from .bounds import Window
from .camera import core_camera, exact_region_camera, read_view, region_camera


def view_camera(context: Any, depsgraph: Any) -> Camera:
    """The core camera of the context's region; lens shift, zoom and offset of a camera view are in it.

    Args:
        context: of a region of a 3D view.
        depsgraph: the evaluated one that the view shows.

    Raises:
        CameraError: an empty region or a collapsed view.
    """
    region, view = context.region, context.region_data
    camera = region_camera(view.view_matrix, view.window_matrix, region.width, region.height)
    seen = context.space_data.camera
    if view.view_perspective != "CAMERA" or seen is None:
        return camera
    try:
        frame = core_camera(replace(read_view(depsgraph.scene_eval, seen.evaluated_get(depsgraph)), border=None))
    except CameraError:
        # A view can look through what no render does: a lamp, a mirrored camera.
        return camera
    return exact_region_camera(camera, frame)


def view_limits(context: Any, camera: Camera) -> Window | None:
    """The render region as it lies in the view, None when the whole view is wanted.

    Through the camera that is the scene's region (Ctrl B), in a free view the view's own.
    """
    space, view, render = context.space_data, context.region_data, context.scene.render
    if view.view_perspective == "CAMERA":
        if not render.use_border or space.camera is None:
            return None
        left, bottom, right, top = camera_frame(space.camera, context.scene, camera)
        low, high = (render.border_min_x, render.border_min_y), (render.border_max_x, render.border_max_y)
    else:
        if not space.use_render_border:
            return None
        left, bottom, right, top = 0.0, 0.0, float(camera.width), float(camera.height)
        low, high = (
            (space.render_border_min_x, space.render_border_min_y),
            (space.render_border_max_x, space.render_border_max_y),
        )
    x0, x1 = (round(left + edge * (right - left)) for edge in (low[0], high[0]))
    y0, y1 = (round(camera.height - (bottom + edge * (top - bottom))) for edge in (high[1], low[1]))
    x0, x1 = (min(max(x, 0), camera.width) for x in (x0, x1))
    y0, y1 = (min(max(y, 0), camera.height) for y in (y0, y1))
    return x0, y0, x1 - x0, y1 - y0


def camera_frame(camera_object: Any, scene: Any, camera: Camera) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of a camera object's frame in pixels of the view, rows counted from the bottom."""
    corners = np.array(camera_object.data.view_frame(scene=scene), dtype=np.float64)
    matrix = camera_object.matrix_world.normalized()
    world = corners @ np.array(matrix.to_3x3()).T + np.array(matrix.translation)
    pixels, _ = camera.project(world)
    (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    return float(left), camera.height - float(bottom), float(right), camera.height - float(top)


def pixel_share(scene: Any) -> float:
    """Part of the view's pixels a side that Blender's Pixel Size setting leaves."""
    size = scene.render.preview_pixel_size
    return 1.0 if size == "AUTO" else 1.0 / float(size)
