"""The add-on's preferences: which Python runs the engine, and where its log goes."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from . import compat

PACKAGE = __package__ or "livehand_blender"


class LiveHandPreferences(bpy.types.AddonPreferences):
    """Preferences of the add-on."""

    bl_idname = PACKAGE

    interpreter: StringProperty(
        name="Python of the Engine",
        description="Python executable that has torch, or its environment's folder; empty to take LIVEHAND_PYTHON, the "
        "folder environment in the add-on's own folder, or Blender's own Python",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    log_folder: StringProperty(
        name="Log Folder",
        description="Folder of the engine's log; empty for the add-on's own",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )

    def draw(self, _context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "interpreter")
        layout.prop(self, "log_folder")
        layout.operator("livehand.engine_check", icon="CHECKMARK")
        layout.label(text=f"Log: {log_path()}")


def preferences() -> Any:
    """The stored preferences, None when the add-on was registered without being enabled in Blender's list."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon else None


def interpreter_preference() -> str:
    """Path of the engine's interpreter that the user set, empty when unset."""
    stored = preferences()
    return bpy.path.abspath(stored.interpreter) if stored and stored.interpreter else ""


def made_environment() -> Path | None:
    """Folder of the Python environment that the add-on makes for the engine, None outside an installed extension."""
    folder = _user_folder(create=False)
    return folder / "environment" if folder else None


def log_path() -> Path:
    """File that the engine writes its log to."""
    stored = preferences()
    if stored and stored.log_folder:
        return Path(bpy.path.abspath(stored.log_folder)) / "engine.log"
    folder = _user_folder(create=True) or Path(bpy.app.tempdir or ".")
    return folder / "engine.log"


def _user_folder(create: bool) -> Path | None:
    if not PACKAGE.startswith("bl_ext."):
        return None
    return Path(bpy.utils.extension_path_user(PACKAGE, create=create))


CLASSES = (LiveHandPreferences,)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
