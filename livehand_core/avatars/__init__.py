"""The avatar file: save, load, validate, import. Reading metadata needs no torch; it loads with the weights."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .identities import Identity
from .metadata import Architecture, AvatarMetadata, PoseStatistics, read_metadata, topology_hash

if TYPE_CHECKING:
    from .file import Avatar, load_avatar, new_avatar, save_avatar
    from .official import import_checkpoint

__all__ = [
    "Architecture",
    "Avatar",
    "AvatarMetadata",
    "Identity",
    "PoseStatistics",
    "import_checkpoint",
    "load_avatar",
    "new_avatar",
    "read_metadata",
    "save_avatar",
    "topology_hash",
]

_HOMES = {
    "Avatar": ".file",
    "load_avatar": ".file",
    "new_avatar": ".file",
    "save_avatar": ".file",
    "import_checkpoint": ".official",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
