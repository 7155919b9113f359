"""Texels beside the charts of a part, tied to the charts' own.

A bilinear look-up at a seam reaches past its chart. What lies there is trained by few points and with small weights, so
another pose, whose samples fall elsewhere, would mix in what nobody has learnt; and what two charts share would have to
mean both. So each texel past a border is the nearest one of a chart, as if the texture were dilated: their gradients
are one, and so are their values. Hands' textures are trained as published.
"""

from __future__ import annotations

import numpy as np
import torch

from ..hand.part import covered_cells

RINGS = 2
"""Texels past a chart that a look-up within it may reach."""


class Seams:
    """Of the (F, 3, 2) texture coordinates of a part, v downwards: ties for textures of any size."""

    def __init__(self, face_uv: np.ndarray) -> None:
        self._face_uv = np.asarray(face_uv, np.float64)
        self._ties: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def ties(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(n,) texels past the charts of an (S, S) texture, and (n,) those that they are tied to, row by row."""
        if size not in self._ties:
            self._ties[size] = _ties(covered_cells(self._face_uv, size) > 0)
        return self._ties[size]

    @torch.no_grad()
    def join_gradients(self, textures: list[torch.nn.Parameter]) -> None:
        """Give the gradients of tied texels to those that they follow. Of (..., S, S, C) each."""
        for texture in textures:
            if texture.grad is not None:
                flat, (past, source) = _flat(texture.grad), self._on(texture)
                flat.index_add_(1, source, flat[:, past])
                flat[:, past] = 0.0

    @torch.no_grad()
    def dilate(self, textures: list[torch.nn.Parameter]) -> None:
        """Give tied texels the values of those that they follow."""
        for texture in textures:
            flat, (past, source) = _flat(texture.data), self._on(texture)
            flat[:, past] = flat[:, source]

    def _on(self, texture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        past, source = self.ties(texture.shape[-2])
        return past.to(texture.device), source.to(texture.device)


def _flat(values: torch.Tensor) -> torch.Tensor:
    """(n, S S, C) view of (..., S, S, C)."""
    side, channels = values.shape[-2:]
    return values.view(-1, side * side, channels)


def _ties(covered: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Ring by ring, what is not covered follows a neighbour that is, or that follows one."""
    side = len(covered)
    source = np.where(covered, np.arange(side * side).reshape(side, side), -1)
    for _ in range(RINGS):
        wide = np.pad(source, 1, constant_values=-1)
        # The nearest neighbours first, those across a corner last.
        for down, right in ((0, 1), (2, 1), (1, 0), (1, 2), (0, 0), (0, 2), (2, 0), (2, 2)):
            beside = wide[down : down + side, right : right + side]
            source = np.where(source < 0, beside, source)
    past = np.flatnonzero((source.reshape(-1) >= 0) & ~covered.reshape(-1))
    return torch.from_numpy(past), torch.from_numpy(source.reshape(-1)[past])
