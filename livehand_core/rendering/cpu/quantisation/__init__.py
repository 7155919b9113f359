"""Activations and weights as integers: whether, in which ranges, and how the weights are packed for it.

Outside of this room an arithmetic is something to ask for a type's name, scales, and packed weights; float32 is the one
that scales by 1. Ranges and scales come from calibration: small frames of the avatar itself.
"""

from __future__ import annotations

from ....kernels.target import instructions


def field_integers(precision: str) -> bool:
    """Whether a precision multiplies the field in integers: ``"fast"`` where there are instructions for int16."""
    return precision == "fast" and bool(instructions().int16)


def picture_integers(precision: str) -> bool:
    """The same of the super-resolution, to which instructions for uint8 alone are good, too."""
    return precision == "fast" and bool(instructions().int16 or instructions().uint8)
