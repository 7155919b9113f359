"""Which identity of an avatar a hand shows: one by number or name, or a blend by weights. NumPy only.

Called by the frame request, the avatar's metadata, the renderers and captures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .errors import AvatarError, LiveHandError

IdentityChoice = int | str | Mapping[str, float]
"""The number of an identity, its name, or weights by name: at least 0, counting by their share of the sum."""


def checked_choice(choice: object) -> IdentityChoice:
    """The choice as plain values, ready for JSON; whether an avatar has such identities is not known here.

    Raises:
        LiveHandError: it is of another type, or weights are negative, not finite, or all 0.
    """
    if isinstance(choice, bool) or not isinstance(choice, (int, str, Mapping, np.integer)):
        raise LiveHandError(f"{choice!r} cannot be a hand's identity.", "Give a number, a name, or weights by name.")
    if isinstance(choice, str):
        return choice
    if not isinstance(choice, Mapping):
        return int(choice)
    weights: dict[str, float] = {}
    for name, weight in choice.items():
        if not isinstance(name, str) or isinstance(weight, bool) or not isinstance(weight, (int, float, np.number)):
            raise LiveHandError(
                f"The identity weights {dict(choice)!r} cannot be used.", "Give each identity's name and a number."
            )
        if not 0.0 <= float(weight) < math.inf:
            raise LiveHandError(
                f"The identity {name!r} has the weight {float(weight)}.",
                "Give weights that are finite and not negative.",
            )
        weights[name] = float(weight)
    if not 0.0 < sum(weights.values()) < math.inf:
        raise LiveHandError(
            "The weights of the identities add up to 0 or to infinity.", "Give at least one weight above 0."
        )
    return weights


def identity_weights(choice: IdentityChoice, names: Sequence[str], avatar: str) -> np.ndarray:
    """(n,) float64 weights of an avatar's identities, their sum 1.

    Args:
        choice: what a hand shows.
        names: of the avatar's identities, in the order of its codes.
        avatar: its name, for messages.

    Raises:
        AvatarError: the avatar has no such identity; its own are listed.
        LiveHandError: weights that cannot be used.
    """
    choice = checked_choice(choice)
    if isinstance(choice, int):
        if not 0 <= choice < len(names):
            raise AvatarError(
                f"The avatar {avatar!r} has {_count(names)}, not number {choice}.",
                f"Choose a number from 0 to {len(names) - 1}." if len(names) > 1 else "Choose number 0.",
            )
        return np.eye(len(names))[choice]
    shares = {choice: 1.0} if isinstance(choice, str) else choice
    unknown = [repr(name) for name in shares if name not in names]
    if unknown:
        raise AvatarError(
            f"The avatar {avatar!r} has no identity {', '.join(unknown)}.",
            f"Choose from {', '.join(map(repr, names))}." if names else "It has one identity, without a name.",
        )
    weights = np.array([shares.get(name, 0.0) for name in names])
    return np.asarray(weights / weights.sum())


def _count(names: Sequence[str]) -> str:
    return "1 identity" if len(names) == 1 else f"{len(names)} identities"
