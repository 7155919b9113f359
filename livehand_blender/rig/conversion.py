"""Between bone matrices and HandPose, in NumPy alone (no bpy), so that it is tested without Blender.

A hand joint's rotation does not depend on a bone's own axes: with B a bone's rest matrix and P its posed matrix, both
in the armature's space, D = P B^-1 carries the rest hand to the posed one. Its rotation is the joint's global rotation
of linear blend skinning, and the parent's inverse times it is MANO's joint rotation. Called by rig/pose and
render/scene.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livehand_core.errors import PoseError
from livehand_core.poses import JOINT_COUNT, JOINT_NAMES, PARENTS, HandPose, Side
from livehand_core.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_quaternion
from livehand_core.small_systems import inverse_affine

SCALE_TOLERANCE = 1e-3
"""Relative difference between axes from which a transform counts as non-uniformly scaled or sheared."""


def mirror_suffix(side: Side) -> str:
    """Blender's mirror suffix of a side."""
    return ".R" if side == "right" else ".L"


def bone_names(side: Side) -> tuple[str, ...]:
    """The 16 bone names in joint order, with Blender's mirror suffix (``wrist.R`` ... ``thumb3.R``)."""
    return tuple(name + mirror_suffix(side) for name in JOINT_NAMES)


def split_similarity(matrix: np.ndarray, subject: str) -> tuple[np.ndarray, float, np.ndarray]:
    """Take a (4, 4) transform apart into rotation (3, 3), uniform scale and translation (3,).

    Args:
        subject: what the transform belongs to, for the message, e.g. ``"The armature 'Hand'"``.

    Raises:
        PoseError: not finite, collapsed to nothing, mirrored, non-uniformly scaled or sheared.
    """
    rotations, scales, translations = split_similarities(np.asarray(matrix, dtype=np.float64)[None], [subject])
    return rotations[0], float(scales[0]), translations[0]


