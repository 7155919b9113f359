"""A new identity from a few pictures: what an avatar of several identities tells them apart by, its networks frozen.

With the pictures' poses and their hand's shape; what is fitted is ``personal_model``'s. Called by the command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..avatars import Avatar, Identity
from ..captures.capture import Capture, CaptureFrame
from ..errors import AvatarError, TrainingError
from ..hand.data import HandData
from ..networks import SuperResolutionConfig
from ..networks.config import LIT_CHANNELS
from .config import TrainingConfig
from .devices import Devices
from .frozen import frozen_config, frozen_task, frozen_views
from .personal_model import GAIN_CAMERA, PersonalModel
from .refinement import Refinement
from .step import tile_loss
from .views import HandMesh, View

BLEND_PART = 0.35
"""Part of the time in which the blend alone is looked for: what its few numbers tell is left to them."""

POSE_RATE = 0.01
"""Adam's learning rate of poses and shape, in the spreads that fits are off by."""


@dataclass(frozen=True)
class Personal:
    """How an identity is fitted.

    Attributes:
        name: of the new identity.
        minutes: that the fit takes at most; steps: most of them.
        seed: of what is drawn.
        alone: whether the new avatar has this identity alone.
        refine: whether poses and shape are refined.
        consent: what the hand's owner has agreed to.
    """

    name: str
    minutes: float = 2.5
    steps: int = 200
    seed: int = 0
    alone: bool = False
    refine: bool = True
    consent: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise TrainingError("The new identity has no name.", "Give one with --name.")
        if self.minutes <= 0.0 or self.steps < 2:
            raise TrainingError("The fit has no time.", "Give --minutes above 0 and --steps of 2 or more.")


def check_avatar(avatar: Avatar, hand: HandData) -> None:
    """Raises AvatarError when no identity can be fitted through an avatar, or it is of another hand."""
    metadata = avatar.metadata
    label = f"The avatar {metadata.name!r}"
    metadata.check_hand(hand, label)
    if avatar.latent is None or len(avatar.latent) < 2:
        raise AvatarError(
            f"{label} knows one hand only; how hands differ it has never seen.",
            "Choose an avatar of several identities: train one on captures of several people.",
        )
    field, upsampler = metadata.architecture.field, metadata.architecture.super_resolution
    outputs = LIT_CHANNELS if metadata.relightable else SuperResolutionConfig.out_channels
    rare = avatar.fine_state is not None or bool(metadata.joints)
    if rare or field.coordinates != "uvd" or upsampler.out_channels != outputs:
        raise AvatarError(
            f"{label} is of a form that no identity can be fitted through: imported, in world coordinates, or of "
            "another part than a hand.",
            "Choose one that LiveHand has trained.",
        )


def personalised(
    avatar: Avatar,
    capture: Capture,
    frames: Sequence[CaptureFrame],
    hand: HandData,
    settings: Personal,
    say: Callable[[str], None],
) -> Avatar:
    """The avatar with one more identity, that of the pictures.

    Args:
        avatar: of several identities.
        capture: that the pictures are of.
        frames: the pictures.
        hand: the hand model of both, as ``AvatarArrays.refined`` has it.
        settings: how.
        say: takes a line now and then.

    Raises:
        AvatarError: the avatar cannot be used, or knows that name already.
        TrainingError: no picture shows the hand, or the avatar is relightable and the pictures do not tell their light.
    """
    check_avatar(avatar, hand)
    if avatar.metadata.relightable and any(frame.light is None for frame in frames):
        raise TrainingError(
            f"The avatar {avatar.metadata.name!r} is lit by the scene, and the pictures do not tell in which light "
            "they were taken.",
            "Give a capture that tells its lights, or an avatar that brings its own light along.",
        )
    known = [identity.name for identity in avatar.metadata.identities]
    if settings.name in known and not settings.alone:
        raise AvatarError(
            f"The avatar {avatar.metadata.name!r} knows an identity {settings.name!r} already.",
            "Give another --name, or --alone.",
        )
    torch.manual_seed(settings.seed)
    config = frozen_config(avatar, settings.steps, settings.refine, settings.seed)
    model = PersonalModel(avatar, config, sum(frame.camera.width * frame.camera.height for frame in frames))
    mesh = HandMesh.of(hand)
    views = frozen_views(avatar, capture, frames, mesh, config, GAIN_CAMERA)
    with ThreadPoolExecutor(2) as pool:
        if settings.refine:
            owners = dict.fromkeys((frame.pose for frame in frames), 0)
            model.refinement = Refinement(capture.poses.poses, owners, GAIN_CAMERA + 1, mesh)
            model.refinement.offsets.requires_grad_(False)
            model.refinement.begin(views, config, pool, Devices(torch.device("cpu")), say)
            model.refinement.live = True
        _fit(model, views, config, settings, pool, say)
    return _with_identity(avatar, model, capture, frames, settings)


