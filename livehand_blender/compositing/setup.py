"""Set compositing up in a scene, and take it away again without a trace. Called by compositing/operators and scripts.

The artist's nodes stay as they are. One link is rerouted: what the Render Layers node's Image went to gets it by way
of the merge group. What is changed beside that is written down and put back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import bpy

from livehand_core.documents import parse_json
from livehand_core.errors import LiveHandError
from livehand_core.records import build

from .. import compat
from ..parts.shown import is_part_object
from ..render.engine import ENGINE_ID
from ..render.scene import holds_hand, scene_objects
from ..rig.armature import is_hand, proxy_meshes
from ..rig.wrist_end import end_as_made, end_at_wrist
from ..stored import items
from .hand_scene import follow, make_hand_scene
from .merge import MARK, merge_group

WORKBENCH = "BLENDER_WORKBENCH"

_EARLIER = "livehand_before"
"""Custom property by which earlier versions noted on a proxy mesh how it was."""


class CompositingError(LiveHandError):
    """A scene whose compositor cannot take the hands in."""


@dataclass(frozen=True)
class Before:
    """How a scene was before it got compositing.

    Attributes:
        made_tree: whether its compositor had no nodes; ``used_tree``: whether it was in use.
        depth: by view layer, whether it had the pass *Z*.
    """

    made_tree: bool = False
    used_tree: bool = True
    depth: dict[str, bool] = field(default_factory=dict)


def _before(scene: Any) -> Before:
    """What is stored of a scene, as far as it can be read: without it nothing but its own state can be restored."""
    try:
        return build(Before, parse_json(scene.livehand.before_compositing))
    except ValueError:
        return Before()


def is_set_up(scene: Any) -> bool:
    """Whether a scene has LiveHand's compositing, be it only a part of it."""
    return bool(scene.livehand.before_compositing)


def obstacle(scene: Any) -> CompositingError | None:
    """Why compositing cannot be set up in a scene, as far as is seen at a glance; None when nothing is in the way."""
    name = repr(scene.name)
    if not scene.is_editable:
        return CompositingError(f"The scene {name} is linked.", "Choose a scene of this file.")
    if scene.render.engine == ENGINE_ID:
        return CompositingError(
            f"The scene {name} renders with LiveHand already.",
            "Choose Cycles or EEVEE as its engine; the hands are laid into that engine's picture.",
        )
    if not holds_hand(scene):
        return CompositingError(f"The scene {name} has no LiveHand hand.", "Add one (Shift A, Armature).")
    return None


def set_up(scene: Any) -> list[str]:
    """Have a scene's compositor lay its hands into the pictures of its Render Layers nodes.

    Where it is set up already, nodes that came later are taken in.

    Args:
        scene: a scene that renders with Cycles, EEVEE or Workbench.

    Returns:
        lines of warning, e.g. about linked proxy meshes that cannot be changed.

    Raises:
        CompositingError: nothing is changed then.
    """
    claim(scene)
    _check(scene)
    before = _before(scene)
    tree = compat.compositing_tree(scene)
    if tree is None:
        tree = compat.make_compositing_tree(scene)
        before = replace(before, used_tree=False, made_tree=not len(tree.nodes))
        if before.made_tree:
            _usual_nodes(scene, tree)
    pictures = list(unmerged(scene))
    if not pictures:
        if not before.used_tree:
            compat.use_compositing_tree(scene, False)
        raise CompositingError(
            f"The compositor of {scene.name!r} does not use its Render Layers.",
            "Connect the Image of a Render Layers node of this scene.",
        )
    for picture in pictures:
        layer = scene.view_layers[picture.layer]
        before.depth.setdefault(layer.name, layer.use_pass_z)
        layer.use_pass_z = True
    hands = scene.livehand.hand_scene or make_hand_scene(scene)
    follow(scene, hands)
    scene.livehand.hand_scene = hands
    scene.livehand.before_compositing = json.dumps(asdict(before))
    for picture in pictures:
        _insert(tree, picture, hands)
    return hide_proxies(scene)


