"""The training step as docs/method.md states it, without a shortcut: what the real step is timed and tested against.

Every ray of the frame and all of its samples, the networks as they are written down, the whole image upsampled. Called
by the benchmark (float32) and by the gradient test (float64).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn import functional

from ..framing import lateral_kernel
from ..kernels.mesh.rays import valid_pixels
from ..networks import FieldConfig
from ..rendering import camera_rays, integrate, stratified
from ..rendering.torch.integration import intervals_between
from ..rendering.torch.proxy import Proxy
from ..surface import rasterise_depth, ray_bounds
from .config import TrainingConfig
from .empty_space import CLEARANCE, EVERY, LENGTH, EmptyPoints
from .losses import perceptual_error
from .model import AvatarModel
from .perceptual import Lpips
from .tiles import Tile
from .views import TileRays, View


def plain_model(model: AvatarModel, dtype: torch.dtype) -> AvatarModel:
    """A copy in a precision, whose field is multiplied as it is written down."""
    plain = deepcopy(model).to(dtype)
    plain.field.folded = False
    return plain


class Noise(NamedTuple):
    """What training adds: (45 or 48,) to the normalised pose, or (L,) to a local one, (3,) to view directions, (R, S)
    to raw densities."""

    pose: torch.Tensor
    direction: torch.Tensor
    density: torch.Tensor

    @classmethod
    def drawn(cls, config: TrainingConfig, rays: TileRays, generator: torch.Generator) -> Noise:
        """In the order in which the real step draws."""

        def normal(size: tuple[int, ...], deviation: float) -> torch.Tensor:
            return deviation * torch.randn(size, generator=generator) if deviation > 0.0 else torch.zeros(size)

        angles = {"published": 48, "wrist": 45, "local": rays.positions.shape[-1] - 6}[config.conditioning]
        pose = normal((angles,), config.pose_noise * config.pose_gain)
        direction = normal((3,), config.view_noise)
        return cls(pose, direction, normal(tuple(rays.depths.shape), config.density_noise))


def plain_rays(view: View, field: FieldConfig, samples: int, generator: torch.Generator) -> TileRays:
    """All rays of the image, S samples each, their bounds and coordinates found by the reference.

    Their order, and so what is drawn for each, is that of a tile that holds them all.
    """
    model = view.mesh.model
    told = torch.from_numpy(view.told) if view.mesh.local_joints else None
    proxy = Proxy.of(torch.from_numpy(view.vertices), model.faces, model.face_uv, local=told)
    wrist = torch.from_numpy(view.wrist)
    kernel = lateral_kernel(view.low, view.vertices, view.margins[1])
    near, far = ray_bounds(rasterise_depth(proxy.vertices, proxy.faces, view.low), kernel, view.margins[0])
    listed = valid_pixels(near.numpy(), far.numpy())
    rows, columns = torch.from_numpy(listed.rows).long(), torch.from_numpy(listed.columns).long()
    rays = camera_rays(view.low, columns, rows)
    jitter = torch.rand((len(rows), samples), generator=generator)
    depths = stratified(near[rows, columns], far[rows, columns], samples, jitter)
    points = rays.at(depths)
    if field.coordinates == "xyz":
        positions = torch.from_numpy(view.at_rest(points.numpy()))
    else:
        # Normals, too, of fields that do not ask for them: as the real rays.
        found = proxy.coordinates(points, replace(field, normal_frequencies=1), "pseudo_normal")
        positions = torch.cat([found[..., :3], found[..., 3:6] @ wrist, found[..., 6:]], dim=-1)
    pixels, intervals = rows * view.low.width + columns, intervals_between(depths, view.last_interval)
    turned = rays.view_directions @ wrist
    return TileRays(pixels, depths, intervals, rays.lengths, positions, turned, rays.origins)


def plain_loss(
    model: AvatarModel,
    config: TrainingConfig,
    view: View,
    rays: TileRays,
    noise: Noise,
    border: int = 0,
    lpips: Lpips | None = None,
    empty: EmptyPoints | None = None,
) -> torch.Tensor:
    """The full image's loss. Differentiable in the model's parameters, whose precision is that of all of it.

    Args:
        model: see :func:`plain_model`.
        rays: of the whole image.
        border: low-resolution pixels of nothing around the feature image. With none, zeros stand around the layers of
            super-resolution, as in the published form; with its receptive radius, the background goes on past the
            image's edge, which is what a crop assumes.
        lpips: the perceptual term; None for the weight-free one.
        empty: points of the empty-space loss; None for none.
    """
    dtype = model.pose_mean.dtype
    positions, depths, intervals, lengths = (
        value.to(dtype) for value in (rays.positions, rays.depths, rays.intervals, rays.lengths)
    )
    directions = functional.normalize(rays.directions + noise.direction, dim=-1).to(dtype)
    pose = model.pose_input(view.pose).to(dtype)
    if model.field.config.local_joints:
        positions = torch.cat([positions[..., :6], positions[..., 6:] + noise.pose.to(dtype)], dim=-1)
    else:
        pose = (model.pose_input(view.pose) + noise.pose).to(dtype)
    own = model.code(view.identity), model.textures(view.identity)
    colour, sigma = model.field(positions, directions, pose, *own)
    seen = integrate(colour, sigma, depths, lengths, noise.density.to(dtype), intervals=intervals)

    height, width = view.low.height, view.low.width
    low = torch.zeros(height * width, seen.features.shape[1] + 1, dtype=dtype)
    low = low.index_copy(0, rays.pixels, torch.cat([seen.features, seen.opacity[:, None]], dim=-1))
    low = low.view(1, height, width, -1).permute(0, 3, 1, 2)
    padded = functional.pad(low, (border, border, border, border))
    high = model.super_resolution(padded[:, :-1], padded[:, -1:])[0]
    edge = border * model.super_resolution.config.factor
    high = high[:, edge : edge + view.camera.height, edge : edge + view.camera.width]

    whole = Tile(0, 0, width, height)
    targets = view.target(whole).to(dtype), view.low_target(whole).to(dtype)
    total = torch.zeros((), dtype=dtype)
    for image, target in zip((high, torch.cat([low[0, :3], low[0, -1:]])), targets, strict=True):
        shown = image[:3]
        if config.calibrate_colour:
            shown = model.calibrate(shown, target[3:], view.camera_index)
        total = total + (shown - target[:3]).square().mean()
        total = total + config.alpha_weight * (image[3] - target[3]).square().mean()
        if lpips is None:
            weights = config.structure_weight, config.gradient_weight
            perceptual = perceptual_error(shown, target[:3], *weights, plain=True)
        else:
            perceptual = config.lpips_weight * lpips(shown, target[:3])
        total = total + perceptual / image[0].numel()
    if empty is not None:
        total = total + EVERY * config.empty_space_weight * plain_empty_space(model, empty)
    return total


def plain_empty_space(model: AvatarModel, points: EmptyPoints) -> torch.Tensor:
    """The empty-space loss of docs/method.md 2.1 over all points; the textures take no part in its gradient."""
    dtype = model.pose_mean.dtype
    textures = [texture.detach() for texture in model.textures(points.identity) or model.field.textures]
    pose, code = model.pose_input(points.poses).to(dtype), model.code(points.identity)
    _, sigma = model.field.density_of(points.positions.to(dtype), pose, code, textures)
    return torch.log1p(LENGTH * functional.relu(sigma + CLEARANCE)).mean()
