"""A camera that sees a hand: whether the scene's does, and one that is made or moved for it. Called by the operators
and the panel."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from livehand_core.errors import CameraError, LiveHandError

from ..rig.armature import is_hand
from ..rig.hand_rig import HandRig
from .bounds import hand_points
from .camera import core_camera, read_view

NAME = "LiveHand Camera"
MARGIN = 1.12
"""How much more than the hand a new view shows."""

LEAST_SHARE = 0.12
"""Smallest part of the picture's shorter side that a hand fills which counts as seen."""

LEAST_INSIDE = 0.6
"""Smallest part of a hand's points that lie inside the picture, for it to count as seen."""

_FROM = (0.35, -1.0, 0.45)
"""Direction from a hand to a camera, in the armature's own axes: before the palm, from above."""


def sees(scene: Any, rigs: list[Any]) -> bool:
    """Whether the scene's camera shows one of some hands, large enough to be looked at."""
    if scene.camera is None:
        return False
    try:
        camera = core_camera(read_view(scene, scene.camera))
        return any(_seen(camera, *_points(rig)) for rig in rigs)
    except LiveHandError:
        return False


def hands_to_show(scene: Any, active: Any) -> list[Any]:
    """The active hand, or all hands of a scene."""
    hands = [obj for obj in scene.objects if is_hand(obj)]
    return [active] if active in hands else hands


def keeps_its_place(camera: Any) -> str:
    """Why a camera cannot just be moved, empty when it can."""
    if not camera.is_editable:
        return "it is linked"
    if camera.parent is not None or camera.constraints:
        return "it hangs on something"
    animation = camera.animation_data
    if animation is not None and (animation.action or animation.drivers or animation.nla_tracks):
        return "it is animated"
    return ""


def make_camera(context: Any) -> Any:
    """A new camera in the scene, which becomes the scene's.

    Raises:
        CameraError: markers choose the scene's camera, and would take it back.
    """
    scene = context.scene
    if any(marker.camera for marker in scene.timeline_markers):
        raise CameraError("Markers on the timeline choose this scene's camera.", "Move their cameras, or unbind them.")
    camera = bpy.data.objects.new(NAME, bpy.data.cameras.new(NAME))
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def aim(context: Any, camera: Any, rigs: list[Any]) -> None:
    """Move a camera until it shows hands as large as its picture allows, from where the 3D view looks at them.

    Raises:
        PoseError: a hand without its bones.
    """
    found = [_points(rig) for rig in rigs]
    points = np.concatenate([points for points, _ in found])
    radii = np.concatenate([radii for _, radii in found])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    balls = points[:, None] + radii[:, None, None] * np.concatenate([np.eye(3), -np.eye(3)])
    corners = middle + MARGIN * (balls.reshape(-1, 3) - middle)
    camera.rotation_mode = "QUATERNION" if camera.rotation_mode == "AXIS_ANGLE" else camera.rotation_mode
    turn = _direction(context, rigs[0]).to_track_quat("Z", "Y").to_matrix().to_4x4()
    camera.matrix_world = Matrix.Translation(Vector(middle)) @ turn
    context.view_layer.update()
    graph = context.evaluated_depsgraph_get()
    place, scale = camera.camera_fit_coords(graph, corners.ravel().tolist())
    camera.matrix_world = Matrix.Translation(place) @ turn
    if camera.data.type == "ORTHO":
        camera.data.ortho_scale = scale
    distance = float((Vector(middle) - place).length)
    camera.data.clip_start = min(camera.data.clip_start, 0.1 * distance)
    camera.data.clip_end = max(camera.data.clip_end, 10.0 * distance)
    context.view_layer.update()


def _direction(context: Any, rig: Any) -> Any:
    """From the hands to the camera: where the 3D view looks from, else before the palm."""
    space = getattr(context, "space_data", None)
    view = space.region_3d if space is not None and space.type == "VIEW_3D" else None
    if view is None or view.view_perspective == "CAMERA":
        return rig.matrix_world.to_3x3().normalized() @ Vector(_FROM)
    return view.view_rotation @ Vector((0.0, 0.0, 1.0))


def _points(rig: Any) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) points in world space that a hand's flesh lies around, and (N,) how far it reaches."""
    return hand_points(*HandRig.of(rig).ends())


def _seen(camera: Any, points: np.ndarray, radii: np.ndarray) -> bool:
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels, depth = camera.project(points)
    inside = np.all((pixels >= 0.0) & (pixels <= [camera.width, camera.height]), axis=1)
    if camera.projection == "perspective":
        inside &= depth > 0.0
    if inside.mean() < LEAST_INSIDE:
        return False
    extent = np.ptp(pixels[inside], axis=0).max()
    return bool(extent >= LEAST_SHARE * min(camera.width, camera.height))
