"""A hand in Blender: its armature with all bones, and what identifies it. Called by rig/operators and most rooms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from livehand_core.errors import HandModelError
from livehand_core.hand.data import HandData
from livehand_core.poses import BETA_COUNT, PARENTS, Side

from .bones import bone_matrices
from .controls import dress_bones
from .conversion import bone_names
from .hand_rig import HandRig
from .layout import extra_bones
from .model import BUILTIN_MODEL, hand_data
from .proxy import make_proxy
from .shape import SHAPE_KEYS, add_blend, drive_bones, drive_shape_keys


def create_hand(
    context: Any,
    side: Side = "right",
    betas: Sequence[float] = (0.0,) * BETA_COUNT,
    avatar: str = "",
    model: str = BUILTIN_MODEL,
    name: str = "",
) -> Any:
    """Add a rigged hand to the context's collection and make it the active object.

    The wrist joint is the armature's origin; in its rest pose the fingers point along the armature's -X (left: +X),
    the palm faces -Y and the thumb is up (+Z).

    Args:
        context: a bpy context in Object Mode.
        side: ``"right"`` or ``"left"``.
        betas: (10,) shape coefficients.
        avatar: path of an avatar file, empty for the one that ships inside.
        model: id of the hand model.
        name: name of the armature object.

    Returns:
        The armature object; its proxy mesh is its child.

    Raises:
        HandModelError: the model is unknown, or the context's collection is hidden or linked.
    """
    data = hand_data(model, side)
    collection = context.collection
    if not collection.is_editable:
        raise HandModelError(f"The collection {collection.name!r} is linked.", "Choose a collection of this file.")
    name = name or f"LiveHand {side.capitalize()}"
    rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(rig)
    if not rig.visible_get(view_layer=context.view_layer):
        bpy.data.armatures.remove(rig.data)
        raise HandModelError(f"The collection {collection.name!r} is hidden.", "Make it visible first.")
    for other in context.selected_objects:
        other.select_set(False)
    rig.select_set(True)
    context.view_layer.objects.active = rig
    settings = rig.livehand
    settings.is_hand = True
    settings.model = model
    settings.side = side.upper()
    _make_bones(rig, data)
    add_proxy(rig)
    add_blend(rig)
    drive_bones(rig, data)
    settings.betas = tuple(betas)
    settings.avatar = avatar
    return rig


def add_proxy(rig: Any) -> Any:
    """A new proxy mesh of a rig, in the rig's collections, following its shape.

    Raises:
        HandModelError: the rig's model is unknown.
    """
    mesh = make_proxy(rig, HandRig.of(rig).data)
    for collection in rig.users_collection:
        collection.objects.link(mesh)
    drive_shape_keys(mesh, rig)
    return mesh


def is_hand(obj: Any) -> bool:
    """Whether an object is an armature made by LiveHand."""
    return obj is not None and obj.type == "ARMATURE" and obj.livehand.is_hand


def active_hand(context: Any) -> Any:
    """The active hand: the active armature, or the armature of the active proxy mesh; None without one."""
    obj = context.object
    if obj is not None and obj.type == "MESH":
        obj = obj.parent
    return obj if is_hand(obj) else None


NO_HAND = "Select a LiveHand hand, or add one (Shift A, Armature)"
"""Why an operator on the active hand cannot run without one."""


def why_not_editable(rig: Any) -> str:
    """Why operators may not change a hand, or what is None; empty when they may."""
    if rig is None:
        return NO_HAND
    return "" if rig.is_editable else "The hand is linked: make a library override first (Object, Library Override)"


def proxy_meshes(rig: Any) -> list[Any]:
    """The rig's mesh objects that carry LiveHand's shape keys."""
    return [
        child
        for child in rig.children
        if child.type == "MESH" and child.data.shape_keys and SHAPE_KEYS[0] in child.data.shape_keys.key_blocks
    ]


def _make_bones(rig: Any, data: HandData) -> None:
    names = bone_names(data.side)
    matrices, lengths = bone_matrices(data, np.zeros(BETA_COUNT))
    extra = extra_bones(data)
    with _edit_mode(rig):
        for name, parent, matrix, length in zip(names, PARENTS, matrices, lengths, strict=True):
            _edit_bone(rig, name, names[parent] if parent >= 0 else "", matrix, float(length))
        for bone in extra:
            _edit_bone(rig, bone.name, bone.parent, bone.matrix, bone.length)
    rig.data.display_type = "STICK"
    rig.show_in_front = True
    dress_bones(rig, data.side, extra)


def _edit_bone(rig: Any, name: str, parent: str, matrix: np.ndarray, length: float) -> None:
    bone = rig.data.edit_bones.new(name)
    bone.head = Vector(matrix[:3, 3])
    bone.tail = bone.head + Vector(matrix[:3, 1]) * length
    bone.align_roll(Vector(matrix[:3, 2]))
    if parent:
        bone.parent = rig.data.edit_bones[parent]


@contextmanager
def _edit_mode(rig: Any) -> Iterator[None]:
    """Edit Mode of the active object ``rig``, and Object Mode again."""
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
