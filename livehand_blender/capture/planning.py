"""From a scene's settings to a plan: the rig's place and poses, a dome or own cameras, what is held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from livehand_core.avatars.identities import reenacted
from livehand_core.cameras import Camera
from livehand_core.captures.lighting import lit_tests
from livehand_core.captures.plan import (
    Rig,
    capture_order,
    capture_poses,
    held_out_count,
    make_rig,
    outermost,
    spread_names,
)
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.errors import CaptureError
from livehand_core.hand.data import HandData
from livehand_core.hand.looks import LICENCE, look_of
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix

from ..render.camera import core_camera, read_view
from ..rig.armature import is_hand
from ..rig.hand_rig import HandRig
from ..rig.pose import read_pose

FOCAL_OF_HEIGHT = 2.73
"""Focal length of the dome's cameras in image heights: a long lens, as the default avatar's capture has it."""
FILL = 0.97
EXTRA = 3
"""Views of each held-out pose or camera that are new in that respect alone."""


@dataclass(frozen=True)
class ScenePlan:
    """A plan, the frame of each pose (None for sampled ones), and the scale: world = scale * point of the plan."""

    shooting: Shooting
    frames: tuple[int, ...] | None
    scale: float
    data: HandData


def chosen_hand(scene: Any, active: Any = None) -> Any:
    """The rig that the settings name, or the active one. Raises CaptureError when there is none."""
    hand = scene.livehand_capture.hand or active
    if not is_hand(hand):
        raise CaptureError("No hand to capture is chosen.", "Select a LiveHand hand, or choose one in the panel.")
    if hand.name not in scene.objects:
        raise CaptureError(f"The hand {hand.name!r} is not in the scene {scene.name!r}.", "Choose one of this scene.")
    return hand


def own_cameras(settings: Any) -> list[Any]:
    """The camera objects of the chosen collection, by name. Raises CaptureError when there are fewer than two."""
    collection = settings.camera_collection
    if collection is None:
        raise CaptureError("No collection of cameras is chosen.", "Choose one, or take a dome.")
    found = sorted((obj for obj in collection.all_objects if obj.type == "CAMERA"), key=lambda obj: obj.name)
    if len(found) < 2:
        raise CaptureError(
            f"The collection {collection.name!r} has {len(found)} cameras; an avatar needs several.",
            "Add cameras to it.",
        )
    return found


def image_counts(settings: Any, frames: int) -> tuple[int, int]:
    """About how many pictures a capture takes to train on and to test with; ``frames``: of the scene's range."""
    poses = settings.pose_count if settings.poses_from == "SAMPLED" else -(-frames // settings.frame_step)
    if settings.cameras_from == "DOME":
        cameras = settings.camera_count
    else:
        collection = settings.camera_collection
        cameras = sum(obj.type == "CAMERA" for obj in collection.all_objects) if collection else 0
    kept = held_out_count(settings.held_out_cameras, cameras), held_out_count(settings.held_out_poses, poses)
    used, training = cameras - kept[0], poses - kept[1]
    grid = kept[0] * kept[1]
    if settings.many_lights:
        grid = lit_tests(grid)
    tests = grid + kept[1] * min(EXTRA, used) + kept[0] * min(EXTRA, training)
    return training * min(settings.cameras_per_pose, used), tests


def make_plan(scene: Any, rig: Any) -> ScenePlan:
    """Everything that is photographed. Steps through the scene's frames where its animation is captured.

    Raises:
        CaptureError: settings that do not fit together, fewer than two cameras or poses.
        PoseError, CameraError: a rig or camera that cannot be used.
    """
    settings, hand = scene.livehand_capture, HandRig.of(rig)
    data = hand.data
    here, scale = _read(rig)
    frames: tuple[int, ...] | None = None
    if settings.poses_from == "ANIMATION":
        frames = tuple(range(scene.frame_start, scene.frame_end + 1, settings.frame_step))
        poses = _animated(scene, rig, frames)
    else:
        sampled = capture_poses(settings.pose_count, settings.seed, hand.side)
        poses = [replace(here, hand_pose=pose.hand_pose) for pose in sampled]
    if settings.look == "BUILTIN":
        poses = _of_look(poses, settings.identity, data)
    if len(poses) < 2:
        raise CaptureError(
            f"A capture needs at least 2 poses; there are {len(poses)}.", "Take more poses or a longer animation."
        )
    cameras = _dome(settings, poses, data) if settings.cameras_from == "DOME" else _own(scene, settings, scale)
    held_out = frozenset(last_ones(settings.held_out_poses, len(poses), frames is not None))
    order = capture_order(cameras, len(poses), held_out, settings.cameras_per_pose, EXTRA, settings.seed)
    origin = f"{settings.renderer.title()}, Blender {bpy.app.version_string}, {settings.samples} samples"
    identity = settings.identity if settings.look == "BUILTIN" else ""
    shots = tuple(Shot(*entry) for entry in order)
    licence = settings.licence.strip() or (LICENCE if settings.look == "BUILTIN" else "")
    plan = Shooting(cameras, tuple(poses), held_out, shots, data.name, licence, origin, identity)
    return ScenePlan(plan, frames, scale, data)


def _read(rig: Any) -> tuple[HandPose, float]:
    bpy.context.view_layer.update()
    return read_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))


