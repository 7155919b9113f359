"""A foot of five bones, made in Blender: a bent tube with toes' end, three UV islands, and a material of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

BONES = ("shin", "ankle", "heel", "ball", "toe")
RINGS, SIDES = 17, 12
PATH = np.array([[0.0, 0.0, 0.22], [0.0, 0.0, 0.08], [0.0, -0.02, 0.03], [0.0, -0.12, 0.02], [0.0, -0.17, 0.018]])


def _along(parts: np.ndarray) -> np.ndarray:
    place = parts * (len(PATH) - 1)
    first = np.minimum(place.astype(int), len(PATH) - 2)
    share = (place - first)[:, None]
    return (1.0 - share) * PATH[first] + share * PATH[first + 1]


def add_foot(scene: Any, size: float = 1.0, name: str = "Foot") -> tuple[Any, Any]:
    """The mesh and its armature; gives (mesh, armature)."""
    import bpy

    middle = _along(np.linspace(0.0, 1.0, RINGS))
    ahead = np.gradient(middle, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.array([1.0, 0.0, 0.0])
    up = np.cross(ahead, across)
    turn = 2.0 * np.pi * np.arange(SIDES) / SIDES
    ring = np.cos(turn)[:, None, None] * across + np.sin(turn)[:, None, None] * up[None]
    thick = np.linspace(0.03, 0.024, RINGS)
    vertices = (middle[None] + thick[None, :, None] * ring).transpose(1, 0, 2).reshape(-1, 3) * size
    faces, uvs = [], []
    for row in range(RINGS - 1):
        island = min(3 * row // (RINGS - 1), 2)
        for side in range(SIDES):
            faces.append([row * SIDES + (side + k) % SIDES + SIDES * r for k, r in ((0, 0), (1, 0), (1, 1), (0, 1))])
            for k, r in ((0, 0), (1, 0), (1, 1), (0, 1)):
                first, count = -(-(RINGS - 1) * island // 3), -(-(RINGS - 1) // 3)
                u = 0.03 + 0.33 * island + 0.28 * (row + r - first) / count
                uvs.append((u, 0.04 + 0.92 * (side + k) / SIDES))
    data = bpy.data.meshes.new(name)
    data.from_pydata(vertices.tolist(), [], faces)
    layer = data.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", np.array(uvs, np.float32).ravel())
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    wave = tree.nodes.new("ShaderNodeTexWave")
    wave.inputs["Scale"].default_value = 12.0 / size
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    tree.links.new(wave.outputs["Color"], shader.inputs["Base Color"])
    data.materials.append(material)
    mesh = bpy.data.objects.new(name, data)
    scene.collection.objects.link(mesh)
    armature = bpy.data.objects.new(f"{name} Rig", bpy.data.armatures.new(f"{name} Rig"))
    scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    before = None
    for number, bone in enumerate(BONES):
        made = armature.data.edit_bones.new(bone)
        made.head, made.tail = (size * _along(np.array([number / 5.0, (number + 1) / 5.0]))).tolist()
        made.parent = before
        before = made
    # Not weighted, and above the rest: no joint of the model.
    extra = armature.data.edit_bones.new("control")
    extra.head, extra.tail = (0.0, 0.0, 0.3 * size), (0.0, 0.0, 0.35 * size)
    armature.data.edit_bones["shin"].parent = extra
    bpy.ops.object.mode_set(mode="OBJECT")
    centres = (np.arange(5) + 0.5) / 5.0
    part = np.repeat(np.linspace(0.0, 1.0, RINGS), SIDES)
    weights = np.exp(-(((part[:, None] - centres) / 0.1) ** 2))
    weights[weights < 0.05 * weights.max(axis=1, keepdims=True)] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    for number, bone in enumerate(BONES):
        group = mesh.vertex_groups.new(name=bone)
        for vertex in np.flatnonzero(weights[:, number] > 0.0):
            group.add([int(vertex)], float(weights[vertex, number]), "REPLACE")
    modifier = mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    mesh.parent = armature
    return mesh, armature


def key_range(scene: Any, armature: Any) -> None:
    """An action in which the bones bend one way and the other."""
    scene.frame_start, scene.frame_end = 1, 21
    for frame, angle in ((1, -0.3), (11, 0.0), (21, 0.35)):
        for number, bone in enumerate(BONES[1:]):
            posed = armature.pose.bones[bone]
            posed.rotation_mode = "XYZ"
            posed.rotation_euler = (angle * (1.0 - 0.1 * number), 0.1 * angle, 0.0)
            posed.keyframe_insert("rotation_euler", frame=frame)
