"""*Match Colour*: the tint by which a hand's skin at the wrist has the colour of the arm that it sits on."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from collections.abc import Sequence
from typing import Any

import numpy as np
from bpy.props import StringProperty

from livehand_core.cameras import Camera, look_at
from livehand_core.errors import LiveHandError, PoseError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.lights import Light
from livehand_core.passes import srgb_to_linear
from livehand_core.poses import HandPose

from ..avatars.choice import chosen_identity
from ..registration import classes, registration
from ..rig.armature import proxy_meshes
from ..rig.hand_operator import HandOperator
from ..rig.hand_rig import HandRig
from ..rig.pose import shown_pose
from . import session
from .scene import avatar_path

AROUND_WRIST = 0.09
"""Metres, at life size, from the wrist joint within which an arm's skin is looked at."""

LIMITS = (0.02, 20.0)
"""Of a tint's factors."""

_SIZE, _DISTANCE, _SEEN = 96, 0.4, 0.05
"""Pixels of the pictures of a wrist, metres of their camera from it, and that they show."""


class LIVEHAND_OT_match_colour(HandOperator):
    """Tint the active hand so that its skin at the wrist has the colour of an arm's material there"""

    bl_idname = "livehand.match_colour"
    bl_label = "Match Colour"

    mesh: StringProperty(
        name="Arm",
        description="Mesh of the arm; by default the other selected one, or that of the character that the hand is on",
        options={"SKIP_SAVE"},
    )

    def draw(self, context: Any) -> None:
        self.layout.use_property_split = True
        self.layout.prop_search(self, "mesh", context.scene, "objects", icon="MESH_DATA")

    def apply(self, context: Any, rig: Any) -> None:
        context.view_layer.update()
        graph = context.evaluated_depsgraph_get()
        arms = _arms(context, rig, self.mesh)
        hand = HandRig.of(rig.evaluated_get(graph))
        _, scale = shown_pose(hand)
        place = hand.ends()[0][0]
        _pixels.clear()
        arm = arm_colour([obj.evaluated_get(graph) for obj in arms], place, scale * AROUND_WRIST)
        own = wrist_colour(rig)
        tint = np.clip(arm / np.maximum(own, 1e-4), *LIMITS)
        rig.livehand.tint = tuple(float(factor) for factor in tint)
        numbers = ", ".join(f"{factor:.2f}" for factor in tint)
        self.report({"INFO"}, f"Tint {numbers}: the colour of {arms[0].name!r} at the wrist.")


def arm_colour(arms: Sequence[Any], place: np.ndarray, reach: float) -> np.ndarray:
    """(3,) linear base colour of meshes near a place, the mean over their surface.

    Args:
        arms: evaluated objects.
        place: (3,) in the world.
        reach: metres.

    Raises:
        PoseError: none of them is near, or a material's colour cannot be read.
    """
    total, weight = np.zeros(3), 0.0
    for obj in arms:
        mesh = obj.data
        if not len(mesh.polygons):
            continue
        middles, areas = np.empty(3 * len(mesh.polygons)), np.empty(len(mesh.polygons))
        mesh.polygons.foreach_get("center", middles)
        mesh.polygons.foreach_get("area", areas)
        world = np.array(obj.matrix_world)
        away = np.linalg.norm(middles.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3] - place, axis=1)
        for number in np.flatnonzero(away <= reach).tolist():
            total += areas[number] * _face_colour(obj, mesh.polygons[number])
            weight += areas[number]
    if weight <= 0.0:
        raise PoseError(
            f"{arms[0].name!r} has no skin within {100.0 * reach:.0f} cm of the wrist.",
            "Put the hand onto the arm first, or choose the mesh that is there.",
        )
    return total / weight


