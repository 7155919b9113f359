"""The learned parts as plain modules: positional encoding, radiance field, super-resolution.

The sizes (``FieldConfig``, ``SuperResolutionConfig``) import without torch; torch loads with the first module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import found_later
from .config import FieldConfig, SuperResolutionConfig

if TYPE_CHECKING:
    from .encoding import encode, look_up
    from .field import RadianceField
    from .super_resolution import SuperResolution

__all__ = ["FieldConfig", "RadianceField", "SuperResolution", "SuperResolutionConfig", "encode", "look_up"]

__getattr__ = found_later(
    __name__,
    {
        "encode": ".encoding",
        "look_up": ".encoding",
        "RadianceField": ".field",
        "SuperResolution": ".super_resolution",
    },
)