def _fit(
    model: PersonalModel,
    views: Sequence[View],
    config: TrainingConfig,
    settings: Personal,
    pool: ThreadPoolExecutor,
    say: Callable[[str], None],
) -> None:
    """Adam on tiles of the pictures, two a step."""
    own = [model.shares_own, model.code_own, *model.bands]
    moved: list[nn.Parameter] = [model.calibration] if config.calibrate_colour else []
    groups = [
        {"params": [model.shares_own], "rate": 0.1, "wait": 0.0, "eps": 1e-12},
        {"params": moved, "rate": 3e-3, "wait": 0.0},
        {"params": [model.code_own], "rate": 3e-3, "wait": BLEND_PART},
        # Texels of which the pictures tell less than the prior stay.
        {"params": list(model.bands), "rate": 0.05, "wait": BLEND_PART, "eps": model.weight},
    ]
    optimiser = torch.optim.Adam([group for group in groups if group["params"]], lr=1e-3, betas=(0.9, 0.99))
    if model.refinement is not None:
        moved += [model.refinement.pose, model.refinement.shape]
    start = time.perf_counter()
    for step in range(settings.steps):
        progress = max(step / settings.steps, (time.perf_counter() - start) / (60.0 * settings.minutes))
        if progress >= 1.0:
            break
        whole = model.identity()
        model.shown = [value.detach().requires_grad_() for value in whole]

        def differentiate(slot: int, step: int = step) -> tuple[Any, ...]:
            loss = tile_loss(model, frozen_task(model, views, config, 2 * step + slot), config)
            return float(loss.high), torch.autograd.grad(loss.total, [*model.shown, *moved], allow_unused=True)

        answers = list(pool.map(differentiate, range(2)))
        sums = []
        for value, *gradients in zip([*model.shown, *moved], *(answer[1] for answer in answers), strict=True):
            found = [gradient for gradient in gradients if gradient is not None]
            sums.append(sum(found) / len(answers) if found else torch.zeros_like(value))
        for parameter, gradient in zip(moved, sums[len(whole) :], strict=True):
            parameter.grad = gradient
        for parameter in own:
            parameter.grad = None
        torch.autograd.backward([*whole, model.prior()], [*sums[: len(whole)], None])
        decay = 0.05 + 0.95 * (1.0 - progress)
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * decay * (progress >= group["wait"])
        optimiser.step()
        if model.refinement is not None:
            model.refinement.advance(POSE_RATE * decay, False)
        if (step + 1) % 50 == 0:
            error = sum(answer[0] for answer in answers) / len(answers)
            say(f"step {step + 1}  {100.0 * progress:3.0f} %  psnr {-10.0 * np.log10(max(error, 1e-12)):.2f} dB")


@torch.no_grad()
def _with_identity(
    avatar: Avatar,
    model: PersonalModel,
    capture: Capture,
    frames: Sequence[CaptureFrame],
    settings: Personal,
) -> Avatar:
    metadata = avatar.metadata
    hands = capture.poses.poses if model.refinement is None else model.refinement.hands()
    betas = np.mean([hands[pose].betas for pose in sorted({frame.pose for frame in frames})], axis=0)
    names = [one.name for one in metadata.identities] or [str(number) for number in range(len(model.shares))]
    story: dict[str, Any] = {
        "images": len(frames),
        "personalised": True,
        "blend": {name: round(float(share), 4) for name, share in zip(names, model.shares, strict=True)},
    }
    story |= {"consent": settings.consent or capture.consent} if settings.consent or capture.consent else {}
    new = Identity(settings.name, tuple(betas), story)
    assert avatar.latent is not None
    detail = [] if avatar.identity_detail is None else [avatar.identity_detail]
    before = [avatar.latent, *avatar.identity_textures, *detail]
    own = [value[None] for value in model.identity()]
    known = metadata.identities or tuple(Identity(name) for name in names)
    if settings.alone:
        metadata, known = replace(metadata, name=settings.name), ()
    else:
        own = [torch.cat(pair) for pair in zip(before, own, strict=True)]
    return replace(
        avatar,
        metadata=replace(metadata, identities=(*known, new)),
        latent=own[0],
        identity_textures=tuple(own[1 : 1 + len(avatar.identity_textures)]),
        identity_detail=own[-1] if detail else None,
    )
