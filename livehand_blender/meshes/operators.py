"""The operator that makes a mesh object of the active hand, and what it is told by default."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
import numpy as np
from bpy.props import FloatProperty, PointerProperty
from mathutils import Matrix

from livehand_core.errors import LiveHandError
from livehand_core.frames import HandInstance
from livehand_core.meshes import Mesh
from livehand_core.small_systems import inverse_affine

from ..avatars.choice import chosen_identity
from ..background import Task, TaskOperator
from ..polls import allowed
from ..preferences import interpreter_preference, made_environment
from ..registration import classes, properties, registration
from ..render.scene import avatar_path
from ..rig.armature import NO_HAND, active_hand
from ..rig.pose import read_pose
from .extraction import Wish, extract

MESH_KEY = "mesh"
COLOUR = "Color"
MATERIAL = "LiveHand Mesh"

_RESOLUTION = {
    "name": "Resolution",
    "description": "Distance between neighbouring vertices; half of it takes about four times as long",
    "default": 1e-3,
    "min": 0.1e-3,
    "max": 10e-3,
    "precision": 4,
    "step": 0.01,
    "subtype": "DISTANCE",
}
_THRESHOLD = {
    "name": "Density",
    "description": "Where the surface is, in 1/m; 0 takes what suits the avatar, more makes the hand thinner",
    "default": 0.0,
    "min": 0.0,
    "soft_max": 10000.0,
    "precision": 0,
}


class LiveHandMesh(bpy.types.PropertyGroup):
    """What meshes are made with, as ``scene.livehand_mesh``."""

    resolution: FloatProperty(**_RESOLUTION)
    threshold: FloatProperty(**_THRESHOLD)


class LIVEHAND_OT_mesh_from_avatar(TaskOperator, bpy.types.Operator):
    """Make a mesh object with vertex colours of the active hand as its avatar shows it in this frame's pose"""

    bl_idname = "livehand.mesh_from_avatar"
    bl_label = "Mesh from Avatar"
    bl_options = {"UNDO"}
    task_key = MESH_KEY

    resolution: FloatProperty(**_RESOLUTION)
    threshold: FloatProperty(**_THRESHOLD)

    @classmethod
    def poll(cls, context: Any) -> bool:
        if active_hand(context) is None:
            return allowed(cls, NO_HAND)
        return allowed(cls, "Meshes can only be made in Object Mode" if context.mode != "OBJECT" else "")

    def make_task(self, context: Any) -> Task[Mesh]:
        rig, settings = active_hand(context), context.scene.livehand_mesh
        pose, scale = read_pose(rig.evaluated_get(context.evaluated_depsgraph_get()))
        avatar = avatar_path(rig)
        wish = Wish(
            HandInstance(pose, avatar, scale, chosen_identity(rig.livehand, avatar)),
            self.resolution if self.properties.is_property_set("resolution") else settings.resolution,
            self.threshold if self.properties.is_property_set("threshold") else settings.threshold,
            interpreter_preference(),
            made_environment(),
        )
        name, scene, matrix = f"{rig.name} Mesh", context.scene.name, np.array(rig.matrix_world)
        collection = context.collection.name

        def settle(mesh: Mesh) -> None:
            # Another file may have been opened meanwhile.
            known = bpy.data.scenes.get(scene)
            if known is None:
                raise LiveHandError("The hand's scene is gone, so its mesh was not added.", "Make it again.")
            home = bpy.data.collections.get(collection, known.collection)
            add_mesh(home, name, mesh, matrix)

        return Task("The mesh", lambda task: extract(wish, task), settle)

    def done_message(self, answer: Mesh) -> str:
        return f"A mesh of {len(answer.vertices)} vertices and {len(answer.faces)} triangles"


def add_mesh(collection: Any, name: str, mesh: Mesh, matrix: np.ndarray) -> Any:
    """A new object in a collection.

    Args:
        mesh: in world space.
        matrix: (4, 4) world matrix of the object, invertible; its origin becomes the mesh's.
    """
    data = bpy.data.meshes.new(name)
    inverse = inverse_affine(matrix)
    places = (mesh.vertices @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.float32)
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    data.vertices.add(len(places))
    data.vertices.foreach_set("co", places.reshape(-1))
    data.loops.add(faces.size)
    data.loops.foreach_set("vertex_index", faces.reshape(-1))
    data.polygons.add(len(faces))
    data.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    data.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    attribute = data.color_attributes.new(COLOUR, "FLOAT_COLOR", "POINT")
    colours = np.concatenate([mesh.colours, np.ones((len(places), 1), np.float32)], axis=1)
    attribute.data.foreach_set("color_srgb", colours.reshape(-1))
    data.color_attributes.active_color = attribute
    data.update(calc_edges=True)
    data.validate()
    data.materials.append(_material())
    thing = bpy.data.objects.new(name, data)
    thing.matrix_world = Matrix(matrix.tolist())
    collection.objects.link(thing)
    return thing


def _material() -> Any:
    """Skin whose colour is the vertices': the avatar's light is in it already, so little is added to it."""
    known = bpy.data.materials.get(MATERIAL)
    if known is not None:
        return known
    material = bpy.data.materials.new(MATERIAL)
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.6
    colour = tree.nodes.new("ShaderNodeVertexColor")
    colour.layer_name = COLOUR
    colour.location = shader.location.x - 250.0, shader.location.y
    tree.links.new(colour.outputs["Color"], shader.inputs["Base Color"])
    return material


register, unregister = registration(
    classes(LiveHandMesh, LIVEHAND_OT_mesh_from_avatar),
    properties((bpy.types.Scene, "livehand_mesh", PointerProperty(type=LiveHandMesh, name="LiveHand Mesh"))),
)
