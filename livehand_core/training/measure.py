"""How fast the training step is, beside the plain one in the same run. Called by training/bench_command."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ..captures.capture import Capture, CaptureFrame, read_capture
from ..errors import TrainingError
from ..hand.library import find_model
from ..rendering import integrate
from .config import TrainingConfig
from .empty_space import EmptyPoints, empty_space_loss
from .journal import Journal
from .losses import perceptual_error
from .march import Samples, ray_values
from .memory import keep_freed_memory
from .model import AvatarModel
from .plain_step import Noise, plain_empty_space, plain_loss, plain_model, plain_rays
from .step import TileTask, tile_loss
from .tiles import Tile, partition
from .trainer import Trainer
from .views import HandMesh, View

CPU = torch.device("cpu")


def measure_training_step(folder: Path, config: TrainingConfig, steps: int, plain_steps: int = 1) -> dict[str, float]:
    """Time whole steps on the CPU, over whole images: the run's own, and plain ones over the same images.

    Args:
        folder: of a capture.
        config: of the run; its tiles are taken as large as the hand, and its stage of rays is left out.
        steps: of the trainer that are timed, after one that compiles.
        plain_steps: of the plain formulation.

    Returns:
        ``plain_ms`` and ``fast_ms``, medians of a step; their ``ratio``; ``images`` of a step; ``cores``.
    """
    keep_freed_memory()
    config = _whole_images(config)
    with TemporaryDirectory(prefix="livehand_bench_") as run:
        capture, frames = _some_frames(folder, config.tiles_per_step)
        trainer = _trainer(Path(run), capture, frames, config)
        try:
            trainer.advance()
            fast = [_milliseconds(trainer.advance) for _ in range(steps)]
            model = plain_model(trainer.model, torch.float32)
            optimiser = torch.optim.Adam(model.parameters(), lr=1e-6)
            plain = [_milliseconds(lambda: _plain_step(trainer, model, optimiser)) for _ in range(plain_steps)]
        finally:
            trainer.close()
    times = {"plain_ms": median(plain), "fast_ms": median(fast)}
    ratio = times["plain_ms"] / times["fast_ms"]
    return times | {"ratio": ratio, "images": len(frames), "cores": torch.get_num_threads()}


def gradient_error(folder: Path, config: TrainingConfig) -> dict[str, float]:
    """How far one image's gradients are from the plain step's in float64: by parameter, |difference| / |gradient|."""
    trainer = _model_of(folder, _whole_images(config))
    model, view, empty = trainer.model, trainer.views[0], _empty_points(trainer, 0)
    parameters = {key: value for key, value in model.named_parameters() if key != "calibration"}
    task = _whole_task(model, view, config.samples, torch.Generator().manual_seed(1))._replace(empty=empty)
    found = torch.autograd.grad(tile_loss(model, task, config).total, list(parameters.values()))
    generator = torch.Generator().manual_seed(1)
    rays = view.rays(_image(view), config.samples, generator)
    noise = Noise.drawn(config, rays, generator)
    wide, radius = plain_model(model, torch.float64), model.super_resolution.config.receptive_radius
    loss = plain_loss(wide, config, view, rays, noise, border=radius, empty=empty)
    theirs = dict(wide.named_parameters())
    wanted = torch.autograd.grad(loss, [theirs[key] for key in parameters])
    pairs = zip(parameters, found, wanted, strict=True)
    return {key: float((a.double() - b).norm() / b.norm()) for key, a, b in pairs}


def measure_parts(folder: Path, config: TrainingConfig, repeats: int = 2) -> dict[str, tuple[float, float]]:
    """Milliseconds on one core of each part of one image's step, with gradients: (plain, fast), the least of some."""
    keep_freed_memory()
    trainer = _model_of(folder, _whole_images(config))
    model, view, empty = trainer.model, trainer.views[0], _empty_points(trainer, 0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            name: (_least(plain, repeats), _least(fast, repeats + 1))
            for name, (plain, fast) in _parts(model, view, config, empty).items()
        }
    finally:
        torch.set_num_threads(before)


def _whole_images(config: TrainingConfig) -> TrainingConfig:
    # Samples from bound to bound, as most of a run has them: those around the skin wait for a skin.
    samples = config.samples if config.sampling == "linear" else config.coarse_samples
    linear = replace(config, sampling="linear", samples=samples, coarse_part=0.0)
    return replace(linear, tile=0, ray_steps=0, steps=1_000_000, minutes=0.0)


