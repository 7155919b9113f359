"""The light at a mesh's vertices, sixteen of them at once: what share of the sky arrives, and what enters the skin."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, inlined
from ..simd.lanes import WIDTH, absolute, fused, maximum, minimum, splat, where_less
from ..simd.memory import broadcast, load, number_at, store
from .lamps import COLOUR, LAMP_COLUMNS, SINE, lamp_at
from .lobes import basis, dot, summed, wrapped_cosine

TERMS = 9
"""Irradiance has no harmonics beyond degree 2."""

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
SKIN = (0.57, 0.29, 0.2)
"""Albedo of the hands beside a hand, as the default one has it: what of the light that they keep away they reflect."""

_RED, _GREEN, _BLUE = (
    tuple(np.float32(number) for number in (2.0404 * a - 0.3324, -4.7951 * a + 0.6417, 2.7552 * a + 0.6903))
    for a in SKIN
)
"""A colour each: coefficients of the cube, the square and the visibility itself (Jimenez et al. 2016)."""

_INVERSE_PI, _TINY = np.float32(1.0 / np.pi), np.float32(1e-9)


@inlined
def arriving(sights, rays, around, nx, ny, nz, number, count, start):
    """The sky's light from the side that sixteen normals face, a colour, and what of it arrives."""
    whole_r, whole_g, whole_b = splat(_TINY), splat(_TINY), splat(_TINY)
    part_r, part_g, part_b = splat(_TINY), splat(_TINY), splat(_TINY)
    for axis in range(number):
        at, back = 3 * axis, 3 * (number + axis)
        cosine = dot(nx, ny, nz, broadcast(rays, at), broadcast(rays, at + 1), broadcast(rays, at + 2))
        size = absolute(cosine)
        free = load(sights, axis * count + start) * size
        r = where_less(cosine, _ZERO, broadcast(around, back), broadcast(around, at))
        g = where_less(cosine, _ZERO, broadcast(around, back + 1), broadcast(around, at + 1))
        b = where_less(cosine, _ZERO, broadcast(around, back + 2), broadcast(around, at + 2))
        whole_r, whole_g, whole_b = fused(size, r, whole_r), fused(size, g, whole_g), fused(size, b, whole_b)
        part_r, part_g, part_b = fused(free, r, part_r), fused(free, g, part_g), fused(free, b, part_b)
    return whole_r, whole_g, whole_b, part_r, part_g, part_b


@inlined
def reflected(part, before, cube, square, once):
    """What arrives where skin leaves ``part`` of the light that came ``before``, and reflects some of the rest."""
    free = minimum(part / before, _ONE)
    return before * maximum(free, ((free * cube + square) * free + once) * free)


@compiled
def vertex_light(points, sight, without, axes, radiance, irradiance, lamps, seen, answer):
    """Fill (V, 9) ``answer`` with the sky's share, a colour, and irradiance over pi from before and from behind.

    Args:
        points: (6, P) float32 places and normals, P a multiple of WIDTH and at least V.
        sight: (A, P) float32 of ``sight``; no rows where all of the sky is seen.
        without: the same without other hands, which reflect light; no rows where there are none.
        axes: (A, 3) float32 unit directions; radiance: (2 A, 3) that comes from these, and then from their opposites.
        irradiance: (48,) ``Received.irradiance``.
        lamps: flat float32 rows of LAMP_COLUMNS; seen: (L, P) float32 how far each is.
    """
    given, count = points.reshape(-1), points.shape[1]
    sights, shown, rays, around = sight.reshape(-1), seen.reshape(-1), axes.reshape(-1), radiance.reshape(-1)
    room, number, before_hands = np.empty(9 * WIDTH, np.float32), len(sight), without.reshape(-1)
    for start in range(0, count, WIDTH):
        x, y, z = load(given, start), load(given, count + start), load(given, 2 * count + start)
        nx, ny, nz = load(given, 3 * count + start), load(given, 4 * count + start), load(given, 5 * count + start)
        whole_r, whole_g, whole_b, part_r, part_g, part_b = arriving(
            sights, rays, around, nx, ny, nz, number, count, start
        )
        if len(without):
            _, _, _, r, g, b = arriving(before_hands, rays, around, nx, ny, nz, number, count, start)
            part_r, part_g, part_b = (
                reflected(part_r, r, _RED[0], _RED[1], _RED[2]), reflected(part_g, g, _GREEN[0], _GREEN[1], _GREEN[2]),
                reflected(part_b, b, _BLUE[0], _BLUE[1], _BLUE[2]),
            )  # fmt: skip
        share_r, share_g, share_b = part_r / whole_r, part_g / whole_g, part_b / whole_b
        before, behind = basis(nx, ny, nz), basis(splat(_ZERO) - nx, splat(_ZERO) - ny, splat(_ZERO) - nz)
        front_r, front_g, front_b = (
            summed(irradiance, 0, before, TERMS) * share_r, summed(irradiance, 1, before, TERMS) * share_g,
            summed(irradiance, 2, before, TERMS) * share_b,
        )  # fmt: skip
        back_r, back_g, back_b = (
            summed(irradiance, 0, behind, TERMS), summed(irradiance, 1, behind, TERMS),
            summed(irradiance, 2, behind, TERMS),
        )  # fmt: skip
        for lamp in range(len(lamps) // LAMP_COLUMNS):
            row = lamp * LAMP_COLUMNS
            lx, ly, lz, strength = lamp_at(lamps, row, x, y, z)
            strength = strength * _INVERSE_PI
            cosine = dot(lx, ly, lz, nx, ny, nz)
            front = wrapped_cosine(cosine, lamps[row + SINE]) * strength * load(shown, lamp * count + start)
            back = wrapped_cosine(splat(_ZERO) - cosine, lamps[row + SINE]) * strength
            r, g, b = (
                broadcast(lamps, row + COLOUR), broadcast(lamps, row + COLOUR + 1), broadcast(lamps, row + COLOUR + 2),
            )  # fmt: skip
            front_r, front_g, front_b = fused(front, r, front_r), fused(front, g, front_g), fused(front, b, front_b)
            back_r, back_g, back_b = fused(back, r, back_r), fused(back, g, back_g), fused(back, b, back_b)
        store(room, 0, share_r)
        store(room, WIDTH, share_g)
        store(room, 2 * WIDTH, share_b)
        store(room, 3 * WIDTH, front_r)
        store(room, 4 * WIDTH, front_g)
        store(room, 5 * WIDTH, front_b)
        store(room, 6 * WIDTH, back_r)
        store(room, 7 * WIDTH, back_g)
        store(room, 8 * WIDTH, back_b)
        for lane in range(min(WIDTH, len(answer) - start)):
            for column in range(9):
                answer[start + lane, column] = number_at(room, column * WIDTH + lane)


@compiled
def spread(first, other, share, values, answer):
    """answer[i] = sum of share[k] values[other[k]] for k from first[i] up to first[i + 1].

    Args:
        values, answer: flat float32, rows of WIDTH.
    """
    for vertex in range(len(first) - 1):
        total = splat(_ZERO)
        for k in range(first[vertex], first[vertex + 1]):
            total = fused(load(values, np.int64(other[k]) * WIDTH), share[k], total)
        store(answer, vertex * WIDTH, total)
