"""Samples where the surface is: rays are traced to the layer that holds an avatar's skin, and cross it in few steps.

Sixteen neighbouring rays go at once, each at its own pace, as in ``nearest``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import compiled_bare
from ..simd.lanes import (
    WIDTH,
    absolute,
    bits_less,
    maximum,
    splat,
    square_root,
    where_equal,
    where_less,
)
from ..simd.memory import load, store
from .nearest import DISTANCE_EPSILON, SearchRays, gather_rays, mix_local, next_winner
from .proxy import (
    CORNERS,
    SEAM_COLUMNS,
    SHADING_COLUMNS,
    TRIANGLE_COLUMNS,
    UV,
    VERTEX_NORMALS,
    PosedProxy,
    ProxyTopology,
)
from .search import SearchMesh, SearchScratch, search
from .triangle import closest_barycentric, mix, seam_coordinate, signed_side

TOLERANCE = np.float32(1e-4)
"""Metres in front of the layer at which samples still belong to it."""

ENTRY = np.float32(1.0 / 3.0)
"""How near a ray comes, in thicknesses of the layer, before its first interval begins where the layer would if the skin
were flat."""

STEEPEST = np.float32(0.25)
"""Cosine between ray and normal under which steps in the layer become no longer."""

NEARBY = np.float32(1.0)
"""How near a ray comes, in thicknesses of the layer, before it takes the skin for flat and steps farther than the
distance to the layer."""

RELAXED = np.float32(0.5)
"""The same cosine for these steps: they are up to twice the distance."""

MOST_PARTS = 4
"""A ray's samples at most, in crossings of the layer."""

MOST_QUERIES = 64
"""Nearest points that a ray asks for at most."""

LEVEL_COLUMNS = 6
"""Numbers a triangle: where the layer begins over its corners, and how thick it is there."""

_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_ALL_LANES = (1 << WIDTH) - 1


class Trace(NamedTuple):
    """How far R rays are.

    Attributes:
        depth: (R,) float32, where the next interval begins, or where the ray looks for the layer from.
        ahead: (R,) float32, length of that interval in units of depth; 0 outside the layer.
        asked: (R,) int32, nearest points asked for.
    """

    depth: np.ndarray
    ahead: np.ndarray
    asked: np.ndarray

    @classmethod
    def from_near(cls, near: np.ndarray) -> Trace:
        """At the beginning of rays."""
        return cls(np.array(near, np.float32), np.zeros(len(near), np.float32), np.zeros(len(near), np.int32))

    def of(self, rays: np.ndarray) -> Trace:
        """Of some of the rays."""
        return Trace(*(values[rays] for values in self))

    def take(self, rays: np.ndarray, part: Trace) -> None:
        """What :meth:`of` gave, gone on."""
        for values, new in zip(self, part, strict=True):
            values[rays] = new

    def going(self, far: np.ndarray) -> np.ndarray:
        """(R,) bool: rays that have not come to their ends at ``far`` (R,)."""
        answer: np.ndarray = (self.depth <= far) & (self.asked < MOST_QUERIES)
        return answer


class Placed(NamedTuple):
    """Samples of R rays, S places each, of which the first ``taken`` are filled.

    Attributes:
        coordinates: (R, S, 3, 6 or 6 + L) float32 canonical coordinates, normals, the proxy's local pose.
        depths: (R, S) float32.
        intervals: (R, S) float32, the length that each stands for, in units of depth.
        taken: (R,) int32.
    """

    coordinates: np.ndarray
    depths: np.ndarray
    intervals: np.ndarray
    taken: np.ndarray

    @classmethod
    def room(cls, rays: int, samples: int, columns: int) -> Placed:
        """For so many rays."""
        numbers = [
            np.zeros(shape, np.float32) for shape in ((rays, samples, columns), (rays, samples), (rays, samples))
        ]
        return cls(*numbers, np.zeros(rays, np.int32))


