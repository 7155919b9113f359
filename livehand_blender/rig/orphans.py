"""A hand that is deleted takes its proxy mesh along: Blender deletes an armature alone and leaves its children behind.

Called by Blender after each change of the scene.
"""

from __future__ import annotations

from typing import Any

import bpy

from .shape import SHAPE_KEYS

_count = 0


def orphans() -> list[Any]:
    """Proxy meshes of this file whose armature is gone; one whose modifier was applied, or aims elsewhere, is none."""
    return [obj for obj in bpy.data.objects if obj.type == "MESH" and obj.is_editable and _orphaned(obj)]


def _orphaned(mesh: Any) -> bool:
    keys = mesh.data.shape_keys
    if mesh.parent is not None or keys is None or SHAPE_KEYS[0] not in keys.key_blocks:
        return False
    modifiers = [modifier for modifier in mesh.modifiers if modifier.type == "ARMATURE"]
    return bool(modifiers) and all(modifier.object is None for modifier in modifiers)


def _remove() -> None:
    global _count
    for mesh in orphans():
        bpy.data.objects.remove(mesh, do_unlink=True)
    _count = len(bpy.data.objects)


@bpy.app.handlers.persistent
def _changed(*_: Any) -> None:
    """Look only when objects have gone, and remove nothing while Blender walks through them."""
    global _count
    before, _count = _count, len(bpy.data.objects)
    if _count < before and not bpy.app.timers.is_registered(_remove):
        bpy.app.timers.register(_remove, first_interval=0.0)


@bpy.app.handlers.persistent
def _file_loaded(*_: Any) -> None:
    # What another version or another Blender left in a file is the artist's to judge.
    global _count
    _count = len(bpy.data.objects)


def register() -> None:
    if bpy.app.background:
        return
    bpy.app.handlers.depsgraph_update_post.append(_changed)
    bpy.app.handlers.load_post.append(_file_loaded)


def unregister() -> None:
    if bpy.app.background:
        return
    bpy.app.handlers.depsgraph_update_post.remove(_changed)
    bpy.app.handlers.load_post.remove(_file_loaded)
    if bpy.app.timers.is_registered(_remove):
        bpy.app.timers.unregister(_remove)
