"""The training panel's settings, its list of runs, and the operators that start and steer them."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import shlex
import shutil
import time
from pathlib import Path
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from livehand_core.engine.interpreters import find_interpreter
from livehand_core.errors import LiveHandError, TrainingError
from livehand_core.training.control import AVATAR_FILE, RunStatus, give_order
from livehand_core.training.lengths import LENGTHS

from .. import compat
from ..avatars.library import add_file
from ..avatars.operators import refresh as refresh_avatars
from ..avatars.operators import select as select_avatar
from ..background import Task, TaskOperator, redraw
from ..polls import allowed
from ..preferences import avatar_folder, interpreter_preference, made_environment, preference, run_folder
from ..registration import classes, leaving, properties, registration, timer
from ..rig.armature import active_hand, why_not_editable
from .captures import CLASSES as CAPTURE_CLASSES
from .captures import LiveHandCaptureFolder, chosen_captures
from .runs import Run, Watcher, check_capture_folders, new_folder, start, stop_own

START_KEY = "training"
LOOK_SECONDS = 1.0
INTEREST_SECONDS = 5.0

watcher = Watcher()
_drawn = 0.0


class LiveHandRunItem(bpy.types.PropertyGroup):
    """One line of the list of runs."""

    path: StringProperty(name="Run", description="Folder of the run", subtype="DIR_PATH")


class LiveHandTraining(bpy.types.PropertyGroup):
    """What the next run is told, as ``scene.livehand_training``."""

    capture: StringProperty(
        name="Capture", description="Folder of a capture", subtype="DIR_PATH", options=compat.PATH_OPTIONS
    )
    identity: StringProperty(
        name="Identity", description="Whose hand the capture shows; empty for what it says, or its folder's name"
    )
    more_captures: CollectionProperty(
        type=LiveHandCaptureFolder, name="More Captures", description="Trained on beside the first"
    )
    avatar_name: StringProperty(name="Name", description="Name of the avatar and of the run", default="My Hand")
    preset: EnumProperty(
        name="Length",
        description="How long, and with which settings, the avatar is trained",
        items=tuple(
            (name.upper(), name.capitalize(), length.description, number)
            for number, (name, length) in enumerate(LENGTHS.items())
        ),
        default="STANDARD",
    )
    device: EnumProperty(
        name="Device",
        description="What the training computes on",
        items=(
            ("AUTO", "Automatic", "A CUDA device when there is one", 0),
            ("CPU", "Processor", "The processor", 1),
            ("CUDA", "CUDA", "The first CUDA device", 2),
        ),
        default="AUTO",
    )
    skip_bad: BoolProperty(
        name="Skip Bad Images",
        description="Train without the images and poses that cannot be used, instead of stopping with a list of them",
        default=False,
    )
    show_advanced: BoolProperty(name="Advanced", description="Show more settings of the run", default=False)
    minutes: FloatProperty(
        name="Minutes",
        description="Training time in minutes; 0 takes the length's own",
        default=0.0,
        min=0.0,
        precision=1,
    )
    licence: StringProperty(name="Licence", description="Licence of the avatar; empty for the capture's")
    seed: IntProperty(name="Seed", description="Seed of everything random", default=0, min=0)
    settings: StringProperty(
        name="Settings",
        description="Single settings as KEY=VALUE with spaces between, e.g. tile=64 samples=12",
    )


class LIVEHAND_OT_train_start(TaskOperator, bpy.types.Operator):
    """Train an avatar on a capture, in a process of its own that goes on while you work"""

    bl_idname = "livehand.train_start"
    bl_label = "Start Training"
    bl_options = {"REGISTER"}
    task_key = START_KEY

    capture: StringProperty(name="Capture", description="By default the scene's setting", subtype="DIR_PATH")
    folder: StringProperty(name="Run", description="Folder of the run; by default a new one", subtype="DIR_PATH")

    def make_task(self, context: Any) -> Task[Path]:
        settings = context.scene.livehand_training
        captures, names = chosen_captures(settings, self.capture)
        name = settings.avatar_name.strip() or "My Hand"
        folder = Path(bpy.path.abspath(self.folder)) if self.folder else new_folder(run_folder(), name)
        preset, device = settings.preset.lower(), settings.device.lower()
        arguments = [*map(str, captures), "--preset", preset, "--device", device, "--name", name]
        arguments += ["--seed", str(settings.seed)]
        arguments += ["--identities", *names] if names else []
        arguments += ["--licence", settings.licence] if settings.licence.strip() else []
        arguments += ["--minutes", f"{settings.minutes:g}"] if settings.minutes > 0.0 else []
        arguments += ["--skip-bad"] if settings.skip_bad else []
        try:
            changes = shlex.split(settings.settings)
        except ValueError as error:
            raise TrainingError(f"The settings cannot be read ({error}).", "Write KEY=VALUE KEY=VALUE.") from error
        arguments += ["--set", *changes] if changes else []
        first, *others = map(str, captures)
        status = RunStatus("starting", name, first, tuple(others), tuple(names), preset=preset, device=device)
        return _start_task(folder, arguments, status, lambda: check_capture_folders(captures))

    def done_message(self, answer: Path) -> str:
        return f"Training goes on in {answer}"


class LIVEHAND_OT_train_resume(TaskOperator, bpy.types.Operator):
    """Continue a run from its newest checkpoint"""

    bl_idname = "livehand.train_resume"
    bl_label = "Resume"
    bl_options = {"REGISTER"}
    task_key = START_KEY

    path: StringProperty(name="Run", description="Folder of the run", subtype="DIR_PATH")
    more_minutes: FloatProperty(
        name="More Minutes", description="How much longer to train a finished run", default=0.0, min=0.0
    )

    def make_task(self, _context: Any) -> Task[Path]:
        run = _known(self.path)
        if run.status.alive:
            raise TrainingError(f"The run {run.folder.name!r} is running.", "Stop it first.")
        arguments = ["--resume", "--device", run.status.device or "auto"]
        if self.more_minutes > 0.0:
            arguments += ["--minutes", f"{run.status.seconds / 60.0 + self.more_minutes:.3f}"]
        captures = [Path(folder) for folder in (run.status.capture, *run.status.more_captures) if folder]
        return _start_task(run.folder, arguments, run.status, lambda: check_capture_folders(captures))

    def done_message(self, answer: Path) -> str:
        return f"Training goes on in {answer}"


class LIVEHAND_OT_train_order(bpy.types.Operator):
    """Pause, continue or stop a run after its current step"""

    bl_idname = "livehand.train_order"
    bl_label = "Steer Training"

    path: StringProperty(name="Run", description="Folder of the run", subtype="DIR_PATH")
    order: EnumProperty(
        name="Order",
        description="What the run is told to do after its current step",
        items=(
            ("PAUSE", "Pause", "Write a checkpoint and wait; the memory stays taken", 0),
            ("GO", "Continue", "Go on after a pause", 1),
            ("STOP", "Stop", "Write a checkpoint and end; it can be resumed", 2),
        ),
    )

    @classmethod
    def description(cls, _context: Any, properties: Any) -> str:
        return str(cls.bl_rna.properties["order"].enum_items[properties.order].description) if properties.order else ""

    def execute(self, _context: Any) -> set[str]:
        try:
            give_order(Path(bpy.path.abspath(self.path)), self.order.lower())
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        _look_soon()
        return {"FINISHED"}


class LIVEHAND_OT_train_to_avatar(bpy.types.Operator):
    """Put the run's newest avatar into the list of avatars, under the run's name, and on the active hand"""

    bl_idname = "livehand.train_to_avatar"
    bl_label = "Keep as Avatar"
    bl_options = {"REGISTER", "UNDO"}

    path: StringProperty(name="Run", description="Folder of the run", subtype="DIR_PATH")
    name: StringProperty(name="Name", description="By default the run's")

    def execute(self, context: Any) -> set[str]:
        folder = Path(bpy.path.abspath(self.path))
        try:
            made = add_file(folder / AVATAR_FILE, avatar_folder(), self.name or folder.name)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        hand = active_hand(context)
        if hand is not None:
            hand.livehand.avatar = str(made)
        refresh_avatars()
        select_avatar(made)
        self.report({"INFO"}, f"The avatar {made.stem!r} is in the list")
        return {"FINISHED"}


class LIVEHAND_OT_train_follow(bpy.types.Operator):
    """Let the active hand show this run's newest checkpoint while it trains"""

    bl_idname = "livehand.train_follow"
    bl_label = "Follow in Viewport"
    bl_options = {"REGISTER", "UNDO"}

    path: StringProperty(name="Run", description="Folder of the run", subtype="DIR_PATH")

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, why_not_editable(active_hand(context)))

    def execute(self, context: Any) -> set[str]:
        avatar = Path(bpy.path.abspath(self.path)) / AVATAR_FILE
        if not avatar.is_file():
            self.report({"ERROR"}, "The run has no avatar yet. It gets one with its first checkpoint.")
            return {"CANCELLED"}
        active_hand(context).livehand.avatar = str(avatar)
        return {"FINISHED"}