def corner_rows(values: np.ndarray, topology: ProxyTopology) -> np.ndarray:
    """(V, C) values of vertices -> flat float32 rows of 3 C, leaf after leaf, filled up: each value at the three
    corners of a triangle side by side. Of an avatar's levels, two numbers, they are six."""
    columns = 3 * values.shape[1]
    rows = np.zeros((len(topology.seams) // SEAM_COLUMNS, columns), np.float32)
    rows[: len(topology.order)] = values[topology.faces[topology.order]].transpose(0, 2, 1).reshape(-1, columns)
    return rows.reshape(-1)


def place_samples(
    proxy: PosedProxy,
    levels: np.ndarray,
    origins: np.ndarray,
    directions: np.ndarray,
    lengths: np.ndarray,
    far: np.ndarray,
    trace: Trace,
    parts: int,
    pseudo_normal: bool,
    placed: Placed,
    start: int,
    stop: int,
    jitter: np.ndarray | None = None,
) -> None:
    """The next samples of rays [start, stop), docs/method.md 1.4. Safe to call from several threads.

    Args:
        proxy: the posed mesh.
        levels: see :func:`corner_rows`.
        origins, directions: see ``nearest.ray_coordinates``.
        lengths: (R,) float32 norms of the directions.
        far: (R,) float32 where rays end.
        trace: how far the rays are; goes on with them.
        parts: samples of a straight crossing of the layer.
        pseudo_normal: see ``nearest.ray_coordinates``.
        placed: written, as many samples as it has room for.
        start, stop: which rays.
        jitter: (R, S) float32 in [0, 1), where in its interval each sample lies; None for the middle.
    """
    origins = np.ascontiguousarray(origins, dtype=np.float32).reshape(-1, 3)
    shifts = np.zeros((0, 0), np.float32) if jitter is None else jitter
    many = SearchRays(origins, directions, trace.depth, lengths)
    mesh, scratch = SearchMesh.of(proxy), SearchScratch.of(proxy)
    part, pace = np.float32(1.0 / parts), np.zeros(4 * WIDTH, np.float32)
    _place(mesh, many, scratch, levels, lengths, far, trace, part, pseudo_normal, placed, shifts, pace, start, stop)


@compiled_bare
def _place(mesh, many, scratch, levels, lengths, far, trace, part, pseudo_normal, placed, jitter, pace, start, stop):
    """:func:`place_samples`, with its room; ``pace`` is of four numbers a lane: see where it is filled."""
    rays, means, answer, shading, seams = scratch.rays, scratch.means, scratch.answer, mesh.shading, mesh.seams
    places, winners, taken = scratch.places, scratch.winners, placed.taken
    columns, room = placed.coordinates.shape[2], placed.coordinates.shape[1]
    first_count = 1
    for first in range(start, stop, WIDTH):
        count_of_lanes = min(WIDTH, stop - first)
        # In place of near and far: where the ray is, and its length.
        gather_rays(mesh, many, first, stop, scratch)
        inverse = _ONE / load(rays, 7 * WIDTH)
        dx, dy, dz = load(rays, 3 * WIDTH), load(rays, 4 * WIDTH), load(rays, 5 * WIDTH)
        going = 0
        for lane in range(WIDTH):
            ray = min(first + lane, stop - 1)
            pace[lane], pace[WIDTH + lane] = trace.depth[ray], trace.ahead[ray]
            taken[ray] = 0
            if lane < count_of_lanes and trace.depth[ray] <= far[ray] and trace.asked[ray] < MOST_QUERIES:
                going |= 1 << lane
        count = first_count
        for i in range(count):
            winners[i] = scratch.first_winners[i]
        fresh = True
        while going != 0:
            mean = _ZERO
            for lane in range(WIDTH):
                share = _HALF
                if len(jitter) and lane < count_of_lanes and taken[first + lane] < room:
                    share = jitter[first + lane, taken[first + lane]]
                pace[2 * WIDTH + lane] = pace[lane] + share * pace[WIDTH + lane]
                mean += pace[2 * WIDTH + lane] * np.float32(1.0 / WIDTH)
            t, ahead = load(pace, 2 * WIDTH), load(pace, WIDTH)
            px = load(rays, 0) + dx * t
            py = load(rays, WIDTH) + dy * t
            pz = load(rays, 2 * WIDTH) + dz * t
            middle = (means[0] + means[3] * mean, means[1] + means[4] * mean, means[2] + means[5] * mean)
            best, place = search(px, py, pz, middle, mesh, scratch, count)

            store(places, 0, place)
            u, v, side = splat(_ZERO), splat(_ZERO), splat(_ZERO)
            nx, ny, nz = splat(_ZERO), splat(_ZERO), splat(_ZERO)
            outer, thick = splat(_ZERO), splat(_ZERO)
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
                level = winner * LEVEL_COLUMNS
                u, v = where_equal(place, number, own_u, u), where_equal(place, number, own_v, v)
                side = where_equal(place, number, own_side, side)
                nx = where_equal(place, number, mix(weights, shading, row + VERTEX_NORMALS, 3), nx)
                ny = where_equal(place, number, mix(weights, shading, row + VERTEX_NORMALS + 1, 3), ny)
                nz = where_equal(place, number, mix(weights, shading, row + VERTEX_NORMALS + 2, 3), nz)
                outer = where_equal(place, number, mix(weights, levels, level, 1), outer)
                thick = where_equal(place, number, mix(weights, levels, level + 3, 1), thick)
                mix_local(mesh, answer, weights, place, number, winner)
            if fresh:
                first_count, fresh = count, False
                for i in range(count):
                    scratch.first_winners[i] = winners[i]

            distance = square_root(best + DISTANCE_EPSILON)
            distance = where_less(_ZERO, side, distance, where_less(side, _ZERO, -_ONE * distance, _ZERO))
            scale = _ONE / maximum(square_root(nx * nx + (ny * ny + nz * nz)), np.float32(1e-12))
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            facing = absolute(nx * dx + (ny * dy + nz * dz)) * inverse
            onward = thick * part * inverse / maximum(facing, STEEPEST)
            gap = distance - outer
            within = bits_less(gap, TOLERANCE) & bits_less(_ZERO, ahead)
            reached = bits_less(gap, thick * ENTRY)
            slope = where_less(gap, thick * NEARBY, maximum(facing, RELAXED), _ONE)
            towards = maximum(gap, _ZERO) / slope * inverse
            store(answer, 0, u)
            store(answer, WIDTH, v)
            store(answer, 2 * WIDTH, distance)
            store(answer, 3 * WIDTH, nx)
            store(answer, 4 * WIDTH, ny)
            store(answer, 5 * WIDTH, nz)
            store(places, 0, onward)
            store(pace, 3 * WIDTH, towards)
            for lane in range(count_of_lanes):
                bit = 1 << lane
                if going & bit == 0:
                    continue
                ray = first + lane
                if within & bit:
                    number_taken = taken[ray]
                    for column in range(columns):
                        placed.coordinates[ray, number_taken, column] = answer[column * WIDTH + lane]
                    placed.depths[ray, number_taken] = pace[2 * WIDTH + lane]
                    placed.intervals[ray, number_taken] = pace[WIDTH + lane]
                    taken[ray] = number_taken + 1
                    pace[lane] += pace[WIDTH + lane]
                    pace[WIDTH + lane] = places[lane]
                else:
                    pace[lane] = pace[2 * WIDTH + lane] + pace[3 * WIDTH + lane]
                    pace[WIDTH + lane] = places[lane] if reached & bit else _ZERO
                trace.asked[ray] += 1
                if taken[ray] == room or pace[lane] > far[ray] or trace.asked[ray] == MOST_QUERIES:
                    going &= ~bit
        for lane in range(count_of_lanes):
            trace.depth[first + lane], trace.ahead[first + lane] = pace[lane], pace[WIDTH + lane]
