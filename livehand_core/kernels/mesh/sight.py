"""From which directions a posed hand is seen by the sky: two small depth maps an axis, all in one call."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled
from ..simd.lanes import WIDTH, fused
from ..simd.memory import broadcast, load, store
from .depth import project, two_sided
from .visibility import LIFT, window

_ZERO = np.float32(0.0)


@compiled
def sight(places, faces, solid, rows, side, points, first, last, answer):
    """Fill rows first to last of ``answer`` with what reaches points on a skin along axes, from the end that they face.

    Args:
        places: (3, N) float32, faces: (M, 3) int32 of all that stands in the way, the first ``solid`` of a closed body.
        rows: (A, 16) float32 of the axes' depth maps, as ``DepthMap.row``, of light that goes along them.
        side: texels of a map.
        points: (6, P) float32 places and normals, P a multiple of WIDTH.
        answer: (A, P) float32.
    """
    projected, maps = np.empty(places.shape, np.float32), np.empty(2 * side * side + 4, np.float32)
    room, flat, given = np.empty(4 * WIDTH + 4, np.float32), answer.reshape(-1), points.reshape(-1)
    count, size = points.shape[1], side * side
    lines = rows.reshape(-1)
    for axis in range(first, last):
        at = axis * 16
        project(places, rows[axis], projected)
        two_sided(projected, faces, solid, side, maps)
        for start in range(0, count, WIDTH):
            nx, ny, nz = load(given, 3 * count + start), load(given, 4 * count + start), load(given, 5 * count + start)
            x = fused(nx, LIFT, load(given, start))
            y = fused(ny, LIFT, load(given, count + start))
            z = fused(nz, LIFT, load(given, 2 * count + start))
            a = x * lines[at] + y * lines[at + 1] + fused(z, lines[at + 2], broadcast(lines, at + 3))
            b = x * lines[at + 4] + y * lines[at + 5] + fused(z, lines[at + 6], broadcast(lines, at + 7))
            store(room, 0, fused(a, lines[at + 12], broadcast(lines, at + 13)))
            store(room, WIDTH, fused(b, lines[at + 12], broadcast(lines, at + 13)))
            c = x * lines[at + 8] + y * lines[at + 9] + fused(z, lines[at + 10], broadcast(lines, at + 11))
            store(room, 2 * WIDTH, c)
            store(room, 3 * WIDTH, nx * lines[at + 8] + ny * lines[at + 9] + nz * lines[at + 10])
            for lane in range(WIDTH):
                column, line, limit = room[lane], room[WIDTH + lane], room[2 * WIDTH + lane]
                first_texel = 0
                if room[3 * WIDTH + lane] >= _ZERO:
                    first_texel, limit = size, -limit
                seen = window(maps, first_texel, side, column, line, limit, room, 4 * WIDTH)
                flat[axis * count + start + lane] = seen
