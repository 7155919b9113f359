"""A farm job: one folder that holds all that workers need, and ``job.json``, which tells them what to render.

    scene.blend     packed
    avatars/        the avatars' files, named by their content hashes
    job.json        this description
    template.json   the job for OpenJD; the folder is a job bundle of AWS Deadline Cloud, too
    slurm/          two scripts for sbatch, and later their logs

Written by the batch under Blender (``livehand_blender/farm``), read by each worker and by ``livehand farm``. Standard
library only.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import __version__
from ..documents import Reader
from ..errors import LiveHandError
from ..files import atomic_path
from ..frame_lists import chunk_of, parse_frames
from ..records import build
from .output import Output, parse_output

FORMAT_VERSION = 1
JOB_FILE = "job.json"
SCENE_FILE = "scene.blend"
AVATAR_FOLDER = "avatars"
BLENDER = ("blender", "--background", "--command", "livehand_batch")
"""How a worker begins where Blender is on the path and the extension is enabled."""

JOB = Reader("The farm job", LiveHandError, "Write it again.", limit=1 << 24)


@dataclass(frozen=True)
class JobAvatar:
    """An avatar of a job: its file in the job's folder, and what ties it to the one that was chosen."""

    file: str
    content_hash: str
    name: str
    licence: str


@dataclass(frozen=True)
class Job:
    """What is rendered.

    Attributes:
        name: for people.
        scene, engine: of the .blend file.
        frames: a list as of ``--frames``.
        chunks: in how many parts it is shared out.
        output: pattern of the pictures or name of the video, in the job's folder unless absolute.
        file_format: ``"png"``, ``"exr"`` or ``"mp4"``.
        addon_version: of LiveHand; a worker of another one refuses the job.
        avatars: files in the job's folder.
        outside: files that could not be packed: workers must reach them at the same paths.
        command: what a worker runs; the job's file and the chunk follow.
        sign: whether pictures and video get Content Credentials.
    """

    name: str
    scene: str
    engine: str
    frames: str
    chunks: int
    output: str
    file_format: str
    addon_version: str = __version__
    avatars: tuple[JobAvatar, ...] = ()
    outside: tuple[str, ...] = ()
    command: tuple[str, ...] = BLENDER
    sign: bool = False
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        try:
            count = len(parse_frames(self.frames))
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"frames: {error}") from error
        if not 1 <= self.chunks <= count:
            raise ValueError(f"{self.chunks} chunks of {count} frames")
        if any(not re.fullmatch(rf"{AVATAR_FOLDER}/[0-9a-f]+\.safetensors", avatar.file) for avatar in self.avatars):
            raise ValueError("an avatar outside the job's folder")

    @property
    def frame_list(self) -> list[int]:
        """All frames, in their order."""
        return parse_frames(self.frames)

    def chunk(self, number: int) -> list[int]:
        """The frames of a part, from 1."""
        return chunk_of(self.frame_list, number, self.chunks)

    def output_in(self, folder: Path) -> Output:
        """Where its pictures go. Raises LiveHandError when the format does not fit."""
        return parse_output(folder.absolute() / self.output, self.file_format)

    def worker(self, job_file: str, *more: str) -> list[str]:
        """A worker's command line."""
        return [*self.command, job_file, *more]


def write_job(folder: Path, job: Job) -> None:
    """Write the description. Raises LiveHandError when the folder cannot be written."""
    with atomic_path(folder / JOB_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(job), indent=2) + "\n", encoding="utf-8")


def read_job(path: Path) -> tuple[Path, Job]:
    """The folder and the description of a job.

    Args:
        path: the folder, or its ``job.json``.

    Raises:
        LiveHandError: there is none, it is damaged, or of a newer LiveHand.
    """
    file = path / JOB_FILE if path.is_dir() else path
    document = JOB.json(file)
    version = document.get("format_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise LiveHandError(f"The farm job {file} is of a newer LiveHand.", "Update LiveHand on this worker.")
    try:
        return file.parent, build(Job, document)
    except ValueError as error:
        raise JOB.damaged(file, error) from error


def check_worker(folder: Path, job: Job) -> None:
    """Notice before the work begins that this machine would render something else.

    Raises:
        LiveHandError: another version of LiveHand, or a file of the job is missing or changed.
    """
    from ..avatars.metadata import read_metadata

    if job.addon_version != __version__:
        raise LiveHandError(
            f"The farm job {folder} was written by LiveHand {job.addon_version}; this worker has {__version__}.",
            "Install the same version on all machines, or write the job again.",
        )
    if not (folder / SCENE_FILE).is_file():
        raise LiveHandError(f"{folder / SCENE_FILE} is not there.", "Copy the whole folder of the job.")
    for avatar in job.avatars:
        if read_metadata(folder / avatar.file).content_hash != avatar.content_hash:
            raise LiveHandError(f"{folder / avatar.file} is not the avatar of the job.", "Write the job again.")


def missing_frames(folder: Path, job: Job) -> list[int]:
    """Frames whose picture is not there."""
    output = job.output_in(folder)
    return [frame for frame in job.frame_list if not output.finished(frame)]
