"""Constraints, locks, colours and shapes of a rig's bones: joint limits, curl and spread, IK. Called by rig/armature.

A finger bone's own channels come first (FK). Its control's turn is added to them, the joint limits clamp the sum, and
the finger's IK, off at first, bends the finger towards its target. A second bone copies the outcome and holds the
limits once more, since Blender applies no constraint after IK and its solver knows limits only roughly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from livehand_core.hand.limits import FINGERS
from livehand_core.poses import Side

from .bones import LIMIT_ORDER, bone_limits
from .layout import (
    CONTROL_RANGE,
    CURL_WEIGHTS,
    GATHER_WEIGHTS,
    BoneNames,
    ExtraBone,
    finger_joints,
)
from .widgets import widget

LIMIT_NAME = "LiveHand Limit"
"""Name of the Limit Rotation constraint on each finger bone and control."""

CURL_NAME = "LiveHand Curl"
"""Name of the Transformation constraint by which a control turns a finger bone."""

IK_NAME = "LiveHand IK"
"""Name of the IK constraint on the last bone of each finger."""

START_NAME = "LiveHand IK Start"
"""Name of the constraint by which IK finds a straight finger a little bent."""

COLLECTIONS = {"joint": "Fingers", "control": "Controls", "gather": "Controls", "ik": "IK"}
"""Bone collection of each kind of bone that is posed; all others are in a hidden one."""

HIDDEN = "Mechanism"
"""Bone collection of the bones that nobody poses."""

_COLOURS = {"right": (1.0, 0.55, 0.36), "left": (0.45, 0.74, 1.0)}
_CHOSEN = {"select": (1.0, 0.85, 0.35), "active": (1.0, 1.0, 0.75)}
_WIRE_WIDTH = 2.0
_FULL_TURN = np.pi
_START_BEND = np.radians(1.0)
"""Least bend of a finger's middle joint from which IK starts: it cannot tell which way a straight finger would bend."""

_IK_MARGINS = {"thumb": (1.14, 1.35), "pinky": (1.3, 1.8)}
"""How much further than its limits the solver may bend and spread a first joint (see _limit_ik); others 1.2 and 1.5.

With these a finger bone reaches the tips of natural poses within 0.3 mm and passes its limits by a few degrees at most;
towards targets out of reach it may pass them by all of the margin, before the limits are held."""


def dress_bones(rig: Any, side: Side, extra: tuple[ExtraBone, ...]) -> None:
    """Give the new bones of a rig everything but their place."""
    bones, names = rig.pose.bones, BoneNames.of(side)
    for name in names.joints:
        bones[name].rotation_mode = "QUATERNION"
        _collect(rig, name, "joint")
    for bone in extra:
        _collect(rig, bone.name, bone.kind)
        rig.data.bones[bone.name].use_deform = bone.kind == "deform"
        if bone.kind in COLLECTIONS:
            _colour(bones[bone.name], side)
        else:
            _lock(bones[bone.name])
    for name in names.joints[1:]:
        rig.data.bones[name].use_deform = False
    rig.data.collections[HIDDEN].is_visible = False
    for finger in FINGERS:
        _dress_finger(rig, finger, side)
    _dress_control(bones[names.control("fingers")], "spread", widget("ARC"))


def _colour(bone: Any, side: Side) -> None:
    bone.color.palette = "CUSTOM"
    bone.color.custom.normal = _COLOURS[side]
    for state, colour in _CHOSEN.items():
        setattr(bone.color.custom, state, colour)
    bone.custom_shape_wire_width = _WIRE_WIDTH


def _lock(bone: Any) -> None:
    bone.lock_location = bone.lock_rotation = bone.lock_scale = (True, True, True)
    bone.lock_rotation_w = True


def _collect(rig: Any, name: str, kind: str) -> None:
    title = COLLECTIONS.get(kind, HIDDEN)
    collection = rig.data.collections.get(title) or rig.data.collections.new(title)
    collection.assign(rig.data.bones[name])


def _dress_finger(rig: Any, finger: str, side: Side) -> None:
    bones, names, limits = rig.pose.bones, BoneNames.of(side), bone_limits(side)
    control = bones[names.control(finger)]
    target = bones[names.target(finger)]
    weights = CURL_WEIGHTS["thumb" if finger == "thumb" else "finger"]
    _dress_control(control, "thumb spread" if finger == "thumb" else "spread", widget("ARC"))
    if finger in GATHER_WEIGHTS:
        # Before the control's own limits.
        constraint = _follow(control, rig, names.control("fingers"), 1.0, GATHER_WEIGHTS[finger])
        control.constraints.move(control.constraints.find(constraint.name), 0)
    for part, joint in enumerate(finger_joints(finger)):
        bone = bones[names.joints[joint]]
        bone.lock_location = bone.lock_scale = (True, True, True)
        _follow(bone, rig, control.name, weights[part], 1.0 if part == 0 else 0.0)
        x, y, z = limits[joint - 1]
        _limit(bone, x, y, z)
        _limit_ik(bone, x, y, z, _IK_MARGINS.get(finger, (1.2, 1.5)))
        copy = bones[names.limits[joint]].constraints.new("COPY_TRANSFORMS")
        copy.target, copy.subtarget = rig, bone.name
        # The orientation of the copying bone counts, so that the other's roll may be edited.
        copy.target_space, copy.owner_space = "LOCAL_OWNER_ORIENT", "LOCAL"
        _limit(bones[names.limits[joint]], x, y, z)
    last = bones[names.last(finger)]
    ik = last.constraints.new("IK")
    ik.name = IK_NAME
    ik.target, ik.subtarget = rig, target.name
    ik.chain_count, ik.use_tail, ik.use_stretch = 3, True, False
    ik.iterations = 200
    ik.influence = 0.0
    # The thumb's bones are at an angle to each other already.
    if finger != "thumb":
        _start_bent(rig, bones[names.joints[finger_joints(finger)[1]]], last)
    target.rotation_mode = "QUATERNION"
    _lock(target)
    target.lock_location = (False, False, False)
    target.custom_shape = widget("BALL")
    _show_with_ik(rig, target, last)


