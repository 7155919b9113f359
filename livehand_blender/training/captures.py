"""Captures that a run is trained on beside the first: a folder and a name each, for avatars of several identities."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from pathlib import Path
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from livehand_core.errors import TrainingError

from .. import compat


class LiveHandCaptureFolder(bpy.types.PropertyGroup):
    """One more capture."""

    path: StringProperty(
        name="Capture", description="Folder of a further capture", subtype="DIR_PATH", options=compat.PATH_OPTIONS
    )
    identity: StringProperty(
        name="Identity", description="Whose hand it shows; empty for what the capture says, or the folder's name"
    )


class LIVEHAND_OT_train_capture_add(bpy.types.Operator):
    """Train on one more capture as well; of another person's hand, it makes an avatar of several identities"""

    bl_idname = "livehand.train_capture_add"
    bl_label = "Add Capture"
    bl_options = {"REGISTER", "UNDO"}

    path: StringProperty(name="Capture", description="Folder of the capture", subtype="DIR_PATH")
    identity: StringProperty(name="Identity", description="Whose hand it shows; empty for what the capture says")

    def execute(self, context: Any) -> set[str]:
        item = context.scene.livehand_training.more_captures.add()
        item.path, item.identity = self.path, self.identity
        return {"FINISHED"}


class LIVEHAND_OT_train_capture_remove(bpy.types.Operator):
    """Do not train on this capture"""

    bl_idname = "livehand.train_capture_remove"
    bl_label = "Remove Capture"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(name="Index", description="Which of the further captures", default=-1)

    def execute(self, context: Any) -> set[str]:
        captures = context.scene.livehand_training.more_captures
        if not -len(captures) <= self.index < len(captures):
            self.report({"ERROR"}, "There is no such capture. Choose one from the list.")
            return {"CANCELLED"}
        captures.remove(self.index % len(captures))
        return {"FINISHED"}


def chosen_captures(settings: Any, capture: str = "") -> tuple[list[Path], list[str]]:
    """The folders of captures to train on, and whose hands they show; no names where none is given.

    Args:
        settings: ``scene.livehand_training``.
        capture: in place of the first one.

    Raises:
        TrainingError: none is chosen, or a line is empty.
    """
    first = capture or settings.capture
    if not first:
        raise TrainingError("No capture is chosen.", "Choose a capture's folder, or capture a hand.")
    others = list(settings.more_captures)
    if any(not item.path for item in others):
        raise TrainingError("A further capture has no folder.", "Choose its folder, or remove the line.")
    names = [settings.identity.strip(), *(item.identity.strip() for item in others)]
    folders = [Path(bpy.path.abspath(path)) for path in (first, *(item.path for item in others))]
    return folders, names if any(names) else []


CLASSES = (LiveHandCaptureFolder, LIVEHAND_OT_train_capture_add, LIVEHAND_OT_train_capture_remove)
