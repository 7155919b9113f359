"""The panel Render on Farm: a job's settings, how it stands, and handing it on."""

import time
from pathlib import Path
from typing import Any

import bpy

from livehand_core.errors import LiveHandError

from ..background import draw_task, draw_text, is_running
from ..farm.operators import FARM_KEY, job_folder, standing
from ..registration import classes, registration

LOOK_SECONDS = 2.0

_looked: dict[Path, tuple[float, str]] = {}


class LIVEHAND_PT_farm(bpy.types.Panel):
    """Frames by many workers."""

    bl_label = "Render on Farm"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 17
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.livehand_farm
        column = layout.column()
        column.enabled = not is_running(FARM_KEY)
        for name in ("folder", "frames", "chunks", "file_format", "sign"):
            column.prop(settings, name)
        column.separator()
        column.prop(settings, "way")
        if settings.way == "LOCAL":
            column.prop(settings, "workers")
        else:
            column.prop(settings, "blender")
        if settings.way == "SLURM":
            column.prop(settings, "options")
        try:
            folder = job_folder(context.scene)
        except LiveHandError as error:
            draw_text(layout, str(error))
            return
        if draw_task(layout, FARM_KEY):
            return
        told = _standing(folder)
        layout.operator("livehand.farm_write", icon="EXPORT", text="Write Job Again" if told else "Write Job")
        if told:
            draw_text(layout, told)
            layout.operator("livehand.farm_submit", icon="RENDER_ANIMATION")


def _standing(folder: Path) -> str:
    """How the job stands, looked at now and then: its frames are files."""
    now = time.monotonic()
    if folder not in _looked or now - _looked[folder][0] > LOOK_SECONDS:
        _looked[folder] = now, standing(folder)
    return _looked[folder][1]


register, unregister = registration(classes(LIVEHAND_PT_farm))
