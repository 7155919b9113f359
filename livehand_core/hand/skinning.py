"""MANO's skinning in NumPy: what Blender's side poses meshes with, and the oracle of the torch hand model.

x = R_global (LBS(template + shape + pose correctives) - J0) + J0 + transl, with J0(betas) the wrist joint.
"""

from __future__ import annotations

import numpy as np

from ..poses import HandPose
from ..rotations import axis_angle_to_matrix
from .data import ProxyModel


def shaped_vertices(data: ProxyModel, betas: np.ndarray) -> np.ndarray:
    """(V, 3) float64 rest vertices for (10,) betas; directions the model does not have are ignored."""
    count = min(len(betas), data.shapedirs.shape[2])
    return data.v_template.astype(np.float64) + data.shapedirs[..., :count] @ np.asarray(betas, np.float64)[:count]


def joint_transforms(data: ProxyModel, pose: HandPose) -> np.ndarray:
    """(J, 4, 4) float64: each joint's frame in the world; its axes are the world's at rest, its origin the joint."""
    data.check_joints(pose)
    rest = data.joint_regressor.astype(np.float64) @ shaped_vertices(data, pose.betas)
    turns = axis_angle_to_matrix(np.concatenate([pose.global_orient[None], pose.hand_pose]))
    frames = np.tile(np.eye(4), (len(rest), 1, 1))
    for joint, parent in enumerate(data.parents):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0.0)
        frames[joint] = frames[parent] @ local if parent >= 0 else local
    frames[:, :3, 3] += pose.transl
    return frames


def pose_joints(data: ProxyModel, pose: HandPose) -> np.ndarray:
    """(J, 3) float64 joint positions in metres."""
    return joint_transforms(data, pose)[:, :3, 3]


def pose_features(hand_pose: np.ndarray) -> np.ndarray:
    """(9 (J - 1),) float64: R - I of the joints but the root, row-major, the input of the pose correctives."""
    return (axis_angle_to_matrix(np.reshape(hand_pose, (-1, 3))) - np.eye(3)).reshape(-1)


def pose_vertices(data: ProxyModel, pose: HandPose) -> np.ndarray:
    """(V, 3) float64 posed vertices in metres."""
    shaped = shaped_vertices(data, pose.betas)
    rest = data.joint_regressor.astype(np.float64) @ shaped
    corrected = shaped
    if data.posedirs.shape[-1]:
        corrected = shaped + data.posedirs @ pose_features(pose.hand_pose)
    frames = joint_transforms(data, pose)
    offset = frames[:, :3, 3] - np.einsum("jik,jk->ji", frames[:, :3, :3], rest)
    weights = data.weights.astype(np.float64)
    turn = np.tensordot(weights, frames[:, :3, :3], axes=1)
    return np.einsum("vik,vk->vi", turn, corrected) + weights @ offset
