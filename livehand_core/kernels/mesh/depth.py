"""Depth maps of all that stands in the light of a hand: seen along one axis from its two ends, or from a near lamp.

Sixteen triangles at once are made ready; most of them are smaller than a texel, and are done with then.
"""

from __future__ import annotations

import numpy as np

from ..compiling import allocating, compiled, inlined, inner
from ..simd.lanes import (
    WIDTH,
    bits_equal,
    bits_less,
    floored,
    fused,
    lowest_bit,
    maximum,
    minimum,
    negative,
    splat,
    where_less,
)
from ..simd.memory import gather, load, store

TOLERANCE = np.float32(1e-5)
"""How far outside a triangle, in barycentric units, still counts as inside: no cracks between neighbours."""

NEAREST = np.float32(1e-3)
"""Metres along the axis of a near lamp's map from which on it sees."""

# Of sixteen triangles: the texels of their boxes, column and row of their first corners, what their coordinates of the
# second and third corner grow by a column and a row, the value with its steps to these corners; then places and values
# of texels, and the numbers from 0 on.
_LEFT, _RIGHT, _TOP, _BOTTOM, _U, _V, _ONE_ACROSS, _ONE_DOWN, _TWO_ACROSS, _TWO_DOWN, _Q, _QX, _QY = (
    WIDTH * part for part in range(13)
)
_PLACE, _VALUE, _STEPS, ROOM = (WIDTH * part for part in range(13, 17))

_SMALL = 2
"""Texels a side of boxes that are filled sixteen at once."""

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


@allocating
def room_to_draw():
    """For sixteen triangles on their way into a map."""
    room = np.empty(ROOM, np.float32)
    for step in range(WIDTH):
        room[_STEPS + step] = step
    return room


@inlined
def _corners(projected, count, faces, number, start):
    """Columns, rows and depths of the corners of sixteen triangles; the second and third ones' from the first on."""
    a, b, c = load(faces, start), load(faces, number + start), load(faces, 2 * number + start)
    u, v, z = gather(projected, 0, a), gather(projected, count, a), gather(projected, 2 * count, a)
    return (
        u, v, z, gather(projected, 0, b) - u, gather(projected, count, b) - v, gather(projected, 2 * count, b) - z,
        gather(projected, 0, c) - u, gather(projected, count, c) - v, gather(projected, 2 * count, c) - z,
    )  # fmt: skip


@inner
def _fill(room, lane, sign, maps, start, side):
    """Raise the texels of a map to the largest value of one of the triangles in the room, times ``sign``."""
    u, v = room[_U + lane], room[_V + lane]
    one_across, one_down = room[_ONE_ACROSS + lane], room[_ONE_DOWN + lane]
    two_across, two_down = room[_TWO_ACROSS + lane], room[_TWO_DOWN + lane]
    q, qx, qy = sign * room[_Q + lane], sign * room[_QX + lane], sign * room[_QY + lane]
    first, last = int(room[_LEFT + lane]), int(room[_RIGHT + lane]) + 1
    for y in range(int(room[_TOP + lane]), int(room[_BOTTOM + lane]) + 1):
        down = np.float32(y) - v
        for x in range(first, last, WIDTH):
            columns = load(room, _STEPS) + np.float32(x)
            across = columns - u
            one, two = (
                fused(across, one_across, splat(down * one_down)),
                fused(across, two_across, splat(down * two_down)),
            )
            least = minimum(minimum(one, two), splat(_ONE) - one - two)
            place = start + y * side + x
            before = load(maps, place)
            raised = maximum(before, fused(one, qx, fused(two, qy, splat(q))))
            raised = where_less(-TOLERANCE, least, raised, before)
            store(maps, place, where_less(columns, np.float32(last), raised, before))


