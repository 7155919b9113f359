"""From which directions a posed hand is seen by the sky: two small depth maps an axis, all in one call."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled
from ..simd.lanes import WIDTH, fused, splat, where_less
from ..simd.memory import load, store
from .depth import project, room_to_draw, two_sided
from .visibility import projected_point, window

_ZERO = np.float32(0.0)


@compiled
def sight(places, faces, solid, rows, side, points, first, last, answer):
    """Fill rows first to last of ``answer`` with what reaches points on a skin along axes, from the end that they face.

    Args:
        places: (3, N) float32, faces: (3, M) int32 of all that stands in the way, the first ``solid`` of a closed body.
        rows: (A, 16) float32 of the axes' depth maps, as ``DepthMap.row``, of light that goes along them.
        side: texels of a map.
        points: (6, P) float32 places and normals, P a multiple of WIDTH.
        answer: (A, P) float32.
    """
    projected, maps = np.empty(places.shape, np.float32), np.empty(2 * side * side + WIDTH, np.float32)
    room, flat, given = room_to_draw(), answer.reshape(-1), points.reshape(-1)
    count, other = points.shape[1], splat(np.float32(side * side))
    lines = rows.reshape(-1)
    for axis in range(first, last):
        at = axis * 16
        project(places, rows[axis], projected)
        two_sided(projected, faces, solid, side, room, maps)
        for start in range(0, count, WIDTH):
            column, line, depth, _ = projected_point(lines, at, given, count, start)
            nx, ny, nz = load(given, 3 * count + start), load(given, 4 * count + start), load(given, 5 * count + start)
            along = fused(nx, lines[at + 8], fused(ny, lines[at + 9], nz * lines[at + 10]))
            begin = where_less(along, _ZERO, _ZERO, other)
            limit = where_less(along, _ZERO, depth, splat(_ZERO) - depth)
            store(flat, axis * count + start, window(maps, begin, side, column, line, limit))
