"""One piece of Blender's data brought in line with another of its type, property by property as RNA lists them.

Called by compositing/hand_scene. There is no list of what is copied, so a property that a later Blender adds is
copied as well. What is equal already is not written, so that nothing is evaluated anew for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import bpy

from ..stored import stores

OWN_KEY = "livehand"
"""Where an ID keeps this add-on's own settings among the properties that add-ons register."""

_refused: dict[tuple[int, str], Any] = {}
"""Values that a target did not take, e.g. an item that its menu has not: they are not offered again."""


def mirror(source: Any, target: Any, but: Collection[str] = (), path: str = "") -> bool:
    """Give ``target`` the values of ``source``, and those of what both own; whether anything changed.

    Data-blocks are pointed to, not copied. Of collections, items of the same name are brought in line; making and
    removing items is the caller's.

    Args:
        but: full paths of properties that stay as they are, e.g. ``render.engine``.
        path: of ``source`` in the data-block, with a dot at its end.
    """
    changed = False
    for prop in source.bl_rna.properties:
        name = prop.identifier
        where = path + name
        if name == "rna_type" or prop.is_runtime or where in but:
            continue
        if prop.type == "COLLECTION":
            changed |= _mirror_items(getattr(source, name), getattr(target, name), but, where + ".")
        elif prop.type != "POINTER" or _points_to_data(prop):
            if not prop.is_readonly:
                changed |= _assign(getattr(source, name), target, name, where)
        elif prop.is_readonly:
            ours, theirs = getattr(source, name), getattr(target, name)
            if ours is not None and theirs is not None:
                changed |= mirror(ours, theirs, but, where + ".")
    return changed


def mirror_stored(source: Any, target: Any) -> bool:
    """Give one ID the custom properties of another, those of add-ons included, but for LiveHand's own.

    They are copied as they are stored, so that no add-on hears of a change and acts on it.
    """
    changed = False
    for ours, theirs in zip(stores(source), stores(target), strict=True):
        wanted = {key: plain(value) for key, value in ours.items() if key != OWN_KEY}
        there = {key: plain(value) for key, value in theirs.items() if key != OWN_KEY}
        for key in there.keys() - wanted.keys():
            del theirs[key]
        for key in [key for key, value in wanted.items() if key not in there or there[key] != value]:
            theirs[key] = wanted[key]
        changed |= wanted != there
    return changed


def snapshot(thing: Any, but: Collection[str] = ()) -> Any:
    """All that can be set in a piece of data, as plain values that can be compared; data-blocks by their address."""
    if isinstance(thing, bpy.types.ID):
        return thing.as_pointer()
    if isinstance(thing, bpy.types.bpy_prop_collection):
        return tuple(snapshot(item, but) for item in thing)
    if not isinstance(thing, bpy.types.bpy_struct):
        return plain(thing)
    names = [prop.identifier for prop in thing.bl_rna.properties if not _is_state(prop) and prop.identifier not in but]
    return tuple((name, snapshot(getattr(thing, name), but)) for name in names)


def plain(value: Any) -> Any:
    """A property's value as one that compares by its content and can be stored."""
    if hasattr(value, "to_dict"):
        return {key: plain(part) for key, part in value.items()}
    if hasattr(value, "to_list"):
        return value.to_list()
    if isinstance(value, list):
        return [plain(part) for part in value]
    if hasattr(value, "__len__") and not isinstance(value, (str, bytes, set, dict)):
        return tuple(plain(part) for part in value)
    return value


def match_items(
    source: Any, target: Any, make: Callable[[Any], Any], remove: Callable[[Any], None], key: Callable[[Any], Any]
) -> bool:
    """Give a collection as many items of each key as another has, in its order; whether anything changed."""
    if [key(item) for item in source] == [key(item) for item in target]:
        return False
    for item in list(target):
        remove(item)
    for item in source:
        make(item)
    return True


def forget_refused() -> None:
    """Offer again what a target did not take; another file is open, or another add-on is there."""
    _refused.clear()


def _mirror_items(source: Any, target: Any, but: Collection[str], path: str) -> bool:
    changed = False
    for name, item in source.items():
        if isinstance(item, bpy.types.ID) or not isinstance(name, str):
            continue
        partner = target.get(name)
        if partner is not None:
            changed |= mirror(item, partner, but, path)
    return changed


def _points_to_data(prop: Any) -> bool:
    """Whether a pointer leads to a data-block, which is shared, or to an action's slot; it owns its target else."""
    kind = prop.fixed_type
    while kind is not None:
        if kind.identifier in {"ID", "ActionSlot"}:
            return True
        kind = kind.base
    return False


def _is_state(prop: Any) -> bool:
    """What Blender itself notes down while it evaluates, and what cannot be set."""
    if prop.identifier in {"rna_type", "is_valid"}:
        return True
    owned = prop.type == "COLLECTION" or (prop.type == "POINTER" and not _points_to_data(prop))
    return bool(prop.is_readonly != owned)


def _assign(value: Any, target: Any, name: str, where: str) -> bool:
    """Set one property; whether that changed it."""
    wanted = plain(value)
    before = plain(getattr(target, name))
    mark = (target.id_data.session_uid, where)
    if before == wanted or (mark in _refused and _refused[mark] == wanted):
        return False
    # A menu's items may depend on another setting, and a property may be fixed at the moment.
    with suppress(TypeError, ValueError, AttributeError, RuntimeError):
        setattr(target, name, value)
    after = plain(getattr(target, name))
    if after != wanted:
        _refused[mark] = wanted
    return bool(after != before)
