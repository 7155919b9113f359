"""Evaluated depsgraph -> FrameRequest: which hands are seen, in which pose, through which camera. Pure data comes out.

Called by render/engine for each frame and by scripts; nothing here talks to the engine process.
"""

from __future__ import annotations

from typing import Any

import bpy

from livehand_core.errors import AvatarError, LiveHandError
from livehand_core.frames import DEFAULT_AVATAR, FrameRequest, HandInstance

from ..rig.armature import is_hand
from ..rig.pose import read_pose
from .camera import FrameView, core_camera, read_view
from .passes import core_passes


class NoHandError(LiveHandError):
    """A scene without a hand that could be rendered."""


def frame_request(depsgraph: Any, view: FrameView | None = None) -> FrameRequest:
    """What to draw for the frame that a depsgraph was evaluated at, colours scene-linear.

    Args:
        depsgraph: an evaluated depsgraph; its mode (render or viewport) decides which objects are visible.
        view: what to look through in place of the scene's camera, e.g. one eye of a stereo pair.

    Raises:
        NoHandError: no visible LiveHand armature.
        CameraError: no camera, a panoramic one, an empty region.
        PoseError: a hand with a transform that the avatar cannot follow.
    """
    scene = depsgraph.scene_eval
    camera = core_camera(view or read_view(scene, scene.camera and scene.camera.evaluated_get(depsgraph)))
    hands = visible_hands(depsgraph)
    if not hands:
        raise NoHandError(
            f"The scene {scene.name!r} shows no LiveHand hand in the view layer {depsgraph.view_layer_eval.name!r}.",
            "Add one (Shift A, Armature, LiveHand Hand), or switch on its and its collection's visibility in renders.",
        )
    return FrameRequest(camera, hands, core_passes(depsgraph.view_layer_eval), linear=True)


def visible_hands(depsgraph: Any) -> tuple[HandInstance, ...]:
    """Every visible hand, instances of collections included, in the depsgraph's order.

    Raises:
        PoseError: a hand with a transform that the avatar cannot follow.
    """
    hands = []
    for instance in depsgraph.object_instances:
        rig = instance.object
        if not is_hand(rig) or not instance.show_self:
            continue
        pose, scale = read_pose(rig, instance.matrix_world)
        hands.append(HandInstance(pose, avatar_path(rig), scale))
    return tuple(hands)


def avatar_path(rig: Any) -> str:
    """The avatar of a rig as the core names it: ``"default"`` or an absolute path.

    Raises:
        AvatarError: a path relative to a .blend file that was never saved.
    """
    avatar = rig.livehand.avatar.strip()
    if avatar in ("", DEFAULT_AVATAR):
        return DEFAULT_AVATAR
    library = rig.library
    if avatar.startswith("//") and library is None and not bpy.data.filepath:
        raise AvatarError(
            f"The avatar {avatar!r} of {rig.name!r} is relative to a .blend file that is not saved yet.",
            "Save the file, or give the avatar's full path.",
        )
    return str(bpy.path.abspath(avatar, library=library))
