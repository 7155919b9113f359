"""The first stage of a short run: the field alone, on rays drawn from all images at once.

Neighbouring rays tell nearly the same, so a tile teaches less than as many rays from everywhere. Super-resolution needs
tiles; the field does not, and what it learns here is the volume-rendered image that super-resolution starts from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch

from ..networks.config import MATERIAL_CHANNELS
from ..rendering.torch.shading import encoded, radiance
from .config import TrainingConfig
from .devices import Devices
from .empty_space import EVERY, EmptySpace, empty_space_loss
from .lit import unclipped
from .march import Samples, ray_values
from .model import AvatarModel, field_groups
from .views import View

RAYS_PER_VIEW = 2048
LOG_EVERY = 250
ONE = Devices(torch.device("cpu"))
"""One process alone, which has no other to talk to."""


class RayPool(NamedTuple):
    """N rays of S samples from all views: what ``TileRays`` holds of each, (N, 4) targets, (N, 5, 3) features of the
    light, (N, 0, 3) for avatars that bring their own along, (N, 45 or 48) angles, and (N,) numbers of identities."""

    intervals: torch.Tensor
    lengths: torch.Tensor
    positions: torch.Tensor
    directions: torch.Tensor
    targets: torch.Tensor
    light: torch.Tensor
    poses: torch.Tensor
    identities: torch.Tensor

    def take(self, index: torch.Tensor) -> RayPool:
        """The rays of an index tensor."""
        return RayPool(*(value[index] for value in self))


def draw_rays(views: list[View], samples: int, seed: int, pool: ThreadPoolExecutor, devices: Devices = ONE) -> RayPool:
    """RAYS_PER_VIEW rays of every view, with their samples in canonical coordinates; each process draws a share."""

    def of_view(index: int) -> RayPool:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
        rays, targets, light = views[index].scattered_rays(RAYS_PER_VIEW, samples, generator)
        poses = views[index].pose.expand(len(targets), -1)
        identities = torch.full((len(targets),), views[index].identity, device=targets.device)
        return RayPool(rays.intervals, rays.lengths, rays.positions, rays.directions, targets, light, poses, identities)

    parts = list(pool.map(of_view, devices.block(len(views))))
    return RayPool(*devices.gathered([torch.cat(values) for values in zip(*parts, strict=True)]))


def ray_loss(model: AvatarModel, rays: RayPool, config: TrainingConfig, generator: torch.Generator) -> torch.Tensor:
    """Mean squared error of low-resolution colour, and of opacity by its weight."""
    pose = model.pose_input(rays.poses, generator)
    rays = rays._replace(positions=model.told(rays.positions, generator, each=True))
    turn = config.view_noise * torch.randn(rays.directions.shape, generator=generator).to(rays.directions.device)
    directions = torch.nn.functional.normalize(rays.directions + turn, dim=-1)
    if model.codes is None:
        samples = Samples(rays.positions, rays.intervals, rays.lengths, None)
        values, targets, light = ray_values(model.field, samples, directions, pose), rays.targets, rays.light
    else:
        # One identity's rays after the other's: each has its own textures.
        parts = [(int(one), rays.identities == one) for one in rays.identities.unique()]
        values = torch.cat([_of_identity(model, rays, directions, pose, config, *part) for part in parts])
        targets, light = (torch.cat([each[chosen] for _, chosen in parts]) for each in (rays.targets, rays.light))
    colour = values[:, :3]
    if light.shape[1]:
        material, alpha = values[:, :MATERIAL_CHANNELS], values[:, -1:]
        colour = encoded(radiance(material, alpha[:, 0], light), alpha)
        colour = unclipped(colour.T, targets[:, :3].T, targets[:, 3:].T).T
    colour_error = (colour - targets[:, :3]).square().mean()
    return colour_error + config.alpha_weight * (values[:, -1] - targets[:, 3]).square().mean()


def _of_identity(
    model: AvatarModel,
    rays: RayPool,
    directions: torch.Tensor,
    pose: torch.Tensor,
    config: TrainingConfig,
    identity: int,
    chosen: torch.Tensor,
) -> torch.Tensor:
    """(K, C + 1) values of the rays that are ``chosen`` (N,) bool, which all see one identity."""
    samples = Samples(rays.positions[chosen], rays.intervals[chosen], rays.lengths[chosen], None)
    own = model.code(identity), model.textures(identity)
    return ray_values(model.field, samples, directions[chosen], pose[chosen], *own)


def train_on_rays(
    model: AvatarModel,
    views: list[View],
    config: TrainingConfig,
    pool: ThreadPoolExecutor,
    say: Callable[[str], None],
    every_step: Callable[[], None] = lambda: None,
    empty_space: EmptySpace | None = None,
    devices: Devices = ONE,
) -> None:
    """Train the field for ``config.ray_steps`` steps; the learning rate falls to a third.

    Args:
        pool: computes the parts of this process.
        say: takes a line now and then.
        every_step: called after each step; the run may pause in it.
        empty_space: what the empty-space loss looks at; None for none.
        devices: the processes that share each step's parts, of which there are as many as tiles later.
    """
    rays = draw_rays(views, config.coarse_samples, config.seed, pool, devices)
    parts = config.tiles_per_step
    say(f"{len(rays.intervals)} rays drawn from {len(views)} images")
    groups = field_groups(model.field, config.ray_rate, config.texture_rate)
    groups += model.identity_groups(config.code_rate, config.texture_rate)
    parameters = [parameter for group in groups for parameter in group["params"]]
    optimiser = torch.optim.Adam(groups, lr=config.ray_rate, betas=(0.9, 0.99), fused=True)
    total = 0.0
    for step in range(config.ray_steps):
        progress = step / config.ray_steps
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * (2.0 + math.cos(math.pi * progress)) / 3.0
        generator = torch.Generator().manual_seed((config.seed + 1) * 1_000_033 + step)
        index = torch.randint(len(rays.intervals), (config.ray_batch,), generator=generator)
        tasks = [
            (part, torch.Generator().manual_seed(int(torch.randint(1 << 40, (1,), generator=generator))))
            for part in index.chunk(parts)
        ]

        nothing = empty_space if step % EVERY == 0 else None

        def differentiate(
            task: tuple[torch.Tensor, torch.Generator], nothing: EmptySpace | None = nothing
        ) -> tuple[float, tuple[torch.Tensor, ...]]:
            part, own = task
            loss = ray_loss(model, rays.take(part.to(rays.intervals.device)), config, own)
            if nothing is not None:
                points = nothing.draw(config.empty_space_points // parts, own)
                loss = loss + EVERY * config.empty_space_weight * empty_space_loss(model, points)
            return float(loss.detach()), torch.autograd.grad(
                loss, parameters, allow_unused=True, materialize_grads=True
            )

        answers = list(pool.map(differentiate, [tasks[number] for number in devices.own(parts)]))
        gradients, losses = devices.total(
            [answer[1] for answer in answers], [answer[:1] for answer in answers], parameters
        )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        model.join_gradients()
        optimiser.step()
        model.constrain()
        total += losses[0] / parts
        if (step + 1) % LOG_EVERY == 0:
            say(f"rays: step {step + 1} of {config.ray_steps}  loss {total / LOG_EVERY:.5f}")
            total = 0.0
        every_step()
