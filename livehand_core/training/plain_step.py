"""The training step as docs/method.md states it, without a shortcut: what the real step is timed and tested against.

Every ray of the frame and all of its samples, layers one after the other, the pose beside every sample, the whole image
enlarged. Called by the benchmark (float32) and by the gradient test (float64).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch.nn import functional

from ..framing import lateral_kernel
from ..kernels.mesh.rays import valid_pixels
from ..networks import FieldConfig, SuperResolutionConfig
from ..rendering import camera_rays, stratified
from ..surface import (
    SurfaceNormals,
    canonical_coordinates,
    face_neighbours,
    nearest_surface,
    rasterise_depth,
    ray_bounds,
    smooth_normals,
)
from .config import TrainingConfig
from .empty_space import CLEARANCE, EVERY, LENGTH, EmptyPoints
from .losses import SCALES, STRUCTURE_CONSTANT, STRUCTURE_WINDOW
from .perceptual import Lpips
from .tiles import Tile
from .views import TileRays, View

Weights = Mapping[str, torch.Tensor]
"""Parameters and buffers of an AvatarModel by name, in the precision that is wanted."""


class Noise(NamedTuple):
    """What training adds: (45,) to the normalised pose, (3,) to view directions, (R, S) to raw densities."""

    pose: torch.Tensor
    direction: torch.Tensor
    density: torch.Tensor

    @classmethod
    def drawn(cls, config: TrainingConfig, rays: TileRays, generator: torch.Generator) -> Noise:
        """In the order in which the real step draws."""

        def normal(size: tuple[int, ...], deviation: float) -> torch.Tensor:
            return deviation * torch.randn(size, generator=generator) if deviation > 0.0 else torch.zeros(size)

        pose = normal((45,), config.pose_noise * config.pose_gain)
        direction = normal((3,), config.view_noise)
        return cls(pose, direction, normal(tuple(rays.depths.shape), config.density_noise))


def plain_rays(view: View, samples: int, generator: torch.Generator) -> TileRays:
    """All rays of the image, S samples each, their bounds and nearest points found by the plain functions.

    Their order, and so what is drawn for each, is that of a tile that holds them all.
    """
    model = view.mesh.model
    vertices, wrist = torch.from_numpy(view.vertices), torch.from_numpy(view.wrist)
    kernel = lateral_kernel(view.low, view.vertices, view.margins[1])
    near, far = ray_bounds(rasterise_depth(vertices, model.faces, view.low), kernel, view.margins[0])
    listed = valid_pixels(near.numpy(), far.numpy())
    rows, columns = torch.from_numpy(listed.rows).long(), torch.from_numpy(listed.columns).long()
    rays = camera_rays(view.low, columns, rows)
    jitter = torch.rand((len(rows), samples), generator=generator)
    depths = stratified(near[rows, columns], far[rows, columns], samples, jitter)
    points = rays.at(depths).reshape(-1, 3)
    nearest = nearest_surface(points, vertices, model.faces)
    normals = SurfaceNormals.of(vertices, model.faces, face_neighbours(model.faces))
    place = canonical_coordinates(points, vertices, model.faces, model.face_uv, nearest, normals=normals)
    facing = smooth_normals(model.faces, nearest, normals) @ wrist
    positions = torch.cat([place, facing], dim=-1).view(*depths.shape, 6)
    pixels = rows * view.low.width + columns
    return TileRays(pixels, depths, rays.lengths, positions, rays.view_directions @ wrist)


def plain_loss(
    weights: Weights,
    sizes: tuple[FieldConfig, SuperResolutionConfig],
    config: TrainingConfig,
    view: View,
    rays: TileRays,
    noise: Noise,
    border: int = 0,
    lpips: Lpips | None = None,
    empty: EmptyPoints | None = None,
) -> torch.Tensor:
    """The full image's loss. Differentiable in ``weights``; their dtype is the precision of all of it.

    Args:
        sizes: of the two networks.
        rays: of the whole image.
        border: low-resolution pixels of nothing around the feature image. With none, zeros stand around the layers of
            super-resolution, as in the published form; with its receptive radius, the background goes on past the
            image's edge, which is what a crop assumes.
        lpips: the perceptual term; None for the weight-free one.
        empty: points of the empty-space loss; None for none.
    """
    dtype = weights["field.density.weight"].dtype
    field_sizes, enlarging_sizes = sizes
    pose = (view.pose - weights["pose_mean"]) * weights["pose_scale"] + noise.pose
    directions = functional.normalize(rays.directions + noise.direction, dim=-1).to(dtype)
    own = _of_identity(weights, field_sizes, view.identity)
    colour, sigma = plain_field(own, field_sizes, rays.positions.to(dtype), directions, pose.to(dtype))
    lengths, depths = rays.lengths.to(dtype), rays.depths.to(dtype)
    features, opacity = _integrated(colour, sigma + noise.density.to(dtype), depths, lengths, config.last_interval)

    height, width = view.low.height, view.low.width
    low = torch.zeros(height * width, features.shape[1] + 1, dtype=dtype)
    low = low.index_copy(0, rays.pixels, torch.cat([features, opacity[:, None]], dim=-1))
    low = low.view(height, width, -1).permute(2, 0, 1)
    padded = functional.pad(low, (border, border, border, border))
    high = plain_super_resolution(weights, enlarging_sizes, padded)
    edge = border * enlarging_sizes.factor
    high = high[:, edge : edge + view.camera.height, edge : edge + view.camera.width]

    whole = Tile(0, 0, width, height)
    targets = view.target(whole).to(dtype), view.low_target(whole).to(dtype)
    total = torch.zeros((), dtype=dtype)
    for image, target in zip((high, torch.cat([low[:3], low[-1:]])), targets, strict=True):
        colour = image[:3]
        if config.calibrate_colour and view.camera_index:
            gain, bias = weights["calibration"][view.camera_index]
            colour = colour * (1.0 + gain[:, None, None]) + bias[:, None, None] * target[3:]
        total = total + (colour - target[:3]).square().mean()
        total = total + config.alpha_weight * (image[3] - target[3]).square().mean()
        if lpips is None:
            perceptual = plain_perceptual(colour, target[:3], config.structure_weight, config.gradient_weight)
            total = total + perceptual
        else:
            total = total + config.lpips_weight * lpips(colour, target[:3]) / image[0].numel()
    if empty is not None:
        total = total + EVERY * config.empty_space_weight * plain_empty_space(weights, field_sizes, empty)
    return total


def plain_empty_space(weights: Weights, sizes: FieldConfig, points: EmptyPoints) -> torch.Tensor:
    """The empty-space loss, one pose after the other; the textures take no part in its gradient."""
    total = torch.zeros((), dtype=weights["field.density.weight"].dtype)
    own = _of_identity(weights, sizes, points.identity)
    own |= {name: value.detach() for name, value in own.items() if ".textures." in name}
    for positions, angles in zip(points.positions.to(total.dtype), points.poses.to(total.dtype), strict=True):
        pose = (angles - weights["pose_mean"]) * weights["pose_scale"]
        _, sigma = _plain_density(own, sizes, positions[None], pose)
        total = total + torch.log(1.0 + LENGTH * functional.relu(sigma + CLEARANCE)).sum()
    return total / points.positions[..., 0].numel()


def plain_encoding(x: torch.Tensor, frequencies: int) -> torch.Tensor:
    """gamma_L of docs/method.md 1.6: (..., C) -> (..., C (1 + 2 L))."""
    parts = [x]
    for level in range(frequencies):
        parts += [torch.sin(2.0**level * x), torch.cos(2.0**level * x)]
    return torch.cat(parts, dim=-1)


def plain_look_up(texture: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """(S, S, C) texture at (..., 2) places: between the four texels whose centres surround them, or the border's."""
    side = len(texture)
    place = (uv * side - 0.5).clamp(0.0, side - 1.0)
    corner = place.floor()
    total = torch.zeros((), dtype=texture.dtype)
    for right in (0, 1):
        for below in (0, 1):
            texel = corner + place.new_tensor([right, below])
            share = (1.0 - (place - texel).abs()).prod(dim=-1, keepdim=True)
            column, row = texel.long().clamp(max=side - 1).unbind(dim=-1)
            total = total + share * texture[row, column]
    return total


