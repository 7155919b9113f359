"""Armature pose -> HandPose and back, on bpy objects. Called by rig/operators, motion and render/scene."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from mathutils import Euler, Matrix, Vector

from livehand_core.errors import PoseError
from livehand_core.hand.limits import FINGERS
from livehand_core.poses import HandPose
from livehand_core.small_systems import inverse_affine

from ..compat import action_curves
from .bones import LIMIT_ORDER
from .controls import LIMIT_NAME
from .conversion import basis_matrices, matrices_from_pose, pose_from_matrices, split_similarity
from .hand_rig import HandRig
from .layout import CONTROL_RANGE, GATHER_WEIGHTS, finger_joints
from .model import joint_places

ROTATION_CHANNELS = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
"""Name of a pose bone's rotation channel by its rotation mode; ``rotation_euler`` in all other modes."""


def read_pose(rig: Any, matrix_world: Any = None) -> tuple[HandPose, float]:
    """The pose that an armature shows.

    Args:
        rig: the armature object; give the evaluated one (``rig.evaluated_get(depsgraph)``) so that constraints,
            drivers, actions and IK count.
        matrix_world: world matrix in place of the object's own, for instances.

    Returns:
        The pose in world space in the hand model's own size, and the rig's uniform scale.

    Raises:
        PoseError: missing bones; a non-uniform, mirrored or sheared scale.
        HandModelError: the rig's model is unknown.
    """
    return shown_pose(HandRig.of(rig), matrix_world)


def shown_pose(rig: HandRig, matrix_world: Any = None) -> tuple[HandPose, float]:
    """As :func:`read_pose`, of a rig whose settings are read already."""
    world = np.array(rig.obj.matrix_world if matrix_world is None else matrix_world, dtype=np.float64)
    rest, posed = rig.shown()
    return pose_from_matrices(world, rest, posed, rig.wrist, rig.betas, rig.side, rig.obj.name)


@dataclass(frozen=True)
class PoseWriter:
    """What turns a HandPose into a rig's channels, read from the rig once for any number of poses.

    Attributes:
        rig: the hand, of the (original) armature object.
        rest: (16, 4, 4) their rest matrices, at the places where the rig's betas put the joints.
        world: (4, 4) the object's world matrix.
        wrist: (3,) rest position of the hand model's wrist joint.
        wrist_scale: scale that the wrist bone takes over from the bone that it hangs from, 1 without one.
    """

    rig: HandRig
    rest: np.ndarray
    world: np.ndarray
    wrist: np.ndarray
    wrist_scale: float

    @classmethod
    def of(cls, rig: Any) -> PoseWriter:
        """Read a rig as it stands.

        Raises:
            PoseError: bones are missing, or the wrist hangs from a bone that is scaled non-uniformly.
        """
        hand = HandRig.of(rig)
        bones = hand.joint_bones
        _, directions = joint_places(hand.model, hand.side)
        rest = np.array([bone.bone.matrix_local for bone in bones], dtype=np.float64)
        rest[:, :3, 3] += (directions - directions[0]) @ hand.betas
        unposed = np.array(_through_parent(bones[0], Matrix.Identity(4)), dtype=np.float64)
        _, wrist_scale, _ = split_similarity(unposed, f"What the bone {bones[0].name!r} of {rig.name!r} hangs from")
        return cls(hand, rest, np.array(rig.matrix_world, dtype=np.float64), hand.wrist, wrist_scale)

    @property
    def bones(self) -> list[Any]:
        """The 16 joint bones."""
        return self.rig.joint_bones

    def matrices(self, pose: HandPose) -> tuple[np.ndarray, np.ndarray]:
        """(16, 4, 4) posed matrices in the armature's space, and (16, 4, 4) what the bones' own channels must hold.

        Raises:
            PoseError: the pose is of the other side, or the object is scaled non-uniformly.
        """
        name = self.rig.obj.name
        if pose.side != self.rig.side:
            raise PoseError(f"A {pose.side} hand's pose does not fit {name!r}.", "Choose a rig of the same side.")
        posed = matrices_from_pose(pose, self.world, self.rest, self.wrist, name, self.wrist_scale)
        basis = basis_matrices(posed, self.rest)
        basis[0] = np.array(_through_parent(self.bones[0], Matrix(posed[0].tolist()), invert=True))
        return posed, basis


