"""Where a field has its skin: the layer around the proxy that surface sampling looks in (docs/method.md 1.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..poses import HandPose
from ..rendering.setup import pose_numbers
from ..surface import vertex_normals
from .config import TrainingConfig
from .empty_space import varied_poses
from .model import AvatarModel
from .precision import product_precision
from .views import HandMesh

POSES = 32
"""Poses in and around the training set that are looked at."""

LEVELS = 49
"""Distances at which each vertex is looked at, from outside inwards."""

LEAST_REACH = 0.006
"""Metres up to which is looked on both sides of the proxy, at least."""

LOST, LEFT = 0.06, 0.05
"""The layer begins where so much of the light coming straight from outside is lost in any pose, and ends where no more
than this is left in any."""

THINNEST = 0.0005
"""Metres of the layer where the field has no skin."""


@torch.no_grad()
def find_levels(model: AvatarModel, training: Sequence[HandPose], mesh: HandMesh, config: TrainingConfig) -> np.ndarray:
    """(V, 2) float32 metres: at which distance from each vertex the layer begins, and how thick it is.

    Every vertex takes the outermost beginning and the innermost end of its neighbours in all poses.

    Args:
        model: whose field.
        training: poses of the training set.
        mesh: the proxy.
        config: of the run.
    """
    reach = max(2.0 * config.bounds_margin, LEAST_REACH)
    levels = np.linspace(reach, -reach, LEVELS, dtype=np.float32)
    half = 0.5 * (levels[0] - levels[1])
    count = len(mesh.model.data.v_template)
    outer, inner = np.full(count, -np.inf), np.full(count, np.inf)
    for light in _light(model, training, mesh, config, levels):
        lost, gone = 1.0 - light > LOST, light < LEFT
        seen = lost.any(axis=1)
        np.maximum(outer, np.where(seen, levels[lost.argmax(axis=1)] + half, -np.inf), out=outer)
        ends = np.where(gone.any(axis=1), levels[gone.argmax(axis=1)] - half, levels[-1])
        np.minimum(inner, np.where(seen, ends, np.inf), out=inner)
    outer, inner = _of_neighbours(outer, inner, mesh.topology.faces)
    nowhere = ~np.isfinite(outer)
    outer[nowhere], inner[nowhere] = 0.0, -THINNEST
    return np.stack([outer, np.maximum(outer - inner, THINNEST)], axis=1).astype(np.float32)


def _light(
    model: AvatarModel, training: Sequence[HandPose], mesh: HandMesh, config: TrainingConfig, levels: np.ndarray
) -> Iterator[np.ndarray]:
    """(V, L) what is left of the light at each level over each vertex, for each pose and identity."""
    device = model.pose_mean.device
    faces = mesh.model.faces.cpu()
    uv = torch.zeros(len(mesh.model.data.v_template), 2)
    uv[faces.reshape(-1)] = mesh.model.face_uv.cpu().float().reshape(-1, 2)
    people = 1 if model.codes is None else len(model.codes)
    sizes = model.field.config
    for pose in varied_poses(training, POSES, config.conditioning, np.random.default_rng([config.seed, 4])):
        normals = vertex_normals(mesh.model([pose])[0][0].cpu(), faces)
        told = torch.from_numpy(mesh.told(pose))
        positions = torch.cat([uv, torch.zeros(len(uv), 1), normals, told], dim=1)[:, None].repeat(1, len(levels), 1)
        positions[..., 2] = torch.from_numpy(levels)
        angles = torch.tensor(pose_numbers(pose, config.conditioning), dtype=torch.float32, device=device)
        positions = positions[..., : sizes.coordinate_count].to(device)
        for person in range(people):
            with product_precision(device):
                given = model.pose_input(angles), model.code(person), model.textures(person)
                sigma = model.field.density_of(positions, *given)[1].float()
            depth = torch.cumsum(sigma.relu(), dim=1) * float(levels[0] - levels[1])
            yield torch.exp(-depth).cpu().numpy()


def _of_neighbours(outer: np.ndarray, inner: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) each: the largest and the smallest of every vertex and those that it shares a face with."""
    largest, smallest = outer.copy(), inner.copy()
    for corner in range(3):
        np.maximum.at(largest, faces[:, corner], outer[faces].max(axis=1))
        np.minimum.at(smallest, faces[:, corner], inner[faces].min(axis=1))
    return largest, smallest
