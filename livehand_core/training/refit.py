"""Poses of pictures fitted through a finished avatar: what is measured then is the avatar, and not how fits are off.

Networks, textures, the hand's shape and its surface stay. Turn, joint angles and place of each pose are moved as a
training run moves them: onto the masks' outlines first, then by the pictures. Called by the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from ..avatars import Avatar
from ..avatars.identities import reenacted
from ..captures.capture import Capture, CaptureFrame
from ..errors import AvatarError
from ..hand.data import HandData, ProxyModel
from ..poses import PoseSequence
from .devices import Devices
from .frozen import FrozenModel, frozen_config, frozen_task, frozen_views
from .refinement import Refinement
from .step import tile_loss
from .views import HandMesh

STEPS = 20
"""Of Adam, each by all pictures of a pose."""

RATE = 0.03
"""Adam's learning rate at first, in the spreads that fits are off by; it falls to a twentieth."""


def refitted(
    avatar: Avatar,
    capture: Capture,
    frames: Sequence[CaptureFrame],
    hand: ProxyModel,
    say: Callable[[str], None],
    progress: Callable[[int, int], None] = lambda done, of: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Capture:
    """The capture with poses of the frames fitted to their pictures through the avatar.

    Args:
        frames: the pictures; poses that none of them shows stay.
        hand: that the avatar is drawn on, see ``AvatarArrays.refined``.
        say: takes a line.
        progress: called with steps done, and of how many; stopped: whether to end with what is found by then.

    Raises:
        AvatarError: it is of a form that no poses are fitted through, or the pictures do not tell the light it needs.
    """
    metadata = avatar.metadata
    field = metadata.architecture.field
    if avatar.fine_state is not None or not isinstance(hand, HandData) or field.coordinates != "uvd":
        raise AvatarError(
            f"No poses are fitted through the avatar {metadata.name!r}: it is imported, in world coordinates, or of "
            "another part than a hand.",
            "Measure it without --refine-poses.",
        )
    if metadata.relightable and any(frame.light is None for frame in frames):
        raise AvatarError(
            f"No poses are fitted through the avatar {metadata.name!r}: it is lit by the scene, and the pictures "
            "do not tell their light.",
            "Measure it without --refine-poses, or on a capture that tells its lights.",
        )
    config = replace(frozen_config(avatar, STEPS, True), calibrate_colour=False, density_noise=0.0)
    model, mesh = FrozenModel(avatar, config), HandMesh.of(hand)
    names = [identity.name for identity in metadata.identities]
    who = [names.index(frame.identity) if len(names) > 1 else 0 for frame in frames]
    poses = list(capture.poses.poses)
    for frame, number in zip(frames, who, strict=True):
        betas = metadata.identities[number].betas if metadata.identities else None
        if betas is not None:
            poses[frame.pose] = reenacted(poses[frame.pose], np.asarray(betas), hand)
    capture = replace(capture, poses=PoseSequence(tuple(poses), capture.poses.fps))
    views = frozen_views(avatar, capture, frames, mesh, config, identities=who)
    owners = {frame.pose: number for frame, number in zip(frames, who, strict=True)}
    refinement = model.refinement = Refinement(poses, owners, 1, mesh)
    refinement.requires_grad_(False)
    refinement.pose.requires_grad_(True)
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        refinement.begin(views, config, pool, Devices(torch.device("cpu")), say, with_shape=False)
        refinement.live = True

        def look(number: int) -> tuple[float, torch.Tensor]:
            # The whole hand: tiles of it would be noise, which nothing averages out in so few steps.
            loss = tile_loss(model, frozen_task(model, views, config, number, 0), config)
            (gradient,) = torch.autograd.grad(loss.total, [refinement.pose])
            return float(loss.total.detach()), gradient

        # Rays are the same in each step, so that losses compare: of each pose the best is kept, the first among them.
        best = torch.full((len(poses),), torch.inf, dtype=torch.float64)
        found = refinement.pose.detach().clone()
        for step in range(STEPS):
            if stopped():
                break
            seen = list(pool.map(look, range(len(views))))
            losses = torch.zeros_like(best)
            for view, (loss, _) in zip(views, seen, strict=True):
                losses[view.number] += loss
            better = losses < best
            best[better], found[better] = losses[better], refinement.pose.detach()[better]
            # Poses do not touch each other's rows.
            refinement.pose.grad = torch.stack([gradient for _, gradient in seen]).sum(dim=0)
            refinement.advance(RATE * (0.05 + 0.95 * (1.0 - step / STEPS)), False)
            progress(step + 1, STEPS)
        refinement.pose.data.copy_(found)
    return replace(capture, poses=PoseSequence(tuple(refinement.hands()), capture.poses.fps))
