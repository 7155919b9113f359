"""Weights as the integers that the kernels multiply, and what one of them stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....kernels.simd.memory import INT16_LIMIT

SUM_LIMIT = 2.0**31 * 0.98
"""What a sum of products may reach in int32."""


def multiplied(weight: np.ndarray, kind: np.dtype[Any] | type) -> tuple[np.ndarray, np.ndarray]:
    """(outputs, ...) weights for activations of a kind, and the value (outputs,) of 1 in them.

    They are themselves for float32. Integers are as fine as the weights' type and int32 sums allow.
    """
    if np.dtype(kind) == np.float32:
        return weight, np.ones(len(weight), dtype=np.float32)
    rows = np.abs(weight.reshape(len(weight), -1))
    if np.dtype(kind) == np.uint8:
        most = rows.max(axis=1) / 127.0
    else:
        most = np.maximum(rows.max(axis=1) / 32767.0, rows.sum(axis=1) * INT16_LIMIT / SUM_LIMIT)
    unit = np.maximum(most, 1e-12).astype(np.float32)
    return np.rint(weight / unit.reshape(-1, *[1] * (weight.ndim - 1))), unit


def sums_of(kind: np.dtype[Any] | type) -> np.ndarray:
    """An empty array of the type in which products of activations of a kind are summed."""
    return np.zeros(0, dtype=np.float32 if np.dtype(kind) == np.float32 else np.int32)


def stored_texels(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Texels as int16, and what one of their steps stands for: a 65534th of what lies between the farthest values."""
    unit = float(np.abs(values).max(initial=1e-12)) / np.iinfo(np.int16).max
    return np.rint(values / unit).astype(np.int16), unit
