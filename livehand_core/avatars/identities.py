"""The identities of an avatar: names, shapes, weights of a choice, and a pose on another one's hand. NumPy only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..hand.data import HandData
from ..identities import IdentityChoice, identity_weights
from ..poses import BETA_COUNT, HandPose
from ..records import WRITTEN

if TYPE_CHECKING:
    from .metadata import AvatarMetadata


@dataclass(frozen=True)
class Identity:
    """One person's hand in an avatar.

    Attributes:
        name: unique in the avatar.
        betas: the hand's shape, (10,) as a tuple: the mean over its training poses; None when unknown.
        provenance: free-form: its captures, images, poses, licence.

    Raises:
        ValueError: no name, or betas that are not 10 finite numbers.
    """

    name: str
    betas: tuple[float, ...] | None = dataclasses.field(default=None, metadata={WRITTEN: True})
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict, metadata={WRITTEN: True})

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip():
            raise ValueError(f"an identity is called {self.name!r}")
        if self.betas is None:
            return
        betas = tuple(float(beta) for beta in self.betas)
        if len(betas) != BETA_COUNT or not np.isfinite(betas).all():
            raise ValueError(f"the betas of the identity {self.name!r} are not {BETA_COUNT} finite numbers")
        object.__setattr__(self, "betas", betas)


def checked_identities(identities: tuple[Identity, ...], latent_size: int) -> None:
    """Raises ValueError when two have one name, or when there are several but no code that tells them apart."""
    names = [identity.name for identity in identities]
    if len(set(names)) < len(names):
        raise ValueError(f"identities of one name among {', '.join(names)}")
    if len(names) > 1 and not latent_size:
        raise ValueError(f"{len(names)} identities without latent codes")


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


def reenacted(pose: HandPose, betas: np.ndarray, hand: HandData) -> HandPose:
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
