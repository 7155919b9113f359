"""What a depth map hides of points on the skin: soft shadows of wide lights, and sharp ones of points."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, inlined, inner
from ..simd.lanes import WIDTH, fused, maximum, minimum, splat, total, where_less
from ..simd.memory import load, load_four, store, texels_at

LIFT = np.float32(0.0015)
"""Metres by which a point is lifted along its normal: the proxy is coarse, and would shade itself."""

SOFTNESS = np.float32(0.001)
"""Metres of depth over which a surface goes from lit to hidden."""

REACH = np.float32(0.15)
"""Metres in front of a point within which something in the way widens the search for it."""

SAMPLES = 2
"""Sixteens of texels that are looked up in a disc."""

AWAY = np.float32(0.5)
"""Cosine of how far a skin may face away from a light and still be asked for: above it the next fold is lit."""

GOLDEN = np.float32(2.39996323)
"""Radians from one sample of a disc to the next: they lie evenly."""

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_SHARPER = np.float32(1.0 / SOFTNESS)


@inner
def _projected(row, x, y, z):
    """Column and row in the map, depth along its axis, and texels a metre there."""
    a = row[0] * x + row[1] * y + row[2] * z + row[3]
    b = row[4] * x + row[5] * y + row[6] * z + row[7]
    c = row[8] * x + row[9] * y + row[10] * z + row[11]
    focal = row[12]
    if row[14] > _ZERO:
        focal = focal / max(c, np.float32(1e-4))
    return focal * a + row[13], focal * b + row[13], c, focal


@inner
def _share(step, fraction):
    """Weight of the texel ``step`` of four in a box of 3 that begins ``fraction`` of a texel inside the first."""
    if step == 0:
        return (_ONE - fraction) / np.float32(3.0)
    if step == 3:
        return fraction / np.float32(3.0)
    return _ONE / np.float32(3.0)


@inlined
def _texels(maps, side, column, line, width, across, down, part):
    """Sixteen texels of a disc around a place; those beyond the map are those at its border."""
    columns, lines = fused(load(across, part), width, splat(column)), fused(load(down, part), width, splat(line))
    last = np.float32(side - 1)
    return texels_at(maps, side, minimum(maximum(columns, _ZERO), last), minimum(maximum(lines, _ZERO), last))


@inlined
def _through(maps, first, limit):
    """How far four texels let light through to ``limit``."""
    return minimum(maximum((load_four(maps, first) - limit) * _SHARPER + _ONE, _ZERO), _ONE)


@inner
def window(maps, start, side, column, line, limit, room, at):
    """What a window of 3 x 3 texels lets through to ``limit``: a bilinear lookup widened by a box.

    Args:
        maps: flat float32, of which ``side`` x ``side`` texels from ``start`` on are a depth map.
        column, line: where in it.
        room: float32, four elements from ``at`` on.
    """
    left, top = np.floor(column - _HALF), np.floor(line - _HALF)
    u, v = column - _HALF - left, line - _HALF - top
    x, y = np.int64(left) - 1, np.int64(top) - 1
    if 0 <= x <= side - 4 and 0 <= y <= side - 4:
        first = start + y * side + x
        middle = _through(maps, first + side, limit) + _through(maps, first + 2 * side, limit)
        ends = fused(_through(maps, first + 3 * side, limit), v, _through(maps, first, limit) * (_ONE - v))
        store(room, at, middle + ends)
        inside = room[at + 1] + room[at + 2]
        return ((_ONE - u) * room[at] + inside + u * room[at + 3]) * np.float32(1.0 / 9.0)
    lit = _ZERO
    for i in range(4):
        row = _ONE
        if 0 <= y + i < side:
            row = _ZERO
            for j in range(4):
                part = _ONE
                if 0 <= x + j < side:
                    texel = maps[start + (y + i) * side + x + j]
                    part = min(max((texel - limit) * _SHARPER + _ONE, _ZERO), _ONE)
                row += _share(j, u) * part
        lit += _share(i, v) * row
    return lit


@inner
def lifted(row, points, normals, index):
    """:func:`_projected` of a point lifted along its normal."""
    return _projected(
        row,
        points[index, 0] + LIFT * normals[index, 0],
        points[index, 1] + LIFT * normals[index, 1],
        points[index, 2] + LIFT * normals[index, 2],
    )


@compiled
def soft_visibility(maps, row, side, light, points, answer):
    """Fill (P,) ``answer`` with the share of a wide light that reaches points on a skin; 0 where they face away.

    Args:
        maps: (side^2,) float32 and row: (16,) of a ``DepthMap``.
        light: (3,) float32 its place, or where it is far its direction.
        points: (6, P) float32 places and normals.
    """
    across, down = np.empty(SAMPLES * WIDTH, np.float32), np.empty(SAMPLES * WIDTH, np.float32)
    for sample in range(SAMPLES * WIDTH):
        ring, turn = np.sqrt((np.float32(sample) + _HALF) / np.float32(SAMPLES * WIDTH)), np.float32(sample) * GOLDEN
        across[sample], down[sample] = ring * np.cos(turn), ring * np.sin(turn)
    near = row[14] > _ZERO
    for index in range(len(answer)):
        x, y, z = points[0, index], points[1, index], points[2, index]
        nx, ny, nz = points[3, index], points[4, index], points[5, index]
        tx, ty, tz = light[0], light[1], light[2]
        if near:
            tx, ty, tz = tx - x, ty - y, tz - z
        facing = tx * nx + ty * ny + tz * nz
        if facing < _ZERO and facing * facing > AWAY * AWAY * (tx * tx + ty * ty + tz * tz):
            answer[index] = _ZERO
            continue
        column, line, limit, scale = _projected(row, x + LIFT * nx, y + LIFT * ny, z + LIFT * nz)
        search = max(row[15] * REACH * scale, _ONE)
        behind, count = _ZERO, _ZERO
        for part in range(0, SAMPLES * WIDTH, WIDTH):
            texels = _texels(maps, side, column, line, search, across, down, part)
            behind += total(where_less(texels, limit, limit - texels, _ZERO))
            count += total(where_less(texels, limit, _ONE, _ZERO))
        if count == _ZERO:
            answer[index] = _ONE
            continue
        width = min(max(row[15] * behind / count * scale, _ONE), search)
        lit = _ZERO
        for part in range(0, SAMPLES * WIDTH, WIDTH):
            texels = _texels(maps, side, column, line, width, across, down, part)
            lit += total(minimum(maximum((texels - limit) * _SHARPER + _ONE, _ZERO), _ONE))
        answer[index] = lit * np.float32(1.0 / (SAMPLES * WIDTH))


@compiled
def hard_visibility(depth, row, points, normals, answer):
    """Fill (P,) ``answer`` with what reaches points from a small light: a window of 3 x 3 texels."""
    side, flat, room = depth.shape[0], depth.reshape(-1), np.empty(4, np.float32)
    for index in range(len(points)):
        column, line, limit, _ = lifted(row, points, normals, index)
        answer[index] = window(flat, 0, side, column, line, limit, room, 0)


@compiled
def nearest_in_rows(face, radius, answer):
    """Fill (H, W) int32 ``answer`` with how many columns back the nearest pixel of a row is that sees a triangle.

    Positive to the left, which wins where both sides are equally near, negative to the right; ``radius`` + 1 where none
    is within ``radius``. ``face`` (H, W) is not negative where a triangle is seen.
    """
    height, width = face.shape
    for y in range(height):
        last = -(radius + 1)
        for x in range(width):
            if face[y, x] >= 0:
                last = x
            answer[y, x] = x - last if x - last <= radius else radius + 1
        last = width + 2 * radius + 2
        for x in range(width - 1, -1, -1):
            if face[y, x] >= 0:
                last = x
            if last - x < answer[y, x]:
                answer[y, x] = x - last


@inner
def nearest_place(beside, y, x, radius):
    """Flat index of the pixel nearest to (y, x) that sees a triangle, -1 where none is within ``radius``.

    Of equally near ones the upper left. ``beside`` is of :func:`nearest_in_rows`.
    """
    height, width = beside.shape
    best, place = np.int64(radius) * radius + 1, np.int64(-1)
    for away in range(radius + 1):
        if away * away > best:
            break
        # The upper line wins where it is as near, for it comes first.
        for line in (y + away, y - away):
            if line < 0 or line >= height:
                continue
            step = np.int64(beside[line, x])
            distance = step * step + away * away
            if abs(step) <= radius and (distance < best or (distance == best and line < y and place >= 0)):
                best, place = distance, line * width + x - step
    return place


@compiled
def nearest_covered(face, radius, answer):
    """Fill (H, W) int32 ``answer`` with the flat index of the nearest pixel that sees a triangle, within ``radius``.

    Its own index where ``face`` (H, W) is not negative, -1 where none is near. Of equally near ones the upper left.
    """
    height, width = face.shape
    beside = np.empty((height, width), np.int32)
    nearest_in_rows(face, radius, beside)
    for y in range(height):
        for x in range(width):
            answer[y, x] = y * width + x if face[y, x] >= 0 else nearest_place(beside, y, x, radius)
