"""Evaluated depsgraph -> FrameRequest: which hands are seen, in which pose, through which camera. Pure data comes out.

Called by render/engine for each frame and by scripts; nothing here talks to the engine process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from livehand_core.cameras import Camera
from livehand_core.errors import AvatarError, LiveHandError
from livehand_core.frames import DEFAULT_AVATAR, FrameRequest, HandInstance
from livehand_core.hand.skinning import pose_joints
from livehand_core.occluders import Occluder
from livehand_core.wrists import WristFade

from ..avatars.choice import chosen_identity
from ..parts.rigged import SIZE
from ..parts.shown import is_part_object, part_instance
from ..rig.armature import is_hand
from ..rig.hand_rig import HandRig
from ..rig.pose import shown_pose
from .apart import poses_apart
from .bounds import hand_points
from .camera import FrameView, core_camera, read_view
from .light import answers, hand_lights
from .near import Zone, joined, near_meshes
from .passes import HandLabel, core_passes
from .shown import lit_scene, seen_by_cameras, strangers


class NoHandError(LiveHandError):
    """A scene without a hand, hidden or not."""


COVER = 0.012
"""Metres by which a wrist that fades into an arm lies over its skin."""

SMALLEST_SCALE = 1e-6
"""A hand that is scaled below this is a point, and nothing of it is seen."""


def frame_request(depsgraph: Any, view: FrameView | None = None) -> FrameRequest:
    """As :func:`read_frame`, the request alone."""
    return read_frame(depsgraph, view).request


@dataclass(frozen=True)
class SceneFrame:
    """What a scene says of a frame.

    Attributes:
        request: colours scene-linear.
        labels: by what passes tell its hands from others.
        notes: what a person should know of its light, one sentence each.
    """

    request: FrameRequest
    labels: tuple[HandLabel, ...]
    notes: tuple[str, ...]


def read_frame(
    depsgraph: Any, view: FrameView | None = None, hands: tuple[VisibleHand, ...] | None = None
) -> SceneFrame:
    """What to draw for the frame that a depsgraph was evaluated at.

    Args:
        depsgraph: an evaluated depsgraph; its mode (render or viewport) decides which objects are visible.
        view: what to look through in place of the scene's camera, e.g. one eye of a stereo pair.
        hands: of :func:`visible_hands` where they are read already.

    A frame in which no hand is seen is a request without hands, for an empty picture.

    Raises:
        NoHandError: the scene has no LiveHand armature at all.
        CameraError: no camera, a panoramic one, an empty region.
        PoseError: a hand with a transform that the avatar cannot follow.
    """
    scene = depsgraph.scene_eval
    view = view or read_view(scene, scene.camera and scene.camera.evaluated_get(depsgraph))
    camera = core_camera(view)
    hands = visible_hands(depsgraph) if hands is None else hands
    if not hands and not holds_hand(depsgraph.scene) and not any(map(is_drawn, _objects(depsgraph.ids))):
        raise NoHandError(
            f"The scene {scene.name!r} has no LiveHand hand.", "Add one (Shift A, Armature, LiveHand Hand)."
        )
    hands, clip = _clipped(hands, camera, view.clip)
    instances = tuple(hand.instance for hand in hands)
    passes = core_passes(depsgraph.view_layer_eval)
    if any(instance.holdout for instance in instances):
        passes = tuple(dict.fromkeys((*passes, "holdout")))
    occluders = joined(hand.occluders for hand in hands)
    request = FrameRequest(camera, instances, passes, linear=True, clip=clip, occluders=occluders)
    notes = dict.fromkeys(note for hand in hands for note in hand.notes)
    return SceneFrame(request, tuple(hand.label for hand in hands), tuple(notes))


def holds_hand(scene: Any) -> bool:
    """Whether a scene has a hand, or a mesh with an avatar of its own, hidden or not."""
    return any(map(is_drawn, scene_objects(scene)))


def is_drawn(obj: Any) -> bool:
    """Whether an object is what the engine draws: a hand's armature, or a mesh with an avatar of its own."""
    return bool(is_hand(obj) or is_part_object(obj))


