"""What a .blend holds in the place of LiveHand's own lists, made safe before Blender reads it.

Blender checks the form of a stored property against its declaration, but not that of a list's items: one that is no
group of properties it reads past its end, and then crashes or never comes back. Scripts and other versions can leave
one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import bpy

from .registration import declared, handlers, registration

log = logging.getLogger("livehand.blender")


def items(owner: Any, name: str) -> Any:
    """The collection ``name`` of a struct of ours; empty, and said so, where something that is none was stored."""
    _drop_broken(owner, name)
    return getattr(owner, name)


def make_sound(owner: Any, name: str) -> None:
    """Do so for a property of ours and all that its groups hold."""
    several = owner.bl_rna.properties[name].type == "COLLECTION"
    for part in list(items(owner, name)) if several else [getattr(owner, name)]:
        for prop in _nested(part.bl_rna):
            make_sound(part, prop.identifier)


def _drop_broken(owner: Any, name: str) -> None:
    for store in stores(owner):
        found = store.get(name)
        if isinstance(found, list) and not all(hasattr(item, "to_dict") for item in found):
            del store[name]
            where = getattr(owner.id_data, "name", "")
            log.warning("%r of %r was stored in a form that Blender cannot read; it is empty now.", name, where)


def stores(thing: Any) -> list[Any]:
    """Where a struct keeps custom properties; those that add-ons register lie apart from 5.0 on."""
    if not hasattr(thing, "bl_system_properties_get"):
        return [thing]
    apart = thing.bl_system_properties_get(do_create=True)
    return [thing, apart] if hasattr(thing, "keys") else [apart]


def _nested(rna: Any) -> list[Any]:
    """A group's properties that hold groups."""
    return [prop for prop in rna.properties if prop.is_runtime and _is_group(prop)]


def _is_group(prop: Any) -> bool:
    kind = prop.fixed_type if prop.type in {"COLLECTION", "POINTER"} else None
    while kind is not None:
        if kind.identifier == "PropertyGroup":
            return True
        kind = kind.base
    return False


def _holds_lists(prop: Any) -> bool:
    return _is_group(prop) and (prop.type == "COLLECTION" or any(map(_holds_lists, _nested(prop.fixed_type))))


def _owners(kind: Any) -> Iterator[Any]:
    """All that a file has of a type that LiveHand gives properties to."""
    if kind is bpy.types.ViewLayer:
        for scene in bpy.data.scenes:
            yield from scene.view_layers
        return
    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION" and prop.fixed_type.identifier == kind.__name__:
            yield from getattr(bpy.data, prop.identifier)


@bpy.app.handlers.persistent
def _file_loaded(*_: Any) -> None:
    for kind, name in declared():
        if _holds_lists(kind.bl_rna.properties[name]):
            for owner in _owners(kind):
                make_sound(owner, name)


# Before any other room's, since they are called in order.
register, unregister = registration(handlers(("load_post", _file_loaded)))
