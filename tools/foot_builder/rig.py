"""The foot's three charts, its bones and weights, and the scene that it is photographed in. Needs bpy."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from hand_builder.noise import step
from hand_builder.texture import texel_points
from hand_builder.unwrap import sheets, unwrap
from mathutils import Vector
from scipy.ndimage import distance_transform_edt

from livehand_core.hand.data import ProxyModel
from livehand_core.hand.detail import vertex_normals
from livehand_core.passes import linear_to_srgb

from .shape import ANKLE, TOES, anatomical, place, toe_coordinates, toe_distance
from .skin import skin

SOLE, BACK, FRONT = 0, 1, 2
BALL = np.array([120.0, 0.0, 12.0])
TEXELS = 1024
CHUNK = 200_000

LIMITS = {
    # degrees about the bone's x, y and z, least and most
    "foot": ((-38.0, 22.0), (-8.0, 8.0), (-14.0, 14.0)),
    "ball": ((-12.0, 42.0), (-4.0, 4.0), (-3.0, 3.0)),
    **{f"toe {toe.name}": ((-34.0, 24.0), (-2.0, 2.0), (-5.0, 5.0)) for toe in TOES},
}


def bones() -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
    """Of each bone its parent, head and tail, anatomical millimetres."""
    found = {
        "shin": ("", np.array([-8.0, 0.0, 222.0]), ANKLE),
        "foot": ("shin", ANKLE, BALL),
        "ball": ("foot", BALL, BALL + np.array([22.0, 0.0, 0.0])),
    }
    for toe in TOES:
        along, line = toe.line()
        found[f"toe {toe.name}"] = ("ball", line[np.argmin(np.abs(along - 0.36 * toe.length))], line[-1])
    return found


def weights(vertices: np.ndarray) -> dict[str, np.ndarray]:
    """(V,) of each bone; they sum to 1."""
    p = anatomical(vertices)
    below = step((106.0 - p[:, 2] + 0.45 * np.clip(p[:, 0], -40.0, 60.0)) / 66.0)
    crease = BALL[0] + 0.3 * np.clip(p[:, 1] - 10.0, -55.0, 10.0)
    ahead = below * step((p[:, 0] - crease + 17.0) / 34.0)
    owner = np.argmin([toe_distance(p, toe) for toe in TOES], axis=0)
    found = {"shin": 1.0 - below}
    last = np.zeros(len(p))
    for number, toe in enumerate(TOES):
        along, _, _ = toe_coordinates(p, toe)
        share = ahead * step((along - 0.36 * toe.length + 7.0) / 14.0) * (owner == number)
        found[f"toe {toe.name}"] = share
        last += share
    return found | {"foot": below - ahead, "ball": ahead - last}


def charts(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) chart of each face: sole, back, front; each one connected sheet."""
    p = anatomical(vertices)
    owner = np.argmin([toe_distance(p, toe) for toe in TOES], axis=0)
    up = np.select([owner == k for k in range(5)], [toe_coordinates(p, toe)[2] for toe in TOES])
    normals = vertex_normals(vertices, faces)
    under = np.where(p[:, 0] > 140.0 - 0.55 * np.clip(8.0 - p[:, 1], 0.0, None), -up, 26.0 * (-normals[:, 2] - 0.25))
    under = np.where(p[:, 2] > 40.0, -9.0, under)[faces].mean(axis=1)
    behind = -(p[:, 0] + 8.0)[faces].mean(axis=1)
    return sheets(faces, np.where(under > 0.0, SOLE, np.where(behind > 0.0, BACK, FRONT)))


