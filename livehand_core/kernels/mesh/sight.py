"""From which directions a posed hand is seen by the sky: a small depth map a direction, all in one call."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, inner
from .visibility import lifted, window

TOLERANCE = np.float32(1e-5)
"""How far outside a triangle, in barycentric units, still counts as inside: no cracks between neighbours."""

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


@inner
def _cover(projected, faces, side, depth):
    """Fill a flat depth map of ``side`` x ``side`` with the nearest of all triangles, parallel to its axis.

    Args:
        projected: (N, 3) column and row, whose integers are texels' centres, and depth of each vertex.
    """
    for texel in range(side * side):
        depth[texel] = np.inf
    limit = np.float32(side - 1)
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        u, v, z = projected[a, 0], projected[a, 1], projected[a, 2]
        ux, vx = projected[b, 0] - u, projected[b, 1] - v
        uy, vy = projected[c, 0] - u, projected[c, 1] - v
        left = max(np.ceil(u + min(ux, uy, _ZERO)), _ZERO)
        right = min(np.floor(u + max(ux, uy, _ZERO)), limit)
        top = max(np.ceil(v + min(vx, vy, _ZERO)), _ZERO)
        bottom = min(np.floor(v + max(vx, vy, _ZERO)), limit)
        size = ux * vy - uy * vx
        if not (right >= left and bottom >= top) or size == _ZERO:
            continue
        scale = _ONE / size
        zx, zy = projected[b, 2] - z, projected[c, 2] - z
        for y in range(int(top), int(bottom) + 1):
            down = np.float32(y) - v
            for x in range(int(left), int(right) + 1):
                across = np.float32(x) - u
                one = (across * vy - uy * down) * scale
                two = (ux * down - across * vx) * scale
                if min(one, two, _ONE - one - two) >= -TOLERANCE:
                    depth[y * side + x] = min(depth[y * side + x], z + one * zx + two * zy)


@compiled
def sight(vertices, faces, rows, side, points, normals, first, last, answer):
    """Fill rows first to last of (D, P) ``answer`` with what reaches points on a skin from each direction.

    0 where the skin faces away.

    Args:
        vertices: (N, 3) float32, faces: (M, 3) int32 of all that stands in the way.
        rows: (D, 16) float32 of the directions' depth maps, as ``DepthMap.row``.
        side: texels of a map.
        points, normals: (P, 3) float32.
    """
    projected, depth = np.empty((len(vertices), 3), np.float32), np.empty(side * side + 4, np.float32)
    room = np.empty(4, np.float32)
    for direction in range(first, last):
        row = rows[direction]
        for vertex in range(len(vertices)):
            x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
            column = row[12] * (row[0] * x + row[1] * y + row[2] * z + row[3]) + row[13]
            line = row[12] * (row[4] * x + row[5] * y + row[6] * z + row[7]) + row[13]
            projected[vertex, 0], projected[vertex, 1] = column - _HALF, line - _HALF
            projected[vertex, 2] = row[8] * x + row[9] * y + row[10] * z + row[11]
        _cover(projected, faces, side, depth)
        for point in range(len(points)):
            facing = row[8] * normals[point, 0] + row[9] * normals[point, 1] + row[10] * normals[point, 2]
            answer[direction, point] = _ZERO
            if facing < _ZERO:
                column, line, limit, _ = lifted(row, points, normals, point)
                answer[direction, point] = window(depth, 0, side, column, line, limit, room, 0)
