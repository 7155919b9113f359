"""Which triangles of the posed proxy are nearest to sixteen neighbouring points.

Triangles that were nearest close by are tried first; hardly anything else is then within reach. Whole groups of leaves
are ruled out by the distance of the points' middle, leaves point by point. Exact: no approximation is made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..compiling import inlined
from ..simd.lanes import (
    WIDTH,
    WIDTH_BITS,
    absolute,
    any_less,
    bits_less,
    largest,
    lowest_bit,
    maximum,
    splat,
    square_root,
)
from ..simd.memory import broadcast, load
from .proxy import BOX_COLUMNS, LEAF_SIZE, TRIANGLE_COLUMNS, PosedProxy
from .triangle import improve

_ZERO, _INFINITY = np.float32(0.0), np.float32(np.inf)

_ROUNDING = np.float32(1.0001)
"""What squared reaches are stretched by, so that rounding never rules out a triangle."""


class SearchMesh(NamedTuple):
    """The arrays of a ``PosedProxy`` that a search and its shading read."""

    triangles: np.ndarray
    shading: np.ndarray
    leaf_boxes: np.ndarray
    group_boxes: np.ndarray
    seams: np.ndarray
    centre: np.ndarray
    local: np.ndarray
    local_columns: int

    @classmethod
    def of(cls, proxy: PosedProxy) -> SearchMesh:
        """Those of a posed mesh."""
        boxes = (proxy.leaf_boxes, proxy.group_boxes)
        return cls(
            proxy.triangles, proxy.shading, *boxes, proxy.topology.seams, proxy.centre, proxy.local, proxy.local_columns
        )


class SearchScratch(NamedTuple):
    """Room for the searches of one thread.

    Attributes:
        rays: eight numbers of sixteen rays side by side; means: of each number.
        places: sixteen; answer: six numbers of sixteen points, and those of the local pose.
        winners, first_winners: int32 places that were nearest lately, and at the first sample.
        groups, leaves: int32, lists of all there are.
    """

    rays: np.ndarray
    means: np.ndarray
    places: np.ndarray
    answer: np.ndarray
    winners: np.ndarray
    first_winners: np.ndarray
    groups: np.ndarray
    leaves: np.ndarray

    @classmethod
    def of(cls, proxy: PosedProxy) -> SearchScratch:
        """For a posed mesh."""
        numbers = [np.zeros(size, np.float32) for size in (8 * WIDTH, 8, WIDTH, (6 + proxy.local_columns) * WIDTH)]
        lists = (WIDTH, WIDTH, len(proxy.group_boxes) // 6, len(proxy.leaf_boxes) // 6)
        return cls(*numbers, *(np.zeros(size, np.int32) for size in lists))


@inlined
def _list_boxes(
    x: Any, y: Any, z: Any, reach: Any, boxes: np.ndarray, part: int, answer: np.ndarray, count: int
) -> int:
    """Append those of a point's sixteen boxes that are within its squared reach; returns the new length."""
    first = BOX_COLUMNS * part
    dx = maximum(absolute(x - load(boxes, first)) - load(boxes, first + 3 * WIDTH), _ZERO)
    dy = maximum(absolute(y - load(boxes, first + WIDTH)) - load(boxes, first + 4 * WIDTH), _ZERO)
    dz = maximum(absolute(z - load(boxes, first + 2 * WIDTH)) - load(boxes, first + 5 * WIDTH), _ZERO)
    bits = bits_less(dx * dx + (dy * dy + dz * dz), reach)
    while bits != 0:
        answer[count] = WIDTH * part + lowest_bit(bits)
        bits &= bits - 1
        count += 1
    return count


@inlined
def _list_leaves(middle: Any, reach: Any, mesh: SearchMesh, scratch: SearchScratch) -> int:
    """List the leaves within the squared reach of a point; returns how many."""
    x, y, z = splat(middle[0]), splat(middle[1]), splat(middle[2])
    count = 0
    for block in range(len(mesh.group_boxes) // BOX_COLUMNS):
        count = _list_boxes(x, y, z, reach, mesh.group_boxes, block, scratch.groups, count)
    number = 0
    for i in range(count):
        number = _list_boxes(x, y, z, reach, mesh.leaf_boxes, scratch.groups[i], scratch.leaves, number)
    return number


@inlined
def _outside(x: Any, boxes: np.ndarray, first: int) -> Any:
    """How far sixteen points lie outside a box along one axis."""
    return maximum(absolute(x - broadcast(boxes, first)) - broadcast(boxes, first + 3 * WIDTH), _ZERO)


@inlined
def _keep_leaves(px: Any, py: Any, pz: Any, best: Any, leaf_boxes: np.ndarray, leaves: np.ndarray, number: int) -> int:
    """Keep the leaves that may hold something nearer for any of sixteen points; returns how many."""
    kept = 0
    for i in range(number):
        leaf = leaves[i]
        # Shifts, since division of numbers that might be negative takes longer than the test.
        box = BOX_COLUMNS * (leaf >> WIDTH_BITS) + (leaf & (WIDTH - 1))
        dx = _outside(px, leaf_boxes, box)
        dy = _outside(py, leaf_boxes, box + WIDTH)
        dz = _outside(pz, leaf_boxes, box + 2 * WIDTH)
        # Written always, counted when it counts: a branch here would be guessed wrong half of the time.
        leaves[kept] = leaf
        kept += any_less(dx * dx + (dy * dy + dz * dz), best)
    return kept


@inlined
def search(px: Any, py: Any, pz: Any, middle: Any, mesh: SearchMesh, scratch: SearchScratch, winners: int) -> Any:
    """Squared distances of sixteen points to the mesh, and the places of the nearest triangles, both in lanes.

    Args:
        px, py, pz: the points.
        middle: any point near them.
        mesh: what is searched.
        scratch: room, in which the first ``winners`` places to try are listed, at least one.
    """
    best, place = splat(_INFINITY), splat(_ZERO)
    for i in range(winners):
        best, place = improve(px, py, pz, mesh.triangles, scratch.winners[i] * TRIANGLE_COLUMNS, best, place)
    dx, dy, dz = px - middle[0], py - middle[1], pz - middle[2]
    reach = largest(square_root(best) + square_root(dx * dx + (dy * dy + dz * dz)))
    number = _list_leaves(middle, reach * reach * _ROUNDING, mesh, scratch)
    for i in range(_keep_leaves(px, py, pz, best, mesh.leaf_boxes, scratch.leaves, number)):
        first = scratch.leaves[i] * (LEAF_SIZE * TRIANGLE_COLUMNS)
        for member in range(LEAF_SIZE):
            best, place = improve(px, py, pz, mesh.triangles, first + member * TRIANGLE_COLUMNS, best, place)
    return best, place
