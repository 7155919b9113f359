"""The Capture panel: which hand, from where, in which poses, how large; its progress."""

import time
from pathlib import Path
from typing import Any

import bpy

from livehand_core.captures.going import CaptureStatus
from livehand_core.captures.shooting import progress_of
from livehand_core.datasets.source import LEFT_OUT
from livehand_core.errors import CaptureError
from livehand_core.hand.looks import LICENCE

from ..background import draw_task, draw_text, is_running, task
from ..capture.operators import CAPTURE_KEY, capture_folder, captures_folder
from ..capture.planning import chosen_hand, image_counts
from ..capture.process import look
from ..footage.operators import PREPARE_KEY
from ..footage.process import OVERLAYS, REPORT, Prepared
from ..registration import classes, registration
from ..rig.armature import active_hand
from .disclosure import draw_disclosure

FEW_IMAGES = 80
"""Pictures below which an avatar shows form and little else (docs/training.md)."""

FIGURES, REASONS = 8, 4
"""Lines that the panel shows of a preparation's figures, and of why something was left out."""

_looked: tuple[float, list[tuple[Path, CaptureStatus]]] = (0.0, [])
_counted: dict[Path, tuple[float, tuple[int, int] | None]] = {}


class LIVEHAND_PT_capture(bpy.types.Panel):
    """Capture of a hand for training."""

    bl_label = "Capture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 20
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        scene = context.scene
        settings = scene.livehand_capture
        try:
            hand = chosen_hand(scene, active_hand(context))
        except CaptureError as error:
            draw_text(layout, error.message)
            hand = None
        chosen = layout.column()
        # The other Blender has its own copy of what is chosen here.
        chosen.enabled = not is_running(CAPTURE_KEY)
        _draw_settings(chosen, settings, hand)
        if hand is not None:
            _draw_start(layout, scene, hand)
        if not is_running(CAPTURE_KEY):
            _draw_going(layout)


class LIVEHAND_PT_real_captures(bpy.types.Panel):
    """Captures of real hands: own videos, and data sets."""

    bl_label = "Real Hands"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_capture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, _context: Any) -> None:
        layout = self.layout
        if draw_task(layout, PREPARE_KEY):
            return
        column = layout.column(align=True)
        column.operator_context = "INVOKE_DEFAULT"
        column.operator("livehand.from_footage", icon="FILE_MOVIE")
        column.operator("livehand.import_capture", icon="IMPORT")
        column.operator("livehand.write_board", icon="TEXTURE")
        known = task(PREPARE_KEY)
        made = known.answer if known is not None and not known.error else None
        if isinstance(made, Prepared):
            _draw_prepared(layout, made)


def _draw_prepared(layout: Any, made: Prepared) -> None:
    """What the last preparation gave: the overlays, its figures, and what was left out."""
    row = layout.row(align=True)
    if (made.folder / OVERLAYS).is_file():
        row.operator("livehand.show_overlays", text="Overlays", icon="IMAGE_DATA").folder = str(made.folder)
        row.operator("wm.path_open", text="Report", icon="URL").filepath = str(made.folder / REPORT)
    row.operator("wm.path_open", text="", icon="FILE_FOLDER").filepath = str(made.folder)
    for line in made.lines[-FIGURES:]:
        draw_text(layout, line, icon="NONE")
    if made.left_out:
        text = f"{sum(made.left_out.values())} Left Out"
        layout.operator("wm.path_open", text=text, icon="TEXT").filepath = str(made.folder / LEFT_OUT)
    for reason, count in list(made.left_out.items())[:REASONS]:
        draw_text(layout, f"{count} x {reason}", icon="NONE")


