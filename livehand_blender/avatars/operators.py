"""The list of avatars in Blender: its items, and operators that import, use, and remove one."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty

from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH
from livehand_core.errors import AvatarError, LiveHandError

from ..background import Task, TaskOperator, redraw
from ..polls import allowed
from ..preferences import avatar_folder, interpreter_preference, made_environment, preferences
from ..registration import classes, handlers, properties, registration, timer
from ..rig.armature import active_hand, is_hand, why_not_editable
from . import pictures
from .library import CHECKPOINT_SUFFIX, SUFFIX, Entry, add_checkpoint, add_file, describe, remove, scan

IMPORT_KEY = "avatar import"


class LiveHandAvatar(bpy.types.PropertyGroup):
    """One line of the list."""

    path: StringProperty(name="File", description="The avatar's file", subtype="FILE_PATH")
    ships: BoolProperty(name="Built In", description="It ships with the add-on and cannot be deleted")
    usable: BoolProperty(name="Usable", description="Its file can be read by this version", default=True)


class LIVEHAND_OT_avatar_import(TaskOperator, bpy.types.Operator):
    """Add an avatar file, or an official LiveHand checkpoint, to the list of avatars"""

    bl_idname = "livehand.avatar_import"
    bl_label = "Import Avatar"
    bl_options = {"REGISTER"}
    task_key = IMPORT_KEY

    filepath: StringProperty(
        name="File",
        description="Avatar (.safetensors) or checkpoint (.tar)",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    name: StringProperty(name="Name", description="Name in the list; the file's by default")
    assign: BoolProperty(name="Use at Once", description="Give it to the selected hands", default=True)
    factor: EnumProperty(
        name="Super-Resolution",
        description="Factor of the super-resolution, for a checkpoint whose config.txt is missing",
        items=(("AUTO", "Automatic", "As config.txt says", 0), ("2", "2", "Twice", 1), ("4", "4", "Four times", 2)),
        default="AUTO",
    )

    def make_task(self, context: Any) -> Task[Path]:
        if not self.filepath:
            raise AvatarError("No file was given.", "Choose an avatar (.safetensors) or a checkpoint (.tar).")
        source, folder, name = Path(bpy.path.abspath(self.filepath)), avatar_folder(), self.name
        places = (interpreter_preference(), made_environment())
        factor = "" if self.factor == "AUTO" else self.factor
        hands = [obj.name for obj in _chosen_hands(context) if obj.is_editable] if self.assign else []

        def work(task: Task[Path]) -> Path:
            task.tell(0.1, f"Importing {source.name}")
            if source.suffix == CHECKPOINT_SUFFIX:
                return add_checkpoint(source, folder, *places, task.cancelled, factor)
            return add_file(source, folder, name)

        def settle(path: Path) -> None:
            refresh()
            select(path)
            for hand in hands:
                # Another file may have been opened meanwhile.
                if is_hand(bpy.data.objects.get(hand)):
                    bpy.data.objects[hand].livehand.avatar = str(path)

        return Task(f"Importing {source.name}", work, settle)

    def done_message(self, answer: Path) -> str:
        return f"The avatar {answer.stem!r} is in the list"


class LIVEHAND_OT_avatar_browse(bpy.types.Operator):
    """Choose an avatar file (.safetensors) or an official LiveHand checkpoint (.tar) to add to the list"""

    bl_idname = "livehand.avatar_browse"
    bl_label = "Import Avatar"

    filepath: StringProperty(
        name="File",
        description="Avatar (.safetensors) or checkpoint (.tar)",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_glob: StringProperty(default=f"*{SUFFIX};*{CHECKPOINT_SUFFIX}", options={"HIDDEN"})

    def invoke(self, context: Any, _event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: Any) -> set[str]:
        bpy.ops.livehand.avatar_import("INVOKE_DEFAULT", filepath=self.filepath)
        return {"FINISHED"}


class LIVEHAND_FH_avatar(bpy.types.FileHandler):
    """Avatar files may be dropped into a 3D view."""

    bl_idname = "LIVEHAND_FH_avatar"
    bl_label = "LiveHand Avatar"
    bl_import_operator = "livehand.avatar_import"
    bl_file_extensions = SUFFIX

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


class _OnChosen:
    """Operators on the avatar that is chosen in the list, or on one given by its path."""

    path: Any

    def target(self, context: Any) -> Path:
        """The avatar's file. Raises AvatarError when none is chosen."""
        if self.path:
            return Path(bpy.path.abspath(self.path))
        item = chosen(context)
        if item is None:
            raise AvatarError("No avatar is chosen.", "Choose one in the list.")
        return Path(item.path)