def split_similarities(matrices: np.ndarray, subjects: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As :func:`split_similarity`, for (N, 4, 4) transforms at once: the live view reads a hand for each redraw.

    Returns:
        (N, 3, 3) rotations, (N,) scales, (N, 3) translations.

    Raises:
        PoseError: for the first transform that cannot be followed.
    """
    linear, translations = matrices[:, :3, :3], matrices[:, :3, 3]
    finite = np.isfinite(matrices[:, :3]).all(axis=(1, 2))
    if not finite.all():
        raise PoseError(
            f"{subjects[int(np.argmin(finite))]} has a transform that is not finite.",
            "Clear its transform (Alt G, Alt R, Alt S).",
        )
    determinants = np.linalg.det(linear)
    scales = np.cbrt(np.abs(determinants))
    if scales.min() < 1e-9:
        raise PoseError(
            f"{subjects[int(np.argmin(scales))]} is scaled to nothing.", "Give it a positive, uniform scale."
        )
    skew = np.abs(np.swapaxes(linear, 1, 2) @ linear / scales[:, None, None] ** 2 - np.eye(3)).max(axis=(1, 2))
    if skew.max() > 2.0 * SCALE_TOLERANCE:
        worst = int(np.argmax(skew > 2.0 * SCALE_TOLERANCE))
        lengths = np.linalg.norm(linear[worst], axis=0)
        raise PoseError(
            f"{subjects[worst]} is scaled non-uniformly or sheared (axes of length {lengths[0]:.4g}, {lengths[1]:.4g}, "
            f"{lengths[2]:.4g}), which a hand avatar cannot follow.",
            "Give it and its parents one scale for all axes (apply the scale with Ctrl A).",
        )
    if determinants.min() < 0.0:
        raise PoseError(
            f"{subjects[int(np.argmin(determinants))]} is mirrored (negative scale).",
            "Use a hand of the other side instead.",
        )
    left, _, right = np.linalg.svd(linear)
    return left @ right, scales, translations


def pose_from_matrices(
    object_to_world: np.ndarray,
    rest: np.ndarray,
    posed: np.ndarray,
    wrist: np.ndarray,
    betas: np.ndarray,
    side: Side,
    name: str = "hand",
) -> tuple[HandPose, float]:
    """Read a hand pose from bones.

    Args:
        object_to_world: (4, 4) the armature object's world matrix.
        rest: (16, 4, 4) rest matrices of the bones in joint order, in the armature's space.
        posed: (16, 4, 4) their posed matrices in the armature's space, constraints included.
        wrist: (3,) rest position J0(betas) of the hand model's wrist joint.
        betas: (10,) shape coefficients that are handed on.
        side: which hand it is.
        name: the armature's name, for messages.

    Returns:
        The pose in the hand model's own size, and the uniform scale with world = scale * (point of the posed model).

    Raises:
        PoseError: a non-uniform, mirrored or sheared scale of the object or of a bone.
    """
    split_similarity(object_to_world, f"The armature {name!r}")
    deformation = object_to_world @ posed @ inverse_affine(rest)
    names = bone_names(side)
    rotations, scales, _ = split_similarities(deformation, [f"The bone {bone!r} of {name!r}" for bone in names])
    scale = float(scales[0])
    for bone_scale, bone in zip(scales, names, strict=True):
        if abs(bone_scale / scale - 1.0) > SCALE_TOLERANCE:
            raise PoseError(
                f"The bone {bone!r} of {name!r} is scaled by {bone_scale / scale:.4g} against the wrist.",
                "Clear the scale of its bones (Alt S in Pose Mode); scale the whole armature instead.",
            )
    local = np.swapaxes(rotations[list(PARENTS[1:])], 1, 2) @ rotations[1:]
    wrist_world = (object_to_world @ posed[0])[:3, 3]
    pose = HandPose(
        matrix_to_axis_angle(rotations[0]), matrix_to_axis_angle(local), betas, wrist_world / scale - wrist, side
    )
    return pose, scale


def matrices_from_pose(
    pose: HandPose,
    object_to_world: np.ndarray,
    rest: np.ndarray,
    wrist: np.ndarray,
    name: str = "hand",
    wrist_scale: float = 1.0,
) -> np.ndarray:
    """Posed bone matrices in the armature's space that show ``pose``; inverse of :func:`pose_from_matrices`.

    Finger bones keep the length of the rest pose times ``wrist_scale``; that times the object's is the hand's scale.

    Args:
        pose: the hand in world space, in the hand model's own size.
        object_to_world: (4, 4) the armature object's world matrix.
        rest: (16, 4, 4) rest matrices of the bones in joint order.
        wrist: (3,) rest position J0(betas) of the wrist joint.
        name: the armature's name, for messages.
        wrist_scale: scale that the wrist bone takes over from the bone that it hangs from.

    Returns:
        (16, 4, 4) float64.

    Raises:
        PoseError: the object is scaled non-uniformly, mirrored or sheared.
    """
    rotation, scale, _ = split_similarity(object_to_world, f"The armature {name!r}")
    local = axis_angle_to_matrix(pose.hand_pose)
    world_wrist = scale * wrist_scale * (wrist + pose.transl)
    posed = np.zeros((JOINT_COUNT, 4, 4))
    turned = np.zeros((JOINT_COUNT, 3, 3))
    turned[0] = rotation.T @ axis_angle_to_matrix(pose.global_orient)
    heads = np.zeros((JOINT_COUNT, 3))
    heads[0] = (inverse_affine(object_to_world) @ np.append(world_wrist, 1.0))[:3]
    for joint in range(JOINT_COUNT):
        if joint:
            parent = PARENTS[joint]
            turned[joint] = turned[parent] @ local[joint - 1]
            offset = wrist_scale * (rest[joint, :3, 3] - rest[parent, :3, 3])
            heads[joint] = heads[parent] + turned[parent] @ offset
        posed[joint, :3, :3] = wrist_scale * turned[joint] @ rest[joint, :3, :3]
        posed[joint, :3, 3] = heads[joint]
        posed[joint, 3, 3] = 1.0
    return posed


def basis_matrices(posed: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """What each bone's own channels must hold (``PoseBone.matrix_basis``), its wrist hanging from nothing.

    Args:
        posed, rest: (16, 4, 4) in the armature's space.

    Returns:
        (16, 4, 4) float64.
    """
    basis = np.zeros((JOINT_COUNT, 4, 4))
    for joint, parent in enumerate(PARENTS):
        carried = posed[parent] @ inverse_affine(rest[parent]) if parent >= 0 else np.eye(4)
        basis[joint] = inverse_affine(carried @ rest[joint]) @ posed[joint]
    return basis


def finger_quaternions(hand_pose: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Rotation channels of the finger bones for a pose, without a rig.

    Args:
        hand_pose: (15, 3) axis-angle rotations of joints 1 to 15.
        axes: (16, 3, 3) rest rotations of the bones in joint order.

    Returns:
        (15, 4) unit quaternions, w first, in each bone's own axes.
    """
    turns = axis_angle_to_matrix(np.asarray(hand_pose, dtype=np.float64).reshape(15, 3))
    return matrix_to_quaternion(np.swapaxes(axes[1:], 1, 2) @ turns @ axes[1:])
