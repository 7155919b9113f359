"""What belongs to a hand comes and goes with it: its proxy mesh, and no widgets in the scene.

Blender copies and appends an armature alone, deletes it alone and leaves its children behind, and links the shapes of
its bones into the scene. Called by Blender after each change of the scene; scripts in the background are left alone.
"""

from __future__ import annotations

from typing import Any

import bpy

from ..registration import handlers, in_the_window, registration, timer
from .armature import add_proxy, is_hand, proxy_meshes
from .model import BUILTIN_MODEL, hand_data
from .proxy import MATERIAL, is_as_made
from .shape import SHAPE_KEYS, drive_shape_keys
from .widgets import put_away
from .wrist_end import NAME as WRIST_END

_BUSY_SECONDS = 0.2
_count = 0
_hands: set[Any] = set()
"""Hands that were there at the last look."""
_proxies: set[Any] = set()
"""Proxy meshes that hung on a hand at the last look."""


def needs_proxy(rig: Any) -> bool:
    """Whether a hand has no proxy mesh, or shares the mesh of one with another hand, whose shape it then shows."""
    meshes = proxy_meshes(rig)
    return not meshes or any(_foreign(mesh, rig) for mesh in meshes)


def settle(rig: Any) -> None:
    """Give a hand a proxy mesh of its own: a new one, or its own copy of a shared one; one that it has stays.

    Raises:
        HandModelError: the rig's model is unknown.
    """
    meshes = proxy_meshes(rig)
    if not meshes:
        add_proxy(rig)
    for mesh in meshes:
        if _foreign(mesh, rig):
            mesh.data = mesh.data.copy()
            drive_shape_keys(mesh, rig)


def orphans() -> list[Any]:
    """Proxy meshes whose hand was deleted with them on it, and that bear nobody's work.

    One whose parent was cleared before, whose modifier was applied or aims elsewhere, or that has a shape, a material
    or modifiers of its own, a fake user or an asset mark, is the artist's.
    """
    found = [obj for obj in bpy.data.objects if obj.type == "MESH" and obj.is_editable and _key(obj) in _proxies]
    return [obj for obj in found if obj.parent is None and _aims_nowhere(obj) and _as_made(obj)]


def _foreign(mesh: Any, rig: Any) -> bool:
    """Whether the shape of a proxy follows another hand."""
    keys = mesh.data.shape_keys
    curves = keys.animation_data.drivers if keys.animation_data is not None else ()
    targets = [target.id for curve in curves for one in curve.driver.variables for target in one.targets]
    return any(target != rig for target in targets)


def _aims_nowhere(mesh: Any) -> bool:
    found = [modifier for modifier in mesh.modifiers if modifier.name != WRIST_END]
    return [modifier.type for modifier in found] == ["ARMATURE"] and found[0].object is None


def _as_made(mesh: Any) -> bool:
    keys = mesh.data.shape_keys
    if mesh.use_fake_user or mesh.asset_data is not None or keys is None or SHAPE_KEYS[0] not in keys.key_blocks:
        return False
    if any(slot.material is None or not slot.material.name.startswith(MATERIAL) for slot in mesh.material_slots):
        return False
    return any(is_as_made(mesh, hand_data(BUILTIN_MODEL, side)) for side in ("right", "left"))


def _key(obj: Any) -> Any:
    """What an object is known by, whatever it is called; undo keeps it."""
    return getattr(obj, "session_uid", obj.name_full)


def _remember() -> None:
    global _count
    hands = [obj for obj in bpy.data.objects if is_hand(obj)]
    _hands.clear()
    _hands.update(map(_key, hands))
    _proxies.clear()
    _proxies.update(_key(mesh) for rig in hands for mesh in proxy_meshes(rig))
    _count = len(bpy.data.objects)


def tidy() -> None:
    """See to what has come and gone since the last look."""
    for mesh in orphans():
        bpy.data.objects.remove(mesh, do_unlink=True)
    for rig in [obj for obj in bpy.data.objects if is_hand(obj) and _key(obj) not in _hands]:
        if rig.library is None and rig.override_library is None and rig.users_collection:
            settle(rig)
    put_away()
    _remember()


def _tidy_soon() -> float | None:
    # Blender's transform holds on to the objects that it moves, as it does after Shift D.
    windows = bpy.context.window_manager.windows
    running = [one.bl_idname for window in windows for one in getattr(window, "modal_operators", ())]
    if any(name.startswith("TRANSFORM_OT") for name in running):
        return _BUSY_SECONDS
    tidy()
    return None


@bpy.app.handlers.persistent
def _changed(_scene: Any, graph: Any) -> None:
    """Look closely only when objects have come or gone, and change nothing while Blender walks through them."""
    if len(bpy.data.objects) != _count:
        if not bpy.app.timers.is_registered(_tidy_soon):
            bpy.app.timers.register(_tidy_soon, first_interval=0.0)
        return
    for update in graph.updates:
        thing = update.id.original
        if isinstance(thing, bpy.types.Object) and thing.type == "MESH" and thing.parent is None:
            _proxies.discard(_key(thing))


@bpy.app.handlers.persistent
def _file_loaded(*_: Any) -> None:
    # What another version or another Blender left in a file is the artist's to judge.
    _remember()


register, unregister = registration(
    in_the_window(
        [*timer(_tidy_soon), *handlers(("depsgraph_update_post", _changed), ("load_post", _file_loaded))],
    )
)
