"""A mesh that keeps its rig: bones, four weights a vertex, and morph targets for what bones alone cannot do. NumPy.

Linear blend skinning with a hand model's correctives is the model itself, so that the morph targets, whose weights go
along with the bones, bring the mesh onto the proxy exactly. Of the model's 135 correctives only those are kept that
the motion's frames need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PoseError
from ..hand.data import ProxyModel
from ..hand.skinning import joint_transforms, pose_vertices, shaped_vertices
from ..poses import JOINT_NAMES, HandPose
from ..rotations import axis_angle_to_quaternion
from .mesh import Mesh, vertex_normals

INFLUENCES = 4
"""Bones that move a vertex: as many as every program that reads glTF knows."""

TOLERANCE = 5e-5
"""Metres by which the morph targets may leave a vertex off the proxy in the frames that they are made of."""

FRAMES_LOOKED_AT = 256
"""Of a longer motion so many frames, evenly chosen, decide on the morph targets."""


@dataclass(frozen=True)
class Skeleton:
    """Bones whose axes at rest are the world's.

    Attributes:
        names: of the joints.
        parents: (J,) int64, -1 for the first.
        rest: (J, 3) float64 their places at rest, metres.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True)
class RigMotion:
    """What a rig does, N frames.

    Attributes:
        turns: (N, J, 4) float64 each joint's rotation in its parent's frame: unit quaternions, w first, from frame to
            frame on the same side of the sphere.
        root: (N, 3) float64 place of the first joint, metres.
        weights: (N, K) float64 of the morph targets, in [0, 1].
        fps: frames a second.
    """

    turns: np.ndarray
    root: np.ndarray
    weights: np.ndarray
    fps: float


