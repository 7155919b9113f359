"""A hand's shape follows its identity: called when avatar, identity or the switch on a rig changes, and by panels."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import bpy
from bpy.app.handlers import persistent

from livehand_core.avatars.arrays import read_offsets
from livehand_core.avatars.metadata import AvatarMetadata
from livehand_core.errors import LiveHandError
from livehand_core.poses import BETA_COUNT

from ..registration import handlers, registration
from ..render.scene import avatar_path
from ..rig.armature import is_hand, proxy_meshes
from ..rig.model import hand_data
from ..rig.proxy import set_surface
from ..rig.shape import add_blend, blend_betas, blends_betas, release_betas
from .choice import end_shapes, metadata_of


def follow_identity(rig: Any, forced: bool = False) -> None:
    """Let the betas of a hand follow its identity where its settings say so and the avatar knows them; else let go.

    Betas that the artist has set are kept, and the switch goes off, unless ``forced``. An avatar that cannot be read
    just now changes nothing.
    """
    settings = rig.livehand
    if not settings.is_hand:
        return
    try:
        metadata = metadata_of(avatar_path(rig))
    except LiveHandError:
        return
    if metadata is None:
        return
    follow_surface(rig, metadata)
    following = blends_betas(rig)
    ends = end_shapes(settings, metadata) if settings.identity_shape else None
    if ends is None:
        release_betas(rig)
        if following and settings.identity_shape:
            # What is left of an identity is nobody's shape on another avatar.
            settings.betas = (0.0,) * BETA_COUNT
        return
    if not following and not forced and any(settings.betas):
        settings.identity_shape = False
        return
    add_blend(rig)
    blend_betas(rig, *ends)
    rig.update_tag()


def follow_surface(rig: Any, metadata: AvatarMetadata) -> None:
    """Give a hand's proxy mesh the surface that its avatar was trained on, see ``AvatarArrays.refined``.

    An avatar of another hand model, or whose file cannot be read, leaves the model's own.
    """
    offsets = None
    if metadata.hand_model == rig.livehand.model:
        with suppress(LiveHandError):
            offsets = read_offsets(avatar_path(rig))
    data = hand_data(rig.livehand.model, rig.livehand.side.lower())
    for mesh in proxy_meshes(rig):
        set_surface(mesh, data, offsets)


def knows_shape(rig: Any) -> bool:
    """Whether a hand's avatar tells the shape of the identities that are chosen."""
    try:
        metadata = metadata_of(avatar_path(rig))
    except LiveHandError:
        return False
    return metadata is not None and end_shapes(rig.livehand, metadata) is not None


@persistent
def _file_opened(*_: Any) -> None:
    # Library overrides keep their settings in a file, but no drivers that were put on them.
    for obj in bpy.data.objects:
        if obj.override_library is not None and is_hand(obj):
            follow_identity(obj, forced=True)


register, unregister = registration(handlers(("load_post", _file_opened)))
