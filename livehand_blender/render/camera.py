"""Blender's camera -> core Camera, as Blender's own render does it. The numbers in ``FrameView`` are plain values, so
that :func:`core_camera` is tested without Blender; :func:`read_view` is the one place that asks bpy's objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from livehand_core.cameras import OPENGL_TO_OPENCV, Camera
from livehand_core.errors import CameraError
from livehand_core.small_systems import inverse_affine

SAME_POSE = 1e-4
"""Largest difference of two camera transforms that are the same but for rounding, for a camera a metre off."""

_SAME_SCALE, _SAME_PIXEL = 1e-5, 0.01
"""A view's matrices hold the frame's zoom to about 1e-6 and its place to 1e-4 pixels; less is rounding."""


@dataclass(frozen=True)
class FrameView:
    """What decides a render's view.

    Attributes:
        matrix_world: (4, 4) the camera object's world matrix; its scale is ignored, as Blender's render does.
        kind: ``PERSP``, ``ORTHO`` or ``PANO``.
        lens, sensor_width, sensor_height: millimetres.
        sensor_fit: ``AUTO``, ``HORIZONTAL`` or ``VERTICAL``.
        ortho_scale: metres across the fitted side.
        shift: (x, y) lens shift in parts of the fitted side.
        width, height: full frame in pixels, resolution percentage applied.
        pixel_aspect: (x, y).
        border: (left, right, bottom, top) in parts of the frame, None for the full frame.
        clip: nearest and farthest depth that is seen, in metres.
    """

    matrix_world: np.ndarray
    kind: str
    lens: float
    sensor_width: float
    sensor_height: float
    sensor_fit: str
    ortho_scale: float
    shift: tuple[float, float]
    width: int
    height: int
    pixel_aspect: tuple[float, float]
    border: tuple[float, float, float, float] | None = None
    name: str = "Camera"
    clip: tuple[float, float] = (0.0, float("inf"))


def border_pixels(view: FrameView) -> tuple[int, int, int, int]:
    """The rendered window (x, y from the top, width, height) in pixels of the full frame.

    Blender cuts the products of its float32 border down to whole pixels; the same is done here.

    Raises:
        CameraError: nothing is left inside the border.
    """
    if view.border is None:
        return 0, 0, view.width, view.height
    edges = np.asarray(view.border, dtype=np.float32)
    left, right = (int(edge * np.float32(view.width)) for edge in edges[:2])
    bottom, top = (int(edge * np.float32(view.height)) for edge in edges[2:])
    if right <= left or top <= bottom:
        raise CameraError(
            f"The render region is {max(right - left, 0)} x {max(top - bottom, 0)} pixels, so there is nothing "
            "to render.",
            "Draw a larger region (Ctrl B) or switch Render Region off in the output properties.",
        )
    return left, view.height - top, right - left, top - bottom


def core_camera(view: FrameView) -> Camera:
    """The core camera of the rendered window.

    Raises:
        CameraError: a panoramic or custom camera, an empty image or border, a collapsed transform.
    """
    if view.kind not in ("PERSP", "ORTHO"):
        raise CameraError(
            f"The camera {view.name!r} is panoramic ({view.kind}), which LiveHand cannot render.",
            "Set its lens type to Perspective or Orthographic.",
        )
    if view.width < 1 or view.height < 1:
        raise CameraError(
            f"The image is {view.width} x {view.height} pixels.", "Raise the resolution or its percentage."
        )
    ratio = view.pixel_aspect[1] / view.pixel_aspect[0]
    fit = view.sensor_fit
    if fit == "AUTO":
        wide = view.pixel_aspect[0] * view.width >= view.pixel_aspect[1] * view.height
        fit = "HORIZONTAL" if wide else "VERTICAL"
    # With AUTO the sensor's width is laid along the longer side, whichever that is.
    sensor = view.sensor_height if view.sensor_fit == "VERTICAL" else view.sensor_width
    fitted = view.width if fit == "HORIZONTAL" else ratio * view.height
    fx = fitted / view.ortho_scale if view.kind == "ORTHO" else view.lens * fitted / sensor
    full = Camera(
        view.width,
        view.height,
        fx,
        fx / ratio,
        0.5 * view.width - view.shift[0] * fitted,
        0.5 * view.height + view.shift[1] * fitted / ratio,
        _rigid(view) @ OPENGL_TO_OPENCV,
        "orthographic" if view.kind == "ORTHO" else "perspective",
    )
    return full.crop(*border_pixels(view))


def region_camera(view_matrix: Any, window_matrix: Any, width: int, height: int) -> Camera:
    """The core camera of a 3D view's region, from its two OpenGL matrices; shift and any lens are in them.

    Args:
        view_matrix: (4, 4) world to view.
        window_matrix: (4, 4) view to clip space, perspective or orthographic.
        width, height: the region's size in pixels.
    """
    window = np.array(window_matrix, dtype=np.float64)
    to_world = inverse_affine(np.array(view_matrix, dtype=np.float64))
    left, _, right = np.linalg.svd(to_world[:3, :3])
    to_world[:3, :3] = left @ right
    perspective = abs(window[3, 3]) < 0.5
    # Perspective divides by -z, so there the offsets in its third column change sign.
    x, y = (-window[0, 2], -window[1, 2]) if perspective else (window[0, 3], window[1, 3])
    return Camera(
        width,
        height,
        0.5 * width * window[0, 0],
        0.5 * height * window[1, 1],
        0.5 * width * (1.0 + x),
        0.5 * height * (1.0 - y),
        to_world @ OPENGL_TO_OPENCV,
        "perspective" if perspective else "orthographic",
    )


def exact_region_camera(region: Camera, frame: Camera) -> Camera:
    """A region's camera with its transform and lens taken from the camera that it looks through, not from matrices.

    The region's float32 matrices differ from the camera by 1e-8, which shows where the renderer rounds. With this a
    view that shows the frame at its own size asks for the very picture that a render does.

    Args:
        region: by the region's matrices.
        frame: the same view as a render's full frame.

    Returns:
        ``frame`` cropped and scaled to the region; ``region`` where the two look elsewhere (a view on its way).
    """
    away = np.abs(region.camera_to_world - frame.camera_to_world).max()
    near = SAME_POSE * max(1.0, np.abs(frame.camera_to_world[:3, 3]).max())
    if region.projection != frame.projection or away > near:
        return region
    zoom_x, zoom_y = _whole(region.fx / frame.fx, _SAME_SCALE), _whole(region.fy / frame.fy, _SAME_SCALE)
    cx, cy = frame.cx * zoom_x, frame.cy * zoom_y
    return replace(
        frame,
        width=region.width,
        height=region.height,
        fx=frame.fx * zoom_x,
        fy=frame.fy * zoom_y,
        cx=cx - _whole(cx - region.cx, _SAME_PIXEL),
        cy=cy - _whole(cy - region.cy, _SAME_PIXEL),
    )


def _whole(number: float, tolerance: float) -> float:
    """A number, or the whole one that it is but for rounding."""
    return float(round(number)) if abs(number - round(number)) < tolerance else number


def _rigid(view: FrameView) -> np.ndarray:
    """(4, 4) the camera's transform with its axes brought to length one, as Blender's render does."""
    matrix = np.array(view.matrix_world, dtype=np.float64)
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or lengths.min() < 1e-9:
        raise CameraError(f"The camera {view.name!r} has a collapsed transform.", "Clear its scale (Alt S).")
    matrix[:3, :3] /= lengths
    if np.linalg.det(matrix[:3, :3]) < 0.0:
        raise CameraError(f"The camera {view.name!r} is mirrored (negative scale).", "Clear its scale (Alt S).")
    # Float32 matrices that went through parents are orthogonal to 1e-6 only.
    left, _, right = np.linalg.svd(matrix[:3, :3])
    if np.abs(left @ right - matrix[:3, :3]).max() > 1e-3:
        raise CameraError(f"The camera {view.name!r} is sheared by its parents' scale.", "Apply the parents' scale.")
    matrix[:3, :3] = left @ right
    return matrix


def read_view(scene: Any, camera_object: Any) -> FrameView:
    """The view of a (depsgraph-evaluated) scene through a camera object.

    Raises:
        CameraError: ``camera_object`` is None or no camera.
    """
    if camera_object is None:
        raise CameraError(
            f"The scene {scene.name!r} has no camera.", "Add one (Shift A, Camera) and make it active (Ctrl Numpad 0)."
        )
    if camera_object.type != "CAMERA":
        raise CameraError(
            f"The scene's camera {camera_object.name!r} is a {camera_object.type.lower()}.", "Choose a camera object."
        )
    lens, render = camera_object.data, scene.render
    border = None
    if render.use_border:
        border = (render.border_min_x, render.border_max_x, render.border_min_y, render.border_max_y)
    return FrameView(
        np.array(camera_object.matrix_world, dtype=np.float64),
        lens.type,
        lens.lens,
        lens.sensor_width,
        lens.sensor_height,
        lens.sensor_fit,
        lens.ortho_scale,
        (lens.shift_x, lens.shift_y),
        render.resolution_x * render.resolution_percentage // 100,
        render.resolution_y * render.resolution_percentage // 100,
        (render.pixel_aspect_x, render.pixel_aspect_y),
        border,
        camera_object.name,
        (lens.clip_start, lens.clip_end),
    )