def _some_frames(folder: Path, count: int) -> tuple[Capture, list[CaptureFrame]]:
    """Training frames from all over the capture."""
    capture = read_capture(folder)
    frames = capture.frames_of("train")
    return capture, [frames[(2 * index + 1) * len(frames) // (2 * count)] for index in range(count)]


def _trainer(run: Path, capture: Capture, frames: list[CaptureFrame], config: TrainingConfig) -> Trainer:
    data = find_model(capture.hand_model, capture.poses.poses[0].side)
    trainer = Trainer(run, capture, frames, config, HandMesh.of(data), CPU, Journal(run))
    if trainer.config.light == "scene_light":
        raise TrainingError(
            "The plain step, which times are compared with, knows no light.", "Give a capture of one light."
        )
    trainer.begin()
    return trainer


def _model_of(folder: Path, config: TrainingConfig) -> Trainer:
    """A trainer that trains no more, but has a model, views and empty space."""
    capture, frames = _some_frames(folder, 2)
    with TemporaryDirectory(prefix="livehand_bench_") as run:
        trainer = _trainer(Path(run), capture, frames, config)
        trainer.close()
    return trainer


def _empty_points(trainer: Trainer, seed: int) -> EmptyPoints | None:
    """An image's part of a step's points of empty space, where the run looks at any."""
    if trainer.empty_space is None:
        return None
    count = trainer.config.empty_space_points // trainer.config.tiles_per_step
    return trainer.empty_space.draw(count, torch.Generator().manual_seed(seed))


def _image(view: View) -> Tile:
    return Tile(0, 0, view.low.width, view.low.height)


def _whole_task(model: AvatarModel, view: View, samples: int, generator: torch.Generator) -> TileTask:
    radius = model.super_resolution.config.receptive_radius
    (tile,) = partition(view.mask, radius, 0)
    rays = view.rays(tile.grown(radius), samples, generator)
    return TileTask(view, tile, 1, view.mask.size - tile.pixels, rays, generator)


def _plain_step(trainer: Trainer, model: AvatarModel, optimiser: torch.optim.Optimizer) -> None:
    config = trainer.config
    optimiser.zero_grad()
    for number, view in enumerate(trainer.views):
        generator = torch.Generator().manual_seed(number)
        rays = plain_rays(view, model.field.config, config.samples, generator)
        noise = Noise.drawn(config, rays, generator)
        loss = plain_loss(model, config, view, rays, noise, empty=_empty_points(trainer, number))
        (loss / len(trainer.views)).backward()
    optimiser.step()


_Part = tuple[Callable[[], object], Callable[[], object]]


def _parts(model: AvatarModel, view: View, config: TrainingConfig, empty: EmptyPoints | None) -> dict[str, _Part]:
    """Name -> the plain and the fast computation."""
    generator = torch.Generator().manual_seed(1)
    task = _whole_task(model, view, config.samples, generator)
    whole = view.rays(_image(view), config.samples, generator)
    radius, factor = model.super_resolution.config.receptive_radius, model.super_resolution.config.factor
    wide = task.tile.grown(radius)
    plain = plain_model(model, torch.float32)
    field, network = list(model.field.parameters()), list(model.super_resolution.parameters())
    pose = model.pose_input(view.pose).detach()

    def plain_volume() -> None:
        colour, sigma = plain.field(whole.positions, whole.directions, pose)
        answer = integrate(colour, sigma, whole.depths, whole.lengths, intervals=whole.intervals)
        torch.autograd.grad(answer.features.sum() + answer.opacity.sum(), list(plain.field.parameters()))

    def fast_volume() -> None:
        samples = Samples(task.rays.positions, task.rays.intervals, task.rays.lengths, None)
        values = ray_values(model.field, samples, task.rays.directions, pose)
        torch.autograd.grad(values.sum(), field)

    low = [torch.rand(tile.y1 - tile.y0, tile.x1 - tile.x0, 33).permute(2, 0, 1) for tile in (_image(view), wide)]
    slopes = [torch.rand(4, factor * image.shape[1], factor * image.shape[2]) for image in low]

    def upsampling(number: int) -> None:
        image = low[number].requires_grad_()
        answer = model.super_resolution(image[None, :-1], image[None, -1:])[0]
        torch.autograd.grad(answer, [*network, image], slopes[number])

    targets = [(view.target(tile)[:3], view.low_target(tile)[:3]) for tile in (_image(view), task.tile)]
    pictures = [[torch.rand_like(target).requires_grad_() for target in pair] for pair in targets]
    amounts = config.structure_weight, config.gradient_weight

    def similarity(number: int, plain: bool) -> None:
        for picture, target in zip(pictures[number], targets[number], strict=True):
            total = perceptual_error(picture, target, *amounts, plain=plain) + (picture - target).square().mean()
            torch.autograd.grad(total, picture)

    nothing: dict[str, _Part] = {}
    if empty is not None:

        def plain_emptiness() -> None:
            loss = plain_empty_space(plain, empty)
            torch.autograd.grad(loss, list(plain.field.parameters()), allow_unused=True)

        def fast_emptiness() -> None:
            torch.autograd.grad(empty_space_loss(model, empty), field, allow_unused=True)

        nothing = {"empty space": (plain_emptiness, fast_emptiness)}
    return {
        "geometry": (
            lambda: plain_rays(view, model.field.config, config.samples, generator),
            lambda: _whole_task(model, view, config.samples, generator),
        ),
        "field and compositing": (plain_volume, fast_volume),
        "super-resolution": (lambda: upsampling(0), lambda: upsampling(1)),
        "losses": (lambda: similarity(0, plain=True), lambda: similarity(1, plain=False)),
        **nothing,
    }


def _milliseconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def _least(work: Callable[[], Any], repeats: int) -> float:
    work()
    return min(_milliseconds(work) for _ in range(repeats))