def remove(scene: Any) -> None:
    """Put a scene back to how it was before :func:`set_up`; what the artist has changed since stays.

    Raises:
        CompositingError: there is nothing to remove.
    """
    if not is_set_up(scene):
        raise CompositingError(f"The scene {scene.name!r} has no LiveHand compositing.", "There is nothing to remove.")
    claim(scene)
    if not is_set_up(scene):
        return
    before = _before(scene)
    tree = compat.compositing_tree(scene) or getattr(scene, "node_tree", None)
    if tree is not None:
        _take_out(tree)
        if before.made_tree and not len(tree.nodes):
            compat.drop_compositing_tree(scene)
        elif not before.used_tree:
            compat.use_compositing_tree(scene, False)
    for name, used in before.depth.items():
        if name in scene.view_layers:
            scene.view_layers[name].use_pass_z = used
    if scene.livehand.hand_scene is not None:
        bpy.data.scenes.remove(scene.livehand.hand_scene)
    _forget(scene)
    for group in list(bpy.data.node_groups):
        if group.get(MARK) and group.users == 0 and group.library is None:
            bpy.data.node_groups.remove(group)


def claim(scene: Any) -> None:
    """Give a scene that is a copy of another one a hand scene of its own; the one that it points to is the other's.

    A copy that shares its nodes with the other (*Linked Copy* from Blender 5.0 on) has no compositing of its own.
    """
    hands = scene.livehand.hand_scene
    if hands == scene:
        # Left by a script, or by two scenes that were made one.
        scene.livehand.property_unset("hand_scene")
        return
    if hands is None or hands.livehand.main_scene == scene:
        return
    if hands.livehand.main_scene is None:
        # An earlier version has made it.
        hands.livehand.main_scene = scene
        return
    tree = compat.compositing_tree(scene)
    if tree is None or tree == compat.compositing_tree(hands.livehand.main_scene):
        _forget(scene)
        return
    scene.livehand.hand_scene = make_hand_scene(scene)
    keep_up(scene)


def keep_up(scene: Any) -> None:
    """Bring what compositing made in line with its scene: the hand scene, its nodes, hands that are new."""
    hands = scene.livehand.hand_scene
    follow(scene, hands)
    hide_proxies(scene)
    tree = compat.compositing_tree(scene)
    for node in tree.nodes if tree is not None and tree.is_editable else ():
        if node.get(MARK) != "hands" or node.bl_idname != "CompositorNodeGroup":
            continue
        picture, layers = (_source(node, name) for name in ("Image", "Hand"))
        if layers is None or not layers.get(MARK):
            continue
        if layers.scene != hands:
            layers.scene = hands
        shows_scene = picture is not None and picture.bl_idname == "CompositorNodeRLayers" and picture.scene == scene
        if shows_scene and layers.layer != picture.layer:
            layers.layer = picture.layer


def unmerged(scene: Any) -> Iterator[Any]:
    """The Render Layers nodes of a scene whose picture the artist uses without the hands."""
    tree = compat.compositing_tree(scene)
    for node in tree.nodes if tree is not None else ():
        if node.bl_idname != "CompositorNodeRLayers" or node.scene != scene:
            continue
        links = node.outputs["Image"].links
        if links and not any(link.to_node.get(MARK) == "hands" for link in links):
            yield node


