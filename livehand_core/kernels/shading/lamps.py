"""Key lamps as pixels see them, sixteen pixels at once: direction, irradiance, and what stands before them."""

from __future__ import annotations

import numpy as np

from ..compiling import inlined
from ..mesh.visibility import LIFT, window
from ..simd.lanes import WIDTH, fused, maximum, minimum, splat, square_root
from ..simd.memory import broadcast, load, number_at, store
from .lobes import dot

# Columns of a lamp's row. Its place is a direction where it is far, else a position; NEAREST is the distance at which
# it counts at least, FLAT the square of a disc's radius; the cone's border begins at the cosine EDGE and is STEEP; a
# disc's spread is the inverse of its tangent. LOBES holds sharpness, peak and largest density of each lobe.
KIND, PLACE, COLOUR, NEAREST, FLAT, AXIS, EDGE, STEEP, SPREAD, SINE, FLUX = 0, 1, 4, 7, 8, 9, 12, 13, 14, 15, 16
LOBES, SHARPNESS, SHADOW, LAMP_COLUMNS = 17, 23, 24, 32
FAR, ALL, DISC, CONE = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(3.0)

MAP_COLUMNS = 16
"""Of a depth map's row, see ``DepthMap.row``."""

_ZERO, _HALF, _ONE, _TWO, _THREE = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0, 3.0))
_TINY = np.float32(1e-9)


@inlined
def lamp_at(lamps, row, x, y, z):
    """Unit directions to a lamp from sixteen points, and the share of its colour that it sends there as irradiance.

    Args:
        lamps: flat float32; row: the lamp's first element.
    """
    kind = lamps[row + KIND]
    tx, ty, tz = (
        broadcast(lamps, row + PLACE), broadcast(lamps, row + PLACE + 1), broadcast(lamps, row + PLACE + 2),
    )  # fmt: skip
    strength = splat(_ONE)
    if kind != FAR:
        tx, ty, tz = tx - x, ty - y, tz - z
        distance = square_root(dot(tx, ty, tz, tx, ty, tz))
        away = splat(_ONE) / maximum(distance, np.float32(1e-12))
        tx, ty, tz = tx * away, ty * away, tz * away
        distance = maximum(distance, broadcast(lamps, row + NEAREST))
        strength = strength / fused(distance, distance, broadcast(lamps, row + FLAT))
        if kind != ALL:
            ax, ay, az = (
                broadcast(lamps, row + AXIS), broadcast(lamps, row + AXIS + 1), broadcast(lamps, row + AXIS + 2),
            )  # fmt: skip
            cosine = splat(_ZERO) - dot(tx, ty, tz, ax, ay, az)
            if kind == CONE:
                step = minimum(maximum((cosine - lamps[row + EDGE]) * lamps[row + STEEP], _ZERO), _ONE)
                strength = strength * step * step * (splat(_THREE) - step * _TWO)
            else:
                shade = maximum(cosine, _ZERO)
                if lamps[row + SPREAD] > _ZERO:
                    tangent = square_root(maximum(splat(_ONE) - cosine * cosine, _ZERO)) / maximum(shade, _TINY)
                    shade = shade * maximum(splat(_ONE) - tangent * lamps[row + SPREAD], _ZERO)
                strength = strength * shade
    return tx, ty, tz, strength


@inlined
def unshadowed(maps, start, side, rows, at, points, normals, places, count):
    """What of a small lamp reaches each of sixteen points on the skin.

    Args:
        maps: flat float32, of which ``side`` x ``side`` texels from ``start`` on are the lamp's depth map.
        rows: flat float32, at: the map's first element.
        points, normals: three vectors each.
        places: (68,) float32 room: column, line, limit and answer of each point, and one row of a window.
        count: points that are meant.
    """
    x, y, z = fused(normals[0], LIFT, points[0]), fused(normals[1], LIFT, points[1]), fused(normals[2], LIFT, points[2])
    a = fused(x, rows[at], fused(y, rows[at + 1], fused(z, rows[at + 2], broadcast(rows, at + 3))))
    b = fused(x, rows[at + 4], fused(y, rows[at + 5], fused(z, rows[at + 6], broadcast(rows, at + 7))))
    c = fused(x, rows[at + 8], fused(y, rows[at + 9], fused(z, rows[at + 10], broadcast(rows, at + 11))))
    focal = splat(rows[at + 12])
    if rows[at + 14] > _ZERO:
        focal = focal / maximum(c, np.float32(1e-4))
    store(places, 0, fused(focal, a, broadcast(rows, at + 13)))
    store(places, WIDTH, fused(focal, b, broadcast(rows, at + 13)))
    store(places, 2 * WIDTH, c)
    for lane in range(count):
        column, line = number_at(places, lane), number_at(places, WIDTH + lane)
        places[3 * WIDTH + lane] = window(
            maps, start, side, column, line, number_at(places, 2 * WIDTH + lane), places, 4 * WIDTH
        )
    return load(places, 3 * WIDTH)
