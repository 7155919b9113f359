"""Set compositing up in a scene, and take it away again without a trace. Called by compositing/operators and scripts.

The artist's nodes stay as they are. One link is rerouted: what the Render Layers node's Image went to gets it by way
of the merge group. What is changed beside that is written down and put back.
"""

from __future__ import annotations

import json
from typing import Any

import bpy

from livehand_core.errors import LiveHandError

from .. import compat
from ..render.engine import ENGINE_ID
from ..render.settings import scene_proxies
from .hand_scene import make_hand_scene, rendered_hands
from .merge import MARK, merge_group

_BEFORE = "livehand_before"
"""Custom property of a proxy mesh: whether it was seen by cameras and hidden in renders."""


class CompositingError(LiveHandError):
    """A scene whose compositor cannot take the hands in."""


def is_set_up(scene: Any) -> bool:
    """Whether a scene has LiveHand's compositing, be it only a part of it."""
    return bool(scene.livehand.before_compositing)


def set_up(scene: Any) -> list[str]:
    """Have a scene's compositor lay its hands into its pictures.

    Args:
        scene: a scene that renders with Cycles, EEVEE or Workbench.

    Returns:
        lines of warning, e.g. about linked proxy meshes that cannot be changed.

    Raises:
        CompositingError: nothing is changed then.
    """
    _check(scene)
    before: dict[str, Any] = {"made_tree": False, "used_tree": True, "depth": {}}
    tree = compat.compositing_tree(scene)
    if tree is None:
        before["used_tree"] = False
        tree = compat.make_compositing_tree(scene)
        before["made_tree"] = not len(tree.nodes)
    if before["made_tree"]:
        _usual_nodes(scene, tree)
    try:
        picture = _picture_node(scene, tree)
    except CompositingError:
        if not before["used_tree"]:
            compat.use_compositing_tree(scene, False)
        raise
    layer = scene.view_layers[picture.layer]
    before["depth"][layer.name] = layer.use_pass_z
    layer.use_pass_z = True
    hands = make_hand_scene(scene)
    scene.livehand.hand_scene = hands
    scene.livehand.before_compositing = json.dumps(before)
    _insert(tree, picture, hands)
    return _shadows_only(scene)


def remove(scene: Any) -> None:
    """Put a scene back to how it was before :func:`set_up`; what the artist has changed since stays.

    Raises:
        CompositingError: there is nothing to remove.
    """
    if not is_set_up(scene):
        raise CompositingError(f"The scene {scene.name!r} has no LiveHand compositing.", "Nothing is to be done.")
    before = json.loads(scene.livehand.before_compositing)
    tree = compat.compositing_tree(scene) or getattr(scene, "node_tree", None)
    if tree is not None:
        _take_out(tree)
        if before["made_tree"] and not len(tree.nodes):
            compat.drop_compositing_tree(scene)
        elif not before["used_tree"]:
            compat.use_compositing_tree(scene, False)
    for name, used in before["depth"].items():
        if name in scene.view_layers:
            scene.view_layers[name].use_pass_z = used
    for mesh in bpy.data.objects:
        if _BEFORE in mesh and mesh.is_editable and mesh.name in scene.objects:
            mesh.visible_camera, mesh.hide_render = (bool(value) for value in mesh[_BEFORE])
            del mesh[_BEFORE]
    if scene.livehand.hand_scene is not None:
        bpy.data.scenes.remove(scene.livehand.hand_scene)
    scene.livehand.property_unset("hand_scene")
    scene.livehand.property_unset("before_compositing")
    for group in list(bpy.data.node_groups):
        if group.get(MARK) and group.users == 0 and group.library is None:
            bpy.data.node_groups.remove(group)


def hide_from_camera(mesh: Any) -> bool:
    """Let a proxy mesh be seen by shadows and reflections only, and remember how it was; False for a linked one."""
    if not mesh.is_editable:
        return False
    if _BEFORE not in mesh:
        mesh[_BEFORE] = [mesh.visible_camera, mesh.hide_render]
        mesh.visible_camera, mesh.hide_render = False, False
    return True


def _check(scene: Any) -> None:
    if is_set_up(scene):
        raise CompositingError(f"The scene {scene.name!r} has LiveHand compositing.", "Remove it first.")
    if not scene.is_editable:
        raise CompositingError(f"The scene {scene.name!r} is linked.", "Choose a scene of this file.")
    if scene.render.engine == ENGINE_ID:
        raise CompositingError(
            f"The scene {scene.name!r} renders with LiveHand already.",
            "Choose Cycles or EEVEE as its engine; the hands are laid into that engine's picture.",
        )
    if not rendered_hands(scene):
        raise CompositingError(
            f"The scene {scene.name!r} has no LiveHand hand in its renders.", "Add one (Shift A, Armature)."
        )
    tree = compat.compositing_tree(scene)
    if tree is not None and not tree.is_editable:
        raise CompositingError(f"The compositing nodes {tree.name!r} are linked.", "Make them local first.")


def _usual_nodes(scene: Any, tree: Any) -> None:
    """Render Layers straight to the output, in a tree that holds nothing."""
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene = scene
    output = compat.output_node(tree)
    output.location = (600.0, 0.0)
    tree.links.new(layers.outputs["Image"], output.inputs["Image"])
    for node in (layers, output):
        node[MARK] = "usual"


def _picture_node(scene: Any, tree: Any) -> Any:
    """The Render Layers node whose picture the artist uses."""
    for node in tree.nodes:
        if node.bl_idname == "CompositorNodeRLayers" and node.scene == scene and node.outputs["Image"].is_linked:
            return node
    raise CompositingError(
        f"The compositor of {scene.name!r} does not use its Render Layers.",
        "Connect the Image of a Render Layers node of this scene.",
    )


def _insert(tree: Any, picture: Any, hands: Any) -> None:
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene, layers.label = hands, "Hands"
    layers.location = (picture.location.x, picture.location.y - 420.0)
    merge = tree.nodes.new("CompositorNodeGroup")
    merge.node_tree = merge_group()
    merge.location = (picture.location.x + 320.0, picture.location.y - 220.0)
    layers[MARK] = merge[MARK] = "hands"
    image = picture.outputs["Image"]
    for target in [link.to_socket for link in image.links]:
        tree.links.new(merge.outputs["Image"], target)
    for source, name in (
        (image, "Image"),
        (picture.outputs["Depth"], "Depth"),
        (layers.outputs["Image"], "Hand"),
        (layers.outputs["Depth"], "Hand Depth"),
    ):
        tree.links.new(source, merge.inputs[name])


def _take_out(tree: Any) -> None:
    """Remove the nodes that were put in; their picture takes the straight way again."""
    usual = [node for node in tree.nodes if node.get(MARK) == "usual"]
    others = [node for node in tree.nodes if not node.get(MARK)]
    for node in [node for node in tree.nodes if node.get(MARK) == "hands"]:
        if node.bl_idname == "CompositorNodeGroup":
            for name in ("Image", "Depth"):
                source = [link.from_socket for link in node.inputs[name].links]
                for target in [link.to_socket for link in node.outputs[name].links]:
                    if source:
                        tree.links.new(source[0], target)
        tree.nodes.remove(node)
    for node in usual:
        if others:
            # The artist has built on them.
            del node[MARK]
        else:
            tree.nodes.remove(node)


def _shadows_only(scene: Any) -> list[str]:
    linked = [mesh.name for mesh in scene_proxies(scene) if not hide_from_camera(mesh)]
    if not linked:
        return []
    return [f"Linked and left as they are, so cameras see them: {', '.join(linked)}. Make a library override."]
