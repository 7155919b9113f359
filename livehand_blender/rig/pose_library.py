"""The gestures as pose assets for Blender's asset browser: in this file, or as an asset library of their own.

One asset serves both hands: it holds curves for the bones of either side, and Blender applies those that a rig has.
"""

# Blender reads the annotations of these classes as values, so they are not postponed.

import uuid
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty, StringProperty

from livehand_core.documents import Reader
from livehand_core.errors import LiveHandError
from livehand_core.files import atomic_path
from livehand_core.hand.gestures import GESTURES, gesture
from livehand_core.hand.limits import FINGERS
from livehand_core.poses import HandPose, Side

from .. import compat
from ..preferences import data_folder
from ..registration import classes, registration
from .bones import bone_axes
from .conversion import finger_quaternions
from .gestures import gesture_label
from .layout import BoneNames
from .model import BUILTIN_MODEL, hand_data
from .thumbnails import pose_thumbnail

LIBRARY_NAME = "LiveHand Poses"
"""Name of the asset library in the preferences."""

CATALOGUES = Reader("The catalogue of assets", remedy="Mend or delete it.", limit=1 << 20)

_CATALOGUE = str(uuid.uuid5(uuid.NAMESPACE_URL, "livehand/gestures"))
_SIDES: tuple[Side, Side] = ("right", "left")
_THUMBNAIL = 128


class LIVEHAND_OT_make_pose_library(bpy.types.Operator):
    """Put the gestures into Blender's asset browser as pose assets"""

    bl_idname = "livehand.make_pose_library"
    bl_label = "Make Pose Library"
    bl_options = {"REGISTER", "UNDO"}

    target: EnumProperty(
        name="Target",
        description="Where the pose assets go",
        items=(
            ("LIBRARY", "Asset Library", f"A library {LIBRARY_NAME!r} that every file can use", 0),
            ("FILE", "This File", "Actions of the current file, marked as assets", 1),
        ),
        default="LIBRARY",
    )
    directory: StringProperty(
        name="Folder",
        description="Folder of the asset library; empty for one in the add-on's own user folder",
        subtype="DIR_PATH",
    )

    def invoke(self, context: Any, event: Any) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: Any) -> set[str]:
        before = set(bpy.data.actions)
        actions = [pose_asset(name) for name in GESTURES]
        if self.target == "FILE":
            self.report({"INFO"}, f"{len(actions)} pose assets are in this file.")
            return {"FINISHED"}
        try:
            folder = Path(bpy.path.abspath(self.directory)) if self.directory else data_folder() / "poses"
            write_library(folder, actions)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            for action in set(actions) - before:
                bpy.data.actions.remove(action)
        _register_library(context, folder)
        self.report({"INFO"}, f"{len(actions)} pose assets are in the asset library {LIBRARY_NAME!r} ({folder}).")
        return {"FINISHED"}


def pose_asset(name: str) -> Any:
    """The pose asset of a gesture in this file; made unless it is there.

    It holds the fingers' rotations on both sides, and turns the curl and spread controls back to zero.
    """
    title = f"Hand {gesture_label(name)}"
    action = bpy.data.actions.get(title)
    if action is not None and action.asset_data is not None and action.library is None:
        return action
    action = bpy.data.actions.new(title)
    curves = compat.new_action_curves(action, "Hand")
    for side in _SIDES:
        names = BoneNames.of(side)
        turns = finger_quaternions(gesture(name, side), bone_axes(side))
        for bone, turn in zip(names.joints[1:], turns, strict=True):
            _add_keys(curves, f'pose.bones["{bone}"].rotation_quaternion', turn)
        for finger in (*FINGERS, "fingers"):
            _add_keys(curves, f'pose.bones["{names.control(finger)}"].rotation_euler', np.zeros(3))
    action.asset_mark()
    action.asset_data.catalog_id = _CATALOGUE
    action.asset_data.description = f"The gesture {gesture_label(name).lower()!r} for LiveHand hands of either side"
    action.asset_data.tags.new("LiveHand")
    data = hand_data(BUILTIN_MODEL, "right")
    pose = HandPose(np.zeros(3), GESTURES[name], np.zeros(10), np.zeros(3))
    preview = action.preview_ensure()
    preview.image_size = (_THUMBNAIL, _THUMBNAIL)
    preview.image_pixels_float.foreach_set(pose_thumbnail(data, pose, _THUMBNAIL).ravel())
    return action


def write_library(folder: Path, actions: list[Any]) -> None:
    """Write pose assets and their catalogue into a folder, in place of what this function wrote there before.

    Raises:
        LiveHandError: the folder cannot be written, or its catalogue cannot be read.
    """
    with atomic_path(folder / "livehand_poses.blend") as path:
        try:
            bpy.data.libraries.write(str(path), set(actions), fake_user=True, compress=True)
        except RuntimeError as error:
            raise LiveHandError(
                f"{folder} cannot be written ({error}).", "Choose a folder you may write to."
            ) from error
    catalogues = folder / "blender_assets.cats.txt"
    line = f"{_CATALOGUE}:LiveHand/Gestures:LiveHand-Gestures"
    text = CATALOGUES.text(catalogues) if catalogues.exists() else "VERSION 1\n\n"
    if _CATALOGUE not in text:
        with atomic_path(catalogues) as path:
            path.write_text(text.rstrip("\n") + f"\n{line}\n", encoding="utf-8")


def _register_library(context: Any, folder: Path) -> None:
    libraries = context.preferences.filepaths.asset_libraries
    for library in libraries:
        if Path(library.path) == folder:
            return
    libraries.new(name=LIBRARY_NAME, directory=str(folder))


def _add_keys(curves: Any, path: str, values: np.ndarray) -> None:
    for index, value in enumerate(values):
        points = curves.new(path, index=index).keyframe_points
        points.add(1)
        points[0].co = (1.0, float(value))


register, unregister = registration(classes(LIVEHAND_OT_make_pose_library))
