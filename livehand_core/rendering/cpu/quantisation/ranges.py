"""How activations of one layer are stored: type, scale and zero point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HEADROOM = 1.15
"""How far activations may leave the range seen in calibration before uint8 cuts them."""

INT16_CALIBRATED = 4095.0
"""int16 value of the largest activation seen in calibration."""


@dataclass(frozen=True)
class Range:
    """value = (stored - zero) / scale; scale 1 and zero 0 for float32."""

    dtype: type = np.float32
    scale: float = 1.0
    zero: int = 0

    @classmethod
    def of(cls, low: float, high: float, dtype: type) -> Range:
        """For values in [low, high]."""
        if dtype is np.float32:
            return cls()
        if dtype is np.int16:
            return cls(np.int16, INT16_CALIBRATED / max(-low, high, 1e-6))
        low, high = min(low, 0.0) * HEADROOM, max(high, 1e-6) * HEADROOM
        scale = 255.0 / (high - low)
        return cls(np.uint8, scale, round(-low * scale))

    @classmethod
    def of_row(cls, row: np.ndarray) -> Range:
        """From (bits, scale, zero)."""
        return cls({8: np.uint8, 16: np.int16, 32: np.float32}[int(row[0])], float(row[1]), int(row[2]))

    @property
    def row(self) -> tuple[int, float, int]:
        """(bits, scale, zero)."""
        return np.dtype(self.dtype).itemsize * 8, self.scale, self.zero


FLOAT32 = Range()
