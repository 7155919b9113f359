"""Checkpoints of a run: tensors and plain numbers only, written beside and renamed, read without unpickling code."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..documents import Reader
from ..errors import TrainingError
from ..files import ARCHIVE_ERRORS, atomic_path
from ..records import build

FORMAT_VERSION = 2
CHECKPOINT = Reader("The checkpoint", TrainingError, "Start the run anew.", limit=16 << 30)


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    Draws are seeded by the step, so the step stands for the state of every random generator.

    Attributes:
        step: optimiser steps done.
        seconds: training time so far.
        model: state of the AvatarModel.
        average: the moving average of its parameters, by name.
        optimiser: state of Adam.
    """

    step: int
    seconds: float
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimiser: dict[str, Any]


def checkpoint_path(run: Path) -> Path:
    """Where a run keeps its newest checkpoint."""
    return run / "checkpoint.pt"


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint in place of the last. Raises LiveHandError when the disk is full."""
    document = {"format_version": FORMAT_VERSION, **vars(checkpoint)}
    # By way of memory: where the disk is full torch raises what tells nothing, or ends the process.
    content = io.BytesIO()
    torch.save(document, content)
    with atomic_path(checkpoint_path(run)) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_checkpoint(run: Path, device: torch.device) -> Checkpoint:
    """Read the newest checkpoint.

    Raises:
        TrainingError: there is none, or it is damaged or of another version.
    """
    path = checkpoint_path(run)
    if not os.path.lexists(path):
        raise TrainingError(f"{run} holds no checkpoint to resume from.", "Start the run without --resume.")
    with CHECKPOINT.open(path) as stream:
        try:
            document = torch.load(stream, map_location=device, weights_only=True)
        except ARCHIVE_ERRORS as error:
            raise CHECKPOINT.damaged(path, str(error).strip().partition("\n")[0][:200]) from error
    return _checked(document, path)


def _checked(document: object, path: Path) -> Checkpoint:
    """The checkpoint of a document, whose tensors still have to fit a model. Raises TrainingError otherwise."""
    version = document.pop("format_version", None) if isinstance(document, dict) else None
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise TrainingError(
            f"{path} has version {version}; {FORMAT_VERSION} is needed.",
            f"Begin a new run with what it has learnt: --begin-with {path.with_name('avatar.safetensors')}.",
        )
    try:
        plain = build(_Plain, document, "a checkpoint")
    except ValueError as error:
        raise CHECKPOINT.damaged(path, error) from error
    for name, value in (*plain.model.items(), *plain.average.items()):
        if not isinstance(value, torch.Tensor):
            raise CHECKPOINT.damaged(path, f"{name} is not a tensor")
    return Checkpoint(plain.step, plain.seconds, plain.model, plain.average, plain.optimiser)


@dataclass(frozen=True)
class _Plain:
    """What a checkpoint's file holds, but for its version."""

    step: int
    seconds: float
    model: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]

    def __post_init__(self) -> None:
        if min(self.step, self.seconds) < 0:
            raise ValueError(f"step {self.step} after {self.seconds} s")
