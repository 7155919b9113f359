"""The farm panel's settings, and the operators that write a job and hand it to whatever renders it."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from livehand_core.engine.interpreters import child_environment, core_command, find_interpreter
from livehand_core.errors import LiveHandError
from livehand_core.farm.command import describe
from livehand_core.farm.job import BLENDER, JOB_FILE, SCENE_FILE, read_job

from .. import compat
from ..background import Task, TaskOperator
from ..environment.lines import failure_line, run_lines
from ..preferences import PACKAGE, interpreter_preference, made_environment
from ..registration import classes, properties, registration
from ..render.scene import avatar_path
from ..rig.armature import is_hand

FARM_KEY = "farm"
LOG_FILE = "farm.log"


class LiveHandFarm(bpy.types.PropertyGroup):
    """What a farm job is to be, as ``scene.livehand_farm``."""

    folder: StringProperty(
        name="Folder",
        description="Where the job goes, on a disk that all workers share; empty for a folder beside the .blend file",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    frames: StringProperty(name="Frames", description="Such as 1-10,15,20-40x2; empty for the scene's own")
    chunks: IntProperty(name="Chunks", description="Parts that the frames are shared out in", default=8, min=1)
    file_format: EnumProperty(
        name="Format",
        description="What is rendered, in the job's own folder",
        items=(
            ("PNG", "PNG", "A picture a frame", 0),
            ("EXR", "EXR", "A multilayer EXR a frame, with all passes", 1),
            ("MP4", "Video", "PNG frames, and a video of them at the end", 2),
        ),
        default="PNG",
    )
    sign: BoolProperty(
        name="Sign Pictures",
        description="Give each picture and the video Content Credentials: what made them, with which avatars. The "
        "engine's Python of each worker needs a certificate",
        default=False,
    )
    way: EnumProperty(
        name="Rendered By",
        description="What the job is handed to; its folder serves for all of them",
        items=(
            ("LOCAL", "This Machine", "Workers on this machine, in Blenders of their own", 0),
            ("SLURM", "Slurm", "An array of chunks in the queue of a cluster", 1),
            ("OPENJD", "OpenJD", "The open job description that AWS Deadline Cloud runs; here by its own runner", 2),
        ),
        default="LOCAL",
    )
    workers: IntProperty(name="Workers", description="Blenders that render at once", default=2, min=1, soft_max=16)
    options: StringProperty(
        name="Options", description="Of sbatch, as OPTION=VALUE with spaces between, e.g. partition=gpu time=60"
    )
    blender: StringProperty(
        name="Blender",
        description="How Blender is started on a worker; empty for blender on its path, and here for this one",
    )


class LIVEHAND_OT_farm_write(TaskOperator, bpy.types.Operator):
    """Write a farm job: a folder with a packed copy of this scene, its avatars, and what each engine needs to know"""

    bl_idname = "livehand.farm_write"
    bl_label = "Write Job"
    bl_options = {"REGISTER"}
    task_key = FARM_KEY

    folder: StringProperty(name="Folder", description="By default the scene's setting", subtype="DIR_PATH")

    def make_task(self, context: Any) -> Task[Path]:
        folder = Path(bpy.path.abspath(self.folder)) if self.folder else job_folder(context.scene)
        _save_copy(folder)
        words = _words(context.scene, folder)
        return Task("The farm job", lambda task: _write(folder, words, task))

    def done_message(self, answer: Path) -> str:
        return f"The job is in {answer}"


class LIVEHAND_OT_farm_submit(TaskOperator, bpy.types.Operator):
    """Hand the farm job to what renders it; frames that are there stay"""

    bl_idname = "livehand.farm_submit"
    bl_label = "Render Job"
    bl_options = {"REGISTER"}
    task_key = FARM_KEY

    folder: StringProperty(name="Folder", description="By default the scene's setting", subtype="DIR_PATH")

    def make_task(self, context: Any) -> Task[str]:
        settings = context.scene.livehand_farm
        folder, job = read_job(Path(bpy.path.abspath(self.folder)) if self.folder else job_folder(context.scene))
        try:
            options = shlex.split(settings.options)
        except ValueError as error:
            raise LiveHandError(f"The options cannot be read ({error}).", "Write OPTION=VALUE OPTION=VALUE.") from error
        way = {"LOCAL": ["--local", str(settings.workers)], "SLURM": ["--slurm", *options], "OPENJD": ["--openjd"]}
        words = ["farm", str(folder), *way[settings.way]]
        preference, made = interpreter_preference(), made_environment()
        openjd = settings.way == "OPENJD"

        def work(task: Task[str]) -> str:
            python = find_interpreter(preference, made, "openjd" if openjd else "rendering").path
            done = 0

            def take(line: str) -> None:
                nonlocal done
                done += line.endswith("is rendered")
                task.tell(done / (job.chunks + 1), line[-60:])

            command, environment = core_command(python, words), child_environment(python)
            return _run(command, environment, folder, task, take)

        return Task("The farm's rendering", work)

    def done_message(self, answer: str) -> str:
        return answer


def job_folder(scene: Any) -> Path:
    """Where a scene's job goes. Raises LiveHandError where only a saved file could tell."""
    chosen = scene.livehand_farm.folder.strip()
    if not bpy.data.filepath and (not chosen or chosen.startswith("//")):
        raise LiveHandError("The file is not saved yet, so its job has no place.", "Save it, or choose a folder.")
    if chosen:
        return Path(bpy.path.abspath(chosen))
    return Path(bpy.data.filepath).with_suffix(".farm")


