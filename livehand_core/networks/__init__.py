"""The learned parts as plain modules: positional encoding, radiance field, super-resolution. Needs torch."""

from .encoding import encode, encoded_size
from .field import FieldConfig, RadianceField
from .super_resolution import SuperResolution, SuperResolutionConfig

__all__ = ["FieldConfig", "RadianceField", "SuperResolution", "SuperResolutionConfig", "encode", "encoded_size"]