def hide_proxies(scene: Any) -> list[str]:
    """Let what a scene's hands stand for be seen by shadows and reflections only, and note how it was.

    That is each hand's proxy mesh, and each mesh that is drawn through an avatar of its own. Wrists of proxies end with
    the picture's, so that they keep no light from an arm that the hand fades into.

    Returns:
        lines of warning about those that stay as they are.
    """
    hands = dict.fromkeys(obj for obj in scene_objects(scene) if is_hand(obj))
    rigs = {mesh: hand for hand in hands for mesh in proxy_meshes(hand)}
    # Instances of a part are not drawn through its avatar.
    parts = [obj for obj in scene.objects if is_part_object(obj)]
    _give_back(scene, {*rigs, *parts})
    known = {entry.mesh for entry in _hidden(scene)}
    linked, whole = [], []
    for mesh in [*rigs, *parts]:
        if not mesh.is_editable:
            linked.append(mesh.name)
            continue
        if mesh in rigs and not end_at_wrist(mesh, rigs[mesh]):
            whole.append(mesh.name)
        if mesh in known:
            continue
        # One that comes later is often a copy of one that is hidden already.
        camera, hidden = _as_it_was(mesh)
        entry = _hidden(scene).add()
        entry.mesh, entry.visible_camera, entry.hide_render = mesh, camera or bool(known), hidden
        mesh.visible_camera, mesh.hide_render = False, hidden and mesh in parts
    _hide_from_workbench(scene)
    lines = []
    if linked:
        lines.append(f"Linked and left as they are, so cameras see them: {', '.join(linked)}. Make a library override.")
    if whole:
        lines.append(
            f"Of linked meshes, so that they shade an arm that they fade into: {', '.join(whole)}. "
            "Make the mesh local, or set compositing up in the hand's own file."
        )
    if parts and scene.render.engine == WORKBENCH:
        names = ", ".join(part.name for part in parts)
        lines.append(f"Workbench shows the meshes themselves with their avatars: {names}. Choose Cycles or EEVEE.")
    return lines


def _give_back(scene: Any, kept: set[Any]) -> None:
    """Show meshes again as they were, but for those that are kept hidden, or that another scene composites as well."""
    hidden = _hidden(scene)
    for number in reversed(range(len(hidden))):
        mesh, camera, render = hidden[number].mesh, hidden[number].visible_camera, hidden[number].hide_render
        if mesh in kept:
            continue
        if mesh is not None and mesh.is_editable and len(_entries(mesh)) == 1:
            mesh.visible_camera, mesh.hide_render = camera, render
            end_as_made(mesh)
        hidden.remove(number)


def _hide_from_workbench(scene: Any) -> None:
    """Workbench shows what cameras are not to see: while it renders, the proxies are hidden from renders."""
    shows_all = scene.render.engine == WORKBENCH
    for entry in _hidden(scene):
        mesh = entry.mesh
        if mesh is None or not mesh.is_editable or entry.hidden_here == shows_all:
            continue
        # A mesh that is its own rig would be gone altogether.
        if shows_all and (mesh.hide_render or is_part_object(mesh)):
            continue
        mesh.hide_render = entry.hidden_here = shows_all


def _hidden(scene: Any) -> Any:
    """What a scene has noted of the meshes that it hides."""
    return items(scene.livehand, "hidden_proxies")


def _as_it_was(mesh: Any) -> tuple[bool, bool]:
    """Whether a mesh was seen by cameras and hidden in renders before any compositing."""
    if _EARLIER in mesh:
        camera, hidden = mesh[_EARLIER]
        del mesh[_EARLIER]
        return bool(camera), bool(hidden)
    for entry in _entries(mesh):
        return entry.visible_camera, entry.hide_render
    return mesh.visible_camera, mesh.hide_render


def _entries(mesh: Any) -> list[Any]:
    """What scenes have noted of a mesh; one that several scenes share is noted by each."""
    return [entry for scene in bpy.data.scenes for entry in _hidden(scene) if entry.mesh == mesh]


def _forget(scene: Any) -> None:
    """Give a scene's meshes and settings back."""
    hide_proxies(scene)
    _give_back(scene, set())
    for name in ("hand_scene", "before_compositing", "hidden_proxies"):
        scene.livehand.property_unset(name)


def _source(node: Any, name: str) -> Any:
    """The node that an input comes from, None for none."""
    return next((link.from_node for link in node.inputs[name].links), None)


def _check(scene: Any) -> None:
    if is_set_up(scene) and not list(unmerged(scene)):
        raise CompositingError(f"The scene {scene.name!r} has LiveHand compositing.", "Remove it first.")
    if is_set_up(scene) and scene.livehand.hand_scene is None:
        raise CompositingError(f"The hand scene of {scene.name!r} is gone.", "Remove Compositing, and set it up again.")
    problem = obstacle(scene)
    if problem is not None:
        raise problem
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


def _insert(tree: Any, picture: Any, hands: Any) -> None:
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene, layers.label, layers.layer = hands, "Hands", picture.layer
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
        (layers.outputs["Holdout"], "Holdout"),
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
