"""Operators around the engine: use it in this scene, check that its process starts."""

from typing import Any

import bpy

from livehand_core.errors import LiveHandError

from . import session
from .engine import ENGINE_ID


class LIVEHAND_OT_use_engine(bpy.types.Operator):
    """Render this scene with LiveHand, and show the avatar's exact colours (view transform Standard)"""

    bl_idname = "livehand.use_engine"
    bl_label = "Render with LiveHand"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        context.scene.render.engine = ENGINE_ID
        context.scene.view_settings.view_transform = "Standard"
        return {"FINISHED"}


class LIVEHAND_OT_engine_check(bpy.types.Operator):
    """Start the engine process and report its Python, torch and devices"""

    bl_idname = "livehand.engine_check"
    bl_label = "Check Engine"
    bl_options = {"REGISTER"}

    def execute(self, context: Any) -> set[str]:
        try:
            info = session.engine_client().start()
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        devices = ", ".join(str(device) for device in info.devices)
        self.report({"INFO"}, f"Engine {info.core_version} runs with torch {info.torch_version} on {devices}")
        return {"FINISHED"}


CLASSES = (LIVEHAND_OT_use_engine, LIVEHAND_OT_engine_check)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
