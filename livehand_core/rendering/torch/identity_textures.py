"""Textures of whichever identity is drawn, for renderers whose networks are torch modules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


class IdentityTextures:
    """Keeps a network's textures at what an identity, or a blend of some, adds to the shared ones.

    Args:
        textures: (S, S, C) each, of the network; they hold the shared values now.
        residuals: (identities, S, S, C) each, to be added by the identities' shares.
    """

    def __init__(self, textures: Sequence[torch.Tensor], residuals: Sequence[torch.Tensor]) -> None:
        self._textures = [texture.detach() for texture in textures] if residuals else []
        self._shared = [texture.clone() for texture in self._textures]
        pairs = zip(self._textures, residuals, strict=True)
        self._residuals = [residual.to(texture.device, texture.dtype) for texture, residual in pairs]
        self._shares = np.zeros(0)

    def show(self, shares: np.ndarray) -> None:
        """Let the network's textures be those of a blend; nothing happens while it stays the same.

        Args:
            shares: (identities,) of the identities, their sum 1.
        """
        if not self._textures or np.array_equal(shares, self._shares):
            return
        # Those of neither identity, should one of the textures not come about.
        self._shares = np.zeros(0)
        for texture, shared, residual in zip(self._textures, self._shared, self._residuals, strict=True):
            weights = torch.as_tensor(shares, dtype=residual.dtype, device=residual.device)
            texture.copy_(shared + torch.tensordot(weights, residual, dims=1))
        self._shares = np.array(shares)
