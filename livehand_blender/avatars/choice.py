"""Which identity of its avatar a hand shows, from the settings on its rig, without bpy. Called by render and panels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from livehand_core.avatars.identities import betas_of
from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH, AvatarMetadata
from livehand_core.frames import DEFAULT_AVATAR
from livehand_core.identities import IdentityChoice

from .library import describe


def metadata_of(avatar: str) -> AvatarMetadata | None:
    """What an avatar, named as in a frame request, says of itself; None when it cannot be read."""
    return describe(DEFAULT_AVATAR_PATH if avatar == DEFAULT_AVATAR else Path(avatar))[0]


def identity_names(metadata: AvatarMetadata | None) -> tuple[str, ...]:
    """The names of the identities that can be chosen from; none where there is no choice."""
    if metadata is None or len(metadata.identities) < 2:
        return ()
    return tuple(identity.name for identity in metadata.identities)


def chosen_identity(settings: Any, avatar: str) -> IdentityChoice:
    """What a hand's settings ask its avatar for: the first identity, a named one, or a blend of two.

    Args:
        settings: ``object.livehand`` of the rig.
        avatar: of the hand, as a frame request names it.
    """
    first, second = settings.identity.strip(), settings.second_identity.strip()
    share = min(max(float(settings.identity_blend), 0.0), 1.0)
    if not second or second == first or share == 0.0:
        return first or 0
    if share == 1.0:
        return second
    # A blend is by names; only here does a hand that names no first identity need to know what the first one is.
    names = identity_names(metadata_of(avatar)) if not first else ()
    if not first and (not names or names[0] == second):
        return second
    return {first or names[0]: 1.0 - share, second: share}


def end_shapes(settings: Any, metadata: AvatarMetadata) -> tuple[np.ndarray, np.ndarray] | None:
    """(10,) betas that belong to a hand at the blend's beginning and at its end.

    None where an avatar says nothing of shape: it is of another hand model, knows an identity's betas not or not that
    identity, or both have the model's own shape.
    """
    if metadata.hand_model != settings.model or not metadata.identities:
        return None
    names = [identity.name for identity in metadata.identities]
    first, second = settings.identity.strip() or names[0], settings.second_identity.strip()
    ends = (first, second or first)
    if any(name not in names for name in ends):
        return None
    start, end = (betas_of(metadata, name) for name in ends)
    return None if start is None or end is None or not (start.any() or end.any()) else (start, end)
