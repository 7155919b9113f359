"""Operators of live tracking: start, stop, record; a video straight into an action."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from livehand_core.errors import LiveHandError

from ..background import Task, TaskOperator, redraw
from ..engine_python import tracker_python
from ..polls import allowed
from ..registration import classes, registration
from ..rig.armature import active_hand, why_not_editable
from ..rig.hand_rig import HandRig
from . import session
from .filmed import place_film
from .video import Film, Wish, track

TRACK_KEY = "track"


class LIVEHAND_OT_live_start(bpy.types.Operator):
    """Switch the camera or video on and let the hand follow it"""

    bl_idname = "livehand.live_start"
    bl_label = "Start"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, why_not_editable(active_hand(context)))

    def execute(self, context: Any) -> set[str]:
        try:
            session.start(context)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class LIVEHAND_OT_live_stop(bpy.types.Operator):
    """Switch the camera or video off; the hand stays as it is"""

    bl_idname = "livehand.live_stop"
    bl_label = "Stop"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return allowed(cls, "" if session.running() else "Nothing is tracked")

    def execute(self, context: Any) -> set[str]:
        code, lines = {"FINISHED"}, []
        known = session.current()
        try:
            if known is not None and known.recording is not None:
                lines = session.end_take(context)
        except LiveHandError as error:
            self.report({"WARNING"}, str(error))
        session.stop()
        if lines:
            self.report({"INFO"}, " ".join(lines))
        return code


class LIVEHAND_OT_live_record(bpy.types.Operator):
    """Record a take, and at the second press make it a new action of the hand from the current frame on"""

    bl_idname = "livehand.live_record"
    bl_label = "Record"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return allowed(cls, "" if session.running() else "Start first: nothing is tracked")

    def execute(self, context: Any) -> set[str]:
        known = session.current()
        try:
            if known is not None and known.recording is None:
                session.begin_take()
                redraw()
                return {"FINISHED"}
            lines = session.end_take(context)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, " ".join(lines))
        redraw()
        return {"FINISHED"}


class LIVEHAND_OT_track_video(TaskOperator, ImportHelper, bpy.types.Operator):
    """Turn the hand in a video into a new action of the active hand, and show the video behind it"""

    bl_idname = "livehand.track_video"
    bl_label = "Track Video"
    bl_options = {"REGISTER", "UNDO"}
    task_key = TRACK_KEY

    filter_glob: StringProperty(
        description="Files to choose from",
        default="*.mp4;*.mov;*.mkv;*.avi;*.webm;*.m4v;*.mpg;*.png;*.jpg",
        options={"HIDDEN"},
    )
    camera: BoolProperty(
        name="Match Camera",
        description="Give the scene's camera, or a new one, the video's view and show the video in it, so that the "
        "hand lies on the filmed one; resolution and frame rate of the scene become the video's",
        default=True,
    )
    shape: BoolProperty(
        name="Shape", description="Give the hand the filmed hand's proportions, as far as they are seen", default=True
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, why_not_editable(active_hand(context)))

    def invoke(self, context: Any, event: Any) -> set[str]:
        """A file is asked for first; the work begins when it is chosen."""
        return set(ImportHelper.invoke(self, context, event))

    def execute(self, context: Any) -> set[str]:
        """In a window the work goes on in the background; in scripts and in the background it is done at once."""
        if bpy.app.background or context.window is None:
            return TaskOperator.execute(self, context)
        return TaskOperator.invoke(self, context, None)

    def make_task(self, context: Any) -> Task[Film]:
        rig, settings = active_hand(context), context.scene.livehand_live
        hand = HandRig.of(rig)
        path = Path(bpy.path.abspath(self.filepath))
        if not path.exists():
            raise LiveHandError(f"The video {path} does not exist.", "Choose another.")
        wish = Wish(path, hand.side, hand.model, settings.options(), self.shape, tracker_python())
        name, scene = rig.name, context.scene.name
        matched = self.camera

        def work(task: Task[Film]) -> Film:
            with TemporaryDirectory(prefix="livehand-") as folder:
                return track(wish, Path(folder) / "take.npz", task)

        def settle(film: Film) -> None:
            # Another file may have been opened meanwhile.
            known, there = bpy.data.scenes.get(scene), bpy.data.objects.get(name)
            if known is None or there is None:
                raise LiveHandError("The hand has gone, so the video was not taken over.", "Track it again.")
            place_film(known, there, film, matched)
            bpy.ops.ed.undo_push(message="Track Video")

        return Task("Tracking the video", work, settle)

    def done_message(self, answer: Film) -> str:
        return f"{len(answer.sequence.poses)} frames, the hand seen in {answer.seen}"


register, unregister = registration(
    classes(LIVEHAND_OT_live_start, LIVEHAND_OT_live_stop, LIVEHAND_OT_live_record, LIVEHAND_OT_track_video)
)
