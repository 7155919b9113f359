"""The high-detail hand as a Blender object: mesh, texture coordinates and skin, posed by a HandPose.

Called by the capture and by the demo's Cycles reference; registers nothing.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from livehand_core.hand import detail
from livehand_core.hand.builtin import ASSETS, builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose, Side

_MESHES: dict[str, detail.DetailMesh] = {}


def detail_mesh(side: Side) -> detail.DetailMesh:
    """Topology of one side's detail hand, made once a process."""
    if side not in _MESHES:
        _MESHES[side] = detail.subdivide(builtin_hand(side))
    return _MESHES[side]


def posed_detail(pose: HandPose) -> np.ndarray:
    """(N, 3) float64 world positions in metres of the built-in hand's detail vertices."""
    posed = pose_vertices(builtin_hand(pose.side), pose)
    return detail.detail_vertices(detail_mesh(pose.side), posed, detail.stored_offsets())


def create_detail_hand(side: Side = "right", scene: bpy.types.Scene | None = None) -> bpy.types.Object:
    """A new object of the built-in high-detail hand at rest, linked to the scene's collection.

    World coordinates are those of HandPose: the object's own transform stays the identity.
    """
    topology = detail_mesh(side)
    mesh = bpy.data.meshes.new(f"LiveHand detail {side}")
    vertices = posed_detail(HandPose.rest(side))
    mesh.from_pydata(vertices.tolist(), [], topology.faces.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    corners = topology.uv[topology.uv_faces.reshape(-1)].astype(np.float32)
    layer.data.foreach_set("uv", corners.reshape(-1))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(topology.faces), dtype=bool))
    mesh.materials.append(skin_material())
    mesh.update()
    thing = bpy.data.objects.new(mesh.name, mesh)
    thing["livehand_side"] = side
    (scene or bpy.context.scene).collection.objects.link(thing)
    return thing


def update_detail_hand(thing: bpy.types.Object, pose: HandPose) -> None:
    """Pose an object made by :func:`create_detail_hand` (of the pose's side)."""
    mesh = thing.data
    mesh.vertices.foreach_set("co", posed_detail(pose).astype(np.float32).reshape(-1))
    mesh.update()


def skin_material() -> bpy.types.Material:
    """The skin of the built-in hand: subsurface scattering, colour and fine relief from the stored maps."""
    name = "LiveHand skin"
    if name in bpy.data.materials:
        return bpy.data.materials[name]
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    nodes, links = tree.nodes, tree.links
    principled = nodes["Principled BSDF"]
    colour = _image(nodes, detail.COLOUR_FILE, "sRGB")
    height = _image(nodes, detail.HEIGHT_FILE, "Non-Color")
    split = nodes.new("ShaderNodeSeparateColor")
    links.new(height.outputs["Color"], split.inputs["Color"])
    links.new(colour.outputs["Color"], principled.inputs["Base Color"])

    rough = nodes.new("ShaderNodeMapRange")
    rough.inputs["To Min"].default_value = 0.47
    rough.inputs["To Max"].default_value = 0.32
    links.new(split.outputs["Green"], rough.inputs["Value"])
    links.new(rough.outputs["Result"], principled.inputs["Roughness"])
    scatter = nodes.new("ShaderNodeMapRange")
    scatter.inputs["To Min"].default_value = 0.85
    scatter.inputs["To Max"].default_value = 0.25
    links.new(split.outputs["Green"], scatter.inputs["Value"])
    links.new(scatter.outputs["Result"], principled.inputs["Subsurface Weight"])
    principled.subsurface_method = "BURLEY"
    principled.inputs["Subsurface Radius"].default_value = (1.0, 0.36, 0.20)
    principled.inputs["Subsurface Scale"].default_value = 0.0032
    principled.inputs["IOR"].default_value = 1.42
    principled.inputs["Specular IOR Level"].default_value = 0.42

    bump = nodes.new("ShaderNodeBump")
    # The image spans -1 to 1 mm.
    bump.inputs["Distance"].default_value = 0.002
    bump.inputs["Strength"].default_value = 0.75
    links.new(split.outputs["Red"], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], principled.inputs["Normal"])
    return material


def _image(nodes: Any, file: str, space: str) -> Any:
    node = nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(str(ASSETS / file), check_existing=True)
    node.image.colorspace_settings.name = space
    return node