class LIVEHAND_OT_train_delete(bpy.types.Operator):
    """Delete the run's folder with its checkpoints; avatars that were kept stay"""

    bl_idname = "livehand.train_delete"
    bl_label = "Delete Training Run"

    path: StringProperty(name="Run", description="Folder of the run", subtype="DIR_PATH")

    def invoke(self, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, _context: Any) -> set[str]:
        folder = Path(bpy.path.abspath(self.path))
        try:
            run = _known(str(folder))
            if run.status.alive:
                raise TrainingError(f"The run {folder.name!r} is running.", "Stop it first.")
            shutil.rmtree(folder)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{folder} cannot be deleted ({error.strerror}).")
            return {"CANCELLED"}
        _look_soon()
        return {"FINISHED"}


def interested() -> None:
    """The panel is drawn: look at the folder of runs from now on, for some seconds after the last time."""
    global _drawn
    _drawn = time.monotonic()
    _look_soon()


def _look_soon() -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_look):
        bpy.app.timers.register(_look, first_interval=0.05, persistent=True)


def _look() -> float | None:
    watcher.ask(run_folder())
    if watcher.changed():
        _sync()
        redraw()
    alive = any(run.status.alive for run in watcher.runs)
    return LOOK_SECONDS if alive or time.monotonic() - _drawn < INTEREST_SECONDS else None


