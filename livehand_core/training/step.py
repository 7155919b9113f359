"""What one tile of one image contributes to the loss: the differentiable forward pass of training."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ..cameras import Camera
from ..networks import SuperResolution
from ..rendering.torch.shading import lit_picture
from .config import TrainingConfig
from .empty_space import EVERY, EmptyPoints, empty_space_loss
from .lit import TileLight, unclipped
from .losses import Frame, perceptual_error, squared_error
from .march import Samples, ray_values
from .model import AvatarModel
from .perceptual import Lpips
from .precision import product_precision
from .tiles import Tile
from .views import TileRays, View


class TileImages(NamedTuple):
    """A rendered tile: (4, H', W') RGB and opacity at full resolution, (4, h', w') at low resolution."""

    high: torch.Tensor
    low: torch.Tensor


class TileLoss(NamedTuple):
    """Scalars; ``total`` is differentiable and estimates the full image's loss, the others are for the log."""

    total: torch.Tensor
    high: torch.Tensor
    low: torch.Tensor
    perceptual: torch.Tensor
    empty: torch.Tensor


class TileTask(NamedTuple):
    """What does not depend on the parameters: which part of which image, and its rays.

    Attributes:
        view: the image.
        tile: the part of its feature image.
        tile_count: number of tiles the image was cut into.
        background_pixels: low-resolution pixels outside all tiles, whose target is black.
        rays: of the tile and a border of the network's receptive radius.
        generator: what the noise is drawn from; it has drawn the rays' jitter.
        empty: where there should be nothing, looked at in one of EVERY steps; None in the others.
        light: on the tile, of relightable avatars; None for the others.
    """

    view: View
    tile: Tile
    tile_count: int
    background_pixels: int
    rays: TileRays
    generator: torch.Generator
    empty: EmptyPoints | None = None
    light: TileLight | None = None


def render_tile(model: AvatarModel, task: TileTask, config: TrainingConfig) -> TileImages:
    """Render the task's tile of the feature image and upsample it.

    The tile is rendered with a border of the network's receptive radius, so its pixels are those of the whole image.
    """
    radius = model.super_resolution.config.receptive_radius
    factor = model.super_resolution.config.factor
    wide = task.tile.grown(radius)
    height, width = wide.y1 - wide.y0, wide.x1 - wide.x0
    rays, generator = task.rays, task.generator
    if model.refinement is not None and model.refinement.live:
        rays = model.refinement.attached(task.view, rays)
    pose = model.pose_input(task.view.pose, generator)
    positions = model.told(rays.positions, generator, each=False)
    directions = rays.directions
    if config.view_noise > 0.0:
        # A few dozen cameras are few: between them the field should be smooth.
        turn = config.view_noise * torch.randn(3, generator=generator).to(directions.device)
        directions = torch.nn.functional.normalize(directions + turn, dim=-1)
    noise = None
    if config.density_noise > 0.0:
        noise = config.density_noise * torch.randn(rays.intervals.shape, generator=generator).to(directions.device)
    crossing = 0 if task.view.levels is None else config.samples
    samples = Samples(positions, rays.intervals, rays.lengths, noise, crossing)
    own = model.code(task.view.identity), model.textures(task.view.identity)
    values = ray_values(model.field, samples, directions, pose, *own)
    image = values.new_zeros(height * width, values.shape[-1]).index_copy(0, rays.pixels, values)
    # (1, C, h, w) whose channels lie innermost in memory, as the convolutions like them.
    image = image.view(1, height, width, -1).permute(0, 3, 1, 2)
    with product_precision(image.device):
        high = model.super_resolution(image[:, :-1], image[:, -1:])[0]
    high = high.to(image.dtype)[:, radius * factor : -radius * factor, radius * factor : -radius * factor]
    low = image[0, :, radius:-radius, radius:-radius]
    low = torch.cat([low[: len(high) - 1], low[-1:]])
    if task.light is None:
        return TileImages(high, low)
    detail = None
    if model.detail is not None:
        seen = task.light.high.lit
        detail = model.detail(seen.uv, seen.lean, seen.footprint, model.detail_texture(task.view.identity))
    return TileImages(lit_picture(high, task.light.high, detail), lit_picture(low, task.light.low))