def images(model: ProxyModel, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, n, 4) each, rows from the bottom: sRGB colour; height (millimetres / 3 + 0.5) and roughness.

    Args:
        model: for its texture coordinates.
        vertices: (V, 3) of the mesh, metres.
    """
    face, bary, _ = texel_points(model, TEXELS)
    inside = face >= 0
    corner, share = model.faces[face[inside]], bary[inside]
    p = anatomical(np.einsum("nk,nkc->nc", share, vertices[corner]))
    normals = np.einsum("nk,nkc->nc", share, vertex_normals(vertices, model.faces)[corner])
    normals = anatomical(normals / np.linalg.norm(normals, axis=1, keepdims=True)) * 1e-3
    parts = [skin(p[start : start + CHUNK], normals[start : start + CHUNK]) for start in range(0, len(p), CHUNK)]
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    nearest = tuple(distance_transform_edt(~inside, return_distances=False, return_indices=True))
    colour, surface = np.ones((TEXELS, TEXELS, 4), np.float32), np.ones((TEXELS, TEXELS, 4), np.float32)
    colour[inside, :3] = linear_to_srgb(values["colour"])
    surface[inside, 0] = np.clip(values["height"] / 3.0 + 0.5, 0.0, 1.0)
    surface[inside, 1] = values["roughness"]
    return colour[nearest][::-1], surface[nearest][::-1]


def add_foot(scene: Any, vertices: np.ndarray, faces: np.ndarray) -> tuple[Any, Any]:
    """The mesh with its material, and its armature, in a scene."""
    chart = charts(vertices, faces)
    # Toes up.
    uv, uv_faces = unwrap(np.stack([vertices[:, 1], -vertices[:, 0], vertices[:, 2]], axis=1), faces, chart)
    data = bpy.data.meshes.new("Foot")
    data.from_pydata(vertices.tolist(), [], faces.tolist())
    data.uv_layers.new(name="UVMap").data.foreach_set("uv", uv[uv_faces].astype(np.float32).ravel())
    data.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    mesh = bpy.data.objects.new("Foot", data)
    scene.collection.objects.link(mesh)
    armature = _armature(scene)
    for name, values in weights(vertices).items():
        group = mesh.vertex_groups.new(name=name)
        for vertex in np.flatnonzero(values > 1e-3):
            group.add([int(vertex)], float(values[vertex]), "REPLACE")
    mesh.modifiers.new("Armature", "ARMATURE").object = armature
    finer = mesh.modifiers.new("Subdivision", "SUBSURF")
    finer.levels = finer.render_levels = 1
    mesh.parent = armature
    return mesh, armature


def _armature(scene: Any) -> Any:
    armature = bpy.data.objects.new("Foot Rig", bpy.data.armatures.new("Foot Rig"))
    scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for name, (parent, head, tail) in bones().items():
        bone = armature.data.edit_bones.new(name)
        bone.head, bone.tail = (place(end).tolist() for end in (head, tail))
        bone.align_roll(Vector((0.0, 0.0, 1.0) if name != "shin" else (0.0, -1.0, 0.0)))
        bone.parent = armature.data.edit_bones.get(parent)
    bpy.ops.object.mode_set(mode="OBJECT")
    for name, ranges in LIMITS.items():
        limit = armature.pose.bones[name].constraints.new("LIMIT_ROTATION")
        limit.owner_space = "LOCAL"
        for axis, (least, most) in zip("xyz", ranges, strict=True):
            setattr(limit, f"use_limit_{axis}", True)
            setattr(limit, f"min_{axis}", np.radians(least))
            setattr(limit, f"max_{axis}", np.radians(most))
    return armature


def add_material(mesh: Any, colour: np.ndarray, surface: np.ndarray) -> None:
    """Skin of two images, packed into the file."""
    material = bpy.data.materials.new("Foot Skin")
    material.use_nodes = True
    tree = material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    nodes = []
    for name, pixels, space in (("Foot Colour", colour, "sRGB"), ("Foot Surface", surface, "Non-Color")):
        image = bpy.data.images.new(name, TEXELS, TEXELS, alpha=False)
        image.colorspace_settings.name = space
        image.pixels.foreach_set(pixels.astype(np.float32).ravel())
        image.pack()
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = image
        nodes.append(node)
    tree.links.new(nodes[0].outputs["Color"], shader.inputs["Base Color"])
    split = tree.nodes.new("ShaderNodeSeparateColor")
    tree.links.new(nodes[1].outputs["Color"], split.inputs["Color"])
    bump = tree.nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = 0.8, 0.003
    tree.links.new(split.outputs["Red"], bump.inputs["Height"])
    tree.links.new(split.outputs["Green"], shader.inputs["Roughness"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    mesh.data.materials.append(material)


def add_light(scene: Any) -> None:
    """Soft lamps all round, and a camera that sees the foot."""
    middle = Vector((0.0, -0.06, 0.09))
    for name, offset, size, power in (
        ("Key", (0.8, -0.7, 0.8), 0.6, 11.0),
        ("Fill", (-0.9, -0.5, 0.2), 0.7, 5.0),
        ("Behind", (-0.2, 1.0, 0.6), 0.8, 4.5),
        ("Below", (0.2, -0.2, -1.0), 0.9, 4.0),
    ):
        lamp = bpy.data.lights.new(name, "AREA")
        lamp.shape, lamp.size, lamp.energy = "DISK", size, power
        light = bpy.data.objects.new(name, lamp)
        scene.collection.objects.link(light)
        light.location = middle + Vector(offset)
        light.rotation_euler = (-Vector(offset)).to_track_quat("-Z", "Y").to_euler()
    world = bpy.data.worlds.new("Studio")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.32, 0.33, 0.35, 1.0)
    scene.world = world
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera, camera.data.lens = camera, 70.0
    camera.location = middle + Vector((0.55, -0.55, 0.3))
    camera.rotation_euler = (middle - camera.location).to_track_quat("-Z", "Y").to_euler()