def _sync() -> None:
    """Bring the list to what the watcher found; the chosen run stays chosen."""
    manager = bpy.context.window_manager
    items, index = manager.livehand_runs, manager.livehand_run_index
    before = items[index].path if 0 <= index < len(items) else ""
    paths = [str(run.folder) for run in watcher.runs]
    if [item.path for item in items] != paths:
        items.clear()
        for path in paths:
            item = items.add()
            item.name, item.path = Path(path).name, path
        manager.livehand_run_index = paths.index(before) if before in paths else 0


def _start_task(folder: Path, arguments: list[str], status: RunStatus, check: Any) -> Task[Path]:
    preference_text, made = interpreter_preference(), made_environment()

    def work(task: Task[Path]) -> Path:
        task.tell(0.1, "Looking for the engine's Python")
        check()
        python = find_interpreter(preference_text, made, "training").path
        task.check()
        start(folder, python, arguments, status)
        return folder

    def settle(_folder: Path) -> None:
        interested()
        # A new run is the newest, so it is the first of the list.
        bpy.context.window_manager.livehand_run_index = 0

    return Task("Starting the training", work, settle)


def _known(path: str) -> Run:
    """A run by its folder, read now. Raises TrainingError when there is none."""
    from livehand_core.training.control import read_status

    folder = Path(bpy.path.abspath(path))
    return Run(folder, read_status(folder))


def _stop_runs() -> None:
    if not preference("keep_training", True):
        stop_own()


register, unregister = registration(
    classes(
        *CAPTURE_CLASSES,
        LiveHandRunItem,
        LiveHandTraining,
        LIVEHAND_OT_train_start,
        LIVEHAND_OT_train_resume,
        LIVEHAND_OT_train_order,
        LIVEHAND_OT_train_to_avatar,
        LIVEHAND_OT_train_follow,
        LIVEHAND_OT_train_delete,
    ),
    properties(
        (bpy.types.Scene, "livehand_training", PointerProperty(type=LiveHandTraining)),
        (bpy.types.WindowManager, "livehand_runs", CollectionProperty(type=LiveHandRunItem)),
        (bpy.types.WindowManager, "livehand_run_index", IntProperty(name="Run", options={"SKIP_SAVE"})),
    ),
    timer(_look),
    leaving(_stop_runs),
)
