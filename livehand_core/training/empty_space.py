"""The empty-space loss: density far from the skin is unlearnt, in poses that were not trained as well.

Photographs tell little of the space between fingers and nothing of poses that they do not show: what the field answers
there is chance, and stands as specks and fog in new poses. The loss is the empty-space loss of Urban Radiance Fields
(Rematas 2022, arXiv 2111.14643) with the proxy in place of its depth sensor: it tells what is empty in any pose, so
poses are drawn far beyond the training set. Its form is that of a log penalty, which photographs can outweigh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from ..hand.gestures import joint_rotations, mirror_hand_pose, sample_pose
from ..hand.limits import JOINT_RANGES
from ..poses import JOINT_COUNT, HandPose
from ..rendering.setup import pose_numbers
from ..surface import vertex_normals
from .config import REACH, TrainingConfig
from .model import AvatarModel
from .precision import product_precision
from .views import HandMesh

POSES = 512
"""Poses of the hand that points are drawn around: far more than most captures have."""

POINTS = 1 << 18
"""Points that a run draws at its beginning; a step takes some that follow one another. Drawn anew for each tile they
took 4 ms, most of it in wait for Python's lock."""

SKINNED_AT_ONCE = 64
"""Poses that are skinned together."""

POINTS_PER_POSE = 8

EVERY = 4
"""Steps from one in which the loss is evaluated to the next; its weight is as much higher (lazy regularisation, Karras
2020, arXiv 1912.04958, appendix B). What it costs is a quarter."""

BEYOND = 0.5
"""How far past each of two training poses their mixtures reach, in parts of the way between them."""

CLEARANCE = 20.0
"""1/m that raw densities are to lie below zero, so that they stay there in poses between those that were drawn."""

LENGTH = 1e-3
"""Metres. The loss of weak fog is its opacity over this length; its slope is halved at a density of 1 / LENGTH and goes
on falling, so that skin which photographs show out there is pulled at less."""


class EmptyPoints(NamedTuple):
    """R poses with S points each, at which there should be nothing.

    Attributes:
        positions: (R, S, 6 or 6 + L) as ``TileRays.positions``.
        poses: (R, 45 or 48) angles, as :func:`pose_numbers`.
        identity: number of the identity that all of them are of.
    """

    positions: torch.Tensor
    poses: torch.Tensor
    identity: int


