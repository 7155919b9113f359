"""The operators that capture the hand, and that find a capture again which another Blender has started."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from livehand_core.captures.going import read_status, stop
from livehand_core.errors import LiveHandError
from livehand_core.files import safe_name

from ..background import Task, TaskOperator
from ..preferences import data_folder, preference
from ..registration import classes, leaving, registration
from ..rig.armature import active_hand
from .planning import chosen_hand, own_cameras
from .process import Job, follow, run, save_copy, stop_own

CAPTURE_KEY = "capture"


class LIVEHAND_OT_capture(TaskOperator, bpy.types.Operator):
    """Photograph the hand from many sides in many poses, in this scene's light, to train an avatar on"""

    bl_idname = "livehand.capture"
    bl_label = "Capture Hand"
    bl_options = {"REGISTER"}
    task_key = CAPTURE_KEY

    folder: StringProperty(name="Folder", description="By default the scene's setting", subtype="DIR_PATH")

    def make_task(self, context: Any) -> Task[int]:
        scene = context.scene
        rig = chosen_hand(scene, active_hand(context))
        if scene.livehand_capture.cameras_from == "COLLECTION":
            own_cameras(scene.livehand_capture)
        folder = Path(bpy.path.abspath(self.folder)) if self.folder else capture_folder(scene, rig)
        job = Job(folder, scene.name, rig.name)
        save_copy(job)

        def settle(_: int) -> None:
            # Another file may have been opened meanwhile.
            known = bpy.data.scenes.get(job.scene)
            if known is not None and not known.livehand_training.capture:
                known.livehand_training.capture = str(folder)

        self._folder = folder
        captures = captures_folder()
        return Task("The capture", lambda task: run(job, captures, task), settle)

    def done_message(self, answer: int) -> str:
        return f"{answer} pictures in {self._folder}"


class LIVEHAND_OT_capture_follow(TaskOperator, bpy.types.Operator):
    """Follow a capture that goes on without the Blender that started it, as if it were this one's"""

    bl_idname = "livehand.capture_follow"
    bl_label = "Follow Capture"
    bl_options = {"REGISTER"}
    task_key = CAPTURE_KEY

    folder: StringProperty(name="Folder", description="Of the capture", subtype="DIR_PATH")

    def make_task(self, _context: Any) -> Task[int]:
        self._folder = folder = Path(bpy.path.abspath(self.folder))
        read_status(folder)
        return Task("The capture", lambda task: follow(folder, task))

    def done_message(self, answer: int) -> str:
        return f"{answer} pictures in {self._folder}"


class LIVEHAND_OT_capture_stop(bpy.types.Operator):
    """End a capture after the picture it is at; capture again to go on with it"""

    bl_idname = "livehand.capture_stop"
    bl_label = "Stop Capture"

    folder: StringProperty(name="Folder", description="Of the capture", subtype="DIR_PATH")

    def execute(self, _context: Any) -> set[str]:
        try:
            stop(Path(bpy.path.abspath(self.folder)))
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def captures_folder() -> Path:
    """The add-on's own folder of captures."""
    return data_folder() / "captures"


def capture_folder(scene: Any, rig: Any) -> Path:
    """Where a capture of this hand goes."""
    chosen = scene.livehand_capture.folder
    if chosen:
        return Path(bpy.path.abspath(chosen))
    file = Path(bpy.data.filepath).stem or "untitled"
    return captures_folder() / safe_name(bpy.path.clean_name(f"{file} {rig.name}"), "capture")


def _stop_captures() -> None:
    if not preference("keep_training", True):
        stop_own()


register, unregister = registration(
    classes(LIVEHAND_OT_capture, LIVEHAND_OT_capture_follow, LIVEHAND_OT_capture_stop),
    leaving(_stop_captures),
)
