"""*Make Avatar from Rigged Mesh*: its capture, and the avatar that a mesh is then drawn through."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from pathlib import Path
from typing import Any

import bpy
from bpy.props import PointerProperty, StringProperty

from livehand_core.errors import LiveHandError

from .. import compat
from ..background import Task, TaskOperator, draw_text
from ..capture.operators import CAPTURE_KEY, capture_folder, captures_folder
from ..capture.process import Job, run, save_copy
from ..polls import allowed
from ..registration import classes, properties, registration
from .poses import PartPoser
from .rigged import RestShape, armature_of, check_shown, model_of
from .shown import check_rest, model_of_avatar


def _avatar_changed(settings: Any, _context: Any) -> None:
    """The viewport draws what is evaluated."""
    settings.id_data.update_tag()


class LiveHandPart(bpy.types.PropertyGroup):
    """What LiveHand keeps with a rigged mesh, as ``object.livehand_part``."""

    avatar: StringProperty(
        name="Avatar",
        description="Avatar file (.safetensors), made from this mesh, that the LiveHand engine draws it through; "
        "empty for none",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
        update=_avatar_changed,
    )


def chosen_mesh(context: Any) -> Any:
    """The active mesh, or the one mesh that the active armature moves; None where there is none."""
    active = getattr(context, "active_object", None)
    if active is None or active.type == "MESH":
        return active
    moved = [
        obj
        for obj in context.scene.objects
        if obj.type == "MESH" and any(one.type == "ARMATURE" and one.object == active for one in obj.modifiers)
    ]
    return moved[0] if len(moved) == 1 else None


def reason_against(context: Any) -> str:
    """Why no avatar can be made from what is chosen, as far as it is quickly seen; empty when it can be tried."""
    try:
        armature_of(chosen_mesh(context))
    except LiveHandError as error:
        return error.message
    return ""


class LIVEHAND_OT_part_capture(TaskOperator, bpy.types.Operator):
    """Photograph a rigged mesh with its own materials from many sides, in poses within its bones' range, to train an
    avatar on: the first of the two steps of making one. Its pictures become the training's"""

    bl_idname = "livehand.part_capture"
    bl_label = "Make Avatar from Rigged Mesh"
    bl_options = {"REGISTER"}
    task_key = CAPTURE_KEY

    folder: StringProperty(name="Folder", description="By default the scene's setting", subtype="DIR_PATH")

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, reason_against(context))

    def make_task(self, context: Any) -> Task[int]:
        scene, mesh = context.scene, chosen_mesh(context)
        # All that would be refused in the other Blender is refused here and now.
        model, notes = model_of(mesh)
        armature = armature_of(mesh)
        check_shown(mesh, model, *PartPoser(armature, model, RestShape.of(mesh, armature).size).read())
        for note in notes:
            self.report({"INFO"}, note)
        folder = Path(bpy.path.abspath(self.folder)) if self.folder else capture_folder(scene, mesh)
        job = Job(folder, scene.name, mesh.name)
        save_copy(job)

        def settle(_: int) -> None:
            known = bpy.data.scenes.get(job.scene)
            if known is not None:
                known.livehand_training.capture = str(folder)

        self._folder = folder
        captures = captures_folder()
        return Task("The capture", lambda task: run(job, captures, task), settle)

    def done_message(self, answer: int) -> str:
        return (
            f"{answer} pictures in {self._folder}. Train on them (panel Training), then choose the avatar (Use Avatar)"
        )


class LIVEHAND_OT_part_use(bpy.types.Operator):
    """Let the LiveHand engine draw this mesh through an avatar that was made from it"""

    bl_idname = "livehand.part_use"
    bl_label = "Use Avatar"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Avatar", description="File of the avatar", subtype="FILE_PATH")
    filter_glob: StringProperty(description="Files to choose from", default="*.safetensors", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, reason_against(context))

    def invoke(self, context: Any, _event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Any) -> set[str]:
        mesh, path = chosen_mesh(context), bpy.path.abspath(self.filepath)
        try:
            check_rest(mesh, armature_of(mesh), model_of_avatar(path))
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        mesh.livehand_part.avatar = self.filepath
        return {"FINISHED"}


class LIVEHAND_PT_part(bpy.types.Panel):
    """Avatars of any rigged mesh."""

    bl_label = "Rigged Mesh"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_capture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, mesh = self.layout, chosen_mesh(context)
        layout.operator("livehand.part_capture", icon="RENDER_STILL")
        reason = reason_against(context)
        if reason:
            draw_text(layout, reason)
        else:
            layout.label(text=f"{mesh.name}, moved by {armature_of(mesh).name}", icon="ARMATURE_DATA")
            layout.prop(mesh.livehand_part, "avatar")
            layout.operator("livehand.part_use", icon="FILE_FOLDER")


register, unregister = registration(
    classes(LiveHandPart, LIVEHAND_OT_part_capture, LIVEHAND_OT_part_use, LIVEHAND_PT_part),
    properties((bpy.types.Object, "livehand_part", PointerProperty(type=LiveHandPart))),
)
