"""What operators on the active hand share: the hand, its pose, keys, and how errors are told."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import BoolProperty

from livehand_core.errors import LiveHandError
from livehand_core.poses import HandPose

from ..polls import allowed
from .armature import active_hand, why_not_editable
from .pose import read_pose


def evaluated_pose(context: Any, rig: Any) -> HandPose:
    """The pose that a hand shows now, with constraints, drivers, IK and actions.

    Raises:
        PoseError: see :func:`~.pose.read_pose`.
    """
    context.view_layer.update()
    return read_pose(rig.evaluated_get(context.evaluated_depsgraph_get()))[0]


class HandOperator(bpy.types.Operator):
    """What the operators on the active hand share: they need an editable one, and report a LiveHandError."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, why_not_editable(active_hand(context)))

    def execute(self, context: Any) -> set[str]:
        try:
            self.apply(context, active_hand(context))
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def apply(self, context: Any, rig: Any) -> None:
        """Do the work on a hand.

        Raises:
            LiveHandError: what the person is told.
        """
        raise NotImplementedError


def key_property() -> Any:
    """The declaration of an operator's switch that inserts keys."""
    return BoolProperty(
        name="Insert Keys",
        description="Key the bones at the current frame, as auto keying does",
        default=False,
        options={"SKIP_SAVE"},
    )


def key_frame(context: Any, keyframe: bool) -> float | None:
    """The frame to key at, or None."""
    automatic = context.scene.tool_settings.use_keyframe_insert_auto
    return context.scene.frame_current_final if keyframe or automatic else None