def wrist_colour(rig: Any) -> np.ndarray:
    """(3,) linear colour of a hand's own skin at its wrist, from its back and its palm, in even white light, or in the
    light that its avatar brings along.

    Raises:
        LiveHandError: the engine or the avatar fails.
    """
    hand, avatar = HandRig.of(rig), avatar_path(rig)
    elbow = 1.0 if hand.side == "right" else -1.0
    pose = HandPose(np.zeros(3), np.zeros((15, 3)), hand.betas, np.zeros(3), hand.side)
    instance = HandInstance(pose, avatar, identity=chosen_identity(rig.livehand, avatar))
    middle = hand.data.rest_joints(hand.betas)[0] + np.array([0.012 * elbow, 0.0, 0.0])
    found = []
    for side in (1.0, -1.0):
        view = look_at(middle + np.array([0.0, side * _DISTANCE, 0.0]), middle, np.array([0.0, 0.0, 1.0]))
        focal = _SIZE * _DISTANCE / _SEEN
        camera = Camera(_SIZE, _SIZE, focal, focal, 0.5 * _SIZE, 0.5 * _SIZE, view)
        request = FrameRequest(camera, (instance,), linear=True, light=Light.uniform((1.0, 1.0, 1.0)))
        passes, _ = session.render(request, bool)
        rgba = passes["rgba"][:, _SIZE // 4 : -_SIZE // 4]
        found.append(rgba[rgba[..., 3] > 0.95][:, :3])
    pixels = np.concatenate(found)
    if not len(pixels):
        raise LiveHandError("The avatar shows nothing at its wrist.", "Set the tint by hand.")
    return np.asarray(pixels.mean(axis=0), dtype=np.float64)


def _arms(context: Any, rig: Any, name: str) -> list[Any]:
    """The mesh of that name, or the selected ones beside the hand, or those of the character that it is on."""
    own = proxy_meshes(rig)
    if name:
        found = [obj for obj in context.scene.objects if obj.name == name]
    else:
        found = [obj for obj in context.selected_objects if obj.type == "MESH" and obj not in own]
        if not found and rig.parent is not None and rig.parent.type == "ARMATURE":
            found = [obj for obj in context.scene.objects if obj.type == "MESH" and _follows(obj, rig.parent)]
    if not found:
        raise PoseError("No arm is chosen.", "Select the arm's mesh, then the hand, or name it under Arm.")
    for obj in found:
        if obj.type != "MESH" or obj in own:
            raise PoseError(f"{obj.name!r} is no mesh of an arm.", "Choose the mesh that the hand sits on.")
    return found


def _follows(obj: Any, armature: Any) -> bool:
    return any(modifier.type == "ARMATURE" and modifier.object == armature for modifier in obj.modifiers)


def _face_colour(obj: Any, face: Any) -> np.ndarray:
    slots = obj.material_slots
    material = slots[min(face.material_index, len(slots) - 1)].material if len(slots) else None
    if material is None:
        return np.full(3, 0.8)
    output = material.node_tree.get_output_node("ALL") if material.node_tree is not None else None
    if output is None or not output.inputs["Surface"].is_linked:
        return np.array(material.diffuse_color[:3])
    shader = output.inputs["Surface"].links[0].from_node
    socket = next((shader.inputs[name] for name in ("Base Color", "Color") if name in shader.inputs), None)
    if socket is None:
        raise _unread(material)
    return _socket_colour(socket, obj.data, face, material)


def _socket_colour(socket: Any, mesh: Any, face: Any, material: Any) -> np.ndarray:
    while socket.is_linked and socket.links[0].from_node.bl_idname == "NodeReroute":
        socket = socket.links[0].from_node.inputs[0]
    if not socket.is_linked:
        return np.array(socket.default_value[:3])
    node = socket.links[0].from_node
    if node.bl_idname == "ShaderNodeRGB":
        return np.array(node.outputs[0].default_value[:3])
    if node.bl_idname == "ShaderNodeTexImage" and node.image is not None and mesh.uv_layers.active is not None:
        corners = [mesh.uv_layers.active.data[index].uv for index in face.loop_indices]
        return _texel(node.image, np.mean(corners, axis=0))
    if node.bl_idname in ("ShaderNodeVertexColor", "ShaderNodeAttribute"):
        name = node.layer_name if node.bl_idname == "ShaderNodeVertexColor" else node.attribute_name
        layer = mesh.color_attributes.get(name) or mesh.color_attributes.active_color
        if layer is not None:
            places = face.vertices if layer.domain == "POINT" else face.loop_indices
            return np.mean([layer.data[place].color[:3] for place in places], axis=0)
    raise _unread(material)


def _unread(material: Any) -> PoseError:
    return PoseError(
        f"The colour of the material {material.name!r} comes of nodes that are not followed.",
        "Bake it into an image or a colour attribute, or set the tint by hand.",
    )


_pixels: dict[str, np.ndarray] = {}


def _texel(image: Any, uv: np.ndarray) -> np.ndarray:
    width, height = image.size
    if not (width and height and image.channels >= 3):
        raise PoseError(f"The image {image.name!r} cannot be read.", "Find its file (File, External Data).")
    key = f"{image.name_full} {image.filepath} {width} {height}"
    if key not in _pixels:
        values = np.empty(width * height * image.channels, dtype=np.float32)
        image.pixels.foreach_get(values)
        _pixels.clear()
        _pixels[key] = values.reshape(height, width, image.channels)
    x, y = (int(part % 1.0 * size) for part, size in zip(uv, (width, height), strict=True))
    colour = _pixels[key][y, x, :3]
    coded = image.colorspace_settings.name == "sRGB" and not image.is_float
    return np.asarray(srgb_to_linear(colour) if coded else colour, dtype=np.float64)


register, unregister = registration(classes(LIVEHAND_OT_match_colour))