def background(super_resolution: SuperResolution) -> torch.Tensor:
    """(4,) what the network answers far from the hand, where its input is zero: one colour and opacity everywhere.

    A material that lies on no skin is black."""
    config = super_resolution.config
    side = 2 * config.receptive_radius + 1
    device = next(super_resolution.parameters()).device
    nothing = torch.zeros((1, config.in_channels + 1, side, side), device=device)
    answer = super_resolution(nothing[:, :-1], nothing[:, -1:])[0]
    middle = config.receptive_radius * config.factor
    # The filter behind the upsampling convolution takes out all that differs between its phases.
    level: torch.Tensor = answer[:, middle, middle]
    return level if len(level) == 4 else torch.cat([torch.zeros_like(level[:3]), level[-1:]])


def _frame(camera: Camera, tile: Tile, factor: int) -> Frame:
    """Where a tile lies in the camera's image of ``factor`` times the feature image's resolution."""
    return Frame(tile.x0 * factor, tile.y0 * factor, camera.width, camera.height)


def tile_loss(model: AvatarModel, task: TileTask, config: TrainingConfig, lpips: Lpips | None = None) -> TileLoss:
    """The full image's loss as a tile estimates it: its own share times the number of tiles, plus the background's.

    The empty-space loss, by its weight, is in the total.

    Args:
        lpips: used for the perceptual term in place of the weight-free one.
    """
    view, tile, tile_count = task.view, task.tile, task.tile_count
    images = render_tile(model, task, config)
    target, low_target = view.target(tile), view.low_target(tile)
    # Odd image sizes end inside the last low-resolution pixel.
    high = images.high[:, : target.shape[1], : target.shape[2]]
    low = images.low
    high_colour, low_colour = high[:3], low[:3]
    if task.light is not None:
        high_colour, low_colour = (
            unclipped(colour, wanted[:3], wanted[3:])
            for colour, wanted in ((high_colour, target), (low_colour, low_target))
        )
    level = background(model.super_resolution)
    flat = level[:3, None, None]
    if config.calibrate_colour:
        high_colour = model.calibrate(high_colour, target[3:], view.camera_index)
        low_colour = model.calibrate(low_colour, low_target[3:], view.camera_index)
        flat = model.calibrate(flat, torch.zeros_like(flat[:1]), view.camera_index)
    high_share = tile_count / (view.camera.width * view.camera.height)
    low_share = tile_count / (view.low.width * view.low.height)
    high_error = high_share * squared_error(high_colour, target[:3])
    low_error = low_share * squared_error(low_colour, low_target[:3])
    alpha_error = high_share * squared_error(high[3:], target[3:]) + low_share * squared_error(low[3:], low_target[3:])
    if lpips is not None:
        # A tile that holds all of the hand is cut the same each time, so its target's features are found once.
        keys = [(view.name, size) if tile_count == 1 else None for size in ("high", "low")]
        perceptual = high_share * lpips(high_colour, target[:3], keys[0])
        perceptual = config.lpips_weight * (perceptual + low_share * lpips(low_colour, low_target[:3], keys[1]))
    else:
        weights = (config.structure_weight, config.gradient_weight)
        frames: tuple[Frame | None, ...] = (None, None)
        if tile_count == 1:
            # All that is not flat lies in the tile; for the perceptual term flat is 0 in both pictures.
            high_colour = high_colour - flat
            frames = _frame(view.camera, tile, model.super_resolution.config.factor), _frame(view.low, tile, 1)
        perceptual = high_share * perceptual_error(high_colour, target[:3], *weights, frames[0])
        perceptual = perceptual + low_share * perceptual_error(low_colour, low_target[:3], *weights, frames[1])

    background_error = (flat.square().mean() + config.alpha_weight * level[3].square()) * task.background_pixels
    background_error = background_error / (view.low.width * view.low.height)
    empty = total = high_error.new_zeros(())
    if task.empty is not None:
        empty = EVERY * empty_space_loss(model, task.empty)
        total = config.empty_space_weight * empty
    if model.refinement is not None and model.refinement.live:
        total = total + model.refinement.prior(view, config)
    total = total + high_error + low_error + config.alpha_weight * alpha_error + perceptual + background_error
    return TileLoss(total, high_error.detach(), low_error.detach(), perceptual.detach(), empty.detach())
