"""Photographing a plan in Blender: the scene made ready, one image after the other, each whole under its name.

Works on the scene it is given and leaves it changed: it is called in a Blender of its own (capture/child) and by
capture/command. Registers nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import bpy
import numpy as np
from mathutils import Matrix

from livehand_core.cameras import OPENGL_TO_OPENCV, Camera
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.errors import CaptureError
from livehand_core.files import atomic_path
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose
from livehand_core.whole_files import is_complete

SENSOR_MM = 36.0
WRITE_EVERY = 20
BORDER_PART = 0.03
"""How far around the proxy's vertices is rendered, in parts of the image's height: the true hand is a little larger."""


class Subject(Protocol):
    """What stands for the hand in the pictures."""

    fits_proxy: bool
    """Whether it lies within the proxy's outline, so that the rest of a picture need not be rendered."""

    only_turns: bool
    """Whether nothing but an armature's bones changes from one pose to the next."""

    def pose(self, number: int, pose: HandPose) -> None:
        """Bring it into a pose."""


def shoot(
    scene: Any,
    plan: Shooting,
    folder: Path,
    subject: Subject,
    data: ProxyModel,
    scale: float = 1.0,
    progress: Callable[[int, int], bool] = lambda done, count: True,
    light: Callable[[Shot], None] | None = None,
) -> int:
    """Render every image of the plan that is not there yet; how many there are in the end.

    Args:
        scene: with light, and without anything in the camera's sight but the subject.
        data: hand model of the plan's poses.
        scale: of the world: world = scale * (point of the plan).
        progress: called with images made and images to make; False ends it.
        light: called before each image, to show its light; None leaves the scene's own.

    Raises:
        CaptureError: Blender could not render.
        LiveHandError: the folder cannot be written or holds another capture.
    """
    plan.claim(folder)
    missing = plan.missing(folder)
    eye = _add_camera(scene)
    last, vertices = -1, np.zeros((0, 3))
    kept = Kept(scene, light is None and subject.only_turns)
    progress(0, len(missing))
    for done, shot in enumerate(missing, start=1):
        pose, number, _ = shot
        change = "first" if done == 1 else "camera" if pose == last else "pose"
        if pose != last:
            subject.pose(pose, plan.poses[pose])
            vertices, last = pose_vertices(data, plan.poses[pose]), pose
        camera = plan.rig.cameras[number]
        place_camera(scene, eye, camera, scale)
        _set_border(scene, camera, vertices if subject.fits_proxy else None)
        if light is not None:
            light(shot)
        if hasattr(scene, "cycles"):
            # Each image gets its own noise; the same one everywhere would be learnt as texture.
            scene.cycles.seed = pose * len(plan.rig.names) + number + 7919 * (shot.light or 0)
        kept.render_to(folder / plan.image(*shot), change)
        if done % WRITE_EVERY == 0:
            plan.write_documents(folder)
        if not progress(done, len(missing)):
            break
    return plan.write_documents(folder)


def prepare_output(scene: Any, size: tuple[int, int]) -> None:
    """8 bit RGBA in display-referred sRGB over nothing, without anything that works on whole pictures.

    Args:
        size: (width, height) in pixels.
    """
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = *size, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.film_transparent = True
    render.use_compositing = render.use_sequencer = render.use_stamp = render.use_motion_blur = False
    render.use_multiview = False
    render.use_persistent_data = False
    render.dither_intensity = 0.0
    settings = render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode, settings.color_depth = "RGBA", "8"
    scene.display_settings.display_device = "sRGB"
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = "Standard", "None", 0.0, 1.0
    view.use_curve_mapping = False


def _add_camera(scene: Any) -> Any:
    eye = bpy.data.objects.new("LiveHand Capture", bpy.data.cameras.new("LiveHand Capture"))
    scene.collection.objects.link(eye)
    scene.camera = eye
    return eye


def place_camera(scene: Any, eye: Any, camera: Camera, scale: float) -> None:
    """Give the camera object the view of ``camera`` (square pixels)."""
    lens = eye.data
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", SENSOR_MM
    lens.lens = camera.fx * SENSOR_MM / camera.width
    lens.shift_x = (0.5 * camera.width - camera.cx) / camera.width
    lens.shift_y = (camera.cy - 0.5 * camera.height) / camera.width
    lens.clip_start = 0.01 * scale
    scene.render.resolution_x, scene.render.resolution_y = camera.width, camera.height
    matrix = camera.camera_to_world @ OPENGL_TO_OPENCV
    matrix[:3, 3] *= scale
    eye.matrix_world = Matrix(matrix.tolist())


def _set_border(scene: Any, camera: Camera, vertices: np.ndarray | None) -> None:
    """Render only the rectangle around the hand; the rest of the image stays transparent."""
    render = scene.render
    render.use_border, render.use_crop_to_border = vertices is not None, False
    if vertices is None:
        return
    pixels, _ = camera.project(vertices)
    size = np.array([camera.width, camera.height])
    air = BORDER_PART * camera.height
    low = np.clip((pixels.min(axis=0) - air) / size, 0.0, 1.0)
    high = np.clip((pixels.max(axis=0) + air) / size, 0.0, 1.0)
    render.border_min_x, render.border_max_x = low[0], high[0]
    # Blender counts rows from the bottom.
    render.border_min_y, render.border_max_y = 1.0 - high[1], 1.0 - low[1]


class Kept:
    """Pictures of a scene that Blender keeps from one to the next, which takes a quarter of the time.

    A changed mesh may be answered one picture late then (seen on 4.5). So nothing is kept but what bones turn, and the
    first picture after a change of each kind is made anew without: where the two differ, nothing is kept any more.
    """

    def __init__(self, scene: Any, keep: bool) -> None:
        self._scene, self._keep, self._proved = scene, keep, {"first"}

    def render_to(self, path: Path, change: str) -> None:
        """Render a picture; ``change`` is what has changed since the one before. Raises as ``_render_to`` does."""
        self._scene.render.use_persistent_data = self._keep
        _render_to(self._scene, path)
        if self._keep and change not in self._proved:
            seen, self._scene.render.use_persistent_data = _pixels(path), False
            _render_to(self._scene, path)
            self._keep = np.array_equal(seen, _pixels(path))
            self._proved.add(change)


def _pixels(path: Path) -> np.ndarray:
    """The numbers of a picture that was just written."""
    image = bpy.data.images.load(str(path))
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values


def _render_to(scene: Any, path: Path) -> None:
    """Render beside and rename, so that every image with its proper name is whole.

    Raises:
        CaptureError: Blender could not render, or could not write all of the picture: on a full disk it says nothing.
        LiveHandError: the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        scene.render.filepath = str(temporary)
        try:
            bpy.ops.render.render(write_still=True, scene=scene.name)
        except RuntimeError as error:
            raise CaptureError(
                f"{path} could not be rendered ({error}).", "Check the folder, the disk and the scene."
            ) from error
        if not is_complete(temporary):
            free = shutil.disk_usage(path.parent).free
            raise CaptureError(
                f"{path} could not be written whole ({free >> 20} MiB are free on its disk).",
                "Free some space and capture again: it goes on with this picture.",
            )
