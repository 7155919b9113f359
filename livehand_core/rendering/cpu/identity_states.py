"""A field's arrays as each identity of the avatar has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...networks.config import FieldConfig

State = Mapping[str, np.ndarray]
"""float32 arrays by the names of ``RadianceField.state_dict``."""


def identity_states(config: FieldConfig, state: State, residuals: Sequence[np.ndarray]) -> list[State]:
    """The field's arrays with each identity's textures; the field's own where identities add nothing.

    Args:
        config: sizes.
        state: of the avatar.
        residuals: (identities, S, S, C) each, what identities add to the textures; empty where they do not.
    """
    if not residuals:
        return [state]
    names = [f"textures.{number}" for number in range(len(config.texture_sizes))]
    return [
        {**state, **{name: state[name] + residual[k] for name, residual in zip(names, residuals, strict=True)}}
        for k in range(len(residuals[0]))
    ]
