"""Operators of the engine's set-up: check, restart, free memory, make or remove an environment."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import contextlib
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from livehand_core.engine.client import EngineInfo
from livehand_core.engine.interpreters import Interpreter, environment_python, find_interpreter, forget_interpreter
from livehand_core.errors import EngineError

from ..background import Task, TaskCancelled, TaskOperator, begin, is_running
from ..polls import allowed
from ..preferences import data_folder, interpreter_preference, log_path, made_environment, preferences
from ..registration import classes, registration
from ..render import session
from ..render.session import torch_words
from .recipe import Stamp, Wish, make_environment, read_stamp, remove_environment

ENGINE_KEY, PROBE_KEY, ENVIRONMENT_KEY = "engine", "interpreter", "environment"


def probe() -> None:
    """Find out in the background which interpreter would serve; the preferences show the answer."""
    if bpy.app.background or is_running(PROBE_KEY):
        return
    begin(PROBE_KEY, _probe_task())


def _probe_task() -> Task[Interpreter]:
    preference, made = interpreter_preference(), made_environment()
    return Task("Looking for the engine's Python", lambda task: find_interpreter(preference, made))


class _EngineStart(TaskOperator):
    """Start the engine, after its end when it is to restart."""

    task_key = ENGINE_KEY
    restart = False

    def make_task(self, _context: Any) -> Task[EngineInfo]:
        client, restart = session.engine_client(), self.restart
        preference, made = interpreter_preference(), made_environment()

        def work(task: Task[EngineInfo]) -> EngineInfo:
            if restart:
                task.tell(0.1, "Ending the engine")
                client.close()
            task.tell(0.2, "Looking for the engine's Python")
            find_interpreter(preference, made)
            task.tell(0.4, "Starting the engine")
            ended = threading.Event()

            def give_up() -> None:
                while not ended.wait(0.1):
                    if task.cancelled():
                        client.close()
                        return

            threading.Thread(target=give_up, name="livehand engine check", daemon=True).start()
            try:
                return client.start()
            except EngineError:
                task.check()
                raise
            finally:
                ended.set()

        return Task("Starting the engine", work)

    def done_message(self, answer: EngineInfo) -> str:
        devices = ", ".join(str(device) for device in answer.devices)
        return f"Engine {answer.core_version} runs on {devices}, {torch_words(answer.torch_version)}"


class LIVEHAND_OT_engine_check(_EngineStart, bpy.types.Operator):
    """Start the engine process and report its version and devices"""

    bl_idname = "livehand.engine_check"
    bl_label = "Check Engine"
    bl_options = {"REGISTER"}


class LIVEHAND_OT_engine_restart(_EngineStart, bpy.types.Operator):
    """End the engine process and start a new one"""

    bl_idname = "livehand.engine_restart"
    bl_label = "Restart Engine"
    bl_options = {"REGISTER"}
    restart = True


class LIVEHAND_OT_engine_free(bpy.types.Operator):
    """End the engine process, which gives all its memory back; the next picture starts a new one"""

    bl_idname = "livehand.engine_free"
    bl_label = "Free Memory"

    def execute(self, _context: Any) -> set[str]:
        client = session.engine_client()
        if client.info is None:
            self.report({"INFO"}, "The engine is not running.")
        elif bpy.app.background:
            client.close()
        else:
            threading.Thread(target=client.close, name="livehand engine close", daemon=True).start()
        return {"FINISHED"}


class LIVEHAND_OT_engine_log(bpy.types.Operator):
    """Open the engine's log in a text editor of this system"""

    bl_idname = "livehand.engine_log"
    bl_label = "Open Log"

    def execute(self, _context: Any) -> set[str]:
        if not log_path().is_file():
            self.report({"INFO"}, "There is no log yet: the engine has not run.")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(log_path()))
        return {"FINISHED"}


