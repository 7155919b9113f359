"""Meshes out of avatars: the surface of the density, with colours, as OBJ, PLY, glTF. Needs torch and scikit-image.

>>> from livehand_core.meshes import MeshSettings, extract_mesh, write_mesh
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import found_later
from .files import write_mesh
from .mesh import Mesh

if TYPE_CHECKING:
    from .extract import MeshSettings, extract_mesh

__all__ = ["Mesh", "MeshSettings", "extract_mesh", "write_mesh"]

__getattr__ = found_later(__name__, {"MeshSettings": ".extract", "extract_mesh": ".extract"})
