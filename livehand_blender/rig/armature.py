"""A hand's armature and proxy mesh in Blender, and their shape. Called by rig/operators and properties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from livehand_core.errors import HandModelError
from livehand_core.hand.data import HandData
from livehand_core.poses import BETA_COUNT, PARENTS, Side

from .bones import LIMIT_ORDER, bone_limits, bone_matrices
from .conversion import bone_names
from .model import BUILTIN_MODEL, hand_data

SHAPE_KEYS = tuple(f"beta {index + 1}" for index in range(BETA_COUNT))
"""Names of the proxy mesh's shape keys."""

BETA_RANGE = 5.0
"""Betas run from minus to plus this many standard deviations."""

LIMIT_NAME = "LiveHand Limit"
"""Name of the Limit Rotation constraint on each finger bone."""


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
        HandModelError: the model is unknown.
    """
    data = hand_data(model, side)
    name = name or f"LiveHand {side.capitalize()}"
    armature = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, armature)
    context.collection.objects.link(rig)
    for other in context.selected_objects:
        other.select_set(False)
    rig.select_set(True)
    context.view_layer.objects.active = rig
    settings = rig.livehand
    settings.is_hand = True
    settings.model = model
    settings.side = side.upper()
    settings.avatar = avatar
    _make_bones(rig, data)
    context.collection.objects.link(_make_mesh(rig, data))
    settings.betas = tuple(betas)
    return rig


def is_hand(obj: Any) -> bool:
    """Whether an object is an armature made by LiveHand."""
    return obj is not None and obj.type == "ARMATURE" and obj.livehand.is_hand


def rig_data(rig: Any) -> HandData:
    """The hand model of a rig.

    Raises:
        HandModelError: its model is unknown.
    """
    return hand_data(rig.livehand.model, rig_side(rig))


def rig_side(rig: Any) -> Side:
    """``"right"`` or ``"left"``."""
    return "left" if rig.livehand.side == "LEFT" else "right"


def proxy_meshes(rig: Any) -> list[Any]:
    """The rig's mesh objects that carry LiveHand's shape keys."""
    return [
        child
        for child in rig.children
        if child.type == "MESH" and child.data.shape_keys and SHAPE_KEYS[0] in child.data.shape_keys.key_blocks
    ]


def apply_betas(rig: Any) -> None:
    """Bring the proxy mesh and the rest bones of a rig to its betas.

    Bones move in Edit Mode, so the rig must be editable and in a view layer; otherwise only the mesh follows. The
    rendered hand follows in either case, since it is posed by rotations and the wrist alone.
    """
    betas = np.array(rig.livehand.betas, dtype=np.float64)
    for mesh in proxy_meshes(rig):
        for key, value in zip(SHAPE_KEYS, betas, strict=True):
            mesh.data.shape_keys.key_blocks[key].value = value
    if rig.library is None and rig.data.library is None:
        with _edit_mode(rig) as editable:
            if editable:
                _place_bones(rig, *bone_matrices(rig_data(rig), betas))


def _make_bones(rig: Any, data: HandData) -> None:
    names = bone_names(data.side)
    matrices, lengths = bone_matrices(data, np.zeros(BETA_COUNT))
    with _edit_mode(rig) as editable:
        if not editable:
            raise HandModelError("The new armature cannot be edited here.", "Make its collection visible first.")
        bones = rig.data.edit_bones
        for name, parent in zip(names, PARENTS, strict=True):
            bone = bones.new(name)
            bone.tail = (0.0, 0.01, 0.0)
            if parent >= 0:
                bone.parent = bones[names[parent]]
        _place_bones(rig, matrices, lengths)
    rig.data.display_type = "STICK"
    rig.show_in_front = True
    for name in names:
        rig.pose.bones[name].rotation_mode = "QUATERNION"
    for name, (x, y, z) in zip(names[1:], bone_limits(data.side), strict=True):
        _limit(rig.pose.bones[name], x, y, z)


def _limit(bone: Any, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    bone.lock_location = (True, True, True)
    constraint = bone.constraints.new("LIMIT_ROTATION")
    constraint.name = LIMIT_NAME
    constraint.owner_space = "LOCAL"
    constraint.euler_order = LIMIT_ORDER
    constraint.use_limit_x = constraint.use_limit_y = constraint.use_limit_z = True
    constraint.min_x, constraint.max_x = x
    constraint.min_y, constraint.max_y = y
    constraint.min_z, constraint.max_z = z
    constraint.use_transform_limit = True
    for axis, (low, high) in zip("xyz", (x, y, z), strict=True):
        setattr(bone, f"lock_ik_{axis}", bool(low == high))
        setattr(bone, f"use_ik_limit_{axis}", True)
        setattr(bone, f"ik_min_{axis}", min(low, 0.0))
        setattr(bone, f"ik_max_{axis}", max(high, 0.0))


def _place_bones(rig: Any, matrices: np.ndarray, lengths: np.ndarray) -> None:
    """Set head, tail and roll of the edit bones."""
    for name, matrix, length in zip(bone_names(rig_side(rig)), matrices, lengths, strict=True):
        bone = rig.data.edit_bones.get(name)
        if bone is None:
            continue
        head = Vector(matrix[:3, 3])
        bone.use_connect = False
        bone.head = head
        bone.tail = head + Vector(matrix[:3, 1]) * float(length)
        bone.align_roll(Vector(matrix[:3, 2]))


@contextmanager
def _edit_mode(rig: Any) -> Iterator[bool]:
    """Enter Edit Mode of ``rig`` and go back to the former mode and active object; yields whether that worked."""
    layer = bpy.context.view_layer
    if rig.name not in layer.objects or not rig.visible_get(view_layer=layer) or bpy.context.mode.startswith("EDIT"):
        yield False
        return
    active, mode = layer.objects.active, rig.mode
    other_mode = active.mode if active is not None and active != rig else "OBJECT"
    if other_mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield True
    finally:
        bpy.ops.object.mode_set(mode=mode)
        layer.objects.active = active
        if other_mode != "OBJECT":
            bpy.ops.object.mode_set(mode=other_mode)


def _make_mesh(rig: Any, data: HandData) -> Any:
    """The skinned proxy mesh: faces, UV, vertex groups, shape keys, armature modifier."""
    name = f"{rig.name} Proxy"
    wrist = data.rest_joints()[0]
    vertices = data.v_template.astype(np.float64) - wrist
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], data.faces.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", data.uv[data.uv_faces].astype(np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(data.faces), dtype=bool))
    mesh.materials.append(_material())
    mesh.update()
    obj = bpy.data.objects.new(name, mesh)
    for joint, group_name in enumerate(bone_names(data.side)):
        group = obj.vertex_groups.new(name=group_name)
        for vertex in np.flatnonzero(data.weights[:, joint] > 1e-6):
            group.add([int(vertex)], float(data.weights[vertex, joint]), "REPLACE")
    _make_shape_keys(obj, data, vertices, wrist)
    modifier = obj.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    obj.parent = rig
    obj.matrix_parent_inverse = Matrix.Identity(4)
    return obj


def _make_shape_keys(obj: Any, data: HandData, vertices: np.ndarray, wrist: np.ndarray) -> None:
    """One relative key a beta; offsets are taken against the wrist joint, which stays the origin."""
    obj.shape_key_add(name="Basis", from_mix=False)
    for index, key_name in enumerate(SHAPE_KEYS):
        key = obj.shape_key_add(name=key_name, from_mix=False)
        key.slider_min, key.slider_max = -BETA_RANGE, BETA_RANGE
        if index < data.shapedirs.shape[2]:
            offsets = data.shapedirs[:, :, index].astype(np.float64)
            moved = vertices + offsets - data.joint_regressor[0].astype(np.float64) @ offsets
            key.data.foreach_set("co", moved.astype(np.float32).ravel())


def _material() -> Any:
    """A plain skin tone for the proxy in Solid view and in other engines."""
    name = "LiveHand Proxy"
    material = bpy.data.materials.get(name)
    if material is None:
        material = bpy.data.materials.new(name)
        material.diffuse_color = (0.60, 0.36, 0.27, 1.0)
        material.roughness = 0.6
    return material
