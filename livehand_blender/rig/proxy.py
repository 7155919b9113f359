"""The proxy mesh of a hand: what the viewport shows and other engines render. Called by rig/armature."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from livehand_core.hand.data import HandData

from .layout import BoneNames
from .shape import SHAPE_KEYS

MATERIAL = "LiveHand Proxy"
"""Name of the material that a new proxy has."""

OFFSET = "livehand_offset"
"""Attribute of a proxy's vertices: metres that they were moved along their normals for an avatar's own surface."""

BETA_RANGE = 5.0
"""Betas run from minus to plus this many standard deviations."""


def make_proxy(rig: Any, data: HandData) -> Any:
    """The skinned proxy mesh as a child of the rig: faces, UV, vertex groups, shape keys, armature modifier."""
    name = f"{rig.name} Proxy"
    vertices = proxy_points(data)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], data.faces.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", data.uv[data.uv_faces].astype(np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(data.faces), dtype=bool))
    mesh.materials.append(_material())
    mesh.update()
    obj = bpy.data.objects.new(name, mesh)
    for joint, group_name in enumerate(BoneNames.of(data.side).deforms):
        group = obj.vertex_groups.new(name=group_name)
        for vertex in np.flatnonzero(data.weights[:, joint] > 1e-6):
            group.add([int(vertex)], float(data.weights[vertex, joint]), "REPLACE")
    _make_shape_keys(obj, data, vertices)
    modifier = obj.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    obj.parent = rig
    obj.matrix_parent_inverse = Matrix.Identity(4)
    return obj


def proxy_points(data: HandData) -> np.ndarray:
    """(V, 3) vertices of a new proxy in the armature's space, whose origin is the wrist joint."""
    points: np.ndarray = data.v_template.astype(np.float64) - data.rest_joints()[0]
    return points


def is_as_made(obj: Any, data: HandData) -> bool:
    """Whether a proxy's mesh at rest is the hand model's, or what :func:`set_surface` made of it."""
    points = np.empty(3 * len(obj.data.vertices), dtype=np.float32)
    obj.data.vertices.foreach_get("co", points)
    own = proxy_points(data if (offsets := _offsets(obj)) is None else data.with_offsets(offsets)).ravel()
    return points.shape == own.shape and bool(np.abs(points - own).max() < 1e-6)


def set_surface(obj: Any, data: HandData, offsets: np.ndarray | None) -> None:
    """Give a proxy the surface of an avatar: (V,) metres along the normals, None for the model's own.

    A mesh that an artist has shaped, or that is another file's, stays.
    """
    before = _offsets(obj)
    same = before is offsets or (before is not None and offsets is not None and np.array_equal(before, offsets))
    if same or not obj.data.is_editable or len(obj.data.vertices) != data.vertex_count or not is_as_made(obj, data):
        return
    attribute = obj.data.attributes.get(OFFSET)
    if offsets is None:
        obj.data.attributes.remove(attribute)
    else:
        data = data.with_offsets(offsets)
        attribute = attribute or obj.data.attributes.new(OFFSET, "FLOAT", "POINT")
        attribute.data.foreach_set("value", offsets.astype(np.float32))
    vertices = proxy_points(data)
    obj.data.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
    blocks = obj.data.shape_keys.key_blocks
    blocks[0].data.foreach_set("co", vertices.astype(np.float32).ravel())
    for index, name in enumerate(SHAPE_KEYS):
        if name in blocks:
            blocks[name].data.foreach_set("co", _shaped(data, vertices, index))
    obj.data.update()


def _offsets(obj: Any) -> np.ndarray | None:
    attribute = obj.data.attributes.get(OFFSET)
    if attribute is None or len(attribute.data) != len(obj.data.vertices):
        return None
    offsets = np.empty(len(attribute.data), dtype=np.float32)
    attribute.data.foreach_get("value", offsets)
    return offsets


def _shaped(data: HandData, vertices: np.ndarray, index: int) -> np.ndarray:
    """(3 V,) float32 of the vertices with a beta at 1; taken against the wrist joint, which stays the origin."""
    moved = vertices
    if index < data.shapedirs.shape[2]:
        offsets = data.shapedirs[:, :, index].astype(np.float64)
        moved = vertices + offsets - data.joint_regressor[0].astype(np.float64) @ offsets
    answer: np.ndarray = moved.astype(np.float32).ravel()
    return answer


def _make_shape_keys(obj: Any, data: HandData, vertices: np.ndarray) -> None:
    """One relative key a beta."""
    obj.shape_key_add(name="Basis", from_mix=False)
    for index, key_name in enumerate(SHAPE_KEYS):
        key = obj.shape_key_add(name=key_name, from_mix=False)
        key.slider_min, key.slider_max = -BETA_RANGE, BETA_RANGE
        key.data.foreach_set("co", _shaped(data, vertices, index))


def _material() -> Any:
    """A plain skin tone for the proxy in Solid view and in other engines."""
    material = bpy.data.materials.get(MATERIAL)
    if material is None:
        material = bpy.data.materials.new(MATERIAL)
        material.diffuse_color = (0.60, 0.36, 0.27, 1.0)
        material.roughness = 0.6
    return material
