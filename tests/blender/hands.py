"""Hands for the tests of the rig: made, evaluated, read, compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from livehand_core.hand.gestures import joint_angles, mirror_hand_pose
from livehand_core.hand.limits import FINGERS, JOINT_RANGES
from livehand_core.poses import HandPose

SIDES = ("right", "left")


def create(side: str = "right", betas: Sequence[float] = (0.0,) * 10) -> Any:
    """A new hand; the active object."""
    import bpy

    from livehand_blender.rig.armature import create_hand

    return create_hand(bpy.context, side, betas)


def evaluated(thing: Any) -> Any:
    """An object as the dependency graph has it now."""
    import bpy

    bpy.context.view_layer.update()
    return thing.evaluated_get(bpy.context.evaluated_depsgraph_get())


def shown(rig: Any) -> HandPose:
    """The pose that a rig shows."""
    from livehand_blender.rig.pose import read_pose

    return read_pose(evaluated(rig))[0]


def mesh_points(rig: Any) -> np.ndarray:
    """(V, 3) world positions of the evaluated proxy mesh."""
    from livehand_blender.rig.armature import proxy_meshes

    proxy = evaluated(proxy_meshes(rig)[0])
    points = np.array([vertex.co for vertex in proxy.data.vertices], dtype=np.float64)
    world = np.array(proxy.matrix_world)
    return points @ world[:3, :3].T + world[:3, 3]


def bone(rig: Any, name: str) -> Any:
    """A pose bone by its name without the suffix."""
    return rig.pose.bones[f"{name}.{rig.livehand.side[0]}"]


def ik(rig: Any, finger: str) -> Any:
    """The IK constraint of a finger."""
    return bone(rig, f"{finger}3").constraints["LiveHand IK"]


def tips(rig: Any) -> np.ndarray:
    """(5, 3) finger tips in the armature's space."""
    pose = evaluated(rig).pose
    return np.array([pose.bones[f"{finger}3.{rig.livehand.side[0]}"].tail for finger in FINGERS])


def angles(pose: HandPose) -> np.ndarray:
    """(15, 3) degrees of flexion, spread and twist, as a right hand's."""
    return np.degrees(joint_angles(pose.hand_pose if pose.side == "right" else mirror_hand_pose(pose.hand_pose)))


def excess(pose: HandPose) -> np.ndarray:
    """(15, 3) degrees beyond the joint limits, negative inside."""
    found = angles(pose)
    return np.maximum(np.degrees(JOINT_RANGES[..., 0]) - found, found - np.degrees(JOINT_RANGES[..., 1]))