def _of_identity(weights: Weights, sizes: FieldConfig, identity: int) -> dict[str, torch.Tensor]:
    """The weights with an identity's own textures in place of the shared ones, and its code as ``"code"``."""
    own = dict(weights)
    if sizes.latent_size:
        own["code"] = weights["codes"][identity]
        for index in range(len(sizes.texture_sizes)):
            residual = weights[f"identity_textures.{index}"][identity]
            own[f"field.textures.{index}"] = weights[f"field.textures.{index}"] + residual
    return own


def plain_field(
    weights: Weights, sizes: FieldConfig, positions: torch.Tensor, directions: torch.Tensor, pose: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(R, S, 3 or 6) positions, (R, 3) directions, (45,) pose -> (R, S, C) raw colour and (R, S) raw density.

    Where there are several identities, ``weights`` are those of one, its ``"code"`` among them.
    """
    hidden, sigma = _plain_density(weights, sizes, positions, pose)
    seen_from = plain_encoding(directions, sizes.view_frequencies)[:, None].expand(*positions.shape[:2], -1)
    seen = torch.cat([_linear(weights, "feature", hidden), seen_from], dim=-1)
    return _linear(weights, "colour", functional.relu(_linear(weights, "view", seen))), sigma


def _linear(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return functional.linear(x, weights[f"field.{name}.weight"], weights[f"field.{name}.bias"])


def _plain_density(
    weights: Weights, sizes: FieldConfig, positions: torch.Tensor, pose: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What ``plain_field`` finds without view directions: (R, S, W) last hidden layer and (R, S) raw density."""
    if sizes.depth > 5:
        raise ValueError("the plain field is that of training: at most five layers")

    scale = positions.new_tensor([1.0, 1.0, sizes.distance_scale])
    inputs = [plain_encoding(positions[..., :3] * scale, sizes.position_frequencies)]
    if sizes.normal_frequencies:
        inputs.append(plain_encoding(positions[..., 3:], sizes.normal_frequencies))
    for index in range(len(sizes.texture_sizes)):
        inputs.append(plain_look_up(weights[f"field.textures.{index}"], positions[..., :2]))
    if sizes.latent_size:
        inputs.append(weights["code"].expand(*positions.shape[:2], -1))
    inputs.append(pose.expand(*positions.shape[:2], -1))
    hidden = torch.cat(inputs, dim=-1)
    for index in range(sizes.depth):
        hidden = functional.relu(_linear(weights, f"layers.{index}", hidden))
    return hidden, _linear(weights, "density", hidden)[..., 0] * sizes.density_scale


def _integrated(
    colour: torch.Tensor, sigma: torch.Tensor, depths: torch.Tensor, lengths: torch.Tensor, last_interval: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(R, C) features and (R,) opacity, docs/method.md 1.7, one sample after the other."""
    through = torch.ones_like(lengths)
    features, opacity = torch.zeros_like(colour[:, 0]), torch.zeros_like(lengths)
    for sample in range(depths.shape[1]):
        last = sample + 1 == depths.shape[1]
        interval = last_interval if last else depths[:, sample + 1] - depths[:, sample]
        alpha = 1.0 - torch.exp(-functional.relu(sigma[:, sample]) * interval * lengths)
        weight = through * alpha
        features = features + weight[:, None] * torch.sigmoid(colour[:, sample])
        opacity = opacity + weight
        through = through * (1.0 - alpha + 1e-10)
    return features, opacity


def plain_super_resolution(weights: Weights, sizes: SuperResolutionConfig, low: torch.Tensor) -> torch.Tensor:
    """(C + 1, h, w) features and opacity -> (4, 2h, 2w), docs/method.md 1.8 for a factor of 2."""
    if sizes.factor != 2:
        raise ValueError("the plain super-resolution is that of training: by 2")
    taps = low.new_tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps) / 16.0

    def activated(name: str, x: torch.Tensor) -> torch.Tensor:
        x = x + weights[f"super_resolution.{name}.bias"][:, None, None]
        return (functional.leaky_relu(x, 0.2) * 2.0**0.5).clamp(-256.0, 256.0)

    def convolved(name: str, x: torch.Tensor) -> torch.Tensor:
        return activated(name, functional.conv2d(x, weights[f"super_resolution.{name}.weight"], padding=1))

    def head(name: str, x: torch.Tensor) -> torch.Tensor:
        parameters = weights[f"super_resolution.{name}.weight"], weights[f"super_resolution.{name}.bias"]
        return functional.conv2d(x, *parameters).clamp(-256.0, 256.0)

    def filtered(x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), groups=x.shape[1])

    features = low[None, :-1]
    image = torch.cat([features[:, :3], low[None, -1:]], dim=1)
    x = convolved("conv01", convolved("conv00", features))
    image = image + head("colour0", x)
    weight = weights["super_resolution.conv10.weight"].transpose(0, 1)
    x = activated("conv10", filtered(functional.pad(functional.conv_transpose2d(x, weight, stride=2), (1, 1, 1, 1))))
    x = convolved("conv11", x)
    height, width = low.shape[1:]
    spread = image.new_zeros(1, 4, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = image
    spread = functional.pad(spread.view(1, 4, 2 * height, 2 * width), (2, 1, 2, 1))
    return (filtered(spread) + head("colour1", x))[0]


def plain_perceptual(image: torch.Tensor, target: torch.Tensor, structure: float, gradient: float) -> torch.Tensor:
    """Mean a pixel of 1 - contrast-and-structure of SSIM, and of absolute differences of gradients, at three scales."""
    total = image.new_zeros(())
    for _ in range(SCALES):

        def mean(x: torch.Tensor) -> torch.Tensor:
            return functional.avg_pool2d(x[None], STRUCTURE_WINDOW, stride=1)[0]

        variances = mean(image * image) - mean(image) ** 2, mean(target * target) - mean(target) ** 2
        covariance = mean(image * target) - mean(image) * mean(target)
        contrast = (2.0 * covariance + STRUCTURE_CONSTANT) / (variances[0] + variances[1] + STRUCTURE_CONSTANT)
        total = total + structure * (1.0 - contrast).mean()
        difference = image - target
        steps = difference.diff(dim=-1).abs().sum() + difference.diff(dim=-2).abs().sum()
        total = total + gradient * steps / difference.numel()
        if min(image.shape[-2:]) < 2 * STRUCTURE_WINDOW:
            break
        image, target = functional.avg_pool2d(image[None], 2)[0], functional.avg_pool2d(target[None], 2)[0]
    return total / SCALES
