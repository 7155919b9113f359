"""Key lamps as pixels see them, sixteen pixels at once: direction, irradiance, and what stands before them."""

from __future__ import annotations

import numpy as np

from ..compiling import inlined
from ..mesh.visibility import LIFT, projected, window
from ..simd.lanes import fused, maximum, minimum, splat, square_root
from ..simd.memory import broadcast
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
def unshadowed(maps, start, side, rows, at, points, normals):
    """What of a small lamp reaches each of sixteen points on the skin.

    Args:
        maps: flat float32, of which ``side`` x ``side`` texels from ``start`` on are the lamp's depth map.
        rows: flat float32, at: the map's first element.
        points, normals: three vectors each.
    """
    x, y, z = fused(normals[0], LIFT, points[0]), fused(normals[1], LIFT, points[1]), fused(normals[2], LIFT, points[2])
    column, line, limit, _ = projected(rows, at, x, y, z)
    return window(maps, splat(np.float32(start)), side, column, line, limit)