def scene_objects(scene: Any) -> Iterator[Any]:
    """The objects of a scene, of collections that they instance, and of its background set."""
    for obj in scene.objects:
        yield obj
        if obj.instance_collection is not None:
            yield from obj.instance_collection.all_objects
    if scene.background_set is not None:
        yield from scene_objects(scene.background_set)


def _objects(ids: Any) -> Iterator[Any]:
    return (thing for thing in ids if isinstance(thing, bpy.types.Object))


def _clipped(
    hands: tuple[VisibleHand, ...], camera: Camera, clip: tuple[float, float]
) -> tuple[tuple[VisibleHand, ...], tuple[float, float] | None]:
    """The hands that reach between a camera's clip distances, and those distances where they cut one of them."""
    kept, cut = [], False
    for hand in hands:
        _, depth = camera.project(hand.points)
        near, far = float((depth - hand.radii).min()), float((depth + hand.radii).max())
        if far < clip[0] or near > clip[1]:
            continue
        kept.append(hand)
        cut |= near < clip[0] or far > clip[1]
    return tuple(kept), clip if cut else None


@dataclass(frozen=True)
class VisibleHand:
    """A hand that a depsgraph shows.

    Attributes:
        instance: what the renderer needs of it.
        points: (N, 3) its joints and tips in world space, radii: (N,) how far flesh reaches from them in metres.
        state: its pose, shape, scale, avatar, identity, light and occluders as bytes: equal for equal pictures.
        label: by what passes tell it from others.
        occluders: what stands in its light.
        notes: what a person should know of its light, one sentence each.
        source: how its surroundings are known, as of a ``HandLight``; empty for an avatar that brings its light along.
        has_mesh: whether it is a mesh with an avatar of its own, which views of other engines show with it.
    """

    instance: HandInstance
    points: np.ndarray
    radii: np.ndarray
    state: bytes
    label: HandLabel
    occluders: tuple[Occluder, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    has_mesh: bool = False


def visible_hands(depsgraph: Any, space: Any = None) -> tuple[VisibleHand, ...]:
    """Every hand that a camera sees, instances included, in the depsgraph's order, then meshes with avatars of their
    own.

    Hidden hands, those that only lights and reflections see (*Indirect Only*, *Camera* off under Ray Visibility),
    those of a view layer without surfaces, and those scaled to nothing are left out.

    Args:
        depsgraph: an evaluated depsgraph.
        space: a 3D view whose local view and own filters count as well.

    Raises:
        PoseError: a hand with a transform that the avatar cannot follow.
        AvatarError: an avatar's path that cannot be resolved.
    """
    layer, hands, rigs = depsgraph.view_layer_eval, [], []
    apart, parts, meshes = strangers(depsgraph), [], []
    for instance in depsgraph.object_instances if layer.use_solid else ():
        rig = instance.object
        if not is_drawn(rig) or not instance.show_self:
            continue
        shown = instance.parent if instance.is_instance else rig
        if space is not None and not shown.original.visible_in_viewport_get(space):
            continue
        if shown.original in apart or not (seen_by_cameras(rig) and seen_by_cameras(shown)):
            continue
        if shown.indirect_only_get(view_layer=layer) or _is_point(instance.matrix_world):
            continue
        holdout = shown.is_holdout or shown.holdout_get(view_layer=layer)
        if not is_hand(rig):
            # Instances of a mesh have no armature of their own: it is drawn where it stands.
            if not instance.is_instance:
                parts.append(_visible_part(rig, depsgraph, holdout))
                meshes.append(rig.original)
            continue
        hands.append(_visible_hand(rig, instance.matrix_world, holdout))
        rigs.append(rig.original)
    # Only now: looking for lamps goes through the instances, too.
    return _lit(depsgraph, [*_apart(hands, rigs), *parts], [*rigs, *meshes], space)


def _apart(hands: list[VisibleHand], rigs: list[Any]) -> list[VisibleHand]:
    """The hands, those whose rig asks for it pushed out of what they go into."""
    asking = [rig.livehand.push_apart for rig in rigs]
    if not any(asking):
        return hands
    models = [HandRig.of(rig).data for rig in rigs]
    for number, pose in enumerate(poses_apart([hand.instance for hand in hands], models, asking)):
        if pose is None:
            continue
        hand, model = hands[number], models[number]
        way = pose_joints(model, pose) - pose_joints(model, hand.instance.pose)
        hands[number] = replace(
            hand,
            instance=replace(hand.instance, pose=pose),
            # A tip moves farther than the joint before it.
            radii=hand.radii + 2.0 * hand.instance.scale * float(np.linalg.norm(way, axis=1).max()),
            state=hand.state + pose.full_pose.tobytes() + pose.transl.tobytes(),
        )
    return hands


def _is_point(matrix_world: Any) -> bool:
    return bool(np.abs(np.array(matrix_world, dtype=np.float64)[:3, :3]).max() < SMALLEST_SCALE)


def _lit(depsgraph: Any, hands: list[VisibleHand], rigs: list[Any], space: Any) -> tuple[VisibleHand, ...]:
    """The hands, and those whose avatar answers to it in the scene's light, with what stands in it."""
    answering = [number for number, hand in enumerate(hands) if answers(hand.instance.avatar)]
    if not answering or lit_scene(depsgraph).livehand.light != "SCENE":
        return tuple(hands)
    lights = hand_lights(depsgraph, [(rigs[number], hands[number].points.mean(axis=0)) for number in answering], space)
    zones = [
        Zone.of(hands[number].points, hands[number].radii, found.light.lamps, found.source in ("world", "none"))
        for number, found in zip(answering, lights, strict=True)
    ]
    for number, found, near in zip(answering, lights, near_meshes(depsgraph, zones, space), strict=True):
        hand = hands[number]
        keys = "".join(occluder.key for occluder in near.occluders)
        state = hand.state + found.light.harmonics.tobytes() + f"{found.light.lamps} {keys}".encode()
        hands[number] = replace(
            hand,
            instance=replace(hand.instance, light=found.light),
            state=state,
            occluders=near.occluders,
            notes=(*found.notes, *near.notes),
            source=found.source,
        )
    return tuple(hands)


def _visible_part(mesh: Any, depsgraph: Any, holdout: bool) -> VisibleHand:
    """A mesh with an avatar of its own."""
    instance, joints = part_instance(mesh, depsgraph, holdout)
    pose = instance.pose
    numbers = np.concatenate([pose.full_pose, pose.transl, [instance.scale]])
    state = numbers.tobytes() + f"{instance.avatar} {holdout}".encode()
    # Flesh reaches from a joint no farther than the whole is long.
    radii = np.full(len(joints), instance.scale * SIZE)
    return VisibleHand(instance, joints, radii, state, HandLabel(mesh.name, mesh.pass_index), has_mesh=True)


def _visible_hand(rig: Any, matrix_world: Any, holdout: bool) -> VisibleHand:
    hand = HandRig.of(rig)
    pose, scale = shown_pose(hand, matrix_world)
    avatar = avatar_path(rig)
    points, radii = hand_points(*hand.ends(matrix_world))
    numbers = np.concatenate([pose.global_orient, pose.hand_pose.ravel(), pose.betas, pose.transl, [scale]])
    identity = chosen_identity(rig.livehand, avatar)
    tint, wrist = tuple(rig.livehand.tint), wrist_fade(rig.livehand)
    state = numbers.tobytes() + f"{pose.side} {avatar} {identity} {holdout} {tint} {wrist}".encode()
    label = HandLabel(rig.name, rig.pass_index)
    instance = HandInstance(pose, avatar, scale, identity, holdout, tint=tint, wrist=wrist)
    return VisibleHand(instance, points, radii, state, label)


def wrist_fade(settings: Any) -> WristFade | None:
    """How a rig's hand ends; None where it is shown as it ends."""
    if settings.wrist == "CUT":
        return None
    return WristFade(settings.wrist_start, settings.wrist_length, COVER if settings.wrist == "ARM" else 0.0)


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
