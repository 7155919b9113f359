"""Which libraries each job needs: the one table of the engine's search, the doctor, the commands and the add-on.

Needs nothing but Python. ``pyproject.toml`` names the same libraries as extras, with versions; a test holds the two
together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from .errors import LibraryError

WITH_TRAINING = "Make Environment (With Training)"

BUTTONS = {
    "engine": "Make Environment",
    "track": "Make Environment (With Tracking)",
    "torch": "Make Environment (Build: CUDA)",
    "views": "",
    "live": "",
    "datasets": "",
    "footage": "Make Environment (With Tracking)",
    "colmap": "",
    "farm": "",
    "provenance": "",
}
"""Extra -> what brings it in the add-on's preferences, nothing where no button does; the others take training's."""


@dataclass(frozen=True)
class Job:
    """Something that people want done.

    Attributes:
        text: in words, as messages begin with it.
        extra: of ``pyproject.toml``, which brings all that is needed.
        modules: without one of them it cannot be done.
        helpful: modules without which it is done with less; what is missing is told where it counts.
    """

    text: str
    extra: str
    modules: tuple[str, ...]
    helpful: tuple[str, ...] = ()


_DRAW = ("numpy", "numba", "llvmlite")

JOBS = {
    "rendering": Job("Rendering", "engine", _DRAW, ("wgpu",)),
    "pictures": Job("Rendering to files", "engine", (*_DRAW, "PIL")),
    "check": Job("Checking a capture", "engine", ("numpy", "PIL")),
    "videos": Job("Writing videos", "views", (*_DRAW, "PIL", "imageio_ffmpeg")),
    "gpu": Job("Rendering on a GPU", "engine", (*_DRAW, "wgpu")),
    "torch": Job("Networks in torch", "torch", (*_DRAW, "torch")),
    "import": Job("Importing an official checkpoint", "torch", ("numpy", "torch")),
    "plain": Job("The plain formulation, which also draws avatars of rare forms,", "plain",
                 (*_DRAW, "torch", "igl"), ("fcpw",)),
    "meshes": Job("Taking the mesh out of an avatar", "meshes", (*_DRAW, "torch", "scipy", "skimage", "PIL")),
    "training": Job("Training", "train", (*_DRAW, "torch", "igl", "PIL", "tomli_w"),
                    ("fcpw", "lpips", "tensorboard")),
    "datasets": Job("Preparing a data set", "datasets", ("numpy", "PIL", "cv2", "yaml")),
    "footage": Job("Making a capture of videos", "footage", ("numpy", "PIL", "cv2", "ai_edge_litert"),
                   ("yaml",)),
    "colmap": Job("Placing cameras by what they see", "colmap", ("pycolmap",)),
    "tracking": Job("Tracking hands", "track", ("numpy", "cv2", "ai_edge_litert"), ("imageio_ffmpeg",)),
    "live": Job("The live window", "live", (*_DRAW, "cv2", "ai_edge_litert", "pygame"), ("imageio_ffmpeg",)),
    "farm": Job("Farm jobs", "engine", ("numpy",)),
    "slurm": Job("Training as a job of Slurm", "farm", ("submitit",)),
    "openjd": Job("Running a farm job by OpenJD here", "farm", ("openjd",)),
    "provenance": Job("Signing and verifying pictures", "provenance", ("c2pa", "cryptography")),
    "evaluation": Job("Evaluation", "evaluation", (*_DRAW, "torch", "PIL", "skimage"),
                      ("lpips", "pytorch_msssim", "torch_fidelity")),
}  # fmt: skip
"""Name -> job. The engine process starts wherever ``rendering`` can be done."""

DISTRIBUTIONS = {
    "c2pa": "c2pa-python",
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python-headless",
    "igl": "libigl",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "pygame": "pygame-ce",
    "openjd": "openjd-cli",
    "pytorch_msssim": "pytorch-msssim",
    "skimage": "scikit-image",
    "torch_fidelity": "torch-fidelity",
    "yaml": "pyyaml",
}
"""Module -> the package that pip installs it by, where that has another name."""

MODULES = tuple(dict.fromkeys(name for job in JOBS.values() for name in (*job.modules, *job.helpful)))
"""All modules of the table."""


def packages(modules: Iterable[str]) -> list[str]:
    """The names by which pip installs modules."""
    return [DISTRIBUTIONS.get(name, name) for name in modules]


def lacking(job: str, missing: Iterable[str] | None = None) -> list[str]:
    """The modules that a job needs and that are not there.

    Args:
        missing: modules that the Python in question lacks; None looks in this one.
    """
    known = None if missing is None else set(missing)
    return [name for name in JOBS[job].modules if (find_spec(name) is None if known is None else name in known)]


def require(job: str, otherwise: str = "") -> None:
    """Do nothing where this Python has what a job needs.

    Args:
        otherwise: a sentence on how to do without, which follows the remedy.

    Raises:
        LibraryError: a library is missing; it names the job, the library and the remedy.
    """
    absent = lacking(job)
    if absent:
        error = _error(job, absent)
        raise LibraryError(error.message, f"{error.remedy} {otherwise}".strip())


def explained(error: ImportError, job: str) -> LibraryError:
    """A failed import, met while doing a job or a part of it that is another's, in a user's terms."""
    module = (error.name or "").partition(".")[0]
    if module not in (*JOBS[job].modules, *JOBS[job].helpful):
        job = next((name for name, other in JOBS.items() if module in other.modules), job)
    if isinstance(error, ModuleNotFoundError) and module:
        return _error(job, [module])
    package = packages([module])[0] if module else "a library"
    return LibraryError(
        f"{JOBS[job].text} needs {package}, which cannot be loaded in {sys.executable} ({error}).",
        f"Install it again: {sys.executable} -m pip install --force-reinstall {package}" if module else "",
    )


def remedy(job: str, modules: Iterable[str], python: object = None) -> str:
    """How a Python, this one by default, comes by modules that a job needs."""
    command = f"{python or sys.executable} -m pip install {' '.join(packages(modules))}"
    button = button_of(job)
    in_blender = f"In Blender choose {button} in the add-on's preferences; otherwise install" if button else "Install"
    return f"{in_blender} with: {command}"


def button_of(job: str) -> str:
    """What in the add-on's preferences brings all that a job needs; empty where nothing does."""
    return BUTTONS.get(JOBS[job].extra, WITH_TRAINING)


def _error(job: str, modules: list[str]) -> LibraryError:
    verb = "is" if len(modules) == 1 else "are"
    return LibraryError(
        f"{JOBS[job].text} needs {' and '.join(packages(modules))}, which {verb} not installed in {sys.executable}.",
        remedy(job, modules),
    )
