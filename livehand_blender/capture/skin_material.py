"""The material of the built-in hand's skin: pigment, folds that stand as the pose wants, oil, and nails.

Cheap for Cycles: two images and one attribute of the vertices. Registers nothing.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from livehand_core.hand.looks import look_of
from livehand_core.hand.skin import PLANES, reflectance, skin_images

FOLDS = "livehand_folds"
"""The vertices' attribute that says how folds stand: dorsal, palmar, tightness (``flesh.fold_state``)."""

SCATTERING_METRES = 0.0042
SCATTERING_RADIUS = (1.0, 0.38, 0.22)


def skin_material(look: str) -> bpy.types.Material:
    """The skin of one of the looks that come with LiveHand, made once a file.

    Raises:
        HandModelError: nobody has that name, or the stored maps cannot be read.
    """
    name = f"LiveHand skin {look}"
    if name in bpy.data.materials:
        return bpy.data.materials[name]
    whose = look_of(look)
    made = skin_images(whose)
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    nodes = tree.nodes
    principled = nodes["Principled BSDF"]
    colour = _image(tree, f"LiveHand colour {look}", made.colour, "sRGB")
    surface = _image(tree, f"LiveHand surface {look}", made.surface, "Non-Color")
    folds = nodes.new("ShaderNodeAttribute")
    folds.attribute_name = FOLDS
    stands = nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(folds.outputs["Vector"], stands.inputs["Vector"])
    heights = nodes.new("ShaderNodeSeparateColor")
    tree.links.new(surface.outputs["Color"], heights.inputs["Color"])
    nail = colour.outputs["Alpha"]

    fine = _height(tree, heights.outputs["Red"], "fine", None, 1.0)
    dorsal = _height(tree, heights.outputs["Green"], "dorsal", stands.outputs["X"], whose.wrinkles)
    palmar = _height(tree, heights.outputs["Blue"], "palmar", stands.outputs["Y"], whose.wrinkles)
    moving = _math(tree, "ADD", dorsal, palmar)
    bump = nodes.new("ShaderNodeBump")
    bump.inputs["Distance"].default_value = 0.001
    bump.inputs["Strength"].default_value = 1.0
    tree.links.new(_math(tree, "ADD", fine, moving), bump.inputs["Height"])

    # Blood leaves skin that is drawn tight; shade gathers in folds beyond what the stored colour has of it.
    deeper = _math(tree, "SUBTRACT", _height(tree, heights.outputs["Blue"], "palmar", None, whose.wrinkles), palmar)
    flatter = _math(tree, "SUBTRACT", _height(tree, heights.outputs["Green"], "dorsal", None, whose.wrinkles), dorsal)
    shade = _math(tree, "ADD", deeper, flatter)
    shaded = _mix(tree, _math(tree, "MULTIPLY", shade, 0.9), colour.outputs["Color"], (0.36, 0.10, 0.07))
    pale = _math(tree, "MULTIPLY", stands.outputs["Z"], 0.16)
    bloodless = _pale(made.colour)
    skin = _mix(tree, _math(tree, "MULTIPLY", pale, _math(tree, "SUBTRACT", 1.0, nail)), shaded, bloodless)
    tree.links.new(skin, principled.inputs["Base Color"])

    tree.links.new(surface.outputs["Alpha"], principled.inputs["Roughness"])
    tree.links.new(bump.outputs["Normal"], principled.inputs["Normal"])
    principled.subsurface_method = "BURLEY"
    tree.links.new(_linear(tree, nail, 1.0, 0.45), principled.inputs["Subsurface Weight"])
    principled.inputs["Subsurface Radius"].default_value = SCATTERING_RADIUS
    principled.inputs["Subsurface Scale"].default_value = SCATTERING_METRES
    principled.inputs["IOR"].default_value = 1.42
    principled.inputs["Specular IOR Level"].default_value = 0.40
    tree.links.new(_linear(tree, nail, 0.06, 0.22), principled.inputs["Coat Weight"])
    tree.links.new(_linear(tree, nail, 0.36, 0.16), principled.inputs["Coat Roughness"])
    tree.links.new(bump.outputs["Normal"], principled.inputs["Coat Normal"])
    return material


