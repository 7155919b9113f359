"""The posed proxy mesh as a surface: depth, ray bounds, nearest point, canonical coordinates. Needs torch."""

from .bounds import MARGIN, ray_bounds
from .canonical import (
    SignMode,
    SurfaceNormals,
    canonical_coordinates,
    face_neighbours,
    face_normals,
    smooth_normals,
    vertex_normals,
)
from .nearest import NearestSurface, SurfaceTree, nearest_surface
from .raster import Raster, rasterise, rasterise_depth, to_camera

__all__ = [
    "MARGIN",
    "NearestSurface",
    "Raster",
    "SignMode",
    "SurfaceNormals",
    "SurfaceTree",
    "canonical_coordinates",
    "face_neighbours",
    "face_normals",
    "nearest_surface",
    "rasterise",
    "rasterise_depth",
    "ray_bounds",
    "smooth_normals",
    "to_camera",
    "vertex_normals",
]