def _through_parent(bone: Any, matrix: Any, invert: bool = False) -> Any:
    """A pose bone's posed matrix in the armature's space for what its channels hold, or the reverse.

    Blender's own arithmetic: *Inherit Rotation*, *Inherit Scale* and *Local Location* count.
    """
    parent = bone.parent
    places = {} if parent is None else {"parent_matrix": parent.matrix, "parent_matrix_local": parent.bone.matrix_local}
    return bone.bone.convert_local_to_pose(matrix, bone.bone.matrix_local, invert=invert, **places)


def apply_pose(
    rig: Any,
    pose: HandPose,
    keyframe: float | None = None,
    wrist: bool = True,
    fingers: Collection[str] = FINGERS,
) -> None:
    """Pose an armature's bones, in whatever rotation mode they are, so that :func:`read_pose` gives ``pose`` back.

    The armature object itself does not move, and its betas stay. The pose goes into the finger bones' own channels:
    curl and spread controls turn back to zero, and each finger's IK target moves to its tip, so that IK changes
    nothing whether it is on or off. Constraints stay active: rotation limits, say, still clamp what is set here (see
    :func:`set_limits`).

    Args:
        rig: the (original) armature object.
        pose: the hand in world space, of the rig's side.
        keyframe: frame at which the channels are keyed, None for no keys.
        wrist: whether the wrist takes its place from the pose; it stays otherwise.
        fingers: the fingers that take their part of the pose; channels, controls, targets and keys of others stay.

    Raises:
        PoseError: the pose is of the other side, bones are missing, or the object is scaled non-uniformly.
    """
    writer = PoseWriter.of(rig)
    posed, basis = writer.matrices(pose)
    if not wrist:
        # Tips are found in the armature's space, so the fingers go where the wrist is.
        stays = np.array(writer.bones[0].matrix, dtype=np.float64)
        posed = stays @ inverse_affine(posed[0]) @ posed
    chosen = [finger for finger in FINGERS if finger in fingers]
    joints = [*([0] if wrist else []), *(joint for finger in chosen for joint in finger_joints(finger))]
    for joint in joints:
        set_channels(writer.bones[joint], basis[joint], with_location=joint == 0)
    for bone in _release(writer.rig, chosen):
        if keyframe is not None and _has_keys(rig, bone):
            key_bone(bone, keyframe, with_location=False)
    for finger in chosen:
        last = finger_joints(finger)[-1]
        target = place_target(writer.rig, finger, posed[last], writer.bones[last].bone.length)
        if target is not None and keyframe is not None and _has_keys(rig, target):
            target.keyframe_insert("location", frame=keyframe)
    if keyframe is not None:
        for joint in joints:
            key_bone(writer.bones[joint], keyframe, with_location=joint == 0)


def release_controls(rig: Any, fingers: Collection[str] = FINGERS) -> list[Any]:
    """Let curl and spread controls add nothing to some fingers; the bones that were turned.

    They turn back to zero. The control of all four fingers does so only where all four are meant; otherwise each
    finger's own control is turned against it, so that the others stay as they are.
    """
    return _release(HandRig.of(rig), fingers)


def _release(rig: HandRig, fingers: Collection[str]) -> list[Any]:
    gather = rig.control("fingers")
    together = gather is None or set(GATHER_WEIGHTS) <= set(fingers)
    turns = np.zeros(3) if together else _gathered(gather)
    wanted = {
        finger: -turns * ((1.0, 0.0, GATHER_WEIGHTS[finger]) if finger in GATHER_WEIGHTS else 0.0) for finger in fingers
    }
    if together:
        wanted["fingers"] = np.zeros(3)
    found = {finger: bone for finger in wanted if (bone := rig.control(finger)) is not None}
    for finger, bone in found.items():
        turn = Euler(wanted[finger], LIMIT_ORDER).to_matrix().to_4x4()
        set_channels(bone, np.array(turn), with_location=False)
    return list(found.values())


