"""The Avatars panel: the list, the chosen one's picture and papers, a warning about the active hand's pose."""

from pathlib import Path
from typing import Any

import bpy

from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH
from livehand_core.avatars.story import story
from livehand_core.errors import LiveHandError
from livehand_core.frames import DEFAULT_AVATAR

from ..avatars.library import describe
from ..avatars.operators import IMPORT_KEY, chosen
from ..avatars.pictures import icon_of_avatar, why_none
from ..avatars.range import out_of_range
from ..background import draw_task, draw_text
from ..preferences import preference
from ..registration import classes, registration
from ..render import session
from ..render.scene import avatar_path
from ..rig.armature import active_hand
from ..rig.pose import read_pose
from .disclosure import draw_picture


class LIVEHAND_UL_avatars(bpy.types.UIList):
    """Avatars with a small picture each."""

    def draw_item(
        self,
        _context: Any,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: Any,
        _active: Any,
        _property: Any,
        _index: Any = 0,
    ) -> None:
        metadata, _ = describe(Path(item.path))
        picture = icon_of_avatar(Path(item.path), metadata) if metadata is not None else 0
        row = layout.row(align=True)
        row.alert = not item.usable
        if picture:
            row.label(text=item.name, icon_value=picture)
        else:
            row.label(text=item.name, icon="VIEW_PAN" if item.usable else "ERROR")
        if Path(item.path) == _in_use(bpy.context):
            row.label(text="", icon="CHECKMARK")
        if (preference("default_avatar") or str(DEFAULT_AVATAR_PATH)) == item.path:
            row.label(text="", icon="SOLO_ON")


class LIVEHAND_PT_avatars(bpy.types.Panel):
    """The list of avatars."""

    bl_label = "Avatars"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 10

    def draw(self, context: Any) -> None:
        layout = self.layout
        hand = active_hand(context)
        if hand is not None:
            _draw_hand(layout, context, hand)
        manager = context.window_manager
        row = layout.row()
        row.template_list(
            "LIVEHAND_UL_avatars", "", manager, "livehand_avatars", manager, "livehand_avatar_index", rows=4
        )
        column = row.column(align=True)
        column.operator("livehand.avatar_browse", text="", icon="ADD")
        item = chosen(context)
        column.operator("livehand.avatar_remove", text="", icon="REMOVE").path = ""
        column.separator()
        column.operator("livehand.avatar_default", text="", icon="SOLO_ON").path = ""
        column.operator("livehand.avatar_refresh", text="", icon="FILE_REFRESH")
        draw_task(layout, IMPORT_KEY)
        if item is None:
            return
        row = layout.row()
        row.scale_y = 1.3
        name = f"Use on {hand.name}" if hand is not None else "Use on Hand"
        row.operator("livehand.avatar_use", text=name, icon="CHECKMARK").path = ""
        _draw_papers(layout, Path(item.path))


def _in_use(context: Any) -> Path | None:
    """The file of the active hand's avatar, None without one."""
    hand = active_hand(context)
    try:
        path = avatar_path(hand) if hand is not None else ""
    except LiveHandError:
        return None
    return DEFAULT_AVATAR_PATH if path == DEFAULT_AVATAR else Path(path) if path else None


def _draw_hand(layout: Any, context: Any, hand: Any) -> None:
    """The active hand's avatar, when something is to be said of it."""
    try:
        path = avatar_path(hand)
    except LiveHandError as error:
        draw_text(layout, str(error), alert=True)
        return
    metadata, problem = describe(DEFAULT_AVATAR_PATH if path == "default" else Path(path))
    if metadata is None:
        draw_text(layout, problem, alert=True)
        return
    try:
        pose, _ = read_pose(hand.evaluated_get(context.evaluated_depsgraph_get()))
    except LiveHandError as error:
        draw_text(layout, str(error), alert=True)
        return
    excess = out_of_range(pose, metadata)
    if excess:
        box = layout.box().column(align=True)
        box.alert = True
        box.label(text="Outside the poses it was trained on", icon="ERROR")
        for name, degrees in list(excess.items())[:4]:
            box.label(text=f"{name} by {degrees:.0f}°", icon="BLANK1")
        if len(excess) > 4:
            box.label(text=f"and {len(excess) - 4} more joints", icon="BLANK1")


def _draw_papers(layout: Any, path: Path) -> None:
    metadata, problem = describe(path)
    if metadata is None:
        draw_text(layout, problem, alert=True)
        return
    reason = why_none(metadata)
    if reason:
        draw_text(layout, f"No picture: {reason}")
    else:
        runs = session.engine_client().info is not None
        waiting = "Being made" if runs else "Comes with the engine"
        draw_picture(layout, icon_of_avatar(path, metadata), 8.0, waiting)
    column = layout.column(align=True)
    both = "both hands" if metadata.mirrorable else f"{metadata.side} hand"
    draw_text(column, f"{metadata.name}: {both}, {metadata.hand_model}", icon="NONE")
    for line in story(metadata):
        draw_text(column, line, icon="NONE")
    told = metadata.provenance
    if "minutes" in told:
        draw_text(column, f"Trained {told['minutes']} min, {told.get('steps', '?')} steps", icon="NONE")
    if metadata.pixels_per_metre:
        # A hand is about 0.19 m long.
        sharp = f"Sharp up to a hand of {0.19 * metadata.pixels_per_metre:.0f} pixels"
        draw_text(column, sharp, icon="NONE")


register, unregister = registration(classes(LIVEHAND_UL_avatars, LIVEHAND_PT_avatars))
