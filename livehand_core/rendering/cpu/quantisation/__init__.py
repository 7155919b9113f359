"""Activations and weights as integers: whether, in which ranges, and how the weights are packed for it.

Outside of this room an arithmetic is something to ask for a type's name, scales, and packed weights; float32 is the one
that scales by 1. Ranges and scales come from calibration: small frames of the avatar itself.
"""

from __future__ import annotations

from ....kernels.target import instructions


def integers(precision: str) -> bool:
    """Whether a precision multiplies integers here: ``"fast"`` does where the processor has instructions for it."""
    return precision == "fast" and bool(instructions().int16)
