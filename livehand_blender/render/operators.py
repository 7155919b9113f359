"""Operators around the engine: use it in this scene."""

from typing import Any

import bpy

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


CLASSES = (LIVEHAND_OT_use_engine,)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
