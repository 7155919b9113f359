"""Poses of a rigged part within what its action or its limits show, and the armature brought into them."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Euler, Matrix

from livehand_core.errors import CaptureError
from livehand_core.hand.data import ProxyModel
from livehand_core.poses import HandPose

from .rigged import pose_of


class PartPoser:
    """An armature whose pose is read and set. Changes the scene it is in: the capture's own copy.

    Args:
        armature: the (original) object.
        model: of the part.
        size: metres of the model for a unit of the armature.
    """

    def __init__(self, armature: Any, model: ProxyModel, size: float) -> None:
        self._armature, self._model, self._size = armature, model, size
        # A root that stands for the armature object is no bone; neither it nor a bone that is the root is turned here.
        self._bones = [armature.pose.bones[name] for name in model.joint_names[1:]]

    def read(self) -> tuple[HandPose, float]:
        """What is shown now."""
        bpy.context.view_layer.update()
        shown = self._armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        return pose_of(shown, self._model.joint_names, self._model.parents, self._size)

    def at_frames(self, scene: Any, frames: tuple[int, ...]) -> list[HandPose]:
        """The poses of an animation."""
        before, poses = scene.frame_current, []
        for frame in frames:
            scene.frame_set(frame)
            poses.append(self.read()[0])
        scene.frame_set(before)
        return poses

    def sampled(self, scene: Any, count: int, seed: int) -> list[np.ndarray]:
        """``count`` times the (4, 4) channels of each bone but the root, drawn within its own range.

        A bone with a Limit Rotation constraint turns anywhere in it; another one goes through what the scene's range of
        frames shows of it, each bone by itself.

        Raises:
            CaptureError: no bone has a range.
        """
        random = np.random.default_rng(seed)
        shown = self._channels(scene)
        draws, moves = [], False
        for bone, frames in zip(self._bones, shown, strict=True):
            limit = next((one for one in bone.constraints if one.type == "LIMIT_ROTATION" and not one.mute), None)
            moves = moves or limit is not None or np.ptp(frames, axis=0).max() > 1e-4
            draws.append((limit, frames))
        if not moves:
            raise CaptureError(
                f"Nothing shows how far the bones of {self._armature.name!r} turn.",
                "Key them through their range in the scene's frames, or give them Limit Rotation constraints.",
            )
        return [np.array([_drawn(limit, frames, random) for limit, frames in draws]) for _ in range(count)]

    def _channels(self, scene: Any) -> list[np.ndarray]:
        """(frames, 4, 4) rotations of each bone but the root over the scene's range, in its own axes."""
        before, found = scene.frame_current, []
        step = max((scene.frame_end - scene.frame_start) // 60, 1)
        for frame in range(scene.frame_start, scene.frame_end + 1, step):
            scene.frame_set(frame)
            bpy.context.view_layer.update()
            shown = self._armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
            found.append([_own_turn(shown.pose.bones[bone.name]) for bone in self._bones])
        scene.frame_set(before)
        return [np.array(frames) for frames in zip(*found, strict=True)]

    def still(self) -> None:
        """Let nothing but what is set here move the bones."""
        self._armature.animation_data_clear()
        for bone in self._armature.pose.bones:
            for constraint in bone.constraints:
                constraint.mute = True

    def set(self, channels: np.ndarray) -> None:
        """Turn the bones but the root; (J - 1, 4, 4)."""
        for bone, matrix in zip(self._bones, channels, strict=True):
            bone.matrix_basis = Matrix(matrix.tolist())
        bpy.context.view_layer.update()


def _own_turn(bone: Any) -> np.ndarray:
    """(4, 4) how a posed bone is turned against rest by itself, in its own axes."""
    parent = bone.parent
    places = {} if parent is None else {"parent_matrix": parent.matrix, "parent_matrix_local": parent.bone.matrix_local}
    own = bone.bone.convert_local_to_pose(bone.matrix, bone.bone.matrix_local, invert=True, **places)
    return np.array(own.to_quaternion().to_matrix().to_4x4())


def _drawn(limit: Any, frames: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if limit is not None:
        ends = [
            (getattr(limit, f"min_{axis}"), getattr(limit, f"max_{axis}"))
            if getattr(limit, f"use_limit_{axis}")
            else (0.0, 0.0)
            for axis in "xyz"
        ]
        angles = [random.uniform(min(pair), max(pair)) for pair in ends]
        return np.array(Euler(angles).to_matrix().to_4x4())
    one, other = (Matrix(frames[random.integers(len(frames))].tolist()).to_quaternion() for _ in range(2))
    return np.array(one.slerp(other, random.uniform()).to_matrix().to_4x4())
