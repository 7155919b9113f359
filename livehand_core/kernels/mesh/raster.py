"""Which triangle a pixel sees: a z-buffer over the posed proxy mesh, sixteen pixels of a row at once.

The same homogeneous rasterisation as ``surface/raster.py`` (Olano and Greer 1997): triangles that cross the camera's
plane need no clipping, both sides are seen, and ties go to the lower index.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...cameras import Camera
from ..compiling import compiled, inlined
from ..simd.lanes import WIDTH, minimum, where_less
from ..simd.memory import broadcast, load, store

MIN_DEPTH = 1e-3
"""Nearest depth that is drawn, in metres (perspective)."""

EDGE_TOLERANCE = 1e-5
"""How far outside a triangle, in barycentric units, still counts as inside: no cracks between neighbours."""

# Columns of a triangle that reaches the image: three edge functions (times dx, times dy, constant) relative to its box,
# the depths of its corners, the box.
EDGES, DEPTHS, LEFT, TOP, BOX_WIDTH, BOX_HEIGHT = 0, 9, 12, 13, 14, 15
COLUMNS = 16

_ZERO = np.float32(0.0)


class Raster(NamedTuple):
    """What each pixel of an H x W grid sees first.

    Attributes:
        depth: (H, W) float32 metres along the optical axis, infinity where nothing is seen.
        face: (H, W) int32 triangle, -1 where nothing is seen.
        barycentric: (H, W, 3) float32 perspective-correct coordinates in that triangle, 0 where nothing is seen; None
            when not asked for.
    """

    depth: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray | None


def rasterise(vertices: np.ndarray, faces: np.ndarray, camera: Camera, barycentric: bool = False) -> Raster:
    """Draw the mesh at the camera's pixels, ``camera.pixel_offset`` inside each; both sides of a triangle are seen.

    Args:
        vertices: (V, 3) float32 world space, metres.
        faces: (F, 3) int32.
        camera: its width and height are the size of the answer.
        barycentric: whether to answer these, too.
    """
    height, width = camera.height, camera.width
    depth, face = np.empty((height, width), np.float32), np.empty((height, width), np.int32)
    triangles = np.empty((len(faces), COLUMNS), np.float32)
    centre = (camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset)
    lens = np.array([camera.fx, camera.fy, *centre])
    _set_up(vertices, faces, camera.world_to_camera, lens, camera.projection == "perspective", width, height, triangles)
    _draw(triangles.reshape(-1), depth, face)
    if not barycentric:
        return Raster(depth, face, None)
    coordinates = np.empty((height, width, 3), np.float32)
    _locate(triangles, face, coordinates)
    return Raster(depth, face, coordinates)


@compiled
def _set_up(
    vertices: np.ndarray,
    faces: np.ndarray,
    matrix: np.ndarray,
    lens: np.ndarray,
    perspective: bool,
    width: int,
    height: int,
    triangles: np.ndarray,
) -> None:
    """Fill (F, 16) ``triangles``; their box is empty when they cannot be seen. In float64: differences of products of
    pixel coordinates lose too many digits in float32."""
    projected = np.empty((len(vertices), 4))
    for vertex in range(len(vertices)):
        a, b, c = np.float64(vertices[vertex, 0]), np.float64(vertices[vertex, 1]), np.float64(vertices[vertex, 2])
        x = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + matrix[0, 3]
        y = matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + matrix[1, 3]
        z = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + matrix[2, 3]
        weight = z if perspective else 1.0
        projected[vertex, 0], projected[vertex, 1] = lens[0] * x + lens[2] * weight, lens[1] * y + lens[3] * weight
        projected[vertex, 2], projected[vertex, 3] = weight, z
    shifted, edges = np.empty((3, 3)), np.empty((3, 3))
    for face in range(len(faces)):
        row = triangles[face]
        row[BOX_WIDTH], row[BOX_HEIGHT] = 0.0, 0.0
        whole, visible = True, not perspective
        for corner in range(3):
            whole &= projected[faces[face, corner], 2] > MIN_DEPTH
            visible |= projected[faces[face, corner], 3] > MIN_DEPTH
        if not visible:
            continue
        left, top, right, bottom = 0.0, 0.0, width - 1.0, height - 1.0
        if whole:
            x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
            for corner in range(3):
                point = projected[faces[face, corner]]
                x, y = point[0] / point[2], point[1] / point[2]
                x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
            left, top = max(np.ceil(x0), left), max(np.ceil(y0), top)
            right, bottom = min(np.floor(x1), right), min(np.floor(y1), bottom)
        if not (right >= left and bottom >= top):
            continue
        for corner in range(3):
            point = projected[faces[face, corner]]
            shifted[corner, 0], shifted[corner, 1] = point[0] - left * point[2], point[1] - top * point[2]
            shifted[corner, 2] = point[2]
            row[DEPTHS + corner] = point[3]
        for corner in range(3):
            a, b = shifted[(corner + 1) % 3], shifted[(corner + 2) % 3]
            edges[corner, 0] = a[1] * b[2] - a[2] * b[1]
            edges[corner, 1] = a[2] * b[0] - a[0] * b[2]
            edges[corner, 2] = a[0] * b[1] - a[1] * b[0]
        determinant = edges[0, 0] * shifted[0, 0] + edges[0, 1] * shifted[0, 1] + edges[0, 2] * shifted[0, 2]
        if determinant == 0.0:
            continue
        for corner in range(3):
            for term in range(3):
                row[EDGES + 3 * corner + term] = edges[corner, term] / determinant
        row[LEFT], row[TOP], row[BOX_WIDTH], row[BOX_HEIGHT] = left, top, right - left + 1.0, bottom - top + 1.0


@inlined
def _edge_function(across: Any, down: Any, triangles: np.ndarray, first: int) -> Any:
    return across * broadcast(triangles, first) + (
        down * broadcast(triangles, first + 1) + broadcast(triangles, first + 2)
    )


@compiled
def _draw(triangles: np.ndarray, depth: np.ndarray, face: np.ndarray) -> None:
    """Fill (H, W) depth and face from the flat (16 F,) triangles, the lower index winning ties."""
    height, width = depth.shape
    stride = width + WIDTH
    nearest = np.full(height * stride, np.inf, np.float32)
    winner = np.full(height * stride, -1.0, np.float32)
    steps = np.arange(WIDTH).astype(np.float32)
    lane = load(steps, 0)
    for index in range(len(triangles) // COLUMNS):
        row = index * COLUMNS
        box_width, box_height = triangles[row + BOX_WIDTH], triangles[row + BOX_HEIGHT]
        if box_height <= _ZERO:
            continue
        first = int(triangles[row + TOP]) * stride + int(triangles[row + LEFT])
        for dy in range(int(box_height)):
            down = np.float32(dy)
            for start in range(0, int(box_width), WIDTH):
                across = lane + np.float32(start)
                a = _edge_function(across, down, triangles, row)
                b = _edge_function(across, down, triangles, row + 3)
                c = _edge_function(across, down, triangles, row + 6)
                # Edge functions sum to one over a depth-like weight: positive in front of the camera.
                total = a + b + c
                weighted = a * broadcast(triangles, row + DEPTHS) + b * broadcast(triangles, row + DEPTHS + 1)
                seen = (weighted + c * broadcast(triangles, row + DEPTHS + 2)) / total
                inside = minimum(a, minimum(b, c)) + np.float32(EDGE_TOLERANCE) * total
                seen = where_less(inside, _ZERO, np.float32(np.inf), seen)
                seen = where_less(_ZERO, total, seen, np.float32(np.inf))
                seen = where_less(np.float32(MIN_DEPTH), seen, seen, np.float32(np.inf))
                seen = where_less(across, box_width, seen, np.float32(np.inf))
                place = first + dy * stride + start
                before = load(nearest, place)
                store(nearest, place, where_less(seen, before, seen, before))
                store(winner, place, where_less(seen, before, np.float32(index), load(winner, place)))
    for y in range(height):
        for x in range(width):
            depth[y, x] = nearest[y * stride + x]
            face[y, x] = np.int32(winner[y * stride + x])


@compiled
def _locate(triangles: np.ndarray, face: np.ndarray, barycentric: np.ndarray) -> None:
    """Fill (H, W, 3) coordinates in the triangles that are seen."""
    height, width = face.shape
    for y in range(height):
        for x in range(width):
            index = face[y, x]
            if index < 0:
                barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2] = _ZERO, _ZERO, _ZERO
                continue
            row = triangles[index]
            dx, dy = np.float32(x) - row[LEFT], np.float32(y) - row[TOP]
            a = row[0] * dx + row[1] * dy + row[2]
            b = row[3] * dx + row[4] * dy + row[5]
            c = row[6] * dx + row[7] * dy + row[8]
            total = a + b + c
            barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2] = a / total, b / total, c / total
