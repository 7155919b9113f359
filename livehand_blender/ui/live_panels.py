"""The panel "Live": a camera or video moves the hand; takes; videos into actions."""

from typing import Any

import bpy

from ..background import draw_task, draw_text
from ..live import session
from ..live.operators import TRACK_KEY
from ..registration import classes, registration
from ..rig.armature import active_hand


class LIVEHAND_PT_live(bpy.types.Panel):
    """A camera or video moves the hand."""

    bl_label = "Live"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 5
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return active_hand(context) is not None or session.running()

    def draw_header(self, _context: Any) -> None:
        if session.running():
            self.layout.label(text="", icon="REC")

    def draw(self, context: Any) -> None:
        layout, settings = self.layout, context.scene.livehand_live
        layout.use_property_split = True
        layout.use_property_decorate = False
        known = session.current()
        _draw_source(layout, settings, known is None)
        row = layout.row(align=True)
        row.scale_y = 1.3
        if known is None:
            row.operator("livehand.live_start", icon="PLAY")
            if session.message():
                draw_text(layout, session.message(), alert=True)
                if "ai-edge-litert" in session.message():
                    layout.operator(
                        "livehand.environment_make", text="Install the Tracker", icon="IMPORT"
                    ).tracking = True
        else:
            row.operator("livehand.live_stop", icon="PAUSE")
            recording = known.recording is not None
            row.operator(
                "livehand.live_record", text="Finish Take" if recording else "Record", icon="REC", depress=recording
            )
            _draw_state(layout, known)
        column = layout.column()
        column.prop(settings, "smoothing", slider=True)
        column.prop(settings, "onto")
        column.prop(settings, "take")
        if not draw_task(layout, TRACK_KEY):
            layout.operator("livehand.track_video", text="Track Video...", icon="FILE_MOVIE")
        layout.operator("livehand.motion_from_armature", icon="ARMATURE_DATA")


def _draw_source(layout: Any, settings: Any, free: bool) -> None:
    column = layout.column()
    column.enabled = free
    column.prop(settings, "source", expand=True)
    if settings.source == "CAMERA":
        column.prop(settings, "camera")
    else:
        column.prop(settings, "path")
        column.prop(settings, "loop")
    column.prop(settings, "hands")
    column.prop(settings, "wrist")
    column.prop(settings, "mirror")
    column.prop(settings, "detail")
    column.prop(settings, "fov")


def _draw_state(layout: Any, known: session.Session) -> None:
    """That it runs, how fast, and how each hand is seen."""
    box = layout.box().column(align=True)
    newest, status = known.newest, known.client.status
    if status != "running" or newest is None:
        box.label(text="Starting the tracker" if status == "starting" else status.title(), icon="SORTTIME")
        return
    row = box.row()
    row.alert = True
    row.label(text=f"{known.client.source_name} is on", icon="REC")
    box.label(text=f"{newest.rate:.0f} a second" + (", finding the hand's shape" if newest.frame.calibrating else ""))
    for target in known.targets:
        hand = known.seen.get(target.name)
        if hand is None:
            box.label(text=f"{target.name}: no hand yet")
        else:
            said = f"seen, {hand.confidence:.0%} sure" if hand.state == "tracked" else "hidden, its pose is held"
            box.label(text=f"{target.name}: {said}")


register, unregister = registration(classes(LIVEHAND_PT_live))
