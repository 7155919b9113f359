"""Operators that pose a hand: presets with blend, IK, controls into FK, limits, and one hand's pose onto others."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from livehand_core.errors import LiveHandError, PoseError
from livehand_core.hand.gestures import mirror_hand_pose
from livehand_core.hand.limits import FINGERS

from ..registration import classes, registration
from .armature import active_hand, is_hand
from .controls import IK_NAME
from .gestures import gesture_items, gesture_label, gesture_pose
from .hand_operator import HandOperator, evaluated_pose, key_frame, key_property
from .hand_rig import HandRig
from .pose import apply_pose, place_target, rotation_channel, set_limits

_FINGER_ITEMS = tuple(
    (finger.upper(), finger.title(), f"The {finger} finger" if finger != "thumb" else "The thumb", 1 << number)
    for number, finger in enumerate(FINGERS)
)
_ALL_FINGERS = {item[0] for item in _FINGER_ITEMS}
_PIXELS_A_BLEND = 300.0
"""How far the mouse goes from the current pose to the gesture."""


def _blend_property(default: float) -> Any:
    """The declaration of how far an operator goes from the current pose to a gesture."""
    return FloatProperty(
        name="Blend",
        description="How far to go from the current pose (0) to the gesture (1)",
        default=default,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options={"SKIP_SAVE"},
    )


def finger_property(description: str) -> Any:
    """The declaration of the fingers that an operator works on, all by default."""
    return EnumProperty(
        name="Fingers",
        description=description,
        items=_FINGER_ITEMS,
        default=_ALL_FINGERS,
        options={"ENUM_FLAG", "SKIP_SAVE"},
    )


class LIVEHAND_OT_pose_preset(HandOperator):
    """Move the active hand's fingers to a named gesture, or part of the way; the wrist stays where it is"""

    bl_idname = "livehand.pose_preset"
    bl_label = "Pose Preset"

    gesture: EnumProperty(name="Gesture", description="The pose to go to", items=gesture_items())
    blend: _blend_property(1.0)
    fingers: finger_property("The fingers that move")
    keyframe: key_property()

    def apply(self, context: Any, rig: Any) -> None:
        fingers = {finger.lower() for finger in self.fingers}
        pose = gesture_pose(self.gesture, evaluated_pose(context, rig), self.blend, fingers)
        apply_pose(rig, pose, key_frame(context, self.keyframe), wrist=False, fingers=fingers)


