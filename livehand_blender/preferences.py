"""What the add-on's preferences say; ``ui.preferences_page`` declares and draws them."""

from pathlib import Path
from typing import Any

import bpy

from livehand_core.engine.kept_core import keep_core_in

from .registration import Step, registration

PACKAGE = __package__ or "livehand_blender"


def preferences() -> Any:
    """The stored preferences, None when the add-on was registered without being enabled in Blender's list."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon else None


def preference(name: str, default: Any = "") -> Any:
    """One stored preference, ``default`` when there are none."""
    stored = preferences()
    return getattr(stored, name) if stored else default


def interpreter_preference() -> str:
    """Path of the engine's interpreter that the user set, empty when unset."""
    return bpy.path.abspath(preference("interpreter"))


def render_device() -> str:
    """What draws frames, as the engine takes it."""
    return str(preference("render_device") or "AUTO").lower()


def made_environment() -> Path:
    """Folder of the Python environment that the add-on makes for the engine, whether or not it is there."""
    return data_folder() / "environment"


def avatar_folder() -> Path:
    """Folder of the avatars in the list."""
    return _folder("avatar_folder", "avatars")


def run_folder() -> Path:
    """Folder of the training runs in the list."""
    return _folder("run_folder", "runs")


def log_path() -> Path:
    """File that the engine writes its log to."""
    return _folder("log_folder", ".") / "engine.log"


def data_folder() -> Path:
    """The add-on's own folder, which outlives its updates; not made here."""
    if PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(PACKAGE))
    # Registered from a checkout.
    return Path(bpy.utils.user_resource("DATAFILES")) / "livehand"


def _folder(name: str, own: str) -> Path:
    chosen = preference(name)
    return Path(bpy.path.abspath(chosen)) if chosen else data_folder() / own


def _keep_core() -> None:
    if PACKAGE.startswith("bl_ext."):
        # Blender takes the extension's own core away as soon as the extension is switched off or upgraded.
        keep_core_in(data_folder() / "core")


register, unregister = registration([Step("the copy of its core", _keep_core, lambda: None)])
