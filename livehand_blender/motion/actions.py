"""A motion as an action of a rig, and the motion that a rig shows over frames. Called by motion/operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from livehand_core.errors import PoseError
from livehand_core.hand.gestures import mirror_hand_pose, within_limits
from livehand_core.poses import PoseSequence

from .. import compat
from ..rig.hand_operator import evaluated_pose
from ..rig.pose import PoseWriter, release_controls, rotation_channel

LIMIT_TOLERANCE = np.radians(0.5)
"""How far a motion may exceed the joint limits before they are switched off for it."""


def motion_action(
    rig: Any, sequence: PoseSequence, name: str, start: float, step: float, wrist: bool, shape: bool
) -> Any:
    """A new action that plays a motion on a rig.

    One key a pose on the rotations of the bones, in whatever mode they are; on the wrist's place; and on the betas
    where they change. From Blender 4.4 on it has one slot.

    Args:
        rig: the (original) armature object.
        sequence: a motion of the rig's side.
        name: name of the action.
        start: frame of the first pose.
        step: frames from one pose to the next; need not be whole.
        wrist: whether the wrist takes its place from the motion.
        shape: whether betas that change are keyed.

    Raises:
        PoseError: the motion is of the other side, bones are missing, or the rig is scaled non-uniformly.
    """
    writer = PoseWriter.of(rig)
    bases = np.stack([writer.matrices(pose)[1] for pose in sequence.poses])
    frames = start + step * np.arange(len(bases))
    action = bpy.data.actions.new(name)
    curves = compat.new_action_curves(action, rig.name)
    for index, bone in enumerate(writer.bones):
        if index == 0 and not wrist:
            continue
        path = bone.path_from_id()
        add_curves(curves, f"{path}.{rotation_channel(bone)}", frames, _rotations(bone, bases[:, index]))
        if index == 0:
            add_curves(curves, f"{path}.location", frames, bases[:, 0, :3, 3])
    betas = np.stack([pose.betas for pose in sequence.poses])
    if shape and np.ptp(betas, axis=0).max() > 1e-9:
        add_curves(curves, "livehand.betas", frames, betas)
    return action


def play(rig: Any, action: Any) -> None:
    """Let an action animate a rig; controls that would add to it go back to zero, and finger tip IK goes off."""
    from ..rig.controls import IK_NAME

    compat.assign_action(rig, action)
    release_controls(rig)
    for bone in rig.pose.bones:
        constraint = bone.constraints.get(IK_NAME)
        if constraint is not None:
            constraint.influence = 0.0


def exceeds_limits(sequence: PoseSequence) -> bool:
    """Whether a motion bends joints further than the rig's rotation limits allow."""
    for pose in sequence.poses:
        fingers = pose.hand_pose if pose.side == "right" else mirror_hand_pose(pose.hand_pose)
        if not within_limits(fingers, LIMIT_TOLERANCE):
            return True
    return False


def record_motion(
    context: Any, rigs: Sequence[Any], frames: Sequence[int], progress: Callable[[float], None]
) -> list[PoseSequence]:
    """What rigs show over frames, with constraints, drivers, IK and actions; the scene goes back to its frame.

    Args:
        context: a bpy context.
        rigs: armature objects.
        frames: frame numbers at equal distances.
        progress: told the share that is done.

    Raises:
        PoseError: no frames, or a rig with a transform that a hand cannot have.
    """
    if not frames:
        raise PoseError("There is no frame to export.", "Choose a first frame that is not after the last one.")
    scene = context.scene
    before = scene.frame_current, scene.frame_subframe
    poses: list[list[Any]] = [[] for _ in rigs]
    try:
        for done, frame in enumerate(frames):
            scene.frame_set(frame)
            for own, rig in zip(poses, rigs, strict=True):
                own.append(evaluated_pose(context, rig))
            progress((done + 1) / len(frames))
    finally:
        scene.frame_set(before[0], subframe=before[1])
    step = frames[1] - frames[0] if len(frames) > 1 else 1
    fps = scene_rate(scene) / step
    return [PoseSequence(tuple(own), fps) for own in poses]


def scene_rate(scene: Any) -> float:
    """Frames a second of a scene."""
    return float(scene.render.fps / scene.render.fps_base)


def _rotations(bone: Any, bases: np.ndarray) -> np.ndarray:
    """(n, 3) or (n, 4) values of a bone's rotation channel, each close to the one before."""
    values = []
    euler, quaternion = None, None
    for basis in bases:
        rotation = Matrix(basis[:3, :3].tolist()).to_quaternion()
        if bone.rotation_mode == "QUATERNION":
            if quaternion is not None and rotation.dot(quaternion) < 0.0:
                rotation.negate()
            quaternion = rotation
            values.append(tuple(rotation))
        elif bone.rotation_mode == "AXIS_ANGLE":
            axis, angle = rotation.to_axis_angle()
            values.append((angle, *axis))
        else:
            euler = rotation.to_euler(bone.rotation_mode, euler) if euler else rotation.to_euler(bone.rotation_mode)
            values.append(tuple(euler))
    return np.array(values, dtype=np.float64)


def add_curves(curves: Any, path: str, frames: np.ndarray, values: np.ndarray) -> None:
    """One F-curve for each column of values, with linear keys."""
    for index, column in enumerate(values.T):
        points = curves.new(path, index=index).keyframe_points
        points.add(len(frames))
        points.foreach_set("co", np.column_stack([frames, column]).astype(np.float32).ravel())
        linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
        points.foreach_set("interpolation", np.full(len(frames), linear, dtype=np.int32))