def _gathered(control: Any) -> np.ndarray:
    """(3,) radians about X, Y and Z by which the control of all four fingers turns them, within its limits."""
    turn = np.array(control.matrix_basis.to_euler(LIMIT_ORDER))
    low, high = np.radians([CONTROL_RANGE["curl"], (0.0, 0.0), CONTROL_RANGE["spread"]]).T
    limit = control.constraints.get(LIMIT_NAME)
    return np.clip(turn, low, high) if limit is not None and limit.enabled else turn


def place_target(rig: HandRig, finger: str, last: np.ndarray, length: float) -> Any:
    """Move a finger's IK target to the end of its last bone, and give the target; None when the rig lacks it.

    Args:
        last: (4, 4) posed matrix of the last bone in the armature's space.
        length: the last bone's length in metres.
    """
    target = rig.target(finger)
    if target is not None and target.parent is None:
        target.location = _target_location(target, last, length)
    return target


def target_places(rig: HandRig, posed: np.ndarray) -> dict[str, np.ndarray]:
    """The locations by which the IK targets stand at the tips of a pose, (3,) by finger, of those that have one.

    Args:
        posed: (16, 4, 4) posed matrices in the armature's space.
    """
    places = {}
    for finger in FINGERS:
        target, last = rig.target(finger), finger_joints(finger)[-1]
        if target is not None and target.parent is None:
            places[finger] = np.array(_target_location(target, posed[last], rig.joint_bones[last].bone.length))
    return places


def _target_location(target: Any, last: np.ndarray, length: float) -> Any:
    return target.bone.matrix_local.inverted() @ Vector(last[:3, 3] + length * last[:3, 1])


def set_limits(rig: Any, active: bool) -> None:
    """Switch the rotation limits of a rig's fingers on or off, IK included; tracked motion, say, may exceed them."""
    hand = HandRig.of(rig)
    for name in (*hand.names.joints[1:], *hand.names.limits[1:]):
        bone = hand.bone(name)
        if bone is None:
            continue
        constraint = bone.constraints.get(LIMIT_NAME)
        if constraint is not None:
            constraint.enabled = active
        for axis in "xyz":
            setattr(bone, f"use_ik_limit_{axis}", active)


def stop_animation(rig: Any) -> None:
    """Take a rig's action and NLA strips off it; its drivers, by which joints and mesh follow the betas, stay."""
    animation = rig.animation_data
    if animation is not None:
        animation.action = None
        for track in list(animation.nla_tracks):
            animation.nla_tracks.remove(track)


def rotation_channel(bone: Any) -> str:
    """The property that holds a pose bone's rotation in its rotation mode."""
    return ROTATION_CHANNELS.get(bone.rotation_mode, "rotation_euler")


def set_channels(bone: Any, basis: np.ndarray, with_location: bool) -> None:
    """Write a (4, 4) basis matrix into a pose bone's channels, close to what they held."""
    location, rotation, _ = Matrix(basis.tolist()).decompose()
    if bone.rotation_mode == "QUATERNION":
        # The sign nearest the former value, so that keyed quaternions do not spin on their way.
        if rotation.dot(bone.rotation_quaternion) < 0.0:
            rotation.negate()
        bone.rotation_quaternion = rotation
    elif bone.rotation_mode == "AXIS_ANGLE":
        axis, angle = rotation.to_axis_angle()
        bone.rotation_axis_angle = (angle, *axis)
    else:
        bone.rotation_euler = rotation.to_euler(bone.rotation_mode, bone.rotation_euler)
    bone.scale = (1.0, 1.0, 1.0)
    if with_location:
        bone.location = location


def key_bone(bone: Any, frame: float, with_location: bool) -> None:
    """Insert keys for a pose bone's rotation, and for its location if asked."""
    bone.keyframe_insert(rotation_channel(bone), frame=frame, group=bone.name)
    if with_location:
        bone.keyframe_insert("location", frame=frame, group=bone.name)


def _has_keys(rig: Any, bone: Any) -> bool:
    """Whether a pose bone is animated, so that a key is needed to hold what was set."""
    path = bone.path_from_id()
    return any(curve.data_path.startswith(path) for curve in action_curves(rig))
