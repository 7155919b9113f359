"""MANO's skinning in NumPy: what Blender's side poses meshes with, and the oracle of the torch hand model.

x = R_global (LBS(template + shape + pose correctives) - J0) + J0 + transl, with J0(betas) the wrist joint.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    frames: np.ndarray = _frames(data, [pose], _rest_joints(data, [pose]))[0]
    return frames


def pose_joints(data: ProxyModel, pose: HandPose) -> np.ndarray:
    """(J, 3) float64 joint positions in metres."""
    return joint_transforms(data, pose)[:, :3, 3]


def pose_features(hand_pose: np.ndarray) -> np.ndarray:
    """(9 (J - 1),) float64: R - I of the joints but the root, row-major, the input of the pose correctives."""
    return (axis_angle_to_matrix(np.reshape(hand_pose, (-1, 3))) - np.eye(3)).reshape(-1)


def pose_vertices(data: ProxyModel, pose: HandPose) -> np.ndarray:
    """(V, 3) float64 posed vertices in metres."""
    vertices: np.ndarray = posed_hands(data, [pose])[0][0]
    return vertices


def posed_hands(data: ProxyModel, poses: Sequence[HandPose]) -> tuple[np.ndarray, np.ndarray]:
    """(N, V, 3) float64 vertices as ``pose_vertices``, and (N, J, 4, 4) frames as ``joint_transforms``, of N poses."""
    corrected = np.stack([shaped_vertices(data, pose.betas) for pose in poses])
    rest = data.joint_regressor.astype(np.float64) @ corrected
    if data.posedirs.shape[-1]:
        features = np.stack([pose_features(pose.hand_pose) for pose in poses], axis=-1)
        corrected = corrected + np.moveaxis(data.posedirs @ features, -1, 0)
    frames = _frames(data, poses, rest)
    turns = frames[..., :3, :3]
    offset = frames[..., :3, 3] - np.einsum("njik,njk->nji", turns, rest)
    weights = data.weights.astype(np.float64)
    turn = (weights @ turns.reshape(*turns.shape[:2], 9)).reshape(*corrected.shape, 3)
    return np.einsum("nvik,nvk->nvi", turn, corrected) + weights @ offset, frames


def _rest_joints(data: ProxyModel, poses: Sequence[HandPose]) -> np.ndarray:
    return data.joint_regressor.astype(np.float64) @ np.stack([shaped_vertices(data, pose.betas) for pose in poses])


def _frames(data: ProxyModel, poses: Sequence[HandPose], rest: np.ndarray) -> np.ndarray:
    """(N, J, 4, 4), of (N, J, 3) joints at rest."""
    for pose in poses:
        data.check_joints(pose)
    angles = np.stack([np.concatenate([pose.global_orient[None], pose.hand_pose]) for pose in poses])
    turns = axis_angle_to_matrix(angles)
    frames = np.tile(np.eye(4), (*rest.shape[:2], 1, 1))
    for joint, parent in enumerate(data.parents):
        local = np.tile(np.eye(4), (len(poses), 1, 1))
        local[:, :3, :3] = turns[:, joint]
        local[:, :3, 3] = rest[:, joint] - (rest[:, parent] if parent >= 0 else 0.0)
        frames[:, joint] = frames[:, parent] @ local if parent >= 0 else local
    frames[..., :3, 3] += np.stack([pose.transl for pose in poses])[:, None]
    return frames
