"""The learned parts as plain modules: positional encoding, radiance field, super-resolution.

The sizes (``FieldConfig``, ``SuperResolutionConfig``) import without torch; torch loads with the first module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import FieldConfig, SuperResolutionConfig

if TYPE_CHECKING:
    from .encoding import encode, look_up
    from .field import RadianceField
    from .super_resolution import SuperResolution

__all__ = ["FieldConfig", "RadianceField", "SuperResolution", "SuperResolutionConfig", "encode", "look_up"]

_HOMES = {
    "encode": ".encoding",
    "look_up": ".encoding",
    "RadianceField": ".field",
    "SuperResolution": ".super_resolution",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
