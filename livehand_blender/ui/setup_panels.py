"""The preferences' page: the engine and its Python, folders, the doctor. Drawn by ``LiveHandPreferences``."""

from typing import Any

import bpy

from ..background import draw_task, draw_text, task
from ..environment.doctor import DOCTOR_KEY
from ..environment.operators import ENGINE_KEY, ENVIRONMENT_KEY, PROBE_KEY, log_tail, probe
from ..environment.recipe import read_stamp
from ..preferences import log_path, made_environment
from ..render import session
from .disclosure import draw_disclosure

_ICONS = {"ok": "CHECKMARK", "note": "INFO", "problem": "ERROR"}


def draw_preferences(layout: Any, stored: Any, _context: Any) -> None:
    """The whole page."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    _draw_engine(layout.box(), stored)
    _draw_environment(layout.box(), stored)
    folders = layout.box()
    folders.label(text="Folders and Training", icon="FILE_FOLDER")
    for name in ("avatar_folder", "run_folder", "log_folder"):
        folders.prop(stored, name, placeholder="The add-on's own")
    folders.prop(stored, "keep_training")
    _draw_doctor(layout.box())


def _draw_engine(layout: Any, stored: Any) -> None:
    info = session.engine_client().info
    layout.label(text="Engine", icon="PLAY" if info else "PAUSE")
    layout.prop(stored, "interpreter", placeholder="Found by itself")
    layout.prop(stored, "render_device")
    _draw_interpreter(layout)
    if info is not None:
        text = f"Running: version {info.core_version}, {session.torch_words(info.torch_version)}, process {info.pid}"
        layout.label(text=text, icon="BLANK1")
        for device in info.devices:
            layout.label(text=str(device), icon="DOT")
    if not draw_task(layout, ENGINE_KEY):
        row = layout.row(align=True)
        row.operator("livehand.engine_check", text="Check Engine", icon="CHECKMARK")
        row.operator("livehand.engine_restart", text="Restart", icon="FILE_REFRESH")
        row.operator("livehand.engine_free", text="Free Memory", icon="TRASH")
    row, opened = draw_disclosure(layout, stored, "show_log", f"Log: {log_path()}")
    if opened:
        row.operator("livehand.engine_log", text="", icon="TEXT")
        column = layout.column(align=True)
        column.scale_y = 0.75
        for line in log_tail() or ["The log is empty."]:
            column.label(text=line[:160])


def _draw_interpreter(layout: Any) -> None:
    known = task(PROBE_KEY)
    if known is None:
        # The first time that the page is shown; drawing may not wait for it.
        bpy.app.timers.register(_probe_once, first_interval=0.0)
        return
    if known.running:
        layout.label(text="Looking for a Python that can render", icon="SORTTIME")
    elif known.answer is not None and not known.error:
        found = known.answer
        text = f"Python {found.python_version}, {session.torch_words(found.torch_version)}"
        layout.label(text=text, icon="CHECKMARK")
        layout.label(text=f"{found.path} ({found.source[0].lower()}{found.source[1:]})", icon="BLANK1")
    else:
        draw_text(layout, known.error, alert=True)


def _probe_once() -> None:
    if task(PROBE_KEY) is None:
        probe()


def _draw_environment(layout: Any, stored: Any) -> None:
    folder = made_environment()
    layout.label(text="Environment Made Here", icon="PACKAGE")
    if draw_task(layout, ENVIRONMENT_KEY):
        return
    stamp = read_stamp(folder)
    if stamp is not None:
        text = f"Python {stamp.python}, {session.torch_words(stamp.torch)}, {stamp.megabytes / 1000:.1f} GB"
        layout.label(text=text, icon="CHECKMARK" if stamp.current else "ERROR")
        layout.label(text=str(folder), icon="BLANK1")
        if not stamp.current:
            layout.label(text=f"It was made for LiveHand {stamp.core}: make it again.", icon="BLANK1")
    elif folder.exists():
        layout.label(text=f"{folder} is not finished: make it again or remove it.", icon="ERROR")
    else:
        layout.label(text="None yet. It takes some minutes and leaves Blender's own Python alone.", icon="INFO")
    layout.prop(stored, "torch_build")
    layout.prop(stored, "with_training")
    layout.prop(stored, "with_tracking")
    if not bpy.app.online_access and not stored.wheel_folder:
        row = layout.row()
        text = "Blender works offline: allow online access, or give a folder of wheels."
        row.label(text=text, icon="INTERNET_OFFLINE")
        row.prop(bpy.context.preferences.system, "use_online_access", text="Allow")
    if draw_disclosure(layout, stored, "show_options")[1]:
        layout.prop(stored, "wheel_folder", placeholder="Download")
        layout.prop(stored, "base_python", placeholder="Blender's own")
        layout.prop(stored, "torch_index", placeholder="The known one")
    row = layout.row(align=True)
    row.operator("livehand.environment_make", text="Make Again" if folder.exists() else "Make", icon="IMPORT")
    if folder.exists():
        row.operator("livehand.environment_remove_ask", text="Remove", icon="TRASH")


def _draw_doctor(layout: Any) -> None:
    layout.label(text="Doctor", icon="HEART")
    if draw_task(layout, DOCTOR_KEY):
        return
    known = task(DOCTOR_KEY)
    # The buttons stay where they are when the findings come, below the mouse that has just pressed one.
    row = layout.row(align=True)
    row.operator("livehand.doctor", text="Examine", icon="VIEWZOOM")
    if known is not None and known.answer:
        row.operator("livehand.doctor_copy", text="Copy", icon="COPYDOWN")
    column = layout.column(align=True)
    for finding in (known.answer or ()) if known is not None else ():
        told = f"{finding.topic[:1].upper()}{finding.topic[1:]}: {finding.detail}"
        lines = f"{told}\n{finding.remedy}" if finding.remedy else told
        draw_text(column, lines, alert=finding.state == "problem", icon=_ICONS[finding.state])
