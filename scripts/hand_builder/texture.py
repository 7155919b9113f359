"""Writes the skin as images in the proxy's texture coordinates, and the detail vertices' offsets.

Colour (sRGB WebP), height (PNG: red the fine height, green the nail mask), offsets along the normal (npz).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from livehand_core.files import atomic_path
from livehand_core.hand import detail
from livehand_core.hand.data import HandData

from . import field
from .skin import skin

SIZE = 1024
HEIGHT_RANGE = 1.0
"""Millimetres from the image's middle grey to white."""


def texel_points(data: HandData, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def write_maps(data: HandData, folder: Path) -> None:
    """Make and write the three detail files of the right hand."""
    mesh = detail.subdivide(data)
    smooth = detail.detail_vertices(mesh, data.v_template)
    normals = detail.vertex_normals(smooth, mesh.faces)
    # What subdivision rounds off is put back: the surface goes to the distance field, but for the open rim.
    offset = np.zeros(len(smooth))
    for _ in range(3):
        points = smooth + offset[:, None] * normals
        slope = np.clip((field.gradient(points) * normals).sum(axis=1), 0.35, 1.0)
        offset = np.clip(offset - field.hand_distance(points) / slope, -0.0012, 0.0012)
    surface = smooth + offset[:, None] * normals
    offset += skin(surface, normals).relief * 1e-3
    with atomic_path(folder / detail.OFFSET_FILE) as temporary:
        np.savez_compressed(temporary, micrometres=np.round(offset * 1e6).astype(np.int16))

    face, bary, _ = texel_points(data, SIZE)
    inside = face >= 0
    corner = data.faces[face[inside]]
    points = np.einsum("nk,nkc->nc", bary[inside], data.v_template[corner].astype(np.float64))
    normal = np.einsum("nk,nkc->nc", bary[inside], detail.vertex_normals(data.v_template, data.faces)[corner])
    points = field.project(points, 2)
    look = skin(points, normal / np.linalg.norm(normal, axis=1, keepdims=True))
    colour = np.zeros((SIZE, SIZE, 3))
    height = np.zeros((SIZE, SIZE, 3))
    colour[inside] = look.colour
    height[inside, 0] = 0.5 + 0.5 * np.clip(look.fine / HEIGHT_RANGE, -1.0, 1.0)
    height[inside, 1] = look.nail
    nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    far = distance_transform_edt(~inside) > 12.0
    colour, height = colour[tuple(nearest)], height[tuple(nearest)]
    colour[far], height[far] = colour[inside].mean(axis=0), (0.5, 0.0, 0.0)
    for name, image, options in (
        (detail.COLOUR_FILE, colour, {"quality": 90, "method": 6}),
        (detail.HEIGHT_FILE, height, {"optimize": True}),
    ):
        with atomic_path(folder / name) as temporary:
            Image.fromarray(np.round(image * 255.0).astype(np.uint8)).save(temporary, **options)
