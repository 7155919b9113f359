"""Checkpoints of a run: tensors and plain numbers only, written beside and renamed, read without unpickling code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ..errors import TrainingError
from ..files import atomic_path

FORMAT_VERSION = 1


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
    with atomic_path(checkpoint_path(run)) as temporary:
        torch.save(document, temporary)


def load_checkpoint(run: Path, device: torch.device) -> Checkpoint:
    """Read the newest checkpoint.

    Raises:
        TrainingError: there is none, or it is damaged or of another version.
    """
    path = checkpoint_path(run)
    if not path.is_file():
        raise TrainingError(f"{run} holds no checkpoint to resume from.", "Start the run without --resume.")
    try:
        document = torch.load(path, map_location=device, weights_only=True)
        version = document.pop("format_version")
        if version != FORMAT_VERSION:
            raise TrainingError(f"{path} has version {version}; {FORMAT_VERSION} is needed.", "Start the run anew.")
        return Checkpoint(**document)
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, AttributeError, UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged ({error}).", "Start the run anew.") from error
