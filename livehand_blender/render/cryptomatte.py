"""Cryptomatte of a frame's hands, after the specification 1.2: names as hashes, and how much they cover.

NumPy alone. One rank: the front-most hand of each pixel. Called by render/passes and render/engine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

CRYPTO_LAYER = "CryptoObject"
CRYPTO_PASS = f"{CRYPTO_LAYER}00"


def cryptomatte(mask: np.ndarray, alpha: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(h, w, 4) float32: hash, coverage, and an empty second rank.

    Args:
        mask: (h, w, 1) number of the front-most hand from 1, 0 in the background.
        alpha: (h, w, 1) opacity.
        names: the hands' names in the order of their numbers.
    """
    hashes = np.array([0.0, *(hash_float(name) for name in names)], dtype=np.float32)[mask[..., 0].astype(np.intp)]
    image = np.zeros((*mask.shape[:2], 4), dtype=np.float32)
    image[..., 0] = hashes
    image[..., 1] = np.where(hashes != 0.0, np.clip(alpha[..., 0], 0.0, 1.0), 0.0)
    return image


def metadata(view_layer: str, names: Sequence[str]) -> dict[str, str]:
    """The header fields of an image file by which Cryptomatte readers know the names."""
    layer = f"{view_layer}.{CRYPTO_LAYER}"
    key = f"cryptomatte/{murmur3(layer.encode()):08x}"[:-1]
    manifest = {name: f"{murmur3(name.encode()):08x}" for name in names}
    return {
        f"{key}/name": layer,
        f"{key}/hash": "MurmurHash3_32",
        f"{key}/conversion": "uint32_to_float32",
        f"{key}/manifest": json.dumps(manifest, separators=(",", ":"), ensure_ascii=False),
    }


def hash_float(name: str) -> np.float32:
    """A name's hash as a float that is neither denormal, infinite nor NaN."""
    value = murmur3(name.encode())
    exponent = value >> 23 & 255
    if exponent in (0, 255):
        value ^= 1 << 23
    return np.array([value], dtype=np.uint32).view(np.float32)[0]


def murmur3(data: bytes) -> int:
    """MurmurHash3 for x86, 32 bits, seed 0."""
    result, limit = 0, 0xFFFFFFFF
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        word = int.from_bytes(block, "little") * 0xCC9E2D51 & limit
        word = (word << 15 | word >> 17) & limit
        result ^= word * 0x1B873593 & limit
        if len(block) == 4:
            result = (result << 13 | result >> 19) & limit
            result = result * 5 + 0xE6546B64 & limit
    result ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        result = (result ^ result >> shift) * factor & limit
    return result