@dataclass(frozen=True)
class RiggedMesh:
    """A mesh at rest, and how it moves. Metres, z up.

    Attributes:
        vertices: (V, 3) float64 at rest.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        normals: (V, 3) float32 at rest.
        joints: (V, 4) uint8 the bones that move a vertex.
        weights: (V, 4) float32 by how much; their sum is 1.
        targets: (K, V, 3) float64 what each morph target adds at rest.
        skeleton, motion: bones, and what they do.
        uv: (V, 2) float32 texture coordinates, v downwards; None where there is no texture.
        colours: (V, 3) float32 display-referred sRGB; None where there are none.
        texture: a PNG in display-referred sRGB; None for none.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    skeleton: Skeleton
    motion: RigMotion
    uv: np.ndarray | None = None
    colours: np.ndarray | None = None
    texture: bytes | None = None

    def posed(self, frame: int, with_targets: bool = True) -> np.ndarray:
        """(V, 3) float64 vertices in a frame, as programs that read the file compute them."""
        moved = self.vertices
        if with_targets:
            moved = moved + np.tensordot(self.motion.weights[frame], self.targets, axes=1)
        transforms = _transforms(self.skeleton, self.motion, frame)
        blend = np.einsum("vk,vkij->vij", self.weights.astype(np.float64), transforms[self.joints])
        return np.asarray(np.einsum("vij,vj->vi", blend[..., :3], moved) + blend[..., 3])

    def scaled(self, factor: float) -> RiggedMesh:
        """The mesh and its motion ``factor`` times as large."""
        return replace(
            self,
            vertices=self.vertices * factor,
            targets=self.targets * factor,
            skeleton=replace(self.skeleton, rest=self.skeleton.rest * factor),
            motion=replace(self.motion, root=self.motion.root * factor),
        )


def rigged_proxy(data: ProxyModel, poses: Sequence[HandPose], fps: float) -> RiggedMesh:
    """The proxy of a hand model, with its texture coordinates and without a texture, at a motion's frames.

    Args:
        data: the hand model, of the poses' side.
        poses: one a frame, at least one.
        fps: frames a second.

    Raises:
        PoseError: the shape changes on the way, for which bones have no keys.
    """
    betas = poses[0].betas
    if any(not np.array_equal(pose.betas, betas) for pose in poses):
        raise PoseError("The hand's shape changes through the motion; a rig has one.", "Give --betas for all of it.")
    joints, weights = strongest(data.weights)
    shaped = shaped_vertices(data, betas)
    chosen = np.unique(np.linspace(0, len(poses) - 1, min(len(poses), FRAMES_LOOKED_AT)).astype(int))
    offsets = {index: _offsets(data, poses[index], joints, weights, shaped) for index in chosen}
    directions = _principal(np.stack([offsets[index].reshape(-1) for index in chosen]))
    shares = []
    for index, pose in enumerate(poses):
        offset = offsets[index] if index in offsets else _offsets(data, pose, joints, weights, shaped)
        shares.append(directions @ offset.reshape(-1))
    targets, moving = _to_both_sides(directions, np.array(shares).reshape(len(poses), -1))
    rest = data.rest_joints(betas)
    suffix = ".R" if data.side == "right" else ".L"
    skeleton = Skeleton(tuple(f"{name}{suffix}" for name in JOINT_NAMES[: len(rest)]), data.parents, rest)
    motion = RigMotion(_turns(poses), np.array([rest[0] + pose.transl for pose in poses]), moving, fps)
    mesh = RiggedMesh(
        shaped,
        data.faces.astype(np.int32),
        vertex_normals(shaped, data.faces),
        joints,
        weights,
        targets.reshape(-1, *shaped.shape),
        skeleton,
        motion,
    )
    return _cut_at_seams(mesh, data) if data.has_texture else mesh


def rigged_surface(
    surface: Mesh, data: ProxyModel, rig: RiggedMesh, pose: HandPose, nearest: tuple[np.ndarray, np.ndarray]
) -> RiggedMesh:
    """A surface that was taken out of an avatar's density at a pose, moved by the proxy's rig.

    Weights and morph targets are those of the nearest spot of the proxy. In its own pose the surface is as it was.

    Args:
        surface: in the world, at scale 1.
        data: the hand model.
        rig: of its proxy, whose last frame is the pose.
        pose: of the surface.
        nearest: (V,) face and (V, 3) barycentric coordinates of the nearest point of the posed proxy to each vertex.
    """
    corners, shares = data.faces[nearest[0]], nearest[1].astype(np.float64)
    joints, weights = strongest(np.einsum("vk,vkj->vj", shares, data.weights[corners]))
    # The proxy's targets by its own vertices, before they were cut at seams.
    own = np.zeros((len(rig.targets), data.vertex_count, 3))
    own[:, vertices_of(data)] = rig.targets
    targets = np.einsum("vk,nvki->nvi", shares, own[:, corners])
    transforms = _skinning(data, pose)
    blend = np.einsum("vk,vkij->vij", weights.astype(np.float64), transforms[joints])
    back = np.linalg.solve(blend[..., :3], (surface.vertices - blend[..., 3])[..., None])[..., 0]
    rest = back - np.tensordot(rig.motion.weights[-1], targets, axes=1)
    normals = vertex_normals(rest, surface.faces)
    return RiggedMesh(
        rest, surface.faces, normals, joints, weights, targets, rig.skeleton, rig.motion, colours=surface.colours
    )


def vertices_of(data: ProxyModel) -> np.ndarray:
    """(V',) the hand model's vertex of each of :func:`rigged_proxy`'s, which has one for each texture coordinate."""
    if not data.has_texture:
        return np.arange(data.vertex_count)
    return np.asarray(_seams(data)[0][:, 0])


def strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 4) uint8 the strongest bones of each vertex and (V, 4) float32 their weights, made to add up to 1.

    A bone without a say is told as number 0, as glTF has it.
    """
    order = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    order = np.pad(order, ((0, 0), (0, INFLUENCES - order.shape[1])))
    chosen = np.take_along_axis(weights.astype(np.float64), order, axis=1)
    chosen[:, min(weights.shape[1], INFLUENCES) :] = 0.0
    chosen = (chosen / chosen.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.where(chosen > 0.0, order, 0).astype(np.uint8), chosen


def _turns(poses: Sequence[HandPose]) -> np.ndarray:
    """(N, J, 4) quaternions that never jump to the other side of the sphere between frames."""
    turns = axis_angle_to_quaternion(
        np.stack([np.concatenate([pose.global_orient[None], pose.hand_pose]) for pose in poses])
    )
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    aligned = np.einsum("njq,njq->nj", turns[1:], turns[:-1])
    signs = np.cumprod(np.where(aligned < 0.0, -1.0, 1.0), axis=0)
    turns[1:] *= signs[..., None]
    return np.asarray(turns)


def _skinning(data: ProxyModel, pose: HandPose) -> np.ndarray:
    """(J, 3, 4) what each bone does to a point at rest."""
    frames = joint_transforms(data, pose)[:, :3].copy()
    frames[:, :, 3] -= np.einsum("jik,jk->ji", frames[:, :, :3], data.rest_joints(pose.betas))
    return frames


def _transforms(skeleton: Skeleton, motion: RigMotion, frame: int) -> np.ndarray:
    """(J, 3, 4) what each bone does to a point at rest, from what the file holds."""
    from ..rotations import quaternion_to_matrix

    turns = quaternion_to_matrix(motion.turns[frame])
    answer = np.empty((len(turns), 3, 4))
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            answer[joint, :, :3], answer[joint, :, 3] = turns[joint], motion.root[frame]
        else:
            offset = skeleton.rest[joint] - skeleton.rest[parent]
            answer[joint, :, :3] = answer[parent, :, :3] @ turns[joint]
            answer[joint, :, 3] = answer[parent, :, :3] @ offset + answer[parent, :, 3]
    answer[:, :, 3] -= np.einsum("jik,jk->ji", answer[:, :, :3], skeleton.rest)
    return answer


def _offsets(
    data: ProxyModel, pose: HandPose, joints: np.ndarray, weights: np.ndarray, shaped: np.ndarray
) -> np.ndarray:
    """(V, 3) what must be added at rest for four bones a vertex to bring the mesh onto the proxy."""
    still = replace(pose, global_orient=np.zeros(3), transl=np.zeros(3))
    blend = np.einsum("vk,vkij->vij", weights.astype(np.float64), _skinning(data, still)[joints])
    exact = pose_vertices(data, still)
    return np.asarray(np.linalg.solve(blend[..., :3], (exact - blend[..., 3])[..., None])[..., 0] - shaped)


def _principal(offsets: np.ndarray) -> np.ndarray:
    """(K, 3 V) unit vectors: the fewest directions that hold (N, 3 V) offsets to the tolerance."""
    _, sizes, directions = np.linalg.svd(offsets, full_matrices=False)
    left = offsets.copy()
    count = 0
    while count < len(sizes) and sizes[count] > 1e-9:
        if np.linalg.norm(left.reshape(len(left), -1, 3), axis=-1).max() <= TOLERANCE:
            break
        left -= np.outer(left @ directions[count], directions[count])
        count += 1
    return np.asarray(directions[:count])


def _to_both_sides(directions: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2 K, 3 V) targets and (N, 2 K) weights in [0, 1], of (K, 3 V) directions and (N, K) shares of either sign.

    Programs keep weights between 0 and 1, so that each way along a direction is a target of its own. Between two keys
    both together are as linear as the one.
    """
    targets, weights = [], []
    for direction, share in zip(directions, shares.T, strict=True):
        for way in (1.0, -1.0):
            along = np.maximum(way * share, 0.0)
            if along.max() > 0.0:
                targets.append(way * along.max() * direction)
                weights.append(along / along.max())
    count, length = len(targets), directions.shape[1]
    return np.array(targets).reshape(count, length), np.array(weights).reshape(count, len(shares)).T


def _seams(data: ProxyModel) -> tuple[np.ndarray, np.ndarray]:
    """(V', 2) pairs of a vertex and a texture coordinate that occur, and (F, 3) the pair at each corner."""
    pairs = np.stack([data.faces.reshape(-1), data.uv_faces.reshape(-1)], axis=1)
    found, number = np.unique(pairs, axis=0, return_inverse=True)
    return found, number.reshape(-1, 3)


def _cut_at_seams(mesh: RiggedMesh, data: ProxyModel) -> RiggedMesh:
    """The mesh with a vertex for each texture coordinate, which is what files of triangles can hold."""
    pairs, faces = _seams(data)
    own, coordinates = pairs.T
    uv = data.uv[coordinates].astype(np.float32)
    uv[:, 1] = 1.0 - uv[:, 1]
    return replace(
        mesh,
        vertices=mesh.vertices[own],
        faces=faces.astype(np.int32),
        normals=mesh.normals[own],
        joints=mesh.joints[own],
        weights=mesh.weights[own],
        targets=mesh.targets[:, own],
        uv=uv,
    )