def cap_material(look: str) -> bpy.types.Material:
    """What closes the wrist of one of the looks: dull skin without detail, for a flat face that shines looks cut."""
    name = f"LiveHand wrist {look}"
    if name in bpy.data.materials:
        return bpy.data.materials[name]
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    principled = material.node_tree.nodes["Principled BSDF"]
    plain = {plane: np.full(1, 1.0 if plane in ("blood", "melanin") else 0.0) for plane in PLANES}
    principled.inputs["Base Color"].default_value = (*reflectance(plain, look_of(look))[0].tolist(), 1.0)
    principled.inputs["Roughness"].default_value = 1.0
    principled.inputs["Specular IOR Level"].default_value = 0.0
    principled.subsurface_method = "BURLEY"
    principled.inputs["Subsurface Weight"].default_value = 1.0
    principled.inputs["Subsurface Radius"].default_value = SCATTERING_RADIUS
    principled.inputs["Subsurface Scale"].default_value = SCATTERING_METRES
    return material


def _image(tree: Any, name: str, pixels: np.ndarray, space: str) -> Any:
    """A node with an image of (size, size, 4) pixels that goes with the file."""
    size = pixels.shape[0]
    image = bpy.data.images.new(name, size, size, alpha=True)
    image.colorspace_settings.name = space
    image.alpha_mode = "CHANNEL_PACKED"
    image.pixels.foreach_set(np.ascontiguousarray(pixels, dtype=np.float32).reshape(-1))
    image.update()
    image.pack()
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    return node


def _pale(colour: np.ndarray) -> tuple[float, float, float]:
    """Linear colour of skin without blood: a little lighter and yellower than the mean of the back's."""
    skin = colour[..., :3][(colour[..., 3] < 0.01)]
    mean = np.median(skin[::97], axis=0) ** 2.2
    red, green, blue = np.clip(mean * np.array([1.10, 1.22, 1.12]), 0.0, 1.0)
    return float(red), float(green), float(blue)


def _math(tree: Any, operation: str, first: Any, second: Any) -> Any:
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, (first, second), strict=False):
        if isinstance(value, float):
            socket.default_value = value
        else:
            tree.links.new(value, socket)
    return node.outputs["Value"]


def _linear(tree: Any, value: Any, low: float, high: float) -> Any:
    """From ``low`` to ``high`` as the value goes from 0 to 1."""
    node = tree.nodes.new("ShaderNodeMapRange")
    node.inputs["To Min"].default_value, node.inputs["To Max"].default_value = low, high
    tree.links.new(value, node.inputs["Value"])
    return node.outputs["Result"]


def _height(tree: Any, channel: Any, plane: str, strength: Any, factor: float) -> Any:
    """Millimetres of a plane of heights from its image channel, times strength and factor."""
    low, high = PLANES[plane]
    node = tree.nodes.new("ShaderNodeMapRange")
    node.clamp = False
    node.inputs["To Min"].default_value, node.inputs["To Max"].default_value = low * factor, high * factor
    tree.links.new(channel, node.inputs["Value"])
    value = node.outputs["Result"]
    return value if strength is None else _math(tree, "MULTIPLY", value, strength)


def _mix(tree: Any, share: Any, first: Any, second: tuple[float, float, float]) -> Any:
    """The colour ``first`` with a share (clamped to 0 and 1) of a fixed one."""
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    colours = [socket for socket in node.inputs if socket.type == "RGBA"]
    tree.links.new(share, node.inputs[0])
    tree.links.new(first, colours[0])
    colours[1].default_value = (*second, 1.0)
    return next(socket for socket in node.outputs if socket.type == "RGBA")
