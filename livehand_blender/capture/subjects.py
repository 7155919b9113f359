"""What stands for the hand in a capture, and the scene around it made ready. Changes the scene; registers nothing."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from livehand_core.captures.shooting import Shooting
from livehand_core.errors import CaptureError
from livehand_core.hand.data import ProxyModel
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix

from ..rig.armature import proxy_meshes
from ..rig.hand_rig import HandRig
from ..rig.model import BUILTIN_MODEL
from ..rig.pose import apply_pose, set_limits, stop_animation
from .detail_hand import create_detail_hand, update_detail_hand
from .shoot import prepare_output
from .studio import CENTRE, add_studio, move_studio, use_denoiser

_SEEN = {
    "MESH",
    "CURVE",
    "CURVES",
    "SURFACE",
    "FONT",
    "META",
    "VOLUME",
    "POINTCLOUD",
    "GREASEPENCIL",
    "GPENCIL",
    "EMPTY",
}


class DetailSubject:
    """The detailed hand that ships inside, at the rig's place."""

    fits_proxy, only_turns = True, False

    def __init__(self, scene: Any, rig: Any, scale: float, frames: tuple[int, ...] | None, look: str) -> None:
        if rig.livehand.model != BUILTIN_MODEL:
            raise CaptureError(
                f"The built-in skin does not fit {rig.name!r}, a hand of the model {rig.livehand.model!r}.",
                "Capture its own meshes.",
            )
        self._scene, self._frames = scene, frames
        self.objects = [create_detail_hand(HandRig.of(rig).side, scene, look)]
        self.objects[0].matrix_world = Matrix.Scale(scale, 4)
        for mesh in rig_meshes(rig):
            mesh.hide_render = True

    def pose(self, number: int, pose: HandPose) -> None:
        """Bring it into a pose; the rest of the scene goes to the pose's frame."""
        if self._frames is not None:
            self._scene.frame_set(self._frames[number])
        update_detail_hand(self.objects[0], pose)


class MeshSubject:
    """The meshes that follow the rig, with their materials, modifiers and drivers."""

    fits_proxy, only_turns = False, False

    def __init__(self, scene: Any, rig: Any, frames: tuple[int, ...] | None) -> None:
        self._scene, self._rig, self._frames = scene, rig, frames
        proxies = proxy_meshes(rig)
        meshes = rig_meshes(rig)
        self.objects = [mesh for mesh in meshes if mesh not in proxies] or meshes
        if not self.objects:
            raise CaptureError(f"The rig {rig.name!r} has no mesh that follows it.", "Take the built-in skin.")
        for mesh in meshes:
            mesh.hide_render = mesh not in self.objects
        if frames is None:
            # Sampled poses take the place of the animation, and limits may not clamp them.
            stop_animation(rig)
            set_limits(rig, False)

    def pose(self, number: int, pose: HandPose) -> None:
        """Bring it into a pose."""
        if self._frames is not None:
            self._scene.frame_set(self._frames[number])
        else:
            apply_pose(self._rig, pose)
            bpy.context.view_layer.update()


def rig_meshes(rig: Any) -> list[Any]:
    """The meshes that are children of a rig or follow it by an armature modifier."""
    followers = (
        obj
        for obj in bpy.data.objects
        if obj.type == "MESH"
        and (obj.parent == rig or any(m.type == "ARMATURE" and m.object == rig for m in obj.modifiers))
    )
    return sorted(followers, key=lambda obj: obj.name)


def prepare_scene(scene: Any, rig: Any, plan: Any) -> DetailSubject | MeshSubject:
    """Make the scene ready: the subject alone in the camera's sight, light and shadows of all the rest kept.

    Args:
        plan: a ScenePlan.

    Raises:
        CaptureError: the look does not fit the rig.
    """
    settings = scene.livehand_capture
    subject: DetailSubject | MeshSubject
    if settings.look == "BUILTIN":
        subject = DetailSubject(scene, rig, plan.scale, plan.frames, settings.identity)
    else:
        subject = MeshSubject(scene, rig, plan.frames)
    show_alone(scene, subject.objects, plan)
    return subject


def show_alone(scene: Any, objects: list[Any], plan: Any) -> None:
    """Put objects alone in the camera's sight, light and shadows of all the rest kept, and set the renderer up."""
    settings = scene.livehand_capture
    prepare_output(scene, (settings.width, settings.height))
    for obj in scene.objects:
        if obj.type in _SEEN and obj not in objects:
            obj.visible_camera = False
    for obj in objects:
        obj.visible_camera, obj.hide_render = True, False
        obj.is_holdout = False
    if settings.studio and not settings.many_lights:
        _studio(scene, plan, plan.data)
    _renderer(scene, settings)


def _studio(scene: Any, plan: Any, data: ProxyModel) -> None:
    for obj in scene.objects:
        if obj.type == "LIGHT":
            obj.hide_render = True
    first = plan.shooting.poses[0]
    light = add_studio(scene, mirrored=first.side == "left", strength=plan.scale**2)
    rotation, place = first_wrist(plan.shooting, data)
    wrist = np.eye(4)
    wrist[:3, :3], wrist[:3, 3] = rotation * plan.scale, place * plan.scale
    move_studio(light, wrist)


def first_wrist(plan: Shooting, data: ProxyModel) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) rotation and (3,) place of the wrist in the plan's first pose, in the plan's world: the frame of the
    studio. That of a part lies so that the studio's middle is the part's."""
    first = plan.poses[0]
    rotation, root = axis_angle_to_matrix(first.global_orient), data.rest_joints(first.betas)[0]
    if data.is_hand:
        return rotation, root + first.transl
    middle = 0.5 * (data.v_template.min(axis=0) + data.v_template.max(axis=0)) - root
    return rotation, root + first.transl + rotation @ (middle - CENTRE)


def _renderer(scene: Any, settings: Any) -> None:
    if settings.renderer == "EEVEE":
        scene.render.engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
        scene.eevee.taa_render_samples = settings.samples
        return
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.samples = settings.samples
    cycles.use_adaptive_sampling = False
    # A narrow filter: the picture of a pixel is that pixel's, as the volume renderer has it.
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 1.2
    if use_denoiser(cycles):
        # The denoiser's quick network costs a third of its best one, and a small hand shows no difference.
        cycles.denoising_quality = "FAST"