def _animated(scene: Any, rig: Any, frames: tuple[int, ...]) -> list[HandPose]:
    before, poses = scene.frame_current, []
    try:
        for frame in frames:
            scene.frame_set(frame)
            poses.append(_read(rig)[0])
    finally:
        scene.frame_set(before)
    return poses


def _of_look(poses: list[HandPose], name: str, data: HandData) -> list[HandPose]:
    """The poses on that identity's hand, its wrist where it was; betas that the rig has of its own stay."""
    if any(pose.betas.any() for pose in poses):
        return poses
    betas = look_of(name).shape
    return [reenacted(pose, betas, data) for pose in poses]


def last_ones(count: int, poses: int, spread: bool) -> list[int]:
    """Which poses are held out: the last ones of drawn poses, evenly spread ones of an animation."""
    count = held_out_count(count, poses)
    if not spread:
        return list(range(poses - count, poses))
    return sorted({int((index + 0.5) * poses / count) for index in range(count)})


def _dome(settings: Any, poses: list[HandPose], data: HandData) -> Rig:
    """Cameras around all that the hand reaches, placed in the frame of the first pose's wrist."""
    rotation = axis_angle_to_matrix(poses[0].global_orient)
    wrist = data.rest_joints(poses[0].betas)[0]
    origin = wrist + poses[0].transl - rotation @ wrist
    points = np.concatenate([outermost(pose_vertices(data, pose)) for pose in poses])
    local = outermost((points - origin) @ rotation)
    focal = FOCAL_OF_HEIGHT * max(settings.width, settings.height)
    rig = make_rig(
        local,
        settings.camera_count,
        held_out_count(settings.held_out_cameras, settings.camera_count),
        settings.width,
        settings.height,
        focal,
        FILL,
        settings.seed,
        poses[0].side,
        settings.radius,
    )
    return replace(rig, cameras=tuple(camera.moved(rotation, origin) for camera in rig.cameras))


def _own(scene: Any, settings: Any, scale: float) -> Rig:
    found = own_cameras(settings)
    cameras = []
    for obj in found:
        view = replace(
            read_view(scene, obj), width=settings.width, height=settings.height, pixel_aspect=(1.0, 1.0), border=None
        )
        if view.kind != "PERSP":
            raise CaptureError(
                f"The camera {obj.name!r} is not a perspective one.", "Set its lens type to Perspective."
            )
        cameras.append(_unscaled(core_camera(view), scale))
    names = tuple(bpy.path.clean_name(obj.name) for obj in found)
    return Rig(names, tuple(cameras), spread_names(names, held_out_count(settings.held_out_cameras, len(names))))


def _unscaled(camera: Camera, scale: float) -> Camera:
    matrix = camera.camera_to_world.copy()
    matrix[:3, 3] /= scale
    return replace(camera, camera_to_world=matrix)