class LIVEHAND_OT_avatar_use(_OnChosen, bpy.types.Operator):
    """Give the chosen avatar to the selected hands"""

    bl_idname = "livehand.avatar_use"
    bl_label = "Use on Hand"
    bl_options = {"REGISTER", "UNDO"}

    path: StringProperty(name="Avatar", description="File; by default the one chosen in the list", subtype="FILE_PATH")

    @classmethod
    def poll(cls, context: Any) -> bool:
        hands = _chosen_hands(context)
        editable = any(hand.is_editable for hand in hands)
        return allowed(cls, "" if editable else why_not_editable(hands[0] if hands else None))

    def execute(self, context: Any) -> set[str]:
        try:
            path = self.target(context)
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        problem = "" if self.path else describe(path)[1]
        if problem:
            self.report({"ERROR"}, problem)
            return {"CANCELLED"}
        hands = _chosen_hands(context)
        for hand in hands:
            if hand.is_editable:
                hand.livehand.avatar = "" if path == DEFAULT_AVATAR_PATH else str(path)
        linked = [hand.name for hand in hands if not hand.is_editable]
        if linked:
            self.report({"WARNING"}, f"{', '.join(linked)}: linked, so left as it is. Make a library override first.")
        return {"FINISHED"}


class LIVEHAND_OT_avatar_default(_OnChosen, bpy.types.Operator):
    """Give the chosen avatar to every hand that is added from now on"""

    bl_idname = "livehand.avatar_default"
    bl_label = "Use for New Hands"

    path: StringProperty(name="Avatar", description="File; by default the one chosen in the list", subtype="FILE_PATH")

    def execute(self, context: Any) -> set[str]:
        stored = preferences()
        try:
            path = self.target(context)
        except AvatarError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if stored is None:
            self.report({"ERROR"}, "The add-on is not enabled in the preferences, so the choice cannot be saved there.")
            return {"CANCELLED"}
        stored.default_avatar = "" if path == DEFAULT_AVATAR_PATH else str(path)
        context.preferences.is_dirty = True
        return {"FINISHED"}


class LIVEHAND_OT_avatar_remove(_OnChosen, bpy.types.Operator):
    """Delete the chosen avatar's file from the folder of avatars"""

    bl_idname = "livehand.avatar_remove"
    bl_label = "Delete Avatar File"

    path: StringProperty(name="Avatar", description="File; by default the one chosen in the list", subtype="FILE_PATH")

    def invoke(self, context: Any, event: Any) -> set[str]:
        item = chosen(context)
        if not self.path and item is not None and item.ships:
            self.report({"ERROR"}, "The avatar that ships with the add-on cannot be deleted.")
            return {"CANCELLED"}
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, context: Any) -> set[str]:
        try:
            path = self.target(context)
            remove(path, avatar_folder())
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        users = [obj.name for obj in bpy.data.objects if is_hand(obj) and obj.livehand.avatar == str(path)]
        refresh()
        if users:
            self.report({"WARNING"}, f"{', '.join(users)} used it and cannot be rendered now: choose another avatar.")
        return {"FINISHED"}


class LIVEHAND_OT_avatar_refresh(bpy.types.Operator):
    """Read the folder of avatars again"""

    bl_idname = "livehand.avatar_refresh"
    bl_label = "Refresh"
    bl_options = {"INTERNAL"}

    def execute(self, _context: Any) -> set[str]:
        pictures.try_again()
        refresh()
        return {"FINISHED"}


def chosen(context: Any) -> Any:
    """The item chosen in the list, None without one."""
    items, index = context.window_manager.livehand_avatars, context.window_manager.livehand_avatar_index
    return items[index] if 0 <= index < len(items) else None


def refresh() -> None:
    """Fill the list anew from the folder; the chosen one stays chosen. Not while drawing."""
    manager = bpy.context.window_manager
    before = chosen(bpy.context)
    selected = before.path if before is not None else ""
    manager.livehand_avatars.clear()
    for entry in scan(avatar_folder()):
        _fill(manager.livehand_avatars.add(), entry)
    manager.livehand_avatar_index = 0
    select(Path(selected))
    redraw()


def select(path: Path) -> None:
    """Choose an avatar in the list; nothing happens when it is not in it."""
    manager = bpy.context.window_manager
    for number, item in enumerate(manager.livehand_avatars):
        if Path(item.path) == path:
            manager.livehand_avatar_index = number


def _fill(item: Any, entry: Entry) -> None:
    item.name, item.path, item.ships = entry.name, str(entry.path), entry.ships
    item.usable = entry.metadata is not None


def _chosen_hands(context: Any) -> list[Any]:
    """The selected hands, or the active one."""
    hands = [obj for obj in getattr(context, "selected_objects", ()) if is_hand(obj)]
    active = active_hand(context)
    if active is not None and active not in hands:
        hands.append(active)
    return hands


def _refresh_later() -> None:
    refresh()


@persistent
def _file_opened(*_: Any) -> None:
    # The list lives in the window manager, which another file may replace.
    refresh()


register, unregister = registration(
    classes(
        LiveHandAvatar,
        LIVEHAND_OT_avatar_import,
        LIVEHAND_OT_avatar_browse,
        LIVEHAND_FH_avatar,
        LIVEHAND_OT_avatar_use,
        LIVEHAND_OT_avatar_default,
        LIVEHAND_OT_avatar_remove,
        LIVEHAND_OT_avatar_refresh,
    ),
    properties(
        (bpy.types.WindowManager, "livehand_avatars", CollectionProperty(type=LiveHandAvatar)),
        (bpy.types.WindowManager, "livehand_avatar_index", IntProperty(name="Avatar", options={"SKIP_SAVE"})),
    ),
    handlers(("load_post", _file_opened)),
    # Enabling may happen where bpy.context is restricted.
    timer(_refresh_later, first=0.1),
)
