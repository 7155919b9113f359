"""What of a world or a material differs from frame to frame: told by its values where it is animated or driven.

Called by render/probe_watch; reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FILMS = {"SEQUENCE", "MOVIE"}
"""Sources of pictures that are others at each frame."""


def animated_values(owner: Any, frame: int) -> tuple[Any, ...]:
    """The values of an (evaluated) world or material that is animated, nothing of one that is not.

    Args:
        frame: of the scene, which tells the pictures of a film apart.
    """
    trees = list(_trees(owner.node_tree))
    nodes = [node for tree in trees for node in tree.nodes]
    pictures = [getattr(node, "image", None) for node in nodes]
    film = (frame,) if any(image is not None and image.source in FILMS for image in pictures) else ()
    if all(thing.animation_data is None for thing in (owner, *trees)):
        return film
    sockets = [socket for node in nodes for socket in node.inputs if not socket.is_linked]
    outputs = [socket for node in nodes for socket in node.outputs]
    return (*film, *(value for thing in (owner, *nodes, *sockets, *outputs) for value in _numbers(thing)))


def _trees(tree: Any) -> Iterator[Any]:
    """A node tree and those of its groups."""
    if tree is not None:
        yield tree
        for node in tree.nodes:
            if node.type == "GROUP":
                yield from _trees(node.node_tree)


def _numbers(thing: Any) -> Iterator[Any]:
    for name, known in thing.bl_rna.properties.items():
        if known.type in ("FLOAT", "INT", "BOOLEAN", "ENUM") and known.is_animatable:
            value = getattr(thing, name)
            yield tuple(value) if getattr(known, "is_array", False) else value
