"""The process that takes a mesh out of an avatar, without bpy: what it is told, its progress, its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from livehand_core.compilation import COMPILING
from livehand_core.engine.interpreters import find_interpreter
from livehand_core.errors import LiveHandError
from livehand_core.files import ARCHIVE_ERRORS
from livehand_core.frames import HandInstance
from livehand_core.meshes import Mesh

from ..environment.lines import run_core

if TYPE_CHECKING:
    from ..background import Task

PARTS = {
    "density": (0.0, 0.5, "Density"),
    "surface": (0.5, 0.65, "Surface"),
    "colours": (0.65, 1.0, "Colours"),
    "pictures": (0.0, 0.7, "Pictures for the texture"),
    "texture": (0.7, 1.0, "Texture"),
}
"""What ``livehand mesh`` does -> from where to where that moves the progress, and its name."""

SPLAT_PARTS = {
    "pictures": (0.0, 0.1, "Pictures to fit splats to"),
    "splats": (0.1, 1.0, "Fitting splats"),
}
"""The same of a frame of ``livehand splats``."""


@dataclass(frozen=True)
class Wish:
    """What mesh is wanted.

    Attributes:
        hand: pose in the world, avatar, identity.
        resolution: metres.
        threshold: density in 1/m, 0 for the avatar's own.
        preference, environment: where the Python may be, see ``find_interpreter``.
    """

    hand: HandInstance
    resolution: float
    threshold: float
    preference: str
    environment: Path


def extract(wish: Wish, task: Task[Mesh]) -> Mesh:
    """Run the process; the mesh in the world.

    Raises:
        EngineError: there is no Python with what meshes need.
        LiveHandError: the process failed; the message is its own.
        TaskCancelled: the task was cancelled.
    """
    task.tell(0.0, "Starting Python")
    python = find_interpreter(wish.preference, wish.environment, "meshes").path
    with TemporaryDirectory(prefix="livehand-") as name:
        hand, out = Path(name) / "hand.json", Path(name) / "hand.npz"
        hand.write_text(json.dumps(wish.hand.to_json()), encoding="utf-8")
        words = ["mesh", wish.hand.avatar, "--hand", str(hand), "--out", str(out), "--machine"]
        words += ["--resolution", f"{wish.resolution * 1e3:g}"]
        words += ["--threshold", f"{wish.threshold:g}"] if wish.threshold > 0.0 else []
        run_core(python, words, task, lambda told: tell_progress(told, task))
        try:
            with np.load(out, allow_pickle=False) as archive:
                return Mesh(**archive)
        except (*ARCHIVE_ERRORS, TypeError) as error:
            raise LiveHandError(f"The mesh could not be read ({error}).", "Try again.") from error


def tell_progress(told: dict[str, Any], task: Task[Any]) -> None:
    """Pass what ``livehand mesh`` says of its progress on to a task."""
    _tell(told, task, PARTS)


def tell_splats(told: dict[str, Any], task: Task[Any]) -> None:
    """The same of ``livehand splats``, whose parts come again with each frame of a motion."""
    _tell(told, task, SPLAT_PARTS)


def _tell(told: dict[str, Any], task: Task[Any], parts: dict[str, tuple[float, float, str]]) -> None:
    text, _, place = told["text"].partition(" of frame ")
    if text == COMPILING:
        task.tell(task.progress, "Compiling the renderer, once")
        return
    first, last, name = parts[text]
    part = first + (last - first) * told["done"] / max(told["of"], 1)
    if place:
        number, _, count = place.partition(" of ")
        part, name = (int(number) - 1 + part) / int(count), f"{name}, frame {place}"
    task.tell(part, name)
