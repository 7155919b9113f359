"""How textures lie in an avatar file: in 8 bits, and texels that are all alike told once.

Charts cover a part of a texture, a fifth of it in the built-in hand; no training touches what lies between them.
"""

from __future__ import annotations

import numpy as np

RANGE = ".range"
"""Ends the name of a tensor (2, C) beside one of 8 bits: which values its channels' 0 and 255 stand for."""

KEPT = ".kept"
"""Ends the name of a tensor (..., S / 8) of bits beside a texture's (K, C) texels: 1 where a texel has its own row,
in the texture's order, the highest bit of a byte first; all others have the first row."""

WORTH = 0.8
"""Share of texels with rows of their own up to which they are stored apart."""


def to_bytes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., C) values as 8 bits, and the (2, C) float32 range that each channel has.

    A texture's texels take most of a file, and 8 bits draw them within 62 dB.
    """
    flat = values.reshape(-1, values.shape[-1])
    ends = np.stack([flat.min(axis=0), flat.max(axis=0)]).astype(np.float32)
    step = np.maximum(ends[1] - ends[0], np.finfo(np.float32).tiny) / np.float32(255.0)
    return np.rint((values - ends[0]) / step).clip(0, 255).astype(np.uint8), ends


def from_bytes(codes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The float32 values of 8 bits: the other way."""
    share = codes / np.float32(255.0)
    return (np.float32(1.0) - share) * ends[0] + share * ends[1]


def packed(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(K, C) rows and (..., S / 8) bits of (..., S, C) texels; None where it would save little."""
    if codes.shape[-2] % 8:
        return None
    rows = codes.reshape(-1, codes.shape[-1])
    found, counts = np.unique(rows, axis=0, return_counts=True)
    common = found[counts.argmax()]
    if 1.0 - counts.max() / len(rows) > WORTH:
        return None
    own = (rows != common).any(axis=1)
    return np.concatenate([common[None], rows[own]]), np.packbits(own.reshape(codes.shape[:-1]), axis=-1)


def unpacked_shape(rows: tuple[int, ...], kept: tuple[int, ...]) -> tuple[int, ...]:
    """The texture's shape, of those of its rows and bits."""
    return *kept[:-1], 8 * kept[-1], rows[-1]


def unpacked(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The (..., S, C) texels of (K, C) rows and (..., S / 8) bits.

    Raises:
        ValueError: there are more bits than rows, or fewer.
    """
    own = np.unpackbits(kept, axis=-1).astype(bool)
    if len(rows) != 1 + np.count_nonzero(own):
        raise ValueError(f"{len(rows)} rows of texels, and {np.count_nonzero(own)} bits that tell where they are")
    answer = np.broadcast_to(rows[0], (*own.shape, rows.shape[1])).copy()
    answer[own] = rows[1:]
    return answer