class EmptySpace:
    """Where points of empty space are drawn from: poses of the hand, and the normals of its skin in each.

    Draws depend on their generator alone, so a run can be resumed.
    """

    def __init__(
        self,
        training: Sequence[HandPose],
        mesh: HandMesh,
        config: TrainingConfig,
        device: torch.device,
        identities: int = 1,
    ) -> None:
        """``training``: the poses of the training set; ``identities``: how many there are."""
        drawn = varied_poses(training, POSES, config.conditioning, np.random.default_rng([config.seed, 3]))
        faces = mesh.model.faces.cpu()
        some = [drawn[start : start + SKINNED_AT_ONCE] for start in range(0, POSES, SKINNED_AT_ONCE)]
        posed = (vertices.cpu() for poses in some for vertices in mesh.model(poses)[0])
        normals = torch.stack([vertex_normals(vertices, faces) for vertices in posed])
        angles = np.stack([pose_numbers(pose, config.conditioning) for pose in drawn])
        self._poses = torch.tensor(angles, dtype=torch.float32, device=device)
        generator = torch.Generator().manual_seed(config.seed)
        self._rows = torch.randint(POSES, (POINTS // POINTS_PER_POSE,), generator=generator)
        size = (len(self._rows), POINTS_PER_POSE)
        face = torch.randint(len(faces), size, generator=generator)
        # Dirichlet(1/2), thicker towards edges and corners: to points far out these are the nearest on a convex mesh.
        share = torch.randn((*size, 3, 1), generator=generator).square()
        share = share / share.sum(dim=-2, keepdim=True)
        nearest = config.empty_from
        distance = nearest * (REACH / nearest) ** torch.rand((*size, 1), generator=generator)
        normal = (share * normals[self._rows[:, None, None], faces[face]]).sum(dim=-2)
        normal = torch.nn.functional.normalize(normal, dim=-1)
        uv = (share * mesh.model.face_uv.cpu()[face]).sum(dim=-2)
        told = torch.zeros(*size, 3 * mesh.local_joints)
        for number, pose in enumerate(drawn if mesh.local_joints else ()):
            of_pose = self._rows == number
            values = torch.from_numpy(mesh.told(pose))
            told[of_pose] = (share[of_pose] * values[faces[face[of_pose]]]).sum(dim=-2)
        self._positions = torch.cat([uv, distance, normal, told], dim=-1).to(device)
        self._rows, self._identities = self._rows.to(device), identities

    def draw(self, count: int, generator: torch.Generator) -> EmptyPoints:
        """About ``count`` points from the setting's distance to REACH from the skin, evenly by their logarithm."""
        rows = min(max(1, count // POINTS_PER_POSE), len(self._rows))
        start = int(torch.randint(len(self._rows) - rows + 1, (1,), generator=generator))
        identity = int(torch.randint(self._identities, (1,), generator=generator))
        some = slice(start, start + rows)
        return EmptyPoints(self._positions[some], self._poses[self._rows[some]], identity)


def empty_space_loss(model: AvatarModel, points: EmptyPoints) -> torch.Tensor:
    """Mean of log(1 + LENGTH max(sigma + CLEARANCE, 0)) of the raw densities: about the opacity of LENGTH of weak fog.

    Differentiable in the networks' parameters and codes, but not in the textures, which are of the skin; 0 for a field
    without density there. Nearly all points are empty soon: gradients are found for the others alone.
    """
    pose, code = model.pose_input(points.poses), model.code(points.identity)
    with torch.no_grad():
        textures = [texture.detach() for texture in model.textures(points.identity) or model.field.textures]
        rows, columns = (_density(model, points.positions, pose, code, textures) > -CLEARANCE).nonzero(as_tuple=True)
    if not len(rows):
        return points.positions.new_zeros(())
    dense = points.positions[rows, columns][:, None]
    sigma = _density(model, dense, pose[rows], code, textures)
    return torch.log1p(LENGTH * (sigma + CLEARANCE).relu()).sum() / points.positions[..., 0].numel()


def _density(
    model: AvatarModel,
    positions: torch.Tensor,
    pose: torch.Tensor,
    code: torch.Tensor | None,
    textures: Sequence[torch.Tensor],
) -> torch.Tensor:
    """(R, S, 6) positions, (R, .) inputs of poses -> (R, S) raw densities in the precision of training."""
    with product_precision(positions.device):
        sigma: torch.Tensor = model.field.density_of(positions, pose, code, textures)[1]
    return sigma.to(positions.dtype)


def varied_poses(
    training: Sequence[HandPose], count: int, conditioning: str, rng: np.random.Generator
) -> list[HandPose]:
    """Poses in and around a training set, a quarter of each kind.

    The first mix two of its poses, each finger by its own share and up to BEYOND past either; the second take each
    finger from another pose; the third are natural, blends of gestures among them; the fourth bend every joint at
    random within the limits.

    Args:
        training: at least one pose, all of one side. Of a part each of its joints takes the place of a finger, and
            its limits are those of the training set.
        conditioning: ``"published"`` turns the hands as training poses are; others stand in the wrist's frame.

    Returns:
        ``count`` poses at the origin, with the betas of training poses. Fingers may stand inside one another.
    """
    if len(training[0].hand_pose) != JOINT_COUNT - 1:
        return _varied_parts(training, count, rng)
    answer = []
    for number in range(count):
        chosen = [training[index] for index in rng.integers(len(training), size=6)]
        fingers = np.stack([pose.hand_pose.reshape(5, 3, 3) for pose in chosen])
        if number % 4 == 0:
            share = rng.uniform(-BEYOND, 1.0 + BEYOND, (5, 1, 1))
            angles = (1.0 - share) * fingers[0] + share * fingers[1]
        elif number % 4 == 1:
            angles = fingers[np.arange(5), np.arange(5)]
        else:
            bent = rng.uniform(JOINT_RANGES[..., 0], JOINT_RANGES[..., 1])
            angles = sample_pose(rng) if number % 4 == 2 else joint_rotations(bent)
            angles = mirror_hand_pose(angles) if chosen[0].side == "left" else angles
        turn = chosen[5].global_orient if conditioning == "published" else np.zeros(3)
        answer.append(replace(chosen[5], global_orient=turn, hand_pose=angles.reshape(15, 3), transl=np.zeros(3)))
    return answer


def _varied_parts(training: Sequence[HandPose], count: int, rng: np.random.Generator) -> list[HandPose]:
    """:func:`varied_poses` of a part: mixtures of two poses, joints of many, and any within the set's range."""
    angles = np.stack([pose.hand_pose for pose in training])
    low, high = angles.min(axis=0), angles.max(axis=0)
    joints, answer = np.arange(angles.shape[1]), []
    for number in range(count):
        one, other = angles[rng.integers(len(angles), size=2)]
        if number % 4 == 0:
            bent = one + rng.uniform(-BEYOND, 1.0 + BEYOND, (len(joints), 1)) * (other - one)
        elif number % 4 == 1:
            bent = angles[rng.integers(len(angles), size=len(joints)), joints]
        else:
            bent = rng.uniform(low, high)
        pose = training[int(rng.integers(len(training)))]
        answer.append(replace(pose, global_orient=np.zeros(3), hand_pose=bent, transl=np.zeros(3)))
    return answer