@inlined
def _draw(u, v, ux, vx, uy, vy, size, q, qx, qy, below, above, other, side, room, maps):
    """Raise texels of two maps to the largest of what sixteen triangles hold, which varies linearly over each.

    Args:
        u, v, ux, vx, uy, vy: column and row, whose integers are texels' centres, of the first corners, and from there
            to the others; size: twice the signed areas.
        q, qx, qy: value of the first corner, and from there to the others.
        below, above: bits of those that count with their values' opposites in the map that begins at 0, and of those
            that count with their values in the one at ``other``.
        maps: flat float32, of ``side`` x ``side`` each, and room for WIDTH behind the last.
    """
    limit = np.float32(side - 1)
    left = maximum(negative(floored(negative(u + minimum(minimum(ux, uy), _ZERO)))), _ZERO)
    right = minimum(floored(u + maximum(maximum(ux, uy), _ZERO)), limit)
    top = maximum(negative(floored(negative(v + minimum(minimum(vx, vy), _ZERO)))), _ZERO)
    bottom = minimum(floored(v + maximum(maximum(vx, vy), _ZERO)), limit)
    bits = (below | above) & bits_less(left, right + _ONE) & bits_less(top, bottom + _ONE) & ~bits_equal(size, _ZERO)
    if not bits:
        return
    scale = splat(_ONE) / size
    one_across, one_down, two_across, two_down = vy * scale, negative(uy * scale), negative(vx * scale), ux * scale
    reach = np.float32(_SMALL - 1)
    large = bits & (bits_less(left + reach, right) | bits_less(top + reach, bottom))
    small = bits & ~large
    if small:
        for step in range(_SMALL * _SMALL):
            x, y = left + np.float32(step % _SMALL), top + np.float32(step // _SMALL)
            across, down = x - u, y - v
            one, two = fused(across, one_across, down * one_down), fused(across, two_across, down * two_down)
            inside = bits_less(-TOLERANCE, minimum(minimum(one, two), splat(_ONE) - one - two))
            inside &= small & bits_less(x, right + _ONE) & bits_less(y, bottom + _ONE)
            if not inside:
                continue
            store(room, _PLACE, fused(y, np.float32(side), x))
            store(room, _VALUE, fused(one, qx, fused(two, qy, q)))
            while inside:
                lane = lowest_bit(inside)
                place, value = np.int64(room[_PLACE + lane]), room[_VALUE + lane]
                if below >> lane & 1:
                    maps[place] = max(maps[place], -value)
                if above >> lane & 1:
                    maps[other + place] = max(maps[other + place], value)
                inside &= inside - 1
    if large:
        store(room, _LEFT, left)
        store(room, _RIGHT, right)
        store(room, _TOP, top)
        store(room, _BOTTOM, bottom)
        store(room, _U, u)
        store(room, _V, v)
        store(room, _ONE_ACROSS, one_across)
        store(room, _ONE_DOWN, one_down)
        store(room, _TWO_ACROSS, two_across)
        store(room, _TWO_DOWN, two_down)
        store(room, _Q, q)
        store(room, _QX, qx)
        store(room, _QY, qy)
        while large:
            lane = lowest_bit(large)
            if below >> lane & 1:
                _fill(room, lane, -_ONE, maps, 0, side)
            if above >> lane & 1:
                _fill(room, lane, _ONE, maps, other, side)
            large &= large - 1


@inner
def project(places, row, projected):
    """Fill (3, N) column and row, whose integers are texels' centres, and depth of (3, N) places.

    Args:
        row: (16,) of a ``DepthMap``; in perspective columns and rows are good where the depth is at least NEAREST.
    """
    r0, r1, r2, r3, r4, r5 = row[0], row[1], row[2], row[3], row[4], row[5]
    r6, r7, r8, r9, r10, r11 = row[6], row[7], row[8], row[9], row[10], row[11]
    focal, middle, near = row[12], row[13] - _HALF, row[14] > _ZERO
    for index in range(places.shape[1]):
        x, y, z = places[0, index], places[1, index], places[2, index]
        depth = r8 * x + r9 * y + r10 * z + r11
        scale = focal / max(depth, NEAREST) if near else focal
        projected[0, index] = scale * (r0 * x + r1 * y + r2 * z + r3) + middle
        projected[1, index] = scale * (r4 * x + r5 * y + r6 * z + r7) + middle
        projected[2, index] = depth


@inlined
def _first_ones(solid, start):
    """Bits of sixteen triangles from ``start`` on that are among the first ``solid``."""
    return (1 << min(max(solid - start, 0), WIDTH)) - 1


@inner
def two_sided(projected, faces, solid, side, room, maps):
    """Fill two flat depth maps, one after the other: parallel to the axis, and the other way.

    Args:
        projected: (3, N) of :func:`project`.
        faces: (3, M), of which the first ``solid`` close a body and are counter-clockwise seen from outside: one seen
            from behind lies behind another one.
        room: of :func:`room_to_draw`; maps: flat float32, with room for WIDTH behind the two.
    """
    other, count, number = side * side, projected.shape[1], faces.shape[1]
    flat, corners = projected.reshape(-1), faces.reshape(-1)
    for texel in range(2 * other):
        maps[texel] = -np.inf
    for start in range(0, number, WIDTH):
        u, v, z, ux, vx, zx, uy, vy, zy = _corners(flat, count, corners, number, start)
        size, both = ux * vy - uy * vx, ~_first_ones(solid, start)
        away = bits_less(_ZERO, size)
        _draw(u, v, ux, vx, uy, vy, size, z, zx, zy, both | ~away, both | away, other, side, room, maps)
    for texel in range(2 * other):
        maps[texel] = -maps[texel]


@inner
def _cut(places, faces, face, row, side, corners, room, maps):
    """Fill in what lies in front of a near lamp of a triangle that reaches behind it; ``corners`` holds (3, 4)."""
    count = 0
    for corner in range(3):
        a, b = faces[corner, face], faces[(corner + 1) % 3, face]
        ax, ay, az, bx, by, bz = places[0, a], places[1, a], places[2, a], places[0, b], places[1, b], places[2, b]
        before = row[8] * ax + row[9] * ay + row[10] * az + row[11] - NEAREST
        after = row[8] * bx + row[9] * by + row[10] * bz + row[11] - NEAREST
        for step in range(2):
            # The corner itself, and where the side to the next one passes the plane.
            share = _ZERO if step == 0 else before / (before - after)
            if before < _ZERO if step == 0 else (before < _ZERO) == (after < _ZERO):
                continue
            x, y, z = ax + share * (bx - ax), ay + share * (by - ay), az + share * (bz - az)
            depth = max(row[8] * x + row[9] * y + row[10] * z + row[11], NEAREST)
            corners[0, count] = row[12] * (row[0] * x + row[1] * y + row[2] * z + row[3]) / depth + row[13] - _HALF
            corners[1, count] = row[12] * (row[4] * x + row[5] * y + row[6] * z + row[7]) / depth + row[13] - _HALF
            corners[2, count] = _ONE / depth
            count += 1
    u, v, q = splat(corners[0, 0]), splat(corners[1, 0]), splat(corners[2, 0])
    for index in range(1, count - 1):
        ux, vx, qx = splat(corners[0, index]) - u, splat(corners[1, index]) - v, splat(corners[2, index]) - q
        uy, vy, qy = (
            splat(corners[0, index + 1]) - u, splat(corners[1, index + 1]) - v, splat(corners[2, index + 1]) - q,
        )  # fmt: skip
        size = ux * vy - uy * vx
        _draw(u, v, ux, vx, uy, vy, size, q, qx, qy, np.int64(0), np.int64(1), 0, side, room, maps)


@compiled
def draw_map(places, faces, solid, row, side, maps):
    """Fill a flat depth map of ``side`` x ``side``: metres along its axis, infinity where it meets nothing.

    Args:
        places: (3, N) float32; faces: (3, M) int32, M a multiple of WIDTH, of which the first ``solid`` as in
            :func:`two_sided`.
        row: (16,) float32 of a ``DepthMap``.
        maps: flat float32, with room for WIDTH behind the map.
    """
    projected, cut, room = np.empty(places.shape, np.float32), np.empty((3, 4), np.float32), room_to_draw()
    project(places, row, projected)
    near, count, number = row[14] > _ZERO, places.shape[1], faces.shape[1]
    flat, corners = projected.reshape(-1), faces.reshape(-1)
    for texel in range(side * side):
        maps[texel] = _ZERO if near else -np.inf
    for start in range(0, number, WIDTH):
        u, v, z, ux, vx, zx, uy, vy, zy = _corners(flat, count, corners, number, start)
        if near:
            reaching = bits_less(z + minimum(minimum(zx, zy), _ZERO), NEAREST)
            crossing = reaching & bits_less(NEAREST, z + maximum(maximum(zx, zy), _ZERO))
            while crossing:
                _cut(places, faces, start + lowest_bit(crossing), row, side, cut, room, maps)
                crossing &= crossing - 1
        else:
            reaching = np.int64(0)
        size = ux * vy - uy * vx
        shown = ~(reaching | (bits_less(_ZERO, size) & _first_ones(solid, start)))
        q, qx, qy = negative(z), negative(zx), negative(zy)
        if near:
            # What is linear over a triangle in perspective is the inverse of its depth.
            q = splat(_ONE) / z
            qx, qy = splat(_ONE) / (z + zx) - q, splat(_ONE) / (z + zy) - q
        _draw(u, v, ux, vx, uy, vy, size, q, qx, qy, np.int64(0), shown, 0, side, room, maps)
    for texel in range(side * side):
        maps[texel] = (_ONE / maps[texel] if maps[texel] > _ZERO else np.inf) if near else -maps[texel]
