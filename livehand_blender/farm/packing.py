"""Writes a farm job: a folder with a packed copy of the scene, its avatars by their content, and the description.

Called by the batch with ``--write-job``, in a Blender that ends afterwards: the open file is changed on the way.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from livehand_core.avatars.metadata import AvatarMetadata, read_metadata, resolve
from livehand_core.errors import LiveHandError
from livehand_core.farm import openjd, slurm
from livehand_core.farm.job import AVATAR_FOLDER, JOB_FILE, SCENE_FILE, Job, JobAvatar, write_job
from livehand_core.files import atomic_path
from livehand_core.frames import DEFAULT_AVATAR

from ..render.scene import avatar_path
from ..rig.armature import is_hand

CHANGING_STAMPS = ("date", "render_time", "memory", "hostname", "filename")
"""Metadata of pictures that differ between workers; without them a frame has the same bytes whoever renders it."""


@dataclass(frozen=True)
class Wish:
    """What a job is to be.

    Attributes:
        frames: a list as of ``--frames``.
        output, file_format: as ``Job`` has them.
        command: how a worker begins.
    """

    frames: str
    chunks: int
    output: str
    file_format: str
    command: tuple[str, ...]
    sign: bool = False


def write_job_folder(scene: Any, folder: Path, wish: Wish) -> Job:
    """Write the folder of a job; what is in it of an earlier one is replaced.

    Raises:
        LiveHandError: an avatar or another file is missing, or the folder cannot be written.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LiveHandError(
            f"{folder} cannot be made ({error.strerror}).", "Choose a folder you may write to."
        ) from error
    name = Path(bpy.data.filepath).stem or "LiveHand"
    avatars = _bring_avatars(folder)
    outside = _pack()
    for stamp in CHANGING_STAMPS:
        setattr(scene.render, f"use_stamp_{stamp}", False)
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / SCENE_FILE), check_existing=False)
    except RuntimeError as error:
        raise LiveHandError(f"{folder / SCENE_FILE} cannot be written ({str(error).strip()}).") from error
    job = Job(
        name,
        scene.name,
        scene.render.engine,
        wish.frames,
        wish.chunks,
        wish.output,
        wish.file_format,
        avatars=avatars,
        outside=outside,
        command=wish.command,
        sign=wish.sign or scene.livehand.sign,
    )
    openjd.write_template(folder, job)
    slurm.write_scripts(folder, job)
    # The last: a folder with it is whole.
    write_job(folder, job)
    print(f"The job is written: {folder / JOB_FILE}, {len(job.frame_list)} frames in {job.chunks} chunks.", flush=True)
    for path in outside:
        print(f"  not packed: {path}; workers must reach it there", flush=True)
    return job


def _bring_avatars(folder: Path) -> tuple[JobAvatar, ...]:
    """Copy the hands' avatars into the job, named by their content, and have the hands show the copies."""
    brought: dict[str, JobAvatar] = {}
    for rig in filter(is_hand, bpy.data.objects):
        avatar = avatar_path(rig)
        metadata = read_metadata(avatar)
        if avatar == DEFAULT_AVATAR:
            # Comes with the add-on, whose version is the job's.
            continue
        if rig.library is not None:
            raise LiveHandError(
                f"The hand {rig.name!r} is linked from {rig.library.filepath}, so its avatar cannot be brought along.",
                "Make a library override of it, or make it local.",
            )
        known = brought[metadata.content_hash] = _copied(resolve(avatar), metadata, folder)
        rig.livehand.avatar = f"//{known.file}"
    return tuple(brought.values())


def _copied(source: Path, metadata: AvatarMetadata, folder: Path) -> JobAvatar:
    file = f"{AVATAR_FOLDER}/{metadata.content_hash}.safetensors"
    target = folder / file
    if source.absolute() != target:
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    return JobAvatar(file, metadata.content_hash, metadata.name, metadata.licence)


def _pack() -> tuple[str, ...]:
    """Pack all that Blender can pack; gives what it cannot: caches, image sequences, clips.

    Raises:
        LiveHandError: a file that the scene needs is missing.
    """
    for pack in (bpy.ops.file.pack_libraries, bpy.ops.file.pack_all):
        try:
            pack()
        except RuntimeError as error:
            reason = str(error).strip().removeprefix("Error: ")
            raise LiveHandError(f"The scene cannot be packed: {reason}.", "Put the file back or replace it.") from error
    return tuple(sorted(set(bpy.utils.blend_paths(absolute=True, packed=False))))
