"""The Training panel: what to train, the runs with their progress, curves and pictures."""

from pathlib import Path
from typing import Any

import bpy

from livehand_core.progress import duration
from livehand_core.training.control import AVATAR_FILE, CURVES_FILE, PREVIEW_FILE, RunStatus
from livehand_core.training.lengths import LENGTHS

from ..avatars.pictures import icon_of_file
from ..background import draw_task, draw_text
from ..registration import classes, registration
from ..rig.armature import active_hand
from ..training.operators import START_KEY, interested, watcher
from ..training.runs import Run
from .disclosure import draw_disclosure, draw_picture

_ICONS = {
    "starting": "SORTTIME",
    "rays": "PLAY",
    "training": "PLAY",
    "paused": "PAUSE",
    "done": "CHECKMARK",
    "stopped": "SNAP_FACE",
    "interrupted": "ERROR",
    "failed": "CANCEL",
}


class LIVEHAND_UL_runs(bpy.types.UIList):
    """Runs with how far they are."""

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
        run = watcher.run(Path(item.path))
        row = layout.row(align=True)
        row.label(text=item.name, icon=_ICONS[run.status.state] if run is not None else "SORTTIME")
        if run is not None:
            side = row.row()
            side.alignment = "RIGHT"
            side.label(text=f"{100.0 * run.status.progress:.0f} %" if run.status.alive else run.status.state)


class LIVEHAND_PT_training(bpy.types.Panel):
    """What to train on, and for how long."""

    bl_label = "Training"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 30
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        interested()
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.livehand_training
        row = layout.row(align=True)
        row.prop(settings, "capture")
        row.operator("livehand.train_capture_add", text="", icon="ADD")
        _draw_more_captures(layout, settings)
        layout.prop(settings, "licence", placeholder="The capture's")
        layout.prop(settings, "avatar_name")
        layout.prop(settings, "preset")
        minutes = settings.minutes or LENGTHS[settings.preset.lower()].minutes
        layout.prop(settings, "device")
        if draw_disclosure(layout, settings, "show_advanced")[1]:
            column = layout.column()
            column.prop(settings, "minutes")
            column.prop(settings, "skip_bad")
            column.prop(settings, "seed")
            column.prop(settings, "settings", placeholder="tile=64 samples=12")
        if not draw_task(layout, START_KEY):
            row = layout.row()
            row.scale_y = 1.3
            row.operator("livehand.train_start", text=f"Start ({duration(60.0 * minutes)})", icon="PLAY")


def _draw_more_captures(layout: Any, settings: Any) -> None:
    """Captures beside the first, each with whose hand it shows."""
    if settings.more_captures:
        layout.prop(settings, "identity", placeholder="As the capture says")
    for index, item in enumerate(settings.more_captures):
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(item, "path", text=f"Capture {index + 2}")
        row.operator("livehand.train_capture_remove", text="", icon="X").index = index
        column.prop(item, "identity", placeholder="As the capture says")


class LIVEHAND_PT_runs(bpy.types.Panel):
    """The runs of the folder, and the chosen one in detail."""

    bl_label = "Runs"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_training"

    def draw(self, context: Any) -> None:
        interested()
        layout = self.layout
        manager = context.window_manager
        items, index = manager.livehand_runs, manager.livehand_run_index
        if not watcher.runs:
            layout.label(text="No runs yet.", icon="INFO")
            return
        layout.template_list("LIVEHAND_UL_runs", "", manager, "livehand_runs", manager, "livehand_run_index", rows=3)
        run = watcher.run(Path(items[index].path)) if 0 <= index < len(items) else None
        if run is not None:
            _draw_run(layout, context, run)


def _draw_run(layout: Any, context: Any, run: Run) -> None:
    status, path = run.status, str(run.folder)
    if status.alive:
        layout.progress(factor=status.progress, text=_progress_text(status))
    _draw_buttons(layout, run, path)
    numbers = layout.column(align=True)
    numbers.label(text=f"Step {status.step}, {duration(status.seconds)} of training on {status.device or 'auto'}")
    if status.psnr is not None:
        held_out = f", held out {status.held_out_psnr:.1f} dB" if status.held_out_psnr is not None else ""
        numbers.label(text=f"Loss {status.loss or 0.0:.4f}, {status.psnr:.1f} dB{held_out}")
    if status.message and status.state in ("failed", "interrupted"):
        draw_text(layout, status.message, alert=True)
    elif status.message:
        draw_text(layout, status.message)
    curves = icon_of_file(run.folder / CURVES_FILE, folder_stamp=True)
    if curves or status.alive:
        draw_picture(layout, curves, 12.0, "Curves come with the training")
    preview = icon_of_file(run.folder / PREVIEW_FILE, folder_stamp=True)
    if preview or status.alive:
        draw_picture(layout, preview, 12.0, "Pictures come with the training")
        caption = layout.column(align=True)
        caption.scale_y = 0.8
        caption.label(text="Left: photograph. Right: avatar.")
        caption.label(text="Below: a camera and pose it was not trained on.")
    if run.avatar:
        column = layout.column(align=True)
        hand = active_hand(context)
        following = hand is not None and Path(hand.livehand.avatar) == run.folder / AVATAR_FILE
        column.operator("livehand.train_follow", depress=following, icon="HIDE_OFF").path = path
        column.operator("livehand.train_to_avatar", icon="CHECKMARK").path = path


def _draw_buttons(layout: Any, run: Run, path: str) -> None:
    status = run.status
    row = layout.row(align=True)
    if status.alive:
        order = "GO" if status.state == "paused" else "PAUSE"
        pause = row.operator(
            "livehand.train_order",
            text="Continue" if order == "GO" else "Pause",
            icon="PLAY" if order == "GO" else "PAUSE",
        )
        pause.path, pause.order = path, order
        stop = row.operator("livehand.train_order", text="Stop", icon="CANCEL")
        stop.path, stop.order = path, "STOP"
    elif status.state == "done":
        more = row.operator("livehand.train_resume", text="Train 30 min More", icon="PLAY")
        more.path, more.more_minutes = path, 30.0
    else:
        text = "Resume" if run.resumable else "Start Again"
        row.operator("livehand.train_resume", text=text, icon="PLAY").path = path
    row.operator("wm.path_open", text="", icon="FILE_FOLDER").filepath = path
    if not status.alive:
        row.operator("livehand.train_delete", text="", icon="TRASH").path = path


def _progress_text(status: RunStatus) -> str:
    if status.state == "paused":
        return f"Paused at {100.0 * status.progress:.0f} %"
    if status.state == "starting":
        return "Starting"
    left = f", {duration(status.seconds_left)} left" if status.seconds_left >= 0.0 else ""
    stage = f"First stage, step {status.step} of {status.steps}: " if status.state == "rays" else ""
    return f"{stage}{100.0 * status.progress:.0f} %{left}"


register, unregister = registration(classes(LIVEHAND_UL_runs, LIVEHAND_PT_training, LIVEHAND_PT_runs))
