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


def _make_shape_keys(obj: Any, data: HandData, vertices: np.ndarray) -> None:
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
    material = bpy.data.materials.get(MATERIAL)
    if material is None:
        material = bpy.data.materials.new(MATERIAL)
        material.diffuse_color = (0.60, 0.36, 0.27, 1.0)
        material.roughness = 0.6
    return material
