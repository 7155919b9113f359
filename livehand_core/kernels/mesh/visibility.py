"""What a depth map hides of points on the skin: soft shadows of wide lights, and sharp ones of points."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, inlined, inner
from ..simd.lanes import WIDTH, any_less, floored, fused, maximum, minimum, splat, where_less
from ..simd.memory import gather, load, store

LIFT = np.float32(0.0015)
"""Metres by which a point is lifted along its normal: the proxy is coarse, and would shade itself."""

SOFTNESS = np.float32(0.001)
"""Metres of depth over which a surface goes from lit to hidden."""

REACH = np.float32(0.15)
"""Metres in front of a point within which something in the way widens the search for it."""

SAMPLES = 32
"""Texels that are looked up in a disc."""

AWAY = np.float32(0.5)
"""Cosine of how far a skin may face away from a light and still be asked for: above it the next fold is lit."""

GOLDEN = np.float32(2.39996323)
"""Radians from one sample of a disc to the next: they lie evenly."""

_ZERO, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0))
_SHARPER = np.float32(1.0 / SOFTNESS)


@inlined
def projected(rows, at, x, y, z):
    """Columns and lines in a map of sixteen points, depths along its axis, and texels a metre there.

    Args:
        rows: flat float32, at: the map's first element.
    """
    a = fused(x, rows[at], fused(y, rows[at + 1], fused(z, rows[at + 2], splat(rows[at + 3]))))
    b = fused(x, rows[at + 4], fused(y, rows[at + 5], fused(z, rows[at + 6], splat(rows[at + 7]))))
    c = fused(x, rows[at + 8], fused(y, rows[at + 9], fused(z, rows[at + 10], splat(rows[at + 11]))))
    focal = splat(rows[at + 12])
    if rows[at + 14] > _ZERO:
        focal = focal / maximum(c, np.float32(1e-4))
    return fused(focal, a, splat(rows[at + 13])), fused(focal, b, splat(rows[at + 13])), c, focal


@inlined
def projected_point(rows, at, points, count, start):
    """:func:`projected` of points on a skin, lifted along their normals; ``points`` flat (6, count)."""
    nx, ny, nz = load(points, 3 * count + start), load(points, 4 * count + start), load(points, 5 * count + start)
    x, y, z = load(points, start), load(points, count + start), load(points, 2 * count + start)
    return projected(rows, at, fused(nx, LIFT, x), fused(ny, LIFT, y), fused(nz, LIFT, z))


@inlined
def _within(number, last):
    return minimum(maximum(number, _ZERO), last)


@inlined
def _through(maps, place, limit):
    """How far sixteen texels let light through, each to its ``limit``."""
    return minimum(maximum((gather(maps, 0, place) - limit) * _SHARPER + _ONE, _ZERO), _ONE)


@inlined
def _line_of(maps, row, columns, u, limit):
    """Of a window: what four texels of a line let through, the outer ones by their shares."""
    inside = _through(maps, row + columns[1], limit) + _through(maps, row + columns[2], limit)
    outside = fused(_through(maps, row + columns[3], limit), u, inside)
    return fused(_through(maps, row + columns[0], limit), splat(_ONE) - u, outside)


@inlined
def window(maps, start, side, column, line, limit):
    """What windows of 3 x 3 texels let through, each to its ``limit``: a bilinear lookup widened by a box.

    Args:
        maps: flat float32; start: sixteen places from which on ``side`` x ``side`` texels are a depth map. Those beyond
            it are those at its border.
        column, line: where in it.
    """
    last, wide = np.float32(side - 1), np.float32(side)
    left, top = floored(column - _HALF), floored(line - _HALF)
    u, v = column - _HALF - left, line - _HALF - top
    columns = (
        _within(left - _ONE, last), _within(left, last), _within(left + _ONE, last), _within(left + _TWO, last),
    )  # fmt: skip
    first = _line_of(maps, fused(_within(top - _ONE, last), wide, start), columns, u, limit)
    second = _line_of(maps, fused(_within(top, last), wide, start), columns, u, limit)
    third = _line_of(maps, fused(_within(top + _ONE, last), wide, start), columns, u, limit)
    fourth = _line_of(maps, fused(_within(top + _TWO, last), wide, start), columns, u, limit)
    return fused(first, splat(_ONE) - v, fused(fourth, v, second + third)) * np.float32(1.0 / 9.0)


@inlined
def _disc_texels(maps, side, column, line, width, across, down):
    """A texel of each of sixteen discs around a place; those beyond the map are those at its border."""
    last = np.float32(side - 1)
    columns, lines = _within(fused(width, across, column), last), _within(fused(width, down, line), last)
    return gather(maps, 0, fused(floored(lines), np.float32(side), floored(columns)))


@compiled
def soft_visibility(maps, row, side, light, points, answer):
    """Fill (P,) ``answer`` with the share of a wide light that reaches points on a skin; 0 where they face away.

    Args:
        maps: (side^2,) float32 and row: (16,) of a ``DepthMap``.
        light: (3,) float32 its place, or where it is far its direction.
        points: (6, P) float32 places and normals, P a multiple of WIDTH.
    """
    across, down = np.empty(SAMPLES, np.float32), np.empty(SAMPLES, np.float32)
    for sample in range(SAMPLES):
        ring, turn = np.sqrt((np.float32(sample) + _HALF) / np.float32(SAMPLES)), np.float32(sample) * GOLDEN
        across[sample], down[sample] = ring * np.cos(turn), ring * np.sin(turn)
    near, given, count = row[14] > _ZERO, points.reshape(-1), points.shape[1]
    for start in range(0, count, WIDTH):
        tx, ty, tz = splat(light[0]), splat(light[1]), splat(light[2])
        if near:
            tx, ty, tz = tx - load(given, start), ty - load(given, count + start), tz - load(given, 2 * count + start)
        nx, ny, nz = load(given, 3 * count + start), load(given, 4 * count + start), load(given, 5 * count + start)
        facing = fused(tx, nx, fused(ty, ny, tz * nz))
        limit = fused(tx, tx, fused(ty, ty, tz * tz)) * (AWAY * AWAY)
        # Negative where the skin faces away by less than that, and 0 where towards it.
        behind_it = minimum(facing, _ZERO)
        shown = where_less(limit, behind_it * behind_it, _ZERO, _ONE)
        if not any_less(_ZERO, shown):
            store(answer, start, shown)
            continue
        column, line, limit, scale = projected_point(row, 0, given, count, start)
        search = maximum(scale * (row[15] * REACH), _ONE)
        behind, number = splat(_ZERO), splat(_ZERO)
        for sample in range(SAMPLES):
            texels = _disc_texels(maps, side, column, line, search, across[sample], down[sample])
            behind = behind + where_less(texels, limit, limit - texels, _ZERO)
            number = number + where_less(texels, limit, _ONE, _ZERO)
        if any_less(_ZERO, number * shown):
            width = minimum(maximum(behind / maximum(number, _ONE) * scale * row[15], _ONE), search)
            lit = splat(_ZERO)
            for sample in range(SAMPLES):
                texels = _disc_texels(maps, side, column, line, width, across[sample], down[sample])
                lit = lit + minimum(maximum((texels - limit) * _SHARPER + _ONE, _ZERO), _ONE)
            shown = shown * where_less(_ZERO, number, lit * np.float32(1.0 / SAMPLES), _ONE)
        store(answer, start, shown)


@compiled
def hard_visibility(maps, row, side, points, answer):
    """Fill (P,) ``answer`` with what reaches points from a small light; arguments as for :func:`soft_visibility`."""
    given, count = points.reshape(-1), points.shape[1]
    for start in range(0, count, WIDTH):
        column, line, limit, _ = projected_point(row, 0, given, count, start)
        store(answer, start, window(maps, splat(_ZERO), side, column, line, limit))


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
