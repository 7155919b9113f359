"""Where one part of a hand passes in front of another at the pixels of a camera: what every room's pixels blend by."""

from __future__ import annotations

import numpy as np

from ...cameras import Camera
from ...kernels.shading.edges import Edges, Scene, find
from .mesh import ShadedMesh


def edges_of(mesh: ShadedMesh, vertices: np.ndarray, camera: Camera, depth: np.ndarray, face: np.ndarray) -> Edges:
    """Of a camera's pixels that see the mesh.

    Args:
        mesh: of the hand's model.
        vertices: (V, 3) of ``mesh.closed``.
        depth, face: (H, W) float32 and int32 of its raster.
    """
    to_camera = camera.world_to_camera
    points = vertices.astype(np.float64) @ to_camera[:3, :3].T + to_camera[:3, 3]
    lens = np.array([camera.fx, camera.fy, camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset])
    flat = depth.reshape(-1), face.reshape(-1)
    scene = Scene(points, mesh.faces, mesh.neighbours, lens, camera.projection == "perspective", *flat)
    room = 2 * face.size
    edges = Edges(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float32))
    count = find(scene, face.shape[1], edges)
    return Edges(*(values[:count].copy() for values in edges))


def among(edges: Edges, places: np.ndarray, pixels: int) -> Edges:
    """Those between two of some pixels, as indices of these.

    Args:
        places: (P,) flat indices of theirs, each once; pixels: how many the edges were looked for in.
    """
    number = np.full(pixels, -1)
    number[places] = np.arange(len(places))
    into, source = number[edges.into], number[edges.source]
    both = (into >= 0) & (source >= 0)
    return Edges(into[both], source[both], edges.share[both])
