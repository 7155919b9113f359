"""The chain of halved textures that detail is looked up in (docs/method.md 1.12)."""

from __future__ import annotations

import numpy as np


def halvings(texture: np.ndarray) -> list[np.ndarray]:
    """(S, S, C) float32, S a power of two, and means of 2 x 2 texels of each before, down to one texel."""
    levels = [texture]
    while len(levels[-1]) > 1:
        half = len(levels[-1]) // 2
        levels.append(levels[-1].reshape(half, 2, half, 2, -1).mean(axis=(1, 3), dtype=np.float32))
    return levels