def _draw_settings(layout: Any, settings: Any, hand: Any) -> None:
    """What is captured, from where, in which poses, how."""
    layout.prop(settings, "hand", placeholder=hand.name if hand is not None else "")
    layout.prop(settings, "look")
    if settings.look == "BUILTIN":
        layout.prop(settings, "identity")
    column = layout.column(align=True)
    column.prop(settings, "many_lights")
    only = column.row()
    only.enabled = not settings.many_lights
    only.prop(settings, "studio")
    column = layout.column(align=True)
    column.prop(settings, "cameras_from")
    if settings.cameras_from == "DOME":
        column.prop(settings, "camera_count")
        column.prop(settings, "radius")
        if settings.radius == 0.0:
            hint = column.split(factor=0.4)
            hint.label(text="")
            hint.label(text="0: fills the picture")
    else:
        column.prop(settings, "camera_collection")
    column = layout.column(align=True)
    column.prop(settings, "poses_from")
    if settings.poses_from == "SAMPLED":
        column.prop(settings, "pose_count")
    else:
        column.prop(settings, "frame_step")
    column.prop(settings, "cameras_per_pose", text="Cameras Each")
    column = layout.column(align=True)
    column.prop(settings, "width")
    column.prop(settings, "height")
    column = layout.column(align=True)
    column.prop(settings, "renderer")
    column.prop(settings, "samples")
    if draw_disclosure(layout, settings, "show_more")[1]:
        column = layout.column(align=True)
        for name in ("held_out_cameras", "held_out_poses", "seed"):
            column.prop(settings, name)
    layout.prop(settings, "licence", placeholder=LICENCE if settings.look == "BUILTIN" else "Needed to train on it")
    layout.prop(settings, "folder", placeholder="The add-on's own")


def _draw_start(layout: Any, scene: Any, hand: Any) -> None:
    if draw_task(layout, CAPTURE_KEY):
        return
    folder = capture_folder(scene, hand)
    there = _count(folder)
    training, tests = image_counts(scene.livehand_capture, scene.frame_end - scene.frame_start + 1)
    planned = training + tests
    text, icon, row = f"Capture {planned} Pictures", "RENDER_STILL", layout.row(align=True)
    row.scale_y = 1.3
    if there is not None and 0 < there[0] < there[1]:
        text = f"Go On ({there[0]} of {there[1]} there)"
    if there is not None and there[0] == there[1] == planned:
        text, icon = f"All {planned} Pictures Are There", "CHECKMARK"
    row.operator("livehand.capture", text=text, icon=icon)
    draw_text(layout, f"{training} to train on, {tests} to test with")
    if training < FEW_IMAGES:
        draw_text(
            layout,
            f"An avatar needs about {FEW_IMAGES} or more to train on: add poses, or cameras for each.",
            alert=True,
        )
    if there is not None:
        row.operator("wm.path_open", text="", icon="FILE_FOLDER").filepath = str(folder)


def _draw_going(layout: Any) -> None:
    """The captures that go on, which another Blender has started, or this one before it was closed."""
    for folder, status in _going():
        row = layout.row(align=True)
        row.progress(factor=status.progress, text=f"{folder.name}: {status.line()}")
        row.operator("livehand.capture_follow", text="", icon="HIDE_OFF").folder = str(folder)
        row.operator("livehand.capture_stop", text="", icon="X").folder = str(folder)


def _going() -> list[tuple[Path, CaptureStatus]]:
    """What :func:`look` finds; looked up at most every two seconds."""
    global _looked
    if time.monotonic() - _looked[0] > 2.0:
        _looked = (time.monotonic(), look(captures_folder()))
    return _looked[1]


def _count(folder: Path) -> tuple[int, int] | None:
    """How many pictures a folder has; looked up at most every two seconds."""
    looked, found = _counted.get(folder, (0.0, None))
    if time.monotonic() - looked > 2.0:
        found = progress_of(folder)
        _counted.clear()
        _counted[folder] = (time.monotonic(), found)
    return found


register, unregister = registration(classes(LIVEHAND_PT_capture, LIVEHAND_PT_real_captures))
