"""The high-detail hand as a Blender object: mesh, texture coordinates and skin, posed by a HandPose.

Called by the capture and by the demo's Cycles reference; registers nothing.
"""

from __future__ import annotations

import bpy
import numpy as np

from livehand_core.hand import detail, flesh
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.looks import DEFAULT_LOOK, look_of
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose, Side

from .skin_material import FOLDS, cap_material, skin_material

_MESHES: dict[str, detail.DetailMesh] = {}


def detail_mesh(side: Side) -> detail.DetailMesh:
    """Topology of one side's detail hand, made once a process."""
    if side not in _MESHES:
        _MESHES[side] = detail.subdivide(builtin_hand(side))
    return _MESHES[side]


def posed_detail(pose: HandPose, look: str = DEFAULT_LOOK) -> np.ndarray:
    """(N, 3) float64 world positions in metres of the built-in hand's detail vertices.

    The shape is the pose's betas; the look's tendons, veins and nails come on top.

    Raises:
        HandModelError: nobody has that name.
    """
    data, maps, whose = builtin_hand(pose.side), flesh.stored_flesh(), look_of(look)
    mesh = detail_mesh(pose.side)
    vertices = detail.detail_vertices(mesh, pose_vertices(data, pose), flesh.offsets(maps, pose, whose))
    if whose.nail_length:
        vertices += flesh.nail_growth(maps, data, mesh.operator.apply(data.weights), pose, whose)
    return vertices


def create_detail_hand(
    side: Side = "right", scene: bpy.types.Scene | None = None, look: str = DEFAULT_LOOK
) -> bpy.types.Object:
    """A new object of the built-in high-detail hand at rest, linked to the scene's collection.

    World coordinates are those of HandPose: the object's own transform stays the identity.

    Raises:
        HandModelError: ``look`` is no name of one.
    """
    topology = detail_mesh(side)
    mesh = bpy.data.meshes.new(f"LiveHand detail {side}")
    mesh.from_pydata(np.zeros((len(topology.vertex_uv), 3)).tolist(), [], topology.faces.tolist())
    layer = mesh.uv_layers.new(name="UVMap")
    corners = topology.uv[topology.uv_faces.reshape(-1)].astype(np.float32)
    layer.data.foreach_set("uv", corners.reshape(-1))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(topology.faces), dtype=bool))
    mesh.attributes.new(FOLDS, "FLOAT_VECTOR", "POINT")
    mesh.materials.append(skin_material(look))
    mesh.materials.append(cap_material(look))
    materials = np.zeros(len(topology.faces), dtype=np.int32)
    materials[topology.skin_faces :] = 1
    mesh.polygons.foreach_set("material_index", materials)
    thing = bpy.data.objects.new(mesh.name, mesh)
    thing["livehand_side"], thing["livehand_identity"] = side, look
    (scene or bpy.context.scene).collection.objects.link(thing)
    update_detail_hand(thing, HandPose.rest(side))
    return thing


def update_detail_hand(thing: bpy.types.Object, pose: HandPose) -> None:
    """Pose an object made by :func:`create_detail_hand` (of the pose's side)."""
    mesh = thing.data
    mesh.vertices.foreach_set("co", posed_detail(pose, thing["livehand_identity"]).astype(np.float32).reshape(-1))
    folds = flesh.fold_state(flesh.stored_flesh(), pose).astype(np.float32)
    mesh.attributes[FOLDS].data.foreach_set("vector", folds.reshape(-1))
    mesh.update()
