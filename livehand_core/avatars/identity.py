"""One identity of an avatar, as its metadata name it. NumPy only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..poses import BETA_COUNT
from ..records import WRITTEN


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
