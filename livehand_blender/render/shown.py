"""What of a scene shines and stands around when its hands are drawn: by the same rule for every way of drawing them.

A hand scene of compositing stands for its main scene: its collections, view layers and world are those, and what its
depsgraph holds only because the main scene is its background set does not count. Called by render/scene, render/light
and render/near; reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from ..parts.shown import is_part_object
from ..rig.armature import is_hand
from ..stored import items


@dataclass(frozen=True)
class Shown:
    """An object where it is shown. Only valid until the next one is asked for.

    Attributes:
        object: evaluated.
        matrix_world: of this instance of it.
        shower: (original) object that shows it: itself, or what it is an instance of.
        is_instance: whether that is another object.
    """

    object: Any
    matrix_world: Any
    shower: Any
    is_instance: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.object, name)


def lit_scene(depsgraph: Any) -> Any:
    """The (original) scene whose light a depsgraph's hands stand in."""
    scene = depsgraph.scene
    return scene.livehand.main_scene or scene


def shining_world(depsgraph: Any) -> Any:
    """The (evaluated) world that lights a view layer: its own (4.3 and later) or its scene's, None for none."""
    layer = depsgraph.view_layer_eval
    if not layer.use_sky:
        return None
    return getattr(layer, "world_override", None) or depsgraph.scene_eval.world


def shown_objects(depsgraph: Any, kinds: set[str], space: Any = None) -> Iterator[Shown]:
    """Objects of some types that a depsgraph shows, instances included.

    Args:
        depsgraph: evaluated; no other loop over its instances may be under way.
        kinds: of ``object.type``.
        space: a 3D view whose local view and own filters count as well.
    """
    apart = strangers(depsgraph)
    for instance in depsgraph.object_instances:
        obj = instance.object
        if obj.type not in kinds or not instance.show_self:
            continue
        shower = (instance.parent if instance.is_instance else obj).original
        if shower in apart or (space is not None and not shower.visible_in_viewport_get(space)):
            continue
        yield Shown(obj, instance.matrix_world.copy(), shower, instance.is_instance)


def strangers(depsgraph: Any) -> set[Any]:
    """What a hand scene's depsgraph holds only because the main scene is its background set.

    The set is there for what a scene alone can own; what this view layer shows is for its own collections.
    """
    main = depsgraph.scene.livehand.main_scene
    if main is None:
        return set()
    own = set(depsgraph.view_layer.objects)
    behind = main.background_set
    while behind is not None:
        own.update(behind.objects)
        behind = behind.background_set
    return set(main.objects) - own


def seen_by_cameras(obj: Any) -> bool:
    """Whether an (evaluated) object is seen by cameras; one that compositing hides counts as it was before."""
    if obj.visible_camera:
        return True
    mesh, scenes = obj.original, bpy.data.scenes
    notes = [note for scene in scenes for note in items(scene.livehand, "hidden_proxies") if note.mesh == mesh]
    return is_part_object(mesh) and any(note.visible_camera for note in notes)


def of_hand(obj: Any) -> bool:
    """Whether an object is a hand or one of its meshes, or a mesh that is drawn through an avatar of its own."""
    return is_hand(obj) or (obj.parent is not None and is_hand(obj.parent)) or is_part_object(obj)
