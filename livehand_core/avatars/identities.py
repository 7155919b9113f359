"""The identities of an avatar: their names, shapes and weights by a choice, and a pose on another one's hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..hand.data import ProxyModel
from ..identities import IdentityChoice, identity_weights
from ..poses import HandPose
from .metadata import AvatarMetadata


def identity_names(metadata: AvatarMetadata, count: int) -> tuple[str, ...]:
    """The names of an avatar's ``count`` identities; their numbers where it does not name them."""
    return tuple(identity.name for identity in metadata.identities) or tuple(str(number) for number in range(count))


def weights_of(metadata: AvatarMetadata, identity: IdentityChoice, count: int = 1) -> np.ndarray:
    """(n,) float64 weights of the avatar's identities, their sum 1.

    Args:
        count: of its identities, where its metadata do not list them.

    Raises:
        AvatarError: the avatar has no such identity; its own are listed.
        LiveHandError: weights that cannot be used.
    """
    return identity_weights(identity, identity_names(metadata, count), metadata.name)


def betas_of(metadata: AvatarMetadata, identity: IdentityChoice = 0) -> np.ndarray | None:
    """(10,) shape of an identity, or of a blend the weighted mean; None when that of one that counts is unknown.

    Raises:
        AvatarError: the avatar has no such identity.
    """
    if not metadata.identities:
        return None
    weights = weights_of(metadata, identity)
    pairs = [(weight, one.betas) for weight, one in zip(weights, metadata.identities, strict=True) if weight > 0.0]
    if any(betas is None for _, betas in pairs):
        return None
    return np.sum([weight * np.array(betas) for weight, betas in pairs], axis=0)


def reenacted(pose: HandPose, betas: np.ndarray, hand: ProxyModel) -> HandPose:
    """The pose on a hand of another shape, its wrist joint where it was: one person's motion on another's hand.

    Args:
        pose: in world space, of the hand model's own size.
        betas: (10,) shape of the other hand.
        hand: the hand model of both.

    Raises:
        PoseError: betas that are not 10 finite numbers.
    """
    other = replace(pose, betas=betas)
    shift = hand.rest_joints(pose.betas)[0] - hand.rest_joints(other.betas)[0]
    return replace(other, transl=pose.transl + shift)