def standing(folder: Path) -> str:
    """How the job in a folder stands, for the panel; empty without one."""
    if not (folder / JOB_FILE).is_file():
        return ""
    try:
        return describe(*read_job(folder))
    except LiveHandError as error:
        return str(error)


def _save_copy(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # With paths that hold from there, which Blender sees to; avatars are no files to it.
        with _absolute_avatars():
            path = str(folder / SCENE_FILE)
            bpy.ops.wm.save_as_mainfile(filepath=path, copy=True, check_existing=False, relative_remap=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip()
        raise LiveHandError(f"{folder} cannot be written ({reason}).", "Choose a folder you may write to.") from error


@contextmanager
def _absolute_avatars() -> Iterator[None]:
    """Within the block the file's own hands name their avatars by whole paths."""
    rigs = [rig for rig in bpy.data.objects if is_hand(rig) and rig.library is None and rig.livehand.avatar.strip()]
    before = [(rig, rig.livehand.avatar) for rig in rigs]
    try:
        for rig, path in [(rig, avatar_path(rig)) for rig in rigs]:
            rig.livehand.avatar = path
        yield
    finally:
        for rig, path in before:
            rig.livehand.avatar = path


def _words(scene: Any, folder: Path) -> list[str]:
    """The command line of the batch that packs the copy."""
    settings = scene.livehand_farm
    output = {"PNG": "frames/####.png", "EXR": "frames/####.exr", "MP4": "video.mp4"}[settings.file_format]
    words = [str(folder / SCENE_FILE), "--scene", scene.name, "--output", output, "--write-job", str(folder)]
    words += ["--chunks", str(settings.chunks), "--worker", shlex.join(_worker(settings))]
    words += ["--frames", settings.frames] if settings.frames.strip() else []
    return [*words, "--sign"] if settings.sign else words


def _worker(settings: Any) -> Sequence[str]:
    """How a worker begins."""
    if settings.blender.strip():
        return (settings.blender.strip(), *BLENDER[1:])
    if not bpy.app.binary_path:
        return _python()
    return (bpy.app.binary_path, *BLENDER[1:]) if settings.way != "SLURM" else BLENDER


def _python() -> list[str]:
    """Where Blender is a module of Python."""
    return [sys.executable, "-c", f"import bpy; from {PACKAGE} import batch; batch.run()", "--"]


def _write(folder: Path, words: list[str], task: Task[Path]) -> Path:
    begin = [bpy.app.binary_path, *BLENDER[1:]] if bpy.app.binary_path else _python()
    task.tell(0.2, "Packing a copy of the scene")
    _run([*begin, *words], None, folder, task, lambda line: None)
    return folder


def _run(
    command: Sequence[str],
    environment: dict[str, str] | None,
    folder: Path,
    task: Task[Any],
    take: Callable[[str], None],
) -> str:
    """Run a program to its end; its last line. Raises LiveHandError with its reason."""
    code, lines = run_lines(command, environment or dict(os.environ), folder / LOG_FILE, task.cancelled, take)
    if code:
        reason = failure_line(lines).removeprefix("livehand: ").removeprefix("Error: ")
        raise LiveHandError(f"{reason.rstrip('.')}.", f"{folder / LOG_FILE} has all that was said.")
    return next((line for line in reversed(lines) if line.strip()), "")


register, unregister = registration(
    classes(LiveHandFarm, LIVEHAND_OT_farm_write, LIVEHAND_OT_farm_submit),
    properties((bpy.types.Scene, "livehand_farm", PointerProperty(type=LiveHandFarm, name="LiveHand Farm"))),
)