class LIVEHAND_OT_blend_pose(HandOperator):
    """Drag the mouse to the right to blend from the current pose to a gesture, left to go back"""

    bl_idname = "livehand.blend_pose"
    bl_label = "Blend to Gesture"
    bl_options = {"REGISTER", "UNDO", "BLOCKING", "GRAB_CURSOR"}

    gesture: EnumProperty(name="Gesture", description="The pose to go to", items=gesture_items())
    blend: _blend_property(0.5)
    keyframe: key_property()

    def invoke(self, context: Any, event: Any) -> set[str]:
        rig = active_hand(context)
        try:
            self._start = evaluated_pose(context, rig)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self._rig, self._x = rig, event.mouse_x
        self._before = [_channels(bone) for bone in rig.pose.bones]
        self.blend = 0.0
        context.window_manager.modal_handler_add(self)
        self._show(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        try:
            return self._answer(context, event)
        except (LiveHandError, ReferenceError) as error:
            # The hand was deleted, or scaled non-uniformly by something that runs beside.
            self.report({"ERROR"}, str(error) if isinstance(error, LiveHandError) else "The hand is gone.")
            self._header(context, None)
            return {"CANCELLED"}

    def _answer(self, context: Any, event: Any) -> set[str]:
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self.cancel(context)
            return {"CANCELLED"}
        if event.type in {"LEFTMOUSE", "RET", "NUMPAD_ENTER"} and event.value == "PRESS":
            self._move(context, key_frame(context, self.keyframe))
            self._header(context, None)
            return {"FINISHED"}
        if event.type == "MOUSEMOVE":
            self.blend = min(max((event.mouse_x - self._x) / _PIXELS_A_BLEND, 0.0), 1.0)
            self._move(context, None)
            self._show(context)
        return {"RUNNING_MODAL"}

    def cancel(self, context: Any) -> None:
        """Everything as it was before; also called by Blender when it ends the operator."""
        with suppress(ReferenceError):
            for bone, values in zip(self._rig.pose.bones, self._before, strict=True):
                setattr(bone, rotation_channel(bone), values[0])
                bone.location = values[1]
        self._header(context, None)

    def apply(self, context: Any, rig: Any) -> None:
        self._start, self._rig = evaluated_pose(context, rig), rig
        self._move(context, key_frame(context, self.keyframe))

    def _move(self, context: Any, frame: float | None) -> None:
        apply_pose(self._rig, gesture_pose(self.gesture, self._start, self.blend), frame, wrist=False)

    def _show(self, context: Any) -> None:
        label = gesture_label(self.gesture.lower())
        self._header(context, f"{label}: {self.blend:.0%}   Left click: confirm   Right click or Esc: cancel")

    def _header(self, context: Any, text: str | None) -> None:
        if context.area is not None:
            context.area.header_text_set(text)


def _channels(bone: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(getattr(bone, rotation_channel(bone))), tuple(bone.location)


class LIVEHAND_OT_set_ik(HandOperator):
    """Switch the IK of finger tips on or off, or part of the way, without moving the fingers"""

    bl_idname = "livehand.set_ik"
    bl_label = "Finger Tip IK"

    fingers: finger_property("The fingers whose IK is set")
    influence: FloatProperty(
        name="Influence",
        description="0: the finger's own rotations (FK); 1: the tip is where its target is",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options={"SKIP_SAVE"},
    )
    snap: BoolProperty(
        name="Keep the Pose",
        description="Move targets to the tips when IK goes on; give the pose to the bones when it goes off",
        default=True,
    )
    keyframe: key_property()

    def apply(self, context: Any, rig: Any) -> None:
        pose, frame = evaluated_pose(context, rig), key_frame(context, self.keyframe)
        hand = HandRig.of(rig)
        lasts = {name: hand.last(name) for name in FINGERS if name.upper() in self.fingers}
        for finger, last in lasts.items():
            if last is None or IK_NAME not in last.constraints:
                raise PoseError(f"{hand.names.last(finger)!r} of {rig.name!r} has no IK.", "Add a new LiveHand hand.")
        if self.snap and self.influence == 0.0:
            # A finger whose IK is off already keeps its channels and controls as they are.
            bent = [name for name, last in lasts.items() if last.constraints[IK_NAME].influence > 0.0]
            apply_pose(rig, pose, frame, wrist=False, fingers=bent)
        for finger, last in lasts.items():
            constraint = last.constraints[IK_NAME]
            if self.snap and self.influence > 0.0 and constraint.influence == 0.0:
                target = place_target(hand, finger, np.array(last.matrix), last.bone.length)
                if frame is not None and target is not None:
                    target.keyframe_insert("location", frame=frame, group=target.name)
            constraint.influence = self.influence
            if frame is not None:
                constraint.keyframe_insert("influence", frame=frame)


class LIVEHAND_OT_apply_controls(HandOperator):
    """Give the pose that curl, spread and IK make to the finger bones themselves, and turn the controls back to zero"""

    bl_idname = "livehand.apply_controls"
    bl_label = "Apply Controls to Fingers"

    keyframe: key_property()

    def apply(self, context: Any, rig: Any) -> None:
        apply_pose(rig, evaluated_pose(context, rig), key_frame(context, self.keyframe), wrist=False)


class LIVEHAND_OT_copy_pose(HandOperator):
    """Give the active hand's finger pose to the other selected hands, mirrored to those of the other side"""

    bl_idname = "livehand.copy_pose"
    bl_label = "Copy Pose to Selected Hands"

    keyframe: key_property()

    def apply(self, context: Any, rig: Any) -> None:
        others = [obj for obj in context.selected_objects if is_hand(obj) and obj != rig and obj.is_editable]
        if not others:
            raise PoseError("No other hand is selected.", "Select the hands to be posed, then the one to copy from.")
        pose, frame = evaluated_pose(context, rig), key_frame(context, self.keyframe)
        for other in others:
            fingers = pose.hand_pose if HandRig.of(other).side == pose.side else mirror_hand_pose(pose.hand_pose)
            apply_pose(other, replace(evaluated_pose(context, other), hand_pose=fingers), frame, wrist=False)


class LIVEHAND_OT_set_limits(HandOperator):
    """Switch the rotation limits of the active hand's fingers on or off"""

    bl_idname = "livehand.set_limits"
    bl_label = "Rotation Limits"

    active: BoolProperty(name="Active", description="Whether the limits are active", default=True)

    def apply(self, context: Any, rig: Any) -> None:
        set_limits(rig, self.active)


register, unregister = registration(
    classes(
        LIVEHAND_OT_pose_preset,
        LIVEHAND_OT_blend_pose,
        LIVEHAND_OT_set_ik,
        LIVEHAND_OT_apply_controls,
        LIVEHAND_OT_copy_pose,
        LIVEHAND_OT_set_limits,
    )
)
