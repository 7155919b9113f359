"""Operators that set compositing up and remove it, and the handlers that keep the hand scene in line."""

from typing import Any

import bpy

from livehand_core.errors import LiveHandError

from ..polls import allowed
from ..registration import classes, handlers, registration, timer
from . import mirror
from .setup import claim, is_set_up, keep_up, obstacle, remove, set_up


class LIVEHAND_OT_setup_compositing(bpy.types.Operator):
    """Lay this scene's hands into its Cycles or EEVEE pictures by depth, with the proxy meshes' shadows and
    reflections; your own compositing nodes stay as they are"""

    bl_idname = "livehand.setup_compositing"
    bl_label = "Set Up Compositing"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, str(obstacle(context.scene) or ""))

    def execute(self, context: Any) -> set[str]:
        try:
            warnings = set_up(context.scene)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for line in warnings:
            self.report({"WARNING"}, line)
        return {"FINISHED"}


class LIVEHAND_OT_remove_compositing(bpy.types.Operator):
    """Take LiveHand's compositing out of this scene again"""

    bl_idname = "livehand.remove_compositing"
    bl_label = "Remove Compositing"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, "" if is_set_up(context.scene) else "Compositing is not set up in this scene")

    def execute(self, context: Any) -> set[str]:
        remove(context.scene)
        return {"FINISHED"}


@bpy.app.handlers.persistent
def follow_all(*_: Any) -> None:
    """Bring every hand scene in line with its main scene. In a render job the scenes belong to its thread."""
    if not bpy.app.background and bpy.app.is_job_running("RENDER"):
        return
    for scene in list(bpy.data.scenes):
        hands = scene.livehand.hand_scene
        if hands is None or not (scene.is_editable and hands.is_editable):
            continue
        claim(scene)
        if scene.livehand.hand_scene is not None:
            keep_up(scene)


@bpy.app.handlers.persistent
def _file_loaded(*_: Any) -> None:
    mirror.forget_refused()
    follow_all()


@bpy.app.handlers.persistent
def _follow_soon(*_: Any) -> None:
    """Something changed; in the middle of an update nothing may be linked, so it is followed just after it."""
    if any(scene.livehand.hand_scene for scene in bpy.data.scenes) and not bpy.app.timers.is_registered(_follow_now):
        bpy.app.timers.register(_follow_now, first_interval=FOLLOW_SECONDS)


def _follow_now() -> None:
    follow_all()


FOLLOW_SECONDS = 0.1
"""After a change in a window. Without one nothing waits: a render begins by following."""

_HANDLERS = (
    ("depsgraph_update_post", _follow_soon),
    ("load_post", _file_loaded),
    ("save_pre", follow_all),
    ("render_init", follow_all),
)


register, unregister = registration(
    classes(LIVEHAND_OT_setup_compositing, LIVEHAND_OT_remove_compositing), timer(_follow_now), handlers(*_HANDLERS)
)
