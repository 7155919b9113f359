"""Evaluated depsgraph -> FrameRequest: which hands are seen, in which pose, through which camera. Pure data comes out.

Called by render/engine for each frame and by scripts; nothing here talks to the engine process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from livehand_core.errors import AvatarError, LiveHandError
from livehand_core.frames import DEFAULT_AVATAR, FrameRequest, HandInstance

from ..avatars.choice import chosen_identity
from ..rig.armature import is_hand
from ..rig.pose import joint_bones, read_pose
from .bounds import hand_points
from .camera import FrameView, core_camera, read_view
from .passes import HandLabel, core_passes


class NoHandError(LiveHandError):
    """A scene without a hand that could be rendered."""


def frame_request(depsgraph: Any, view: FrameView | None = None) -> FrameRequest:
    """As :func:`labelled_request`, without the labels."""
    return labelled_request(depsgraph, view)[0]


def labelled_request(depsgraph: Any, view: FrameView | None = None) -> tuple[FrameRequest, tuple[HandLabel, ...]]:
    """What to draw for the frame that a depsgraph was evaluated at, colours scene-linear, and the hands' labels.

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
    instances = tuple(hand.instance for hand in hands)
    request = FrameRequest(camera, instances, core_passes(depsgraph.view_layer_eval), linear=True)
    return request, tuple(hand.label for hand in hands)


@dataclass(frozen=True)
class VisibleHand:
    """A hand that a depsgraph shows.

    Attributes:
        instance: what the renderer needs of it.
        points: (N, 3) its joints and tips in world space, radii: (N,) how far flesh reaches from them in metres.
        state: its pose, shape, scale, avatar and identity as bytes: equal for equal pictures.
        label: by what passes tell it from others.
    """

    instance: HandInstance
    points: np.ndarray
    radii: np.ndarray
    state: bytes
    label: HandLabel


def visible_hands(depsgraph: Any, space: Any = None) -> tuple[VisibleHand, ...]:
    """Every visible hand, instances of collections included, in the depsgraph's order.

    Args:
        depsgraph: an evaluated depsgraph.
        space: a 3D view whose local view and own filters count as well.

    Raises:
        PoseError: a hand with a transform that the avatar cannot follow.
        AvatarError: an avatar's path that cannot be resolved.
    """
    hands = []
    for instance in depsgraph.object_instances:
        rig = instance.object
        if not is_hand(rig) or not instance.show_self:
            continue
        shown = instance.parent if instance.is_instance else rig
        if space is not None and not shown.original.visible_in_viewport_get(space):
            continue
        hands.append(_visible_hand(rig, instance.matrix_world))
    return tuple(hands)


def _visible_hand(rig: Any, matrix_world: Any) -> VisibleHand:
    pose, scale = read_pose(rig, matrix_world)
    avatar = avatar_path(rig)
    world = np.array(matrix_world, dtype=np.float64)
    ends = np.array([(*bone.head, *bone.tail) for bone in joint_bones(rig)]).reshape(-1, 2, 3)
    heads, tails = (ends @ world[:3, :3].T + world[:3, 3]).transpose(1, 0, 2)
    points, radii = hand_points(heads, tails)
    numbers = np.concatenate([pose.global_orient, pose.hand_pose.ravel(), pose.betas, pose.transl, [scale]])
    identity = chosen_identity(rig.livehand, avatar)
    state = numbers.tobytes() + f"{pose.side} {avatar} {identity}".encode()
    label = HandLabel(rig.name, rig.pass_index)
    return VisibleHand(HandInstance(pose, avatar, scale, identity), points, radii, state, label)


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
