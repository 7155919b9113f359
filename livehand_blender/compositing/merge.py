"""The node group that lays hands into a picture by depth and opacity. Called by compositing/setup."""

from __future__ import annotations

from typing import Any

import bpy

from .. import compat

GROUP_NAME = "LiveHand Merge"
MARK = "livehand"
"""Custom property of what compositing made itself."""

BACKGROUND_DEPTH = 1e9
"""Metres; a hand's depth beyond this says that there is no hand."""

OUTLINE_PIXELS = 4
"""How far the hand's depth goes on around it; the smoothing reaches less far."""

VERSION = 2
"""Value of the mark of this file's group; one that a file holds from before stays with the nodes that use it."""

_INPUTS = (("Image", "Color"), ("Depth", "Float"), ("Hand", "Color"), ("Hand Depth", "Float"), ("Holdout", "Float"))
_OUTPUTS = (("Image", "Color"), ("Depth", "Float"), ("Hand Mask", "Float"))


def merge_group() -> Any:
    """The node group of this file, made when it is not there.

    Inputs: the scene's picture (premultiplied) and depth, the hands' picture and depth, and how much of each pixel
    hands that are held out cut away, of the scene only where they are in front of it. Outputs: the merged picture,
    the nearer depth, and how much of each pixel shows a hand. In front of the scene the hand is laid over it, behind
    it the other way round, so that what is partly transparent there lets the hand through by its own alpha. The
    border between in front and behind is smoothed.
    """
    for group in bpy.data.node_groups:
        if group.get(MARK) == VERSION and group.library is None and group.bl_idname == "CompositorNodeTree":
            return group
    tree = bpy.data.node_groups.new(GROUP_NAME, "CompositorNodeTree")
    tree[MARK] = VERSION
    for name, kind in _INPUTS:
        socket = tree.interface.new_socket(name, in_out="INPUT", socket_type=f"NodeSocket{kind}")
        if kind == "Float":
            socket.default_value = 0.0 if name == "Holdout" else 1e10
        else:
            socket.default_value = (0.0, 0.0, 0.0, 0.0)
    for name, kind in _OUTPUTS:
        tree.interface.new_socket(name, in_out="OUTPUT", socket_type=f"NodeSocket{kind}")
    _fill(tree)
    return tree


def _fill(tree: Any) -> None:
    source = tree.nodes.new("NodeGroupInput").outputs
    result = tree.nodes.new("NodeGroupOutput").inputs

    def number(operation: str, first: Any, second: Any) -> Any:
        node = compat.maths_node(tree, operation)
        for socket, value in zip(node.inputs, (first, second), strict=False):
            if isinstance(value, float):
                socket.default_value = value
            else:
                tree.links.new(value, socket)
        return node.outputs[0]

    # Around the hand its outline's depth goes on, so that the smoothing sees no border at the outline itself, whose own
    # soft edge is right already.
    there = number("LESS_THAN", source["Hand Depth"], BACKGROUND_DEPTH)
    nearest_in, nearest = compat.erode_node(tree, OUTLINE_PIXELS)
    tree.links.new(source["Hand Depth"], nearest_in)
    inside = number("MULTIPLY", source["Hand Depth"], there)
    outside = number("MULTIPLY", nearest, number("SUBTRACT", 1.0, there))
    behind = number("LESS_THAN", source["Depth"], number("ADD", inside, outside))
    smooth = tree.nodes.new("CompositorNodeAntiAliasing")
    tree.links.new(behind, smooth.inputs[0])
    factor, first, second, mixed = compat.mix_node(tree)
    tree.links.new(smooth.outputs[0], factor)
    # Mixing takes the first picture's alpha, so both have the same: the scene is cut before it is laid over or under.
    shown = number("SUBTRACT", 1.0, smooth.outputs[0])
    picture, share, cut = compat.apply_alpha_node(tree)
    tree.links.new(source["Image"], picture)
    tree.links.new(number("SUBTRACT", 1.0, number("MULTIPLY", source["Holdout"], shown)), share)
    for socket, below, above in ((first, cut, source["Hand"]), (second, source["Hand"], cut)):
        background, foreground, over = compat.over_node(tree)
        tree.links.new(below, background)
        tree.links.new(above, foreground)
        tree.links.new(over, socket)
    tree.links.new(mixed, result["Image"])
    tree.links.new(number("MINIMUM", source["Depth"], source["Hand Depth"]), result["Depth"])
    alpha = tree.nodes.new("CompositorNodeSeparateColor")
    tree.links.new(source["Hand"], alpha.inputs[0])
    tree.links.new(number("MULTIPLY", alpha.outputs[3], shown), result["Hand Mask"])
    for index, node in enumerate(tree.nodes):
        node.location = (220.0 * (index % 6), -220.0 * (index // 6))
