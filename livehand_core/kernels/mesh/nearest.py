"""Nearest points on the posed proxy mesh, sixteen queries at once, and what the field is told about them.

The sixteen are the same sample of sixteen neighbouring rays; what was nearest to them a sample nearer to the camera is
what the search tries first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import compiled_bare, inlined
from ..simd.lanes import WIDTH, bits_equal, lowest_bit, maximum, splat, square_root, where_equal, where_less
from ..simd.memory import load, store
from .proxy import CORNERS, SEAM_COLUMNS, SHADING_COLUMNS, TRIANGLE_COLUMNS, UV, VERTEX_NORMALS, PosedProxy
from .search import SearchMesh, SearchScratch, search
from .triangle import closest_barycentric, mix, seam_coordinate, signed_side

DISTANCE_EPSILON = np.float32(1e-8)
"""Square metres added under the root of the distance, which therefore never falls below 0.1 mm."""

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_ALL_LANES = (1 << WIDTH) - 1


class SearchRays(NamedTuple):
    """Rays as :func:`ray_coordinates` takes them."""

    origins: np.ndarray
    directions: np.ndarray
    near: np.ndarray
    far: np.ndarray


class _Nearest(NamedTuple):
    """What :func:`nearest_points` answers."""

    face: np.ndarray
    barycentric: np.ndarray
    closest: np.ndarray


def ray_coordinates(
    proxy: PosedProxy,
    origins: np.ndarray,
    directions: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    samples: int,
    pseudo_normal: bool,
    with_normals: bool,
    out: np.ndarray,
    start: int,
    stop: int,
    first: int = 0,
) -> None:
    """Texture-cube coordinates of the samples of rays, docs/method.md 1.4 and 1.5. Safe to call from several threads.

    Fastest when sixteen consecutive rays lie close together: see ``rays.valid_pixels``.

    Args:
        proxy: the posed mesh.
        origins: (3,), (1, 3) or (R, 3) float32, metres.
        directions: (R, 3) float32.
        near, far: (R,) float32, bounds in units of ``directions``.
        samples: S samples a ray, evenly spaced, ends included; at least 1.
        pseudo_normal: whether the sign of d follows the pseudo-normal; else the nearest face's normal.
        with_normals: whether the surface's smooth normal follows u, v, d, and the proxy's local pose behind it.
        out: (R, n, 3 or 6 + L) float32, written for rays [start, stop) and samples [first, first + n).
        start, stop, first: see ``out``.
    """
    origins = np.ascontiguousarray(origins, dtype=np.float32).reshape(-1, 3)
    rays = SearchRays(origins, directions, near, far)
    mesh, scratch = SearchMesh.of(proxy), SearchScratch.of(proxy)
    _fill_coordinates(mesh, rays, scratch, samples, pseudo_normal, with_normals, out, start, stop, first)


def nearest_points(proxy: PosedProxy, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest point on the mesh to each of (N, 3) points; fastest when consecutive points are neighbours.

    Returns:
        face (N,) int32 in the model's order, barycentric (N, 3) float32 with none negative, closest (N, 3) float32.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    face = np.empty(len(points), np.int32)
    barycentric, closest = np.empty((len(points), 3), np.float32), np.empty((len(points), 3), np.float32)
    found = _Nearest(face, barycentric, closest)
    _fill_nearest(SearchMesh.of(proxy), SearchScratch.of(proxy), proxy.topology.order, points, found)
    return face, barycentric, closest


@inlined
def gather_rays(mesh, many, first, stop, scratch):
    """Sixteen rays side by side, the last one repeated: origin from the centre, direction, near, far; and the means."""
    rays, means = scratch.rays, scratch.means
    means[:] = _ZERO
    for lane in range(WIDTH):
        ray = min(first + lane, stop - 1)
        origin = ray if len(many.origins) > 1 else 0
        for axis in range(3):
            rays[axis * WIDTH + lane] = many.origins[origin, axis] - mesh.centre[axis]
            rays[(3 + axis) * WIDTH + lane] = many.directions[ray, axis]
        rays[6 * WIDTH + lane], rays[7 * WIDTH + lane] = many.near[ray], many.far[ray]
        for value in range(8):
            means[value] += rays[value * WIDTH + lane] * np.float32(1.0 / WIDTH)


@inlined
def next_winner(place, remaining, scratch, count):
    """The place of the lowest lane that remains, listed among the winners, and the lanes that remain without it."""
    number = scratch.places[lowest_bit(remaining)]
    scratch.winners[count] = np.int64(number)
    return number, remaining & ~bits_equal(place, number)


@inlined
def mix_local(mesh, answer, weights, place, number, winner):
    """The local pose of those of sixteen points whose triangle is ``winner``, in the answer behind six numbers."""
    columns = mesh.local_columns
    for column in range(columns):
        own = mix(weights, mesh.local, (winner * columns + column) * 3, 1)
        at = (6 + column) * WIDTH
        store(answer, at, where_equal(place, number, own, load(answer, at)))


@compiled_bare
def _fill_coordinates(mesh, many, scratch, samples, pseudo_normal, with_normals, out, start, stop, first_sample):
    """:func:`ray_coordinates`, with its room."""
    rays, means, answer, shading, seams = scratch.rays, scratch.means, scratch.answer, mesh.shading, mesh.seams
    columns = 6 + mesh.local_columns if with_normals else 3
    first_count = 1
    for first in range(start, stop, WIDTH):
        gather_rays(mesh, many, first, stop, scratch)
        count = first_count
        for i in range(count):
            scratch.winners[i] = scratch.first_winners[i]
        for index in range(out.shape[1]):
            fraction = np.float32(first_sample + index) / np.float32(max(samples - 1, 1))
            t = load(rays, 6 * WIDTH) * (_ONE - fraction) + load(rays, 7 * WIDTH) * fraction
            px = load(rays, 0) + load(rays, 3 * WIDTH) * t
            py = load(rays, WIDTH) + load(rays, 4 * WIDTH) * t
            pz = load(rays, 2 * WIDTH) + load(rays, 5 * WIDTH) * t
            mean = means[6] * (_ONE - fraction) + means[7] * fraction
            middle = (means[0] + means[3] * mean, means[1] + means[4] * mean, means[2] + means[5] * mean)
            best, place = search(px, py, pz, middle, mesh, scratch, count)

            store(scratch.places, 0, place)
            u, v, side = splat(_ZERO), splat(_ZERO), splat(_ZERO)
            nx, ny, nz = splat(_ZERO), splat(_ZERO), splat(_ZERO)
            remaining, count = _ALL_LANES, 0
            while remaining != 0:
                number, remaining = next_winner(place, remaining, scratch, count)
                winner, count = np.int64(number), count + 1
                row = winner * SHADING_COLUMNS
                weights = closest_barycentric(px, py, pz, mesh.triangles, winner * TRIANGLE_COLUMNS)
                x = px - mix(weights, shading, row + CORNERS, 3)
                y = py - mix(weights, shading, row + CORNERS + 1, 3)
                z = pz - mix(weights, shading, row + CORNERS + 2, 3)
                own_side = signed_side(x, y, z, weights, shading, row, pseudo_normal)
                own_u, own_v = mix(weights, shading, row + UV, 2), mix(weights, shading, row + UV + 1, 2)
                seam = winner * SEAM_COLUMNS
                if seams[seam] != _ZERO:
                    own_u = seam_coordinate(weights, seams, seam, 0, own_u)
                    own_v = seam_coordinate(weights, seams, seam, 1, own_v)
                u, v = where_equal(place, number, own_u, u), where_equal(place, number, own_v, v)
                side = where_equal(place, number, own_side, side)
                if with_normals:
                    mix_local(mesh, answer, weights, place, number, winner)
                    nx = where_equal(place, number, mix(weights, shading, row + VERTEX_NORMALS, 3), nx)
                    ny = where_equal(place, number, mix(weights, shading, row + VERTEX_NORMALS + 1, 3), ny)
                    nz = where_equal(place, number, mix(weights, shading, row + VERTEX_NORMALS + 2, 3), nz)
            if index == 0:
                first_count = count
                for i in range(count):
                    scratch.first_winners[i] = scratch.winners[i]

            distance = square_root(best + DISTANCE_EPSILON)
            store(answer, 0, u)
            store(answer, WIDTH, v)
            store(
                answer, 2 * WIDTH, where_less(_ZERO, side, distance, where_less(side, _ZERO, -_ONE * distance, _ZERO))
            )
            if with_normals:
                length = maximum(square_root(nx * nx + (ny * ny + nz * nz)), np.float32(1e-12))
                store(answer, 3 * WIDTH, nx / length)
                store(answer, 4 * WIDTH, ny / length)
                store(answer, 5 * WIDTH, nz / length)
            for lane in range(min(WIDTH, stop - first)):
                for column in range(columns):
                    out[first + lane, index, column] = answer[column * WIDTH + lane]


@compiled_bare
def _fill_nearest(mesh, scratch, order, points, found):
    """:func:`nearest_points`, with its room."""
    rays, means, answer, centre = scratch.rays, scratch.means, scratch.answer, mesh.centre
    count = 1
    for first in range(0, len(points), WIDTH):
        many = min(WIDTH, len(points) - first)
        means[:] = _ZERO
        for lane in range(WIDTH):
            for axis in range(3):
                value = points[first + min(lane, many - 1), axis] - centre[axis]
                rays[axis * WIDTH + lane] = value
                means[axis] += value * np.float32(1.0 / WIDTH)
        px, py, pz = load(rays, 0), load(rays, WIDTH), load(rays, 2 * WIDTH)
        middle = (means[0], means[1], means[2])
        _, place = search(px, py, pz, middle, mesh, scratch, count)
        store(scratch.places, 0, place)
        a, b, c = splat(_ZERO), splat(_ZERO), splat(_ZERO)
        remaining, count = _ALL_LANES, 0
        while remaining != 0:
            number, remaining = next_winner(place, remaining, scratch, count)
            winner, count = np.int64(number), count + 1
            weights = closest_barycentric(px, py, pz, mesh.triangles, winner * TRIANGLE_COLUMNS)
            a = where_equal(place, number, weights[0], a)
            b = where_equal(place, number, weights[1], b)
            c = where_equal(place, number, weights[2], c)
        store(answer, 0, a)
        store(answer, WIDTH, b)
        store(answer, 2 * WIDTH, c)
        for lane in range(many):
            place_of = np.int64(scratch.places[lane])
            found.face[first + lane] = order[place_of] if place_of < len(order) else 0
            row = place_of * SHADING_COLUMNS + CORNERS
            for axis in range(3):
                found.barycentric[first + lane, axis] = answer[axis * WIDTH + lane]
                value = centre[axis]
                for corner in range(3):
                    value += answer[corner * WIDTH + lane] * mesh.shading[row + 3 * corner + axis]
                found.closest[first + lane, axis] = value