def _start_bent(rig: Any, bone: Any, last: Any) -> None:
    start = bone.constraints.new("LIMIT_ROTATION")
    start.name = START_NAME
    start.owner_space = "LOCAL"
    start.euler_order = LIMIT_ORDER
    start.use_limit_x = True
    start.min_x, start.max_x = _START_BEND, _FULL_TURN
    _drive_by_ik(start.driver_add("influence"), rig, last)


def _show_with_ik(rig: Any, target: Any, last: Any) -> None:
    """A target is drawn only while it moves its finger: otherwise it would stand where the tip once was."""
    for curve in target.driver_add("custom_shape_scale_xyz"):
        _drive_by_ik(curve, rig, last)


def _drive_by_ik(curve: Any, rig: Any, last: Any) -> None:
    """1 while a finger's IK has any influence, 0 otherwise."""
    curve.keyframe_points.clear()
    curve.driver.type = "SCRIPTED"
    variable = curve.driver.variables.new()
    variable.name = "ik"
    variable.targets[0].id = rig
    variable.targets[0].data_path = f'{last.path_from_id()}.constraints["{IK_NAME}"].influence'
    curve.driver.expression = "ik > 0.0"


def _dress_control(bone: Any, spread: str, shape: Any) -> None:
    bone.rotation_mode = LIMIT_ORDER
    bone.lock_location = bone.lock_scale = (True, True, True)
    bone.lock_rotation = (False, True, False)
    bone.custom_shape = shape
    none = np.zeros(2)
    _limit(bone, np.radians(CONTROL_RANGE["curl"]), none, np.radians(CONTROL_RANGE[spread]))


def _follow(bone: Any, rig: Any, control: str, curl: float, spread: float) -> Any:
    """Add a control's turns about X and Z to a bone's own."""
    constraint = bone.constraints.new("TRANSFORM")
    constraint.name = CURL_NAME
    constraint.target, constraint.subtarget = rig, control
    constraint.target_space = constraint.owner_space = "LOCAL"
    constraint.map_from = constraint.map_to = "ROTATION"
    constraint.from_rotation_mode = constraint.to_euler_order = LIMIT_ORDER
    constraint.mix_mode_rot = "ADD"
    constraint.use_motion_extrapolate = True
    constraint.map_to_x_from, constraint.map_to_y_from, constraint.map_to_z_from = "X", "Y", "Z"
    for axis, weight in (("x", curl), ("z", spread)):
        setattr(constraint, f"from_min_{axis}_rot", -_FULL_TURN)
        setattr(constraint, f"from_max_{axis}_rot", _FULL_TURN)
        setattr(constraint, f"to_min_{axis}_rot", -weight * _FULL_TURN)
        setattr(constraint, f"to_max_{axis}_rot", weight * _FULL_TURN)
    return constraint


def _limit(bone: Any, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    constraint = bone.constraints.new("LIMIT_ROTATION")
    constraint.name = LIMIT_NAME
    constraint.owner_space = "LOCAL"
    constraint.euler_order = LIMIT_ORDER
    constraint.use_limit_x = constraint.use_limit_y = constraint.use_limit_z = True
    constraint.min_x, constraint.max_x = x
    constraint.min_y, constraint.max_y = y
    constraint.min_z, constraint.max_z = z
    constraint.use_transform_limit = True


def _limit_ik(bone: Any, x: np.ndarray, y: np.ndarray, z: np.ndarray, margin: tuple[float, float]) -> None:
    """Limits of the IK solver, which bounds bend and spread together by an ellipse and twist apart from both.

    The margins widen the ellipse until it holds the box of the joint limits nearly whole. A bent and spread joint
    counts as twisted there, so twist gets room, and stiffness keeps the solver from using it otherwise.
    """
    flexion, spread = margin if z[0] < z[1] else (1.0, 1.0)
    twist = max(abs(z[0]), abs(z[1])) * np.tan(0.5 * x[1])
    ranges = {"x": flexion * x, "y": y + np.array([-twist, twist]), "z": spread * z}
    for axis, (low, high) in ranges.items():
        setattr(bone, f"lock_ik_{axis}", bool(low == high))
        setattr(bone, f"use_ik_limit_{axis}", True)
        setattr(bone, f"ik_min_{axis}", min(low, 0.0))
        setattr(bone, f"ik_max_{axis}", max(high, 0.0))
    bone.ik_stiffness_y = 0.99
