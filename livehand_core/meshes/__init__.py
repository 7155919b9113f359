"""Meshes out of avatars: the surface of the density, with colours, as OBJ, PLY, glTF. Needs torch and scikit-image.

>>> from livehand_core.meshes import MeshSettings, extract_mesh, write_mesh
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .files import write_mesh
from .mesh import Mesh

if TYPE_CHECKING:
    from .extract import MeshSettings, extract_mesh

__all__ = ["Mesh", "MeshSettings", "extract_mesh", "write_mesh"]


def __getattr__(name: str) -> Any:
    if name not in ("MeshSettings", "extract_mesh"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".extract", __name__), name)
