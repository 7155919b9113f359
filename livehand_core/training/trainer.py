"""The training loop: draws tiles, steps Adam, averages the weights, writes checkpoints. Called by the command."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..avatars.file import Avatar
from ..captures.capture import Capture, CaptureFrame
from ..captures.joined import identity_names
from ..errors import TrainingError
from ..files import ARCHIVE_ERRORS
from ..kernels.mesh.placement import corner_rows
from ..rendering.setup import pose_numbers
from ..rendering.shading.mesh import ShadedMesh
from .beginning import begin_with, with_light, with_model
from .checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from .config import TrainingConfig
from .devices import Devices
from .empty_space import EVERY, EmptySpace
from .journal import Journal
from .kept import kept_for
from .layer import find_levels
from .model import AvatarModel, field_groups, warm_start
from .perceptual import Lpips
from .ray_stage import train_on_rays
from .refinement import Refinement
from .step import TileLoss, TileTask, tile_loss
from .tiles import partition
from .views import HandMesh, View

WARM_UP_STEPS = 100
LOG_EVERY = 50


def _clock(name: str, cores: int) -> Callable[[], float]:
    """Seconds by ``TrainingConfig.clock``."""
    return time.perf_counter if name == "wall" else lambda: time.process_time() / cores


class Drawn(NamedTuple):
    """What one slot of a step computed: gradients in the order of the parameters, and numbers for the log."""

    gradients: tuple[torch.Tensor | None, ...]
    loss: TileLoss


class FirstStage(NamedTuple):
    """How far the first stage is, on single rays: steps done, of how many, and the seconds that they took."""

    step: int
    steps: int
    seconds: float


class Trainer:
    """One run, on one device or a process's share of one on several.

    Attributes:
        model: what is being trained.
        step: optimiser steps done.
        seconds: training time so far, previews and checkpoints not counted.
        empty_space: what the empty-space loss looks at; None for none.
    """

    def __init__(
        self,
        run: Path,
        capture: Capture,
        frames: list[CaptureFrame],
        config: TrainingConfig,
        mesh: HandMesh,
        device: torch.device,
        journal: Journal,
        lpips: Lpips | None = None,
        devices: Devices | None = None,
    ) -> None:
        """``frames``: the training frames, checked; ``devices``: the processes that train together.

        Raises:
            TrainingError: there are none.
        """
        if not frames:
            raise TrainingError(f"The capture {capture.folder} has no training frames.", "Capture more views.")
        config = with_model(with_light(config, capture, frames), mesh.model.data)
        self.run, self.config, self.device = run, config, device
        devices = self._devices = devices or Devices(device)
        self._journal, self._lpips = journal, lpips
        self._clock = _clock(config.clock, devices.cores)
        torch.manual_seed(config.seed)
        names = sorted({frame.camera_name for frame in frames})
        shown = [capture.poses.poses[index] for index in sorted({frame.pose for frame in frames})]
        angles = np.stack([pose_numbers(pose, config.conditioning) for pose in shown])
        poses, identities = torch.tensor(angles, dtype=torch.float32), identity_names(frames)
        self._identities, self._shown, self._mesh = identities, shown, mesh
        self.model = AvatarModel(config, poses, len(names), len(identities), mesh.local_joints, mesh.seams).to(device)
        if config.refine:
            owners = {frame.pose: identities.index(frame.identity) for frame in frames}
            self.model.refinement = Refinement(capture.poses.poses, owners, len(names), mesh).to(device)
        # The tiles' features have their channels innermost in memory; so should the convolutions' weights.
        self.model.super_resolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.empty_space: EmptySpace | None = None
        if config.empty_space_weight:
            self.empty_space = EmptySpace(shown, mesh, config, device, len(identities))
        factor = self.model.super_resolution.config.factor
        margins = (config.bounds_margin, config.lateral_margin)

        shaded = ShadedMesh.of(mesh.model.data) if config.light == "scene_light" else None
        kept = kept_for(frames, factor, device, config.memory_gb, devices.count, journal.say)

        def view(frame: CaptureFrame) -> View:
            camera, identity = names.index(frame.camera_name), identities.index(frame.identity)
            forms = config.coordinates, config.conditioning, config.last_interval
            return View(capture, frame, camera, mesh, factor, margins, device, identity, *forms, shaded, kept)

        self.views = [view(frame) for frame in frames]
        self.step, self.seconds = 0, 0.0
        self._parameters = list(self.model.parameters())
        # As much slower than on single rays as the field's weights.
        texture_rate = config.texture_rate * config.field_rate / config.ray_rate
        self._optimiser = torch.optim.Adam(
            [
                *field_groups(self.model.field, config.field_rate, texture_rate),
                *self.model.identity_groups(config.code_rate, texture_rate),
                {"params": list(self.model.super_resolution.parameters()), "rate": config.super_resolution_rate},
                *self.model.detail_groups(config.super_resolution_rate, texture_rate),
                {"params": [self.model.calibration], "rate": config.calibration_rate},
            ],
            lr=config.field_rate,
            betas=(0.9, 0.99),
            fused=True,
        )
        self._average = [value.detach().clone() for value in self._parameters]
        threads = min(len(devices.own(config.tiles_per_step)), devices.cores) if device.type == "cpu" else 1
        self._pool, self._preparers = _pool(threads, devices.cores), _pool(threads, devices.cores)
        self._prepared: dict[int, Future[TileTask]] = {}
        self._first: FirstStage | None = None

    def rehearse(self) -> None:
        """Compute a tile and forget it: the loops are compiled at their first use, which is no training time."""
        if self.model.refinement is not None:
            self.model.refinement.live = True
        loss = tile_loss(self.model, self._prepare(self._devices.rank), self.config, self._lpips)
        torch.autograd.grad(loss.total, self._parameters, allow_unused=True)

    def begin(self, every_step: Callable[[], None] = lambda: None, avatar: Avatar | None = None) -> None:
        """Start a new run: teach the field that the hand is solid, then the volume-rendered image.

        Args:
            avatar: what has been learnt already, in place of both.
            every_step: called after each step of the first stage; what it takes, a pause say, is no training time.
        """
        first = self._first = FirstStage(0, self.config.ray_steps, 0.0)
        since = self._clock()

        def count(step: int = 0) -> None:
            nonlocal since, first
            now = self._clock()
            first = self._first = FirstStage(first.step + step, first.steps, first.seconds + now - since)
            if not self.config.steps:
                self.seconds += now - since
            since = now

        def between() -> None:
            nonlocal since
            count(1)
            every_step()
            # While the leader pauses, the others wait here.
            self._devices.agree()
            since = self._clock()

        if avatar is None:
            warm_start(self.model.field, self.config.bounds_margin, self.config.seed)
        else:
            begin_with(self.model, avatar, self._mesh.model.data, self._identities)
            if self.config.sampling == "surface" and len(self.model.levels):
                self._look_in_the_layer()
        if self.model.refinement is not None:
            self.model.refinement.begin(self.views, self.config, self._preparers, self._devices, self._journal.say)
        if self.config.ray_steps and avatar is None:
            helpers = self._pool, self._journal.say, between
            train_on_rays(self.model, self.views, self.config, *helpers, self.empty_space, self._devices)
        count()
        self._first = None
        self._devices.same([*self._parameters, *self.model.buffers()])
        self._average = [value.detach().clone() for value in self._parameters]

    def resume(self) -> None:
        """Go on where the run's newest checkpoint stands. Raises TrainingError when there is none that fits."""
        checkpoint = load_checkpoint(self.run, self.device)
        try:
            self.model.load_state_dict(checkpoint.model)
            self._optimiser.load_state_dict(checkpoint.optimiser)
            self._average = [
                checkpoint.average[name].to(value).reshape(value.shape).clone()
                for name, value in self.model.named_parameters()
            ]
            self._check_moments()
        except ARCHIVE_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise TrainingError(
                f"The checkpoint in {self.run} does not fit this capture and these settings ({reason}).",
                "Resume with the capture and the settings of the run.",
            ) from error
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
        # All have read it before the leader writes the next one.
        self._devices.agree()
        if len(self.model.levels):
            self._look_in_the_layer()

    def _check_moments(self) -> None:
        """Raises ValueError where Adam's moments do not have their parameters' shapes; it would step over the end."""
        for parameter, state in self._optimiser.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                if state[name].shape != parameter.shape:
                    raise ValueError(f"{name} of the shape {tuple(state[name].shape)}, not {tuple(parameter.shape)}")
        if not all({"rate", "lr", "betas", "eps"} <= group.keys() for group in self._optimiser.param_groups):
            raise ValueError("an optimiser without its rates")
        if not all(bool(torch.isfinite(value).all()) for value in (*self._parameters, *self._average)):
            raise ValueError("weights that are not finite")

    def save(self) -> None:
        """Write a checkpoint."""
        named = zip(self.model.named_parameters(), self._average, strict=True)
        average = {name: value for (name, _), value in named}
        state = Checkpoint(self.step, self.seconds, self.model.state_dict(), average, self._optimiser.state_dict())
        save_checkpoint(self.run, state)

    def close(self) -> None:
        """End the worker threads."""
        self._pool.shutdown()
        self._preparers.shutdown(cancel_futures=True)

    def averaged(self) -> AvatarModel:
        """A copy of the model with the averaged weights: what is previewed, measured and exported."""
        copy = deepcopy(self.model)
        for parameter, value in zip(copy.parameters(), self._average, strict=True):
            parameter.data.copy_(value)
        return copy.eval()

    @property
    def first_stage(self) -> FirstStage | None:
        """How far the first stage is; None before and after it."""
        return self._first

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        return self.config.progress(self.step, self.seconds)

    def train(self, stop: Callable[[], bool], every_step: Callable[[], None]) -> bool:
        """Step until the run is done, calling ``every_step`` after each; False when ``stop`` asked for an early end."""
        sums: dict[str, float] = {}
        began, began_step = self.seconds, self.step
        while True:
            stopped, self.seconds = self._devices.agree(stop(), self.seconds)
            if self.progress >= 1.0:
                return True
            if stopped:
                return False
            for key, value in self.advance().items():
                sums[key] = sums.get(key, 0.0) + value
            if self.step % LOG_EVERY == 0:
                count = self.step - began_step
                values = {key: value / count for key, value in sums.items()}
                values["seconds_a_step"] = (self.seconds - began) / count
                self._log(values)
                sums, began, began_step = {}, self.seconds, self.step
            every_step()

    def advance(self) -> dict[str, float]:
        """One optimiser step. Returns the losses it saw."""
        start = self._clock()
        if (
            self.config.sampling == "surface"
            and self.progress >= self.config.coarse_part
            and not len(self.model.levels)
        ):
            self._find_layer()
        refinement = self.model.refinement
        if refinement is not None:
            refinement.live = self.progress >= self.config.refine_start
        self._order_tiles()
        slots = self.config.tiles_per_step
        drawn = list(self._pool.map(self._differentiate, self._devices.own(slots)))
        numbers = [[float(value.detach()) for value in slot.loss] for slot in drawn]
        gradients, losses = self._devices.total([slot.gradients for slot in drawn], numbers, self._parameters)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else gradient / slots
        self._set_rates()
        self.model.join_gradients()
        self._optimiser.step()
        self.model.constrain()
        if refinement is not None:
            refinement.advance(self.config.refine_rate * self._decay(), self.config.refine_cameras, noisy=True)
        # The average follows quickly at first, when the weights are far from where they will be.
        decay = min(self.config.average_decay, (1.0 + self.step) / (10.0 + self.step))
        torch._foreach_lerp_(self._average, [value.detach() for value in self._parameters], 1.0 - decay)
        self.step += 1
        self.seconds += self._clock() - start
        return {name: value / slots for name, value in zip(TileLoss._fields, losses, strict=True)}

    def _find_layer(self) -> None:
        """Measure where the skin is, and have samples drawn there."""
        levels = find_levels(self.averaged(), self._shown, self._mesh, self.config)
        self.model.levels = torch.from_numpy(levels).to(self.device)
        thickness = 1e3 * float(np.median(levels[:, 1]))
        self._journal.say(
            f"step {self.step}: from here on samples lie in a layer of {thickness:.1f} mm around the skin"
        )
        self._look_in_the_layer()

    def _look_in_the_layer(self) -> None:
        """Have samples drawn in the model's layer, also those of tiles that were prepared before."""
        rows = corner_rows(self.model.levels.cpu().numpy(), self._mesh.topology)
        for view in self.views:
            view.levels = rows
        for task in self._prepared.values():
            task.cancel()
        self._prepared.clear()

    def _prepare(self, number: int) -> TileTask:
        """The ``number``-th tile of the run; it depends on nothing else but the seed."""
        epoch, position = divmod(number, len(self.views))
        order = np.random.default_rng([self.config.seed, 1, epoch]).permutation(len(self.views))
        view = self.views[int(order[position])]
        if self.model.refinement is not None:
            self.model.refinement.place(view)
        random = np.random.default_rng([self.config.seed, 2, number])
        generator = torch.Generator().manual_seed(int(random.integers(1 << 62)))
        radius = self.model.super_resolution.config.receptive_radius
        tiles = partition(view.mask, radius, self.config.tile, (random.random(), random.random()))
        if not tiles:
            raise TrainingError(
                f"The hand is outside the image of {view.name}.", "Check the capture's cameras and poses."
            )
        background = view.mask.size - sum(tile.pixels for tile in tiles)
        tile = tiles[int(random.integers(len(tiles)))]
        progress = self.config.progress(number // self.config.tiles_per_step, self.seconds)
        coarse = view.levels is None if self.config.sampling == "surface" else progress < self.config.coarse_part
        samples = self.config.coarse_samples if coarse else self.config.samples
        rays = view.rays(tile.grown(radius), samples, generator)
        points = None
        if self.empty_space is not None and number // self.config.tiles_per_step % EVERY == 0:
            own = torch.Generator().manual_seed(int(random.integers(1 << 62)))
            points = self.empty_space.draw(self.config.empty_space_points // self.config.tiles_per_step, own)
        light = None if view.lit is None else view.lit.of_tile(tile, self.model.super_resolution.config.factor)
        return TileTask(view, tile, len(tiles), background, rays, generator, points, light)

    def _differentiate(self, slot: int) -> Drawn:
        task = self._prepared.pop(self.step * self.config.tiles_per_step + slot).result()
        loss = tile_loss(self.model, task, self.config, self._lpips)
        return Drawn(torch.autograd.grad(loss.total, self._parameters, allow_unused=True), loss)

    def _order_tiles(self) -> None:
        """Have this process's tiles of this step and the next prepared, so that no core waits at the end of a step.

        Where fits are refined, those of the next are prepared once this step has moved them.
        """
        slots = self.config.tiles_per_step
        steps = [self.step] if self.model.refinement is not None else [self.step, self.step + 1]
        for number in (step * slots + slot for step in steps for slot in self._devices.own(slots)):
            if number not in self._prepared:
                self._prepared[number] = self._preparers.submit(self._prepare, number)

    def _decay(self) -> float:
        end = self.config.rate_end
        return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * self.progress))

    def _set_rates(self) -> None:
        decay, warm = self._decay(), min(1.0, (self.step + 1) / WARM_UP_STEPS)
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate"] * decay * warm

    def _log(self, values: dict[str, float]) -> None:
        self._journal.numbers("train", self.step, values)
        done = self.progress
        left = self.seconds / max(done, 1e-6) * (1.0 - done)
        # The tiles' squared errors average to the image's, so this is the running full-image PSNR on training views.
        psnr = -10.0 * math.log10(max(values["high"], 1e-12))
        self._journal.say(
            f"step {self.step}  {100.0 * done:5.1f} %  loss {values['total']:.5f}  psnr {psnr:.2f} dB  "
            f"{values['seconds_a_step']:.3f} s a step  {left / 60.0:.1f} min left"
        )


def _pool(threads: int, cores: int) -> ThreadPoolExecutor:
    """Worker threads that share the cores: each tile is computed by one, whose own operations use its part of them."""
    if threads == 1:
        return ThreadPoolExecutor(1)
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(max(1, cores // threads),))
