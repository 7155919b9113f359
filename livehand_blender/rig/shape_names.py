"""What each shape coefficient of a hand model does, as measured on its vertices; without bpy."""

from __future__ import annotations

from .model import BUILTIN_MODEL

_BUILTIN = (
    ("Size", "the whole hand: +3.5 % a unit"),
    ("Finger Length", "the four fingers: +5 %; palm and thumb stay"),
    ("Finger Thickness", "the four fingers: +7 %, less at their roots"),
    ("Palm Breadth", "palm and wrist across: +4.5 %"),
    ("Palm Thickness", "palm and wrist from back to front: +8 %"),
    ("Thumb Length", "the thumb: +6 %"),
    ("Palm Length", "wrist to knuckles: +4 %"),
    ("Finger Taper", "thicker at the root (+5 %), thinner at the tip (-7 %), the thumb too"),
    ("Outer Fingers", "ring +3 % and little finger +6 % longer, index 3 % shorter"),
    ("Thumb Thickness", "the thumb: +7 %"),
)


def shape_label(model: str, index: int) -> str:
    """What the panel calls a coefficient; by number alone where nothing is known of the model."""
    return _BUILTIN[index][0] if model == BUILTIN_MODEL else f"Beta {index + 1}"


def shape_description() -> str:
    """All coefficients of the built-in hand, one a line, each with what a unit does."""
    return "\n".join(f"{number}: {name}, {effect}" for number, (name, effect) in enumerate(_BUILTIN, 1))
