"""The operator that captures the hand."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from ..background import Task, TaskOperator
from ..preferences import data_folder
from ..registration import classes, registration
from ..rig.armature import active_hand
from .planning import chosen_hand, own_cameras
from .process import Job, run, save_copy

CAPTURE_KEY = "capture"


class LIVEHAND_OT_capture(TaskOperator, bpy.types.Operator):
    """Photograph the hand from many sides in many poses, in this scene's light, as material for an avatar"""

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
        return Task("The capture", lambda task: run(job, task), settle)

    def done_message(self, answer: int) -> str:
        return f"{answer} pictures in {self._folder}"


def capture_folder(scene: Any, rig: Any) -> Path:
    """Where a capture of this hand goes."""
    chosen = scene.livehand_capture.folder
    if chosen:
        return Path(bpy.path.abspath(chosen))
    file = Path(bpy.data.filepath).stem or "untitled"
    return data_folder() / "captures" / bpy.path.clean_name(f"{file} {rig.name}")


register, unregister = registration(classes(LIVEHAND_OT_capture))
