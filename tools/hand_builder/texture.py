"""Writes the skin's planes in the proxy's texture coordinates, and what moves the detail mesh's vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from livehand_core.files import atomic_path
from livehand_core.hand import detail
from livehand_core.hand import flesh as flesh_maps
from livehand_core.hand import skin as skin_maps
from livehand_core.hand.data import HandData, ProxyModel

from . import field, motion
from .noise import step
from .skin import skin

MARGIN = 6
"""Texels around the charts that repeat their border, so that filters do not mix in what is beside them."""


def texel_points(data: ProxyModel, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which triangle each texel shows, rows from the top (v = 1).

    Returns:
        face index (size, size), -1 outside; barycentric coordinates (size, size, 3); and how many triangles cover the
        texel (size, size), more than 1 where charts overlap.
    """
    face = np.full((size, size), -1, dtype=np.int64)
    bary = np.zeros((size, size, 3))
    overlap = np.zeros((size, size), dtype=np.int64)
    corners = data.uv[data.uv_faces].astype(np.float64) * size - 0.5
    corners[..., 1] = size - 1.0 - corners[..., 1]
    for k, (a, b, c) in enumerate(corners):
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)).astype(int) + 1, size)
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        wb = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        wc = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        inside = (wb >= 0.0) & (wc >= 0.0) & (wb + wc <= 1.0)
        rows, columns = y[inside], x[inside]
        face[rows, columns] = k
        overlap[rows, columns] += 1
        bary[rows, columns] = np.stack([1.0 - wb - wc, wb, wc], axis=-1)[inside]
    return face, bary, overlap


def surface_of(data: HandData, face: np.ndarray, bary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) points on the hand's field in metres and (n, 3) unit normals at points of the proxy's triangles."""
    corner = data.faces[face]
    points = np.einsum("nk,nkc->nc", bary, data.v_template[corner].astype(np.float64))
    normal = np.einsum("nk,nkc->nc", bary, detail.vertex_normals(data.v_template, data.faces)[corner])
    return field.project(points, 2), normal / np.linalg.norm(normal, axis=1, keepdims=True)


def write_planes(data: HandData, folder: Path) -> None:
    """Make and write the planes of the right hand's skin."""
    face, bary, _ = texel_points(data, skin_maps.MAP_SIZE)
    inside = face >= 0
    layers = skin(*surface_of(data, face[inside], bary[inside]))
    away, nearest = distance_transform_edt(~inside, return_indices=True)
    near = away <= MARGIN
    planes = {}
    for name in skin_maps.PLANES:
        plane = np.zeros(face.shape, dtype=np.uint8)
        plane[inside] = skin_maps.encode(name, layers[name])
        planes[name] = np.where(near, plane[tuple(nearest)], skin_maps.encode(name, np.zeros(1)))
    with atomic_path(folder / skin_maps.MAPS_FILE) as temporary:
        skin_maps.write_planes(temporary, planes)


def make_flesh(data: HandData) -> flesh_maps.Flesh:
    """What moves the vertices of the right hand's detail mesh."""
    mesh = detail.subdivide(data)
    smooth = detail.detail_vertices(mesh, data.v_template)
    normals = detail.detail_normals(mesh, smooth)
    cap = np.arange(len(smooth)) >= mesh.skin_vertices
    # What subdivision rounds off is put back: the surface goes to the distance field, but for the open rim.
    offset = np.zeros(len(smooth))
    for _ in range(3):
        points = smooth + offset[:, None] * normals
        slope = np.clip((field.gradient(points) * normals).sum(axis=1), 0.35, 1.0)
        offset = np.where(cap, 0.0, np.clip(offset - field.hand_distance(points) / slope, -0.0012, 0.0012))
    surface = smooth + offset[:, None] * normals
    layers = skin(surface, normals)
    still = offset + np.where(cap, 0.0, motion.rounded_end(surface) + 1e-3 * layers["nail_height"])
    veins = np.where(cap, 0.0, 0.34e-3 * layers["vein"])
    made = motion.flesh(surface, normals, still, veins, np.where(cap, 0.0, layers["nail_reach"]))
    # Nothing but the rounding acts where the wrist ends.
    fade = np.where(cap, 0.0, step((0.030 - surface[:, 0]) / 0.008))
    return flesh_maps.Flesh(
        made.still,
        made.veins * fade,
        {name: values * fade for name, values in made.moves.items()},
        made.regions * fade,
        made.nails,
    )


def write_flesh(data: HandData, folder: Path) -> None:
    """Make and write what moves the right hand's detail mesh."""
    with atomic_path(folder / flesh_maps.FLESH_FILE) as temporary:
        flesh_maps.write_flesh(temporary, make_flesh(data))