class LIVEHAND_OT_environment_make(TaskOperator, bpy.types.Operator):
    """Make a Python environment for the engine in the add-on's folder, with all that rendering needs"""

    bl_idname = "livehand.environment_make"
    bl_label = "Make Environment"
    bl_options = {"REGISTER"}
    task_key = ENVIRONMENT_KEY

    build: EnumProperty(
        name="Build",
        description="What it renders on; by default the preference's",
        items=(
            ("PREFERENCE", "Preference", "As set in the preferences", 0),
            ("CPU", "Processor", "Runs everywhere; without torch, unless training is wanted", 1),
            ("CUDA", "CUDA", "For training on an NVIDIA GPU, with torch", 2),
            ("DEFAULT", "As Published", "With the torch that the package index gives", 3),
        ),
        default="PREFERENCE",
    )
    wheels: StringProperty(
        name="Wheels", description="Folder of wheels; by default the preference's", subtype="DIR_PATH"
    )
    base: StringProperty(name="Made From", description="Python to make it from; by default the preference's")
    training: BoolProperty(
        name="With Training",
        description="Also install what training, its measures, meshes and the import of official checkpoints need",
        default=False,
    )
    tracking: BoolProperty(
        name="With Tracking",
        description="Also install what tracking hands in videos and before a camera needs",
        default=False,
    )

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return _engine_rests(cls)

    def make_task(self, _context: Any) -> Task[Stamp]:
        wish = self._wish()

        def work(task: Task[Stamp]) -> Stamp:
            # The engine may be running on what is about to be replaced.
            client.close()
            try:
                return make_environment(wish, task.tell, task.cancelled)
            except EngineError as error:
                if task.cancelled():
                    raise TaskCancelled("Making the environment was cancelled; nothing of it is left.") from error
                raise

        def settle(_: Stamp) -> None:
            forget_interpreter(environment_python(wish.folder))
            probe()

        client = session.engine_client()
        return Task("Making the environment", work, settle)

    def _wish(self) -> Wish:
        stored = preferences()
        given = self.properties.is_property_set

        def wanted(own: str, preference: str) -> str:
            text = getattr(self, own) if given(own) else getattr(stored, preference, "")
            return str(bpy.path.abspath(text)) if text else ""

        made = read_stamp(made_environment())

        def also(part: str) -> bool:
            """A button that adds one part takes nothing away that is there."""
            if given(part):
                return bool(getattr(self, part))
            added = given("training") or given("tracking")
            return bool(getattr(stored, f"with_{part}", False) or (added and made and getattr(made, part)))

        base, wheels = wanted("base", "base_python"), wanted("wheels", "wheel_folder")
        return Wish(
            folder=made_environment(),
            base=Path(base) if base else own_python(),
            source=core_source(),
            build=self.build if self.build != "PREFERENCE" else getattr(stored, "torch_build", "CPU"),
            index=getattr(stored, "torch_index", "").strip(),
            training=also("training"),
            tracking=also("tracking"),
            wheels=Path(wheels) if wheels else None,
            online=bpy.app.online_access,
            log=data_folder() / "environment.log",
        )

    def done_message(self, answer: Stamp) -> str:
        return f"The engine's environment is ready: Python {answer.python}, {torch_words(answer.torch)}"


class LIVEHAND_OT_environment_remove(TaskOperator, bpy.types.Operator):
    """Delete the environment that was made for the engine"""

    bl_idname = "livehand.environment_remove"
    bl_label = "Remove Environment"
    bl_options = {"REGISTER"}
    task_key = ENVIRONMENT_KEY

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return _engine_rests(cls) and allowed(
            cls, "" if made_environment().is_dir() else "No environment was made here"
        )

    def make_task(self, _context: Any) -> Task[None]:
        client, folder = session.engine_client(), made_environment()

        def work(task: Task[None]) -> None:
            task.tell(0.1, "Deleting the environment")
            client.close()
            remove_environment(folder)

        return Task("Removing the environment", work, lambda _: probe())

    def done_message(self, answer: None) -> str:
        return "The engine's environment is removed"


class LIVEHAND_OT_environment_remove_ask(bpy.types.Operator):
    """Delete the environment that was made for the engine, after asking"""

    bl_idname = "livehand.environment_remove_ask"
    bl_label = "Remove the Engine's Environment"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return _engine_rests(cls)

    def invoke(self, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, _context: Any) -> set[str]:
        bpy.ops.livehand.environment_remove("INVOKE_DEFAULT")
        return {"FINISHED"}


def own_python() -> Path:
    """The Python executable that belongs to Blender, or the one on the PATH where Blender has none."""
    own = Path(sys.executable) if sys.executable else None
    if own is not None and not own.name.lower().startswith("blender") and own.exists():
        return own
    found = shutil.which("python3") or shutil.which("python")
    if found is None:
        raise EngineError(
            "This Blender has no Python executable of its own.", "Give one in the preferences (Options, Made From)."
        )
    return Path(found)


def core_source() -> Path:
    """What an environment installs: the wheel in the extension, or the checkout that the add-on is registered from."""
    package = Path(__file__).resolve().parents[1]
    wheel = next(iter(sorted((package / "wheels").glob("livehand-*.whl"))), None)
    if wheel is not None:
        return wheel
    if (package.parent / "pyproject.toml").is_file():
        return package.parent
    raise EngineError("The add-on lacks its own wheel (livehand).", "Install the add-on again.")


_tail: tuple[float, tuple[float, int], list[str]] = (0.0, (0.0, 0), [])


def log_tail(count: int = 12) -> list[str]:
    """The last lines of the engine's log; read again at most once a second, and only when it has grown."""
    global _tail
    looked, known, lines = _tail
    if time.monotonic() - looked < 1.0:
        return lines
    stamp = (0.0, 0)
    with contextlib.suppress(OSError):
        status = log_path().stat()
        stamp = (status.st_mtime, status.st_size)
        if stamp != known:
            with log_path().open("rb") as stream:
                stream.seek(max(status.st_size - 4096, 0))
                lines = stream.read().decode(errors="replace").splitlines()[-count:]
    _tail = (time.monotonic(), stamp, lines if stamp != (0.0, 0) else [])
    return _tail[2]


def _engine_rests(operator: Any) -> bool:
    """Poll of what replaces or removes the Python that an engine may just be starting on."""
    return allowed(operator, "The engine is being started or checked: wait for it" if is_running(ENGINE_KEY) else "")


register, unregister = registration(
    classes(
        LIVEHAND_OT_engine_check,
        LIVEHAND_OT_engine_restart,
        LIVEHAND_OT_engine_free,
        LIVEHAND_OT_engine_log,
        LIVEHAND_OT_environment_make,
        LIVEHAND_OT_environment_remove,
        LIVEHAND_OT_environment_remove_ask,
    )
)
