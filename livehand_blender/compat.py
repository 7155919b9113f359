"""Every difference between Blender 4.2 and 5.3 that the add-on meets, in one room."""

from typing import Any

import bpy

PATH_OPTIONS = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set[str]()
"""Options of a path property that may start with ``//``; unknown before 4.5, which took it without."""

OBJECT_INDEX_PASS = "Object Index" if bpy.app.version >= (5, 0, 0) else "IndexOB"
"""What Blender's own engines call the pass of object indices."""


def set_image_format(settings: Any, file_format: str) -> None:
    """Choose a picture or movie format; 5.0 wants the kind of media first. EXR gets full floats, PNG 8-bit RGBA."""
    if hasattr(settings, "media_type"):
        kinds = {"FFMPEG": "VIDEO", "OPEN_EXR_MULTILAYER": "MULTI_LAYER_IMAGE"}
        settings.media_type = kinds.get(file_format, "IMAGE")
    settings.file_format = file_format
    if file_format == "PNG":
        settings.color_mode, settings.color_depth = "RGBA", "8"
    elif file_format.startswith("OPEN_EXR"):
        settings.color_depth, settings.exr_codec = "32", "ZIP"


def engine_name(scene: Any) -> str:
    """A scene's render engine as Blender's menu calls it."""
    return str(bpy.types.UILayout.enum_item_name(scene.render, "engine", scene.render.engine))


def strips(sequencer: Any) -> Any:
    """The strips of a sequencer (``sequences`` before 4.4)."""
    return sequencer.strips if hasattr(sequencer, "strips") else sequencer.sequences


def world_colour(world: Any) -> tuple[float, float, float]:
    """Scene-linear colour of a world's flat background, black without a world.

    A Background node's unlinked colour times its strength, or the world's viewport colour. A texture has no single
    colour: its node's default colour is taken.
    """
    if world is None:
        return (0.0, 0.0, 0.0)
    node = world_background(world)
    if node is None:
        return (world.color[0], world.color[1], world.color[2])
    colour, strength = node.inputs["Color"].default_value, node.inputs["Strength"].default_value
    return (colour[0] * strength, colour[1] * strength, colour[2] * strength)


def world_has_nodes(world: Any) -> bool:
    """Whether a world is what its nodes say."""
    # From 5.0 on a world always has nodes and use_nodes only warns.
    return world.node_tree is not None and bool(bpy.app.version >= (5, 0, 0) or world.use_nodes)


def world_background(world: Any) -> Any:
    """The Background node that a world's output shows, else the first there is, None without any."""
    if not world_has_nodes(world):
        return None
    tree = world.node_tree
    nodes = [node for node in tree.nodes if node.type == "BACKGROUND"]
    output = tree.get_output_node("ALL")
    shown = [link.from_node for link in output.inputs["Surface"].links] if output is not None else []
    return next((node for node in (*shown, *nodes) if node in nodes), None)


def background_colour(scene: Any, view_layer: Any) -> tuple[float, float, float]:
    """Scene-linear colour behind everything in a view layer: its own world (4.3 and later) or its scene's, if any."""
    if not view_layer.use_sky:
        return (0.0, 0.0, 0.0)
    return world_colour(getattr(view_layer, "world_override", None) or scene.world)


def action_curves(thing: Any) -> list[Any]:
    """The F-curves that animate a data-block through its action and slot; empty without any.

    From 4.4 on an action keeps them by slot, and from 5.0 on only there.
    """
    animation = thing.animation_data
    if animation is None or animation.action is None:
        return []
    if hasattr(animation, "action_slot"):
        bag = _channelbag(animation.action, animation.action_slot)
        return list(bag.fcurves) if bag is not None else []
    return list(animation.action.fcurves)


def new_curves_of(thing: Any) -> Any:
    """The collection that takes further F-curves of a data-block that has an action; has ``new(data_path, index=)``."""
    animation = thing.animation_data
    if hasattr(animation, "action_slot"):
        return _channelbag(animation.action, animation.action_slot).fcurves
    return animation.action.fcurves


def new_action_curves(action: Any, name: str) -> Any:
    """The collection that takes the F-curves of one object in a new action; makes slot, layer and strip where needed.

    Args:
        action: an action without any slot.
        name: name of the slot, as a rule the object's.

    Returns:
        What has ``new(data_path, index=...)``.
    """
    if not hasattr(action, "slots"):
        return action.fcurves
    slot = action.slots.new(id_type="OBJECT", name=name)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves


