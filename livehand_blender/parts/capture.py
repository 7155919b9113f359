"""The capture of a rigged part: its plan from the scene's settings, and the mesh as what is photographed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from livehand_core.captures.plan import Rig, capture_order, held_out_count, make_rig, outermost
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.errors import CaptureError
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.library import remember_part
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix

from ..capture.planning import EXTRA, FILL, FOCAL_OF_HEIGHT, last_ones
from .poses import PartPoser
from .rigged import RestShape, armature_of, model_of


@dataclass(frozen=True)
class PartPlan:
    """As ``capture.planning.ScenePlan``, of a part; ``channels`` of each sampled pose, None where frames are shown."""

    shooting: Shooting
    frames: tuple[int, ...] | None
    scale: float
    data: ProxyModel
    poser: PartPoser
    channels: list[np.ndarray] | None


class PartSubject:
    """The rigged mesh with its own materials and modifiers."""

    fits_proxy, only_turns = False, True

    def __init__(self, scene: Any, mesh: Any, plan: PartPlan) -> None:
        self.objects, self._scene, self._plan = [mesh], scene, plan

    def pose(self, number: int, pose: HandPose) -> None:
        """Bring it into a pose."""
        if self._plan.frames is not None:
            self._scene.frame_set(self._plan.frames[number])
        elif self._plan.channels is not None:
            self._plan.poser.set(self._plan.channels[number])


def make_part_plan(scene: Any, mesh: Any) -> PartPlan:
    """Everything that is photographed. Changes the scene: sampled poses take the place of the animation.

    Raises:
        CaptureError: settings that do not fit together, or bones without a range.
        HandModelError, PoseError: the mesh or its armature cannot be used.
    """
    settings = scene.livehand_capture
    model, _ = model_of(mesh)
    licence = settings.licence.strip()
    remember_part(model)
    armature = armature_of(mesh)
    poser = PartPoser(armature, model, RestShape.of(mesh, armature).size)
    frames, channels = None, None
    if settings.poses_from == "ANIMATION":
        frames = tuple(range(scene.frame_start, scene.frame_end + 1, settings.frame_step))
        poses = poser.at_frames(scene, frames)
    else:
        channels = poser.sampled(scene, settings.pose_count, settings.seed)
        poser.still()
        poses = []
        for turns in channels:
            poser.set(turns)
            poses.append(poser.read()[0])
    if len(poses) < 2:
        raise CaptureError(f"A capture needs at least 2 poses; there are {len(poses)}.", "Take more poses.")
    _, scale = poser.read()
    rig = _dome(settings, poses, model)
    held_out = frozenset(last_ones(settings.held_out_poses, len(poses), frames is not None))
    order = capture_order(rig, len(poses), held_out, settings.cameras_per_pose, EXTRA, settings.seed)
    origin = f"{settings.renderer.title()}, Blender {bpy.app.version_string}, {settings.samples} samples; {mesh.name}"
    shots = tuple(Shot(*entry) for entry in order)
    plan = Shooting(rig, tuple(poses), held_out, shots, model.name, licence, origin)
    return PartPlan(plan, frames, scale, model, poser, channels)


def _dome(settings: Any, poses: list[HandPose], model: ProxyModel) -> Rig:
    """Cameras all round what the part reaches, placed in the frame of the first pose's root."""
    if settings.cameras_from != "DOME":
        raise CaptureError("Parts are captured from a dome of cameras.", "Set Cameras to Dome.")
    rotation, root = axis_angle_to_matrix(poses[0].global_orient), model.rest_joints()[0]
    origin = root + poses[0].transl - rotation @ root
    points = np.concatenate([outermost(pose_vertices(model, pose)) for pose in poses])
    rig = make_rig(
        outermost((points - origin) @ rotation),
        settings.camera_count,
        held_out_count(settings.held_out_cameras, settings.camera_count),
        settings.width,
        settings.height,
        FOCAL_OF_HEIGHT * max(settings.width, settings.height),
        FILL,
        settings.seed,
        None,
        settings.radius,
    )
    return replace(rig, cameras=tuple(camera.moved(rotation, origin) for camera in rig.cameras))
