"""Detail textures on the host (docs/method.md 1.12): of an identity, and the chain of halved ones to look up in."""

from __future__ import annotations

import numpy as np


def halvings(texture: np.ndarray) -> list[np.ndarray]:
    """(S, S, C) float32, S a power of two, and means of 2 x 2 texels of each before, down to one texel."""
    levels = [texture]
    while len(levels[-1]) > 1:
        half = len(levels[-1]) // 2
        levels.append(levels[-1].reshape(half, 2, half, 2, -1).mean(axis=(1, 3), dtype=np.float32))
    return levels


def mixed(texture: np.ndarray, residuals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(S, S, C) float32: a texture with what identities (N, R, R, C), R a part of S, add to it by (N,) shares."""
    added = np.tensordot(shares.astype(np.float32), residuals, axes=1)
    answer: np.ndarray = texture + enlarged(added, len(texture))
    return answer


def enlarged(texture: np.ndarray, side: int) -> np.ndarray:
    """(S, S, C) float32 of an (R, R, C) texture, linear between the middles of its texels."""
    for axis in (0, 1):
        count = texture.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * (count / side) - 0.5, 0.0, count - 1.0)
        first = place.astype(np.intp)
        share = (place - first).astype(np.float32).reshape((-1, *(1,) * (2 - axis)))
        second = np.minimum(first + 1, count - 1)
        texture = (1.0 - share) * texture.take(first, axis) + share * texture.take(second, axis)
    return texture