def assign_action(thing: Any, action: Any) -> None:
    """Let an action animate a data-block, by its first slot where actions have slots."""
    animation = thing.animation_data or thing.animation_data_create()
    animation.action = action
    if hasattr(animation, "action_slot"):
        animation.action_slot = action.slots[0] if action is not None and len(action.slots) else None


def _channelbag(action: Any, slot: Any) -> Any:
    """The channelbag of a slot, None without one."""
    if slot is None:
        return None
    for layer in action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(slot)
            if bag is not None:
                return bag
    return None


def compositing_tree(scene: Any) -> Any:
    """The node tree that a scene's pictures go through, None when it has none or does not use it."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def make_compositing_tree(scene: Any) -> Any:
    """Give a scene without compositing an empty tree of its own, and use it."""
    if hasattr(scene, "compositing_node_group"):
        tree = bpy.data.node_groups.new(f"{scene.name} Compositing", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
        return tree
    had_tree = scene.node_tree is not None
    scene.use_nodes = True
    if not had_tree:
        # Blender has put its usual two nodes into it.
        scene.node_tree.nodes.clear()
    return scene.node_tree


def drop_compositing_tree(scene: Any) -> None:
    """Take back what :func:`make_compositing_tree` did, once the tree's nodes are gone."""
    if hasattr(scene, "compositing_node_group"):
        bpy.data.node_groups.remove(scene.compositing_node_group)
    else:
        scene.use_nodes = False


def use_compositing_tree(scene: Any, used: bool) -> None:
    """Switch a tree that exists on or off; from 5.0 on one that a scene has is always used."""
    if not hasattr(scene, "compositing_node_group"):
        scene.use_nodes = used


def output_node(tree: Any) -> Any:
    """A new node that takes the finished picture in its input ``Image``."""
    return tree.nodes.new("NodeGroupOutput" if bpy.app.version >= (5, 0, 0) else "CompositorNodeComposite")


def maths_node(tree: Any, operation: str) -> Any:
    """A new compositor node for numbers."""
    node = tree.nodes.new("ShaderNodeMath" if bpy.app.version >= (5, 0, 0) else "CompositorNodeMath")
    node.operation = operation
    return node


def mix_node(tree: Any) -> tuple[Any, Any, Any, Any]:
    """A new compositor node that mixes two pictures: its sockets factor, first, second and result."""
    if bpy.app.version >= (5, 0, 0):
        node = tree.nodes.new("ShaderNodeMix")
        node.data_type = "RGBA"
        sockets = {socket.identifier: socket for socket in (*node.inputs, *node.outputs)}
        return sockets["Factor_Float"], sockets["A_Color"], sockets["B_Color"], sockets["Result_Color"]
    node = tree.nodes.new("CompositorNodeMixRGB")
    return (*node.inputs[:3], node.outputs[0])


def over_node(tree: Any) -> tuple[Any, Any, Any]:
    """A new node that lays one premultiplied picture over another: its sockets background, foreground and result."""
    node = tree.nodes.new("CompositorNodeAlphaOver")
    background, foreground = [socket for socket in node.inputs if socket.type == "RGBA"]
    return background, foreground, node.outputs[0]


def apply_alpha_node(tree: Any) -> tuple[Any, Any, Any]:
    """A new node that multiplies a premultiplied picture by a number: its sockets picture, number and result."""
    node = tree.nodes.new("CompositorNodeSetAlpha")
    if hasattr(node, "mode"):
        node.mode = "APPLY"
    else:
        node.inputs["Type"].default_value = "Apply Mask"
    return node.inputs["Image"], node.inputs["Alpha"], node.outputs[0]


def erode_node(tree: Any, pixels: int) -> tuple[Any, Any]:
    """A new node that gives each pixel the least value within some pixels around it: its sockets in and out."""
    node = tree.nodes.new("CompositorNodeDilateErode")
    if hasattr(node, "distance"):
        node.mode, node.distance = "STEP", -pixels
    else:
        node.inputs["Type"].default_value, node.inputs["Size"].default_value = "Steps", -pixels
    return node.inputs[0], node.outputs[0]
