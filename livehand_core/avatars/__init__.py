"""The avatar file: save, load, validate, import. Reading metadata needs no torch; it loads with the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import found_later
from .identity import Identity
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

__getattr__ = found_later(
    __name__,
    {
        "Avatar": ".file",
        "load_avatar": ".file",
        "new_avatar": ".file",
        "save_avatar": ".file",
        "import_checkpoint": ".official",
    },
)
