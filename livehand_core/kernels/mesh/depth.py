"""Depth maps of all that stands in the light of a hand: seen along one axis from its two ends, or from a near lamp."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, inner

TOLERANCE = np.float32(1e-5)
"""How far outside a triangle, in barycentric units, still counts as inside: no cracks between neighbours."""

NEAREST = np.float32(1e-3)
"""Metres along the axis of a near lamp's map from which on it sees."""

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


@inner
def fill(u, v, q, ux, vx, qx, uy, vy, qy, maps, start, side):
    """Raise the texels of a map to the largest ``q`` of a triangle, which varies linearly over it.

    Args:
        u, v, q: column and row, whose integers are texels' centres, and the value of its first corner.
        ux, vx, qx, uy, vy, qy: from there to the second and the third.
        maps: flat float32, of which ``side`` x ``side`` texels from ``start`` on are the map.
    """
    limit = np.float32(side - 1)
    left = max(np.ceil(u + min(ux, uy, _ZERO)), _ZERO)
    right = min(np.floor(u + max(ux, uy, _ZERO)), limit)
    top = max(np.ceil(v + min(vx, vy, _ZERO)), _ZERO)
    bottom = min(np.floor(v + max(vx, vy, _ZERO)), limit)
    size = ux * vy - uy * vx
    if not (right >= left and bottom >= top) or size == _ZERO:
        return
    scale = _ONE / size
    one_across, one_down, two_across, two_down = vy * scale, -uy * scale, -vx * scale, ux * scale
    first, last = int(left), int(right) + 1
    for y in range(int(top), int(bottom) + 1):
        down = np.float32(y) - v
        row = start + y * side
        for x in range(first, last):
            across = np.float32(x) - u
            one = across * one_across + down * one_down
            two = across * two_across + down * two_down
            if min(one, two, _ONE - one - two) >= -TOLERANCE:
                maps[row + x] = max(maps[row + x], q + one * qx + two * qy)


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


@inner
def two_sided(projected, faces, solid, side, maps):
    """Fill two flat depth maps, one after the other: parallel to the axis, and the other way.

    Args:
        projected: (3, N) of :func:`project`.
        faces: (M, 3), of which the first ``solid`` close a body and are counter-clockwise seen from outside: one seen
            from behind lies behind another one.
    """
    other = side * side
    for texel in range(2 * other):
        maps[texel] = -np.inf
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        u, v, z = projected[0, a], projected[1, a], projected[2, a]
        ux, vx, zx = projected[0, b] - u, projected[1, b] - v, projected[2, b] - z
        uy, vy, zy = projected[0, c] - u, projected[1, c] - v, projected[2, c] - z
        away = ux * vy - uy * vx > _ZERO
        if face >= solid or not away:
            fill(u, v, -z, ux, vx, -zx, uy, vy, -zy, maps, 0, side)
        if face >= solid or away:
            fill(u, v, z, ux, vx, zx, uy, vy, zy, maps, other, side)
    for texel in range(2 * other):
        maps[texel] = -maps[texel]


@inner
def _cut(places, faces, face, row, side, room, maps):
    """Fill in what lies in front of a near lamp of a triangle that reaches behind it; ``room`` holds (3, 4)."""
    count = 0
    for corner in range(3):
        a, b = faces[face, corner], faces[face, (corner + 1) % 3]
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
            room[0, count] = row[12] * (row[0] * x + row[1] * y + row[2] * z + row[3]) / depth + row[13] - _HALF
            room[1, count] = row[12] * (row[4] * x + row[5] * y + row[6] * z + row[7]) / depth + row[13] - _HALF
            room[2, count] = _ONE / depth
            count += 1
    u, v, q = room[0, 0], room[1, 0], room[2, 0]
    for index in range(1, count - 1):
        fill(
            u, v, q, room[0, index] - u, room[1, index] - v, room[2, index] - q, room[0, index + 1] - u,
            room[1, index + 1] - v, room[2, index + 1] - q, maps, 0, side,
        )  # fmt: skip


@compiled
def draw_map(places, faces, solid, row, side, maps):
    """Fill a flat depth map of ``side`` x ``side``: metres along its axis, infinity where it meets nothing.

    Args:
        places: (3, N) float32; faces: (M, 3) int32, of which the first ``solid`` as in :func:`two_sided`.
        row: (16,) float32 of a ``DepthMap``.
    """
    projected, room = np.empty(places.shape, np.float32), np.empty((3, 4), np.float32)
    project(places, row, projected)
    near = row[14] > _ZERO
    for texel in range(side * side):
        maps[texel] = _ZERO if near else -np.inf
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        u, v, z = projected[0, a], projected[1, a], projected[2, a]
        ux, vx, zx = projected[0, b] - u, projected[1, b] - v, projected[2, b] - z
        uy, vy, zy = projected[0, c] - u, projected[1, c] - v, projected[2, c] - z
        least = z + min(zx, zy, _ZERO)
        if near and least < NEAREST:
            if z + max(zx, zy, _ZERO) > NEAREST:
                _cut(places, faces, face, row, side, room, maps)
            continue
        if face < solid and ux * vy - uy * vx > _ZERO:
            continue
        if near:
            # What is linear over a triangle in perspective is the inverse of its depth.
            q = _ONE / z
            fill(u, v, q, ux, vx, _ONE / (z + zx) - q, uy, vy, _ONE / (z + zy) - q, maps, 0, side)
        else:
            fill(u, v, -z, ux, vx, -zx, uy, vy, -zy, maps, 0, side)
    for texel in range(side * side):
        maps[texel] = (_ONE / maps[texel] if maps[texel] > _ZERO else np.inf) if near else -maps[texel]
