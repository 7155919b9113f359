"""Armature pose -> HandPose and back, on bpy objects. Called by rig/operators and render/scene."""

from __future__ import annotations

from typing import Any

import numpy as np
from mathutils import Matrix

from livehand_core.errors import PoseError
from livehand_core.poses import HandPose

from .armature import LIMIT_NAME, rig_data, rig_side
from .conversion import basis_matrices, bone_names, matrices_from_pose, pose_from_matrices


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
    data = rig_data(rig)
    betas = np.array(rig.livehand.betas, dtype=np.float64)
    world = np.array(rig.matrix_world if matrix_world is None else matrix_world, dtype=np.float64)
    bones = _pose_bones(rig)
    rest = np.array([bone.bone.matrix_local for bone in bones], dtype=np.float64)
    posed = np.array([bone.matrix for bone in bones], dtype=np.float64)
    return pose_from_matrices(world, rest, posed, data.rest_joints(betas)[0], betas, rig_side(rig), rig.name)


def apply_pose(rig: Any, pose: HandPose, keyframe: float | None = None) -> None:
    """Pose an armature's bones, in whatever rotation mode they are, so that :func:`read_pose` gives ``pose`` back.

    The armature object itself does not move, and its betas stay. Constraints stay active: rotation limits, say,
    still clamp what is set here (see :func:`set_limits`).

    Args:
        rig: the (original) armature object.
        pose: the hand in world space, of the rig's side.
        keyframe: frame at which the channels are keyed, None for no keys.

    Raises:
        PoseError: the pose is of the other side, bones are missing, or the object is scaled non-uniformly.
    """
    if pose.side != rig_side(rig):
        raise PoseError(f"A {pose.side} hand's pose does not fit {rig.name!r}.", "Choose a rig of the same side.")
    bones = _pose_bones(rig)
    rest = np.array([bone.bone.matrix_local for bone in bones], dtype=np.float64)
    wrist = rig_data(rig).rest_joints(np.array(rig.livehand.betas, dtype=np.float64))[0]
    posed = matrices_from_pose(pose, np.array(rig.matrix_world, dtype=np.float64), rest, wrist, rig.name)
    parent = bones[0].parent
    carried = None
    if parent is not None:
        carried = np.array(parent.matrix, dtype=np.float64) @ np.linalg.inv(np.array(parent.bone.matrix_local))
    for index, (bone, basis) in enumerate(zip(bones, basis_matrices(posed, rest, carried), strict=True)):
        _set_channels(bone, basis, with_location=index == 0)
        if keyframe is not None:
            _key(bone, keyframe, with_location=index == 0)


def set_limits(rig: Any, active: bool) -> None:
    """Switch the rotation limits of the finger bones on or off; a tracked or imported motion may exceed them."""
    for bone in rig.pose.bones:
        constraint = bone.constraints.get(LIMIT_NAME)
        if constraint is not None:
            constraint.enabled = active


def _pose_bones(rig: Any) -> list[Any]:
    names = bone_names(rig_side(rig))
    missing = [name for name in names if name not in rig.pose.bones]
    if missing:
        raise PoseError(
            f"The armature {rig.name!r} lacks the bones {', '.join(missing)}.", "Add a new LiveHand hand, or name them."
        )
    return [rig.pose.bones[name] for name in names]


def _set_channels(bone: Any, basis: np.ndarray, with_location: bool) -> None:
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


def _key(bone: Any, frame: float, with_location: bool) -> None:
    channel = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
    bone.keyframe_insert(channel.get(bone.rotation_mode, "rotation_euler"), frame=frame)
    if with_location:
        bone.keyframe_insert("location", frame=frame)
